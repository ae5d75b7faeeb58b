package supervisor

import "errors"

var (
	// ErrStashFull is Stash's error when as many messages as MailboxSpec.Stash
	// says are stashed, or put back and not handled yet.
	ErrStashFull = errors.New("the actor's stash is full")

	errNoMessage = errors.New("there is no message to stash: none is being handled")
)

// stash is what an actor put aside. Memory is used only while there is something
// in it.
type stash struct {
	kept  ring[item]
	front ring[item] // put back: goes before everything but signals
}

// Stash keeps the message being handled for later, with its asker, who goes on
// waiting. Called twice for a message it keeps it once. Ticks, results of
// workers and Answers can be kept too; what is cancelled meanwhile
// (CancelTimer, EnterState, Demonitor) does not come back. What is kept when this life ends becomes
// dead letters, its askers get ErrStopped. ErrStashFull: the stash is full.
func (c *Context) Stash() error {
	switch {
	case c.msg == nil:
		return errNoMessage
	case c.stashed:
		return nil
	}
	it := item{msg: c.msg, ours: c.sh.box.ours}
	if c.current != nil {
		it.msg = c.current
	}
	if t, ok := c.msg.(*timer); ok {
		it.msg = &keptTick{t, Tick{t.key, int(t.missed)}}
	}
	if err := c.sh.box.keep(it); err != nil {
		return err
	}
	if m, ok := c.msg.(*monitor); ok {
		c.sh.keepMonitor(m) // Demonitor still takes it away
	}
	c.stashed, c.taken = true, true
	return nil
}

// Unstash puts all that is stashed back, in its order, before everything that
// waits in the mailbox, so that the order of each sender is kept. It returns how
// many that were. They count against the stash's limit until they are handled.
func (c *Context) Unstash() int { return c.sh.box.unstash() }

// keptTick is a tick in the stash. It goes when its timer would go if it were
// still armed.
type keptTick struct {
	timer *timer
	tick  Tick
}

// drop takes out the ticks of the timers that match.
func (s *stash) drop(match func(*timer) bool) (dropped int) {
	if s == nil {
		return 0
	}
	for _, q := range []*ring[item]{&s.kept, &s.front} {
		for i := q.len - 1; i >= 0; i-- {
			if k, ok := q.at(i).msg.(*keptTick); ok && match(k.timer) {
				q.removeAt(i)
				dropped++
			}
		}
	}
	return dropped
}

func (m *mailbox) keep(it item) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrFenced // only an abandoned life handles messages after its mailbox closed
	}
	if m.stash == nil {
		m.stash = &stash{}
	}
	if s := m.stash; int(s.kept.len+s.front.len) >= orDefault(m.node.spec.Mailbox.Stash, defaultStash) {
		return ErrStashFull
	}
	m.stash.kept.push(it)
	return nil
}

func (m *mailbox) unstash() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stash
	if s == nil {
		return 0
	}
	n := int(s.kept.len)
	for it, ok := s.front.pop(); ok; it, ok = s.front.pop() {
		s.kept.push(it)
	}
	s.front, s.kept = s.kept, s.front
	m.hurry()
	return n
}

// unstashed takes the oldest that was put back.
func (m *mailbox) unstashed() (it item, ok bool) {
	s := m.stash
	if s == nil {
		return item{}, false
	}
	it, ok = s.front.pop()
	if s.front.len+s.kept.len == 0 {
		m.stash = nil
	}
	return it, ok
}
