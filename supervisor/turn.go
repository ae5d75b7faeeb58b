package supervisor

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// batch is what a turn took out of the Normal lane under one lock: all of it,
// buffer and all. Each message still waits until it is claimed, by the turn or,
// under the mailbox's lock, by whoever closes the mailbox or makes room in it.
// Only a turn has one.
type batch struct {
	next atomic.Uint32 // the first that is not claimed; with urgent: ask the lock first
	n    uint32
	lane ring[item] // as it was
	_    [64]byte   // what senders look at is apart from what the turn writes
	most int32      // so many are not claimed, or fewer
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
			it := b.lane.at(int32(i))
			msg, it.msg = it.msg, nil
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

// takeLane makes a batch of all that waits in the Normal lane; senders go on in
// another buffer.
func (m *mailbox) takeLane() {
	if m.batch == nil {
		m.batch = batches.Get().(*batch)
		m.batch.lane.buf = takeBuffer(len(m.normal.buf))
	}
	b := m.batch
	b.lane, m.normal = m.normal, ring[item]{buf: b.lane.buf}
	b.n, b.most = uint32(b.lane.len), b.lane.len
	b.next.Store(0)
}

// plain reports whether the turn can take it out of a batch without the lock.
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
	for room := m.node.sys.exec.Throughput(); room > 0 && more; {
		if more = m.handleNext(); more {
			room -= 1 + m.handleBatch(room-1)
		}
	}
	returned = true
	if more && m.yield() {
		m.node.sys.exec.Turn(m)
	}
}

func (m *mailbox) handleNext() bool {
	msg, system, ok := m.next()
	switch {
	case !ok:
	case system:
		m.invoker.InvokeSystemMessage(msg)
	default:
		m.life.handle(msg) // not by way of protoactor, which has nothing to add
	}
	return ok
}

// handleBatch handles what next took out besides its message, until something is
// more urgent. It stays away from the fields that senders write to: waiting for
// their memory costs more than all the rest of a message.
func (m *mailbox) handleBatch(most int) (n int) {
	if m.handling != nil {
		return 0 // next has to say that its handler is done
	}
	b, life, watch := m.batch, m.life, &m.node.sys.watch
	for m.ours = false; n < most; n++ {
		msg, ok := b.claim(false)
		if !ok {
			break
		}
		m.note(watch)
		life.handle(msg)
	}
	return n
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

// next takes the most urgent message, or ends the turn.
func (m *mailbox) next() (msg any, system, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.buryLocked() {
		return nil, false, false
	}
	m.running, m.handling, m.ours = true, nil, true
	m.note(&m.node.sys.watch)
	if msg, ok := m.signals.pop(); ok {
		return msg, isProtoSystem(msg), true
	}
	if it, ok := m.popUser(); ok {
		m.handling, _ = it.msg.(*call)
		m.ours = it.ours
		return it.msg, false, true
	}
	m.running, m.scheduled = false, false
	m.rest()
	return nil, false, false
}

func (m *mailbox) popUser() (it item, ok bool) {
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
	if it, ok := m.popNormal(); ok || m.rare == nil {
		return it, ok
	}
	return m.rare.telemetry.pop()
}

// popNormal is called when nothing is more urgent.
func (m *mailbox) popNormal() (it item, ok bool) {
	if m.batch != nil {
		m.batch.next.And(^uint32(urgent))
		if msg, ok := m.batch.claim(true); ok {
			return item{msg: msg}, true
		}
	}
	if m.normal.len > keepSlots && m.special == 0 {
		m.takeLane()
		it.msg, ok = m.batch.claim(true)
		return it, ok
	}
	it, ok = m.normal.pop()
	m.left(&it)
	return it, ok
}

// left counts what is no longer in the Normal lane.
func (m *mailbox) left(it *item) {
	if it.ours {
		m.exempt--
	}
	if !it.plain() {
		m.special--
	}
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

// few, buffers and floods serve the Normal lanes, floods by the length's power of
// two: what comes and goes would else be garbage.
var (
	few     = sync.Pool{New: func() any { return new([keepSlots]item) }}
	buffers = sync.Pool{New: func() any { return new([bigSlots]item) }}
	floods  [13]sync.Pool
)

func takeBuffer(n int) []item {
	switch n {
	case keepSlots:
		return few.Get().(*[keepSlots]item)[:]
	case bigSlots:
		return buffers.Get().(*[bigSlots]item)[:]
	}
	if i := bits.TrailingZeros(uint(n)); i < len(floods) {
		if buf, ok := floods[i].Get().(*[]item); ok {
			return *buf
		}
	}
	return make([]item, n)
}

// giveBuffer takes back an empty one that takeBuffer gave.
func giveBuffer(buf []item) {
	switch i := bits.TrailingZeros(uint(len(buf))); {
	case len(buf) == keepSlots:
		few.Put((*[keepSlots]item)(buf))
	case len(buf) == bigSlots:
		buffers.Put((*[bigSlots]item)(buf))
	case i < len(floods):
		flood := buf // buf itself would be moved to the heap in every case
		floods[i].Put(&flood)
	}
}

// push queues in the Normal lane.
func (m *mailbox) push(it item) {
	if q := &m.normal; len(q.buf) == 0 {
		q.buf = takeBuffer(keepSlots)
	} else if int(q.len) == len(q.buf) {
		old := q.buf
		q.move(takeBuffer(max(2*len(old), bigSlots)))
		clear(old)
		giveBuffer(old)
	}
	m.normal.push(it)
	if !it.plain() {
		m.special++
	}
}

// rest gives back what only a turn needs; the lanes and the batch are empty.
func (m *mailbox) rest() {
	if len(m.normal.buf) >= bigSlots {
		giveBuffer(m.normal.buf)
		m.normal = ring[item]{}
	}
	if m.batch != nil {
		giveBuffer(m.batch.lane.buf)
		m.batch.lane = ring[item]{}
		batches.Put(m.batch)
		m.batch = nil
	}
	if m.signals.len == 0 {
		if len(m.signals.buf) == keepSlots {
			fewSignals.Put((*[keepSlots]any)(m.signals.buf))
		}
		m.signals = ring[any]{}
	}
	m.fired.shrink()
	if m.rare != nil {
		m.rare.control.shrink()
		m.rare.telemetry.shrink()
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
