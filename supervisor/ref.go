package supervisor

import (
	"sync"
	"time"
)

// Ref is the address of a place in the tree. It stays valid over restarts: a
// message goes to whoever lives there now. The zero Ref is nobody. Safe for
// concurrent use.
type Ref struct{ n *node }

// Path is where the actor is in the tree, "" for nobody.
func (r Ref) Path() string {
	if r.n == nil {
		return ""
	}
	return r.n.path
}

// Valid reports whether the Ref is a place in a tree.
func (r Ref) Valid() bool { return r.n != nil }

// Send queues a message and says what became of it. It never blocks. From
// inside an actor use Context.Send, and from its workers its Sender: an abandoned
// life can no longer use them, but this reaches its successor.
func (r Ref) Send(msg any) Delivery {
	if r.n == nil {
		return Down
	}
	box := r.n.box.Load()
	if box == nil {
		return Down
	}
	return box.post(msg)
}

// Ask sends a message and waits for the answer, at most limit on the system's
// clock. It must not be called from inside an actor. The errors are ErrDown,
// ErrRefused (also when a newer message took its place in the mailbox),
// ErrStopped (the actor's life ended before it answered; ErrRestarted, which is
// one, if another follows) and ErrNoAnswer (too late, or the actor handled the
// message and did not answer).
func (r Ref) Ask(msg any, limit time.Duration) (any, error) {
	if r.n == nil {
		return nil, ErrDown
	}
	s := slots.Get().(*slot)
	c := &call{msg: msg, to: ReplyTo{slot: s, generation: s.open()}}
	switch r.Send(c) {
	case Down:
		c.to.answer(nil, ErrDown)
	case Refused:
		c.to.answer(nil, ErrRefused)
	}
	if !r.n.sys.exec.Wait(s.done, limit) && s.revoke(c.to.generation) {
		slots.Put(s)
		return nil, ErrNoAnswer
	} else if s.late {
		<-s.done // answered between the time-out and the revocation
	}
	value, err := s.value, s.err
	s.value, s.err, s.late = nil, nil, false
	slots.Put(s)
	return value, err
}

// call is a message whose sender waits.
type call struct {
	msg any
	to  ReplyTo
}

// fail tells the asker, if there is a call at all.
func (c *call) fail(err error) {
	if c != nil {
		c.to.answer(nil, err)
	}
}

func unwrapCall(msg any) any {
	if c, ok := msg.(*call); ok {
		return c.msg
	}
	return msg
}

// slot is where one answer is waited for. Slots are reused; the generation
// keeps a late answer to an earlier ask out.
type slot struct {
	mu         sync.Mutex
	generation uint64
	live       bool
	late       bool
	done       chan struct{}
	value      any
	err        error
}

var slots = sync.Pool{New: func() any { return &slot{done: make(chan struct{}, 1)} }}

func (s *slot) open() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	s.live = true
	return s.generation
}

// revoke ends the wait. False: the answer came first and is in done.
func (s *slot) revoke(generation uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live && s.generation == generation {
		s.live = false
		return true
	}
	s.late = true
	return false
}

// ReplyTo is where the answer to an ask goes. It can be kept and used later,
// once, also by a worker: it is safe for concurrent use. It answers nobody when it
// is the zero value, or when the life that was asked is over.
type ReplyTo struct {
	slot       *slot // of an ask from outside
	generation uint64
	ask        *ask   // from inside an actor
	asked      *shell // the life that took it; nil for the runtime itself
}

// Valid reports whether somebody asked.
func (r ReplyTo) Valid() bool { return r.slot != nil || r.ask != nil }

// Reply answers and reports whether the asker still waited.
func (r ReplyTo) Reply(value any) bool { return r.answer(value, nil) }

// Fail answers with an error.
func (r ReplyTo) Fail(err error) bool { return r.answer(nil, err) }

func (r ReplyTo) answer(value any, err error) bool {
	switch {
	case r.asked != nil && r.asked.fenced.Load():
		return false
	case r.ask != nil:
		return r.ask.answer(value, err)
	case r.slot != nil:
		return r.slot.answer(r.generation, value, err)
	}
	return false
}

// open reports whether somebody still waits.
func (r ReplyTo) open() bool {
	if r.ask != nil {
		return !r.ask.done.Load()
	}
	r.slot.mu.Lock()
	defer r.slot.mu.Unlock()
	return r.slot.live && r.slot.generation == r.generation
}

func (s *slot) answer(generation uint64, value any, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live || s.generation != generation {
		return false
	}
	s.live = false
	s.value, s.err = value, err
	s.done <- struct{}{}
	return true
}
