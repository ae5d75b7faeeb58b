package supervisor

import (
	"sync"
	"sync/atomic"
)

// batchSize is how many messages a turn takes out of the Normal lane at once.
const batchSize = 64

// batch is what a turn took out of the Normal lane under one lock. Each message
// still waits until it is claimed, by the turn or, under the mailbox's lock, by
// whoever closes the mailbox or makes room in it. Only a turn has one.
type batch struct {
	next atomic.Uint32 // the first that is not claimed; with urgent: ask the lock first
	n    uint32
	msgs [batchSize]any
}

// urgent makes the turn look for something that goes before the batch.
const urgent = 1 << 31

var batches = sync.Pool{New: func() any { return new(batch) }}

// claim takes the oldest; one that holds the lock may go past urgent.
func (b *batch) claim(locked bool) (msg any, ok bool) {
	if b == nil {
		return nil, false
	}
	for {
		at := b.next.Load()
		i := at
		if locked {
			i &^= urgent
		}
		if i >= b.n {
			return nil, false
		}
		if b.next.CompareAndSwap(at, at+1) {
			msg, b.msgs[i] = b.msgs[i], nil
			return msg, true
		}
	}
}

// left is how many are not claimed; the lock is held.
func (b *batch) left() int32 {
	if b == nil {
		return 0
	}
	return int32(b.n - b.next.Load()&^urgent)
}

// fill takes messages that need no look of the lock's holder: no key, no asker.
func (b *batch) fill(q *ring[item], most int) {
	n := uint32(0)
	for ; n < uint32(min(most, batchSize)) && q.len > 0 && q.at(0).plain(); n++ {
		it, _ := q.pop()
		b.msgs[n] = it.msg
	}
	b.n = n
	b.next.Store(0)
}

func (it *item) plain() bool {
	if it.ours || it.key != "" {
		return false
	}
	_, asked := it.msg.(*call)
	return !asked
}

// hurry makes the turn look at the lanes before it goes on with its batch.
func (m *mailbox) hurry() {
	if m.batch != nil {
		m.batch.next.Or(urgent)
	}
}

// unmark begins a turn on a goroutine without labels. That of an actor gets them
// when it first runs the user's code: most turns of most lives, their first and
// their last, run none, and labels take a tenth of an actor's memory.
func (m *mailbox) unmark() {
	m.unlabelled = true
	if m.life.sup != nil {
		m.mark(true)
	}
}

func (m *mailbox) mark(keep bool) {
	if m.unlabelled {
		m.unlabelled = false
		m.node.label(keep)
	}
}

// Turn handles up to Throughput messages.
func (m *mailbox) Turn() {
	returned, tick := false, m.node.sys.watch.begin()
	defer func() {
		m.node.sys.watch.end(tick)
		if !returned {
			m.cutOff()
		}
	}()
	more := true
	for n := m.node.sys.exec.Throughput(); n > 0 && more; n-- {
		more = m.handleNext(n)
	}
	returned = true
	if more && m.yield() {
		m.node.sys.exec.Turn(m)
	}
}

func (m *mailbox) handleNext(room int) bool {
	msg, system, ok := m.next(room)
	switch {
	case !ok:
	case system:
		m.invoker.InvokeSystemMessage(msg)
	default:
		m.life.handle(msg) // not by way of protoactor, which has nothing to add
	}
	return ok
}

// yield ends a turn that may have more to do, and reports whether it wants
// another one.
func (m *mailbox) yield() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running, m.handling = false, nil
	return !m.buryLocked()
}

// cutOff: the user's code ended the goroutine (runtime.Goexit, as a failed test
// does). The life ends like after a panic, on a goroutine of its own.
func (m *mailbox) cutOff() {
	m.mu.Lock()
	asked, why := m.handling, m.ending()
	m.pushSignal(goroutineExited{})
	m.hurry()
	m.mu.Unlock()
	asked.fail(why)
	if m.yield() {
		m.node.sys.exec.Turn(m)
	}
}

// next takes the most urgent message, or ends the turn. room is how many the
// turn may still handle.
func (m *mailbox) next(room int) (msg any, system, ok bool) {
	if m.handling == nil {
		if msg, ok := m.batch.claim(false); ok {
			m.ours = false
			m.note()
			return msg, false, true
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.buryLocked() {
		return nil, false, false
	}
	m.running, m.handling, m.ours = true, nil, true
	m.note()
	if msg, ok := m.signals.pop(); ok {
		return msg, isProtoSystem(msg), true
	}
	if it, ok := m.popUser(room); ok {
		m.handling, _ = it.msg.(*call)
		m.ours = it.ours
		return it.msg, false, true
	}
	m.running, m.scheduled = false, false
	m.rest()
	return nil, false, false
}

func (m *mailbox) popUser(room int) (it item, ok bool) {
	if m.closed {
		return item{}, false
	}
	if it, ok := m.unstashed(); ok {
		return it, true
	}
	if m.rare != nil {
		if it, ok := m.rare.control.pop(); ok {
			return it, true
		}
	}
	if t, ok := m.fired.pop(); ok {
		t.queued = false
		return item{msg: t, ours: true}, true
	}
	if it, ok := m.popNormal(room); ok || m.rare == nil {
		return it, ok
	}
	return m.rare.telemetry.pop()
}

// popNormal is called when nothing is more urgent.
func (m *mailbox) popNormal(room int) (it item, ok bool) {
	if m.batch != nil {
		m.batch.next.And(^uint32(urgent))
		if msg, ok := m.batch.claim(true); ok {
			return item{msg: msg}, true
		}
	}
	it, ok = m.normal.pop()
	if it.ours {
		m.exempt--
	}
	if room > 2 && m.normal.len > 1 && m.normal.at(0).plain() {
		if m.batch == nil {
			m.batch = batches.Get().(*batch)
		}
		m.batch.fill(&m.normal, room-1)
	}
	return it, ok
}

// buryLocked ends the turn of a detached mailbox.
func (m *mailbox) buryLocked() bool {
	if !m.detached {
		return false
	}
	m.running, m.scheduled, m.handling = false, false, nil
	m.rest()
	if m.zombie {
		m.zombie = false
		m.node.sys.zombies.Add(-1)
		m.node.zombies.Add(-1)
		m.node.sys.claims.looked(m)
	}
	return true
}

// buffers serve the mailboxes that have more than a few messages waiting.
var buffers = sync.Pool{New: func() any { return new([bigSlots]item) }}

// push queues in the Normal lane.
func (m *mailbox) push(it item) {
	if m.normal.len == keepSlots && len(m.normal.buf) == keepSlots {
		m.normal.move(buffers.Get().(*[bigSlots]item)[:])
	}
	m.normal.push(it)
}

// rest gives back what only a turn needs; the batch is empty.
func (m *mailbox) rest() {
	if m.normal.len == 0 && len(m.normal.buf) == bigSlots {
		buffers.Put((*[bigSlots]item)(m.normal.buf))
		m.normal = ring[item]{}
	}
	if m.batch != nil {
		batches.Put(m.batch)
		m.batch = nil
	}
	if m.signals.len == 0 && len(m.signals.buf) == keepSlots {
		fewSignals.Put((*[keepSlots]any)(m.signals.buf))
		m.signals = ring[any]{}
	}
}

// fewSignals serve the mailboxes that have a signal or some: an idle one has none.
var fewSignals = sync.Pool{New: func() any { return new([keepSlots]any) }}

func (m *mailbox) pushSignal(msg any) {
	if m.signals.buf == nil {
		m.signals.buf = fewSignals.Get().(*[keepSlots]any)[:]
	}
	m.signals.push(msg)
}
