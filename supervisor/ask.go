package supervisor

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"
)

// maxAsks is how many asks of one life may be open.
const maxAsks = 1024

// ErrAsks is Context.Ask's error when 1,024 asks of this life wait for their
// Answer to come or to be handled.
var ErrAsks = errors.New("too many asks wait for an answer")

// Answer is delivered once for each Context.Ask that returned nil. The errors
// are those of Ref.Ask.
type Answer struct {
	Tag   any // the asker's own word for the question
	Value any
	Err   error
}

// Ask sends a message to another actor, or to the actor itself, and goes on. One
// Answer with this tag comes back as a message: what was replied, or an error,
// also when nobody lives there, the mailbox is full, the asked life ends first,
// or nothing was replied within limit on the system's clock (Infinity: no
// limit). An Answer keeps its place behind what the answering actor sent before;
// a full mailbox does not refuse it. Asks end with the life that asked: no
// Answer comes to a later one.
//
// ErrAsks, ErrFenced (this life was abandoned) and ErrStopped (it has ended):
// nothing was sent and no Answer comes.
func (c *Context) Ask(to Ref, msg any, limit time.Duration, tag any) error {
	a := &ask{asker: c.sh.box, tag: tag}
	a.msg, a.to.ask = msg, a
	if err := c.sh.open(a, limit); err != nil {
		return err
	}
	switch to.Send(&a.call) {
	case Down:
		a.answer(nil, ErrDown)
	case Refused:
		a.answer(nil, ErrRefused)
	}
	return nil
}

// ask is an ask from inside an actor: the question, its entry in the asker's
// list, and then the answer, all in one piece of memory. It is not reused, so
// a late answer harms nobody.
type ask struct {
	call
	asker      *mailbox
	tag        any
	prev, next *ask        // in the asker's list,
	due        time.Time   // in the order of asking; zero: never
	done       atomic.Bool // set under the asker's lock, like the list
	value      any
	err        error
}

// asks is what one life asked and was not answered yet, and what it owes. One timer serves them
// all. It is armed for a due time not after the earliest, and stays armed when
// that ask is answered: the next one will need it.
type asks struct {
	first, last *ask
	open        int // also those whose Answer was not handled yet; the turn's own
	due         time.Time
	stop        func() bool // nil: not armed
	generation  uint64
	taken       []ReplyTo // what it was asked, and took the address of
}

// open enters an ask into the list.
func (sh *shell) open(a *ask, limit time.Duration) error {
	m := sh.box
	if limit != Infinity {
		a.due = sh.sys.exec.Now().Add(max(limit, 0))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case sh.fenced.Load():
		return ErrFenced
	case m.closed:
		return ErrStopped
	case m.asks == nil:
		m.asks = &asks{}
	case m.asks.open >= maxAsks:
		return ErrAsks
	}
	m.asks.open++
	m.asks.add(a)
	if !a.due.IsZero() && (m.asks.stop == nil || a.due.Before(m.asks.due)) {
		m.stopAskTimer()
		m.startAskTimer(a.due, limit)
	}
	return nil
}

func (q *asks) add(a *ask) {
	if a.prev = q.last; a.prev == nil {
		q.first = a
	} else {
		a.prev.next = a
	}
	q.last = a
}

func (q *asks) remove(a *ask) {
	if a.prev == nil {
		q.first = a.next
	} else {
		a.prev.next = a.next
	}
	if a.next == nil {
		q.last = a.prev
	} else {
		a.next.prev = a.prev
	}
	a.prev, a.next = nil, nil
}

func (m *mailbox) startAskTimer(due time.Time, d time.Duration) {
	q := m.asks
	q.generation++
	generation := q.generation
	q.due = due
	q.stop = m.node.sys.exec.AfterFunc(max(d, 0), func() { m.asksDue(generation) })
	m.countTimer(1)
}

func (m *mailbox) stopAskTimer() {
	if q := m.asks; q != nil && q.stop != nil {
		q.stop()
		q.stop = nil
		m.countTimer(-1)
	}
}

func (m *mailbox) countTimer(n int32) {
	m.node.sys.timers.Add(int64(n))
	m.node.timers.Add(n)
}

// asksDue answers the asks whose time is over, those that were due first first,
// and arms the timer for the next.
func (m *mailbox) asksDue(generation uint64) {
	now := m.node.sys.exec.Now()
	m.mu.Lock()
	q := m.asks
	if q.stop == nil || q.generation != generation {
		m.mu.Unlock()
		return
	}
	q.stop = nil
	m.countTimer(-1)
	over, next := q.over(now)
	wake := false
	for _, a := range over {
		_, w := a.finish(nil, ErrNoAnswer)
		wake = wake || w
	}
	if !next.IsZero() {
		m.startAskTimer(next, next.Sub(now))
	}
	m.mu.Unlock()
	if wake {
		m.node.sys.exec.Turn(m)
	}
}

// over is the asks that are due, and when the next one is.
func (q *asks) over(now time.Time) (over []*ask, next time.Time) {
	for a := q.first; a != nil; a = a.next {
		switch {
		case a.due.IsZero():
		case !a.due.After(now):
			over = append(over, a)
		case next.IsZero() || a.due.Before(next):
			next = a.due
		}
	}
	slices.SortStableFunc(over, func(a, b *ask) int { return a.due.Compare(b.due) })
	return over, next
}

// answer queues the Answer; false: there was one before, or the life that asked
// is over.
func (a *ask) answer(value any, err error) bool {
	a.asker.mu.Lock()
	ok, wake := a.finish(value, err)
	a.asker.mu.Unlock()
	if wake {
		a.asker.node.sys.exec.Turn(a.asker)
	}
	return ok
}

func (a *ask) finish(value any, err error) (ok, wake bool) {
	if a.done.Swap(true) {
		return false, false
	}
	a.value, a.err = value, err
	a.asker.asks.remove(a)
	return a.asker.deliverLocked(a)
}

// endAsks: nobody is there any more to get an Answer. The mailbox is locked.
func (m *mailbox) endAsks() {
	if m.asks == nil {
		return
	}
	m.stopAskTimer()
	for a := m.asks.first; a != nil; a = m.asks.first {
		a.done.Store(true)
		m.asks.remove(a)
	}
}

// took notes an ask whose address the actor took: who asked is told if this life
// ends before it answers. Those that are over are dropped when there is no room.
func (m *mailbox) took(to ReplyTo) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asks == nil {
		m.asks = &asks{}
	}
	q := m.asks
	if n := len(q.taken); n == cap(q.taken) {
		q.taken = slices.DeleteFunc(q.taken, func(to ReplyTo) bool { return !to.open() })
		q.taken = slices.Grow(q.taken, max(len(q.taken), keepSlots)) // else the next one looks again
	}
	q.taken = append(q.taken, to)
}

// owed takes the asks that this life has not answered. The mailbox is locked.
func (m *mailbox) owed() (taken []ReplyTo) {
	if m.asks != nil {
		taken, m.asks.taken = m.asks.taken, nil
	}
	return taken
}

// answered hands an Answer to the actor. The timer ends when it was the last.
func (sh *shell) answered(a *ask) {
	sh.box.asks.open--
	sh.deliver(Answer{a.tag, a.value, a.err})
	if sh.box.asks.open == 0 {
		sh.box.mu.Lock()
		sh.box.stopAskTimer()
		sh.box.mu.Unlock()
	}
}
