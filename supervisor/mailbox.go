package supervisor

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// Lane is a queue of a mailbox. Control goes before timers, they before Normal,
// that before Telemetry.
type Lane uint8

const (
	Normal Lane = iota
	Control
	Telemetry
	lanes
)

// WhenFull says what becomes of a message that finds its lane full.
type WhenFull uint8

const (
	Refuse        WhenFull = iota // the sender is told
	ReplaceOldest                 // the oldest of the lane makes room, and is counted
)

// Class is how a message wants to be queued. With a Key that is not empty it
// replaces a waiting message of the same key in its lane, whether the lane is
// full or not (coalescing). It is looked for among all that wait there.
type Class struct {
	Lane     Lane
	WhenFull WhenFull
	Key      string
}

// Classified is a message with a class of its own; all others are
// Class{Normal, Refuse, ""}.
type Classified interface{ Class() Class }

// Delivery is what became of a message.
type Delivery uint8

const (
	Down      Delivery = iota // nobody is there: stopped, restarting, a supervisor, or no such actor
	Refused                   // the lane is full, or it was no message: nil, or of no known class
	Accepted                  // queued
	Replaced                  // queued, the oldest of the lane was dropped
	Coalesced                 // queued in place of one with the same key
)

// OK reports whether the message was queued.
func (d Delivery) OK() bool { return d >= Accepted }

var deliveryNames = [...]string{"down", "refused", "accepted", "replaced", "coalesced"}

func (d Delivery) String() string { return deliveryNames[d] }

const (
	defaultControl   = 16
	defaultNormal    = 64
	defaultTelemetry = 16
	defaultStash     = 64
	maxLane          = 1 << 20
)

// mailbox is the bounded queue of one life of an actor. It never blocks. The
// signal queue is unbounded in type but bounded by what can signal: children,
// workers and the parent. Results, answers and monitors' words wait in the Normal
// lane without counting against its limit; they are bounded by who asked for them.
//
// The fields of a turn (batch, handling, ours) are written by its goroutine
// only, the first two under the lock.
type mailbox struct {
	node    *node
	invoker actor.MessageInvoker // for protoactor's own messages
	life    *shell

	mu         sync.Mutex
	normal     ring[item]
	signals    ring[any]
	fired      ring[*timer]
	rare       *rareLanes // nil until one is used
	stash      *stash     // nil unless something is in it
	asks       *asks      // nil until this life asks
	batch      *batch     // what the turn took out of normal at once; nil: nothing
	handling   *call      // the ask whose handler runs right now
	limit      int32      // of normal
	exempt     int32      // how many in normal do not count against it
	special    int32      // how many in normal are not plain: it is no batch then
	started    bool       // protoactor registered the handlers
	scheduled  bool
	running    bool // a turn is on a goroutine right now
	closed     bool // user lanes refuse
	unlabelled bool // the turn's goroutine is not marked as the actor's
	again      bool // the supervisor starts another life: what askers are told
	detached   bool // never calls its invoker again
	zombie     bool
	ours       bool // what is being handled came from the runtime, not from a sender

	began    atomic.Uint32 // tick of the watch in which the handler began
	reported uint32        // the same, of the last one reported as slow
}

// rareLanes are the lanes that most actors never use.
type rareLanes struct{ control, telemetry lane }

type lane struct {
	ring[item]
	limit int32
}

// item is a queued message. Its key is kept beside it: asking the message for
// it again would run the sender's code under the mailbox's lock.
type item struct {
	msg  any
	key  string
	ours bool // the runtime's: neither refused nor replaced nor a dead letter
}

var (
	_ actor.Mailbox = (*mailbox)(nil)
	_ Turner        = (*mailbox)(nil)
)

func newMailbox(n *node) *mailbox {
	m := &mailbox{node: n, limit: int32(orDefault(n.spec.Mailbox.Normal, defaultNormal))}
	if n.spec.Supervisor != nil {
		m.limit = adminLane
	}
	return m
}

// Path names the mailbox's owner.
func (m *mailbox) Path() string { return m.node.path }

// classOf is how a message wants to be queued; false: it cannot be.
func classOf(msg any) (class Class, ok bool) {
	msg = unwrapCall(msg)
	if c, is := msg.(Classified); is {
		class = c.Class()
	}
	return class, msg != nil && class.Lane < lanes && class.WhenFull <= ReplaceOldest
}

// post queues a user message.
func (m *mailbox) post(msg any) Delivery {
	class, ok := classOf(msg)
	if !ok {
		m.node.countRefusal(Normal)
		return Refused
	}
	m.mu.Lock()
	if m.closed || m.node.spec.Supervisor != nil && !administrative(msg) {
		m.mu.Unlock()
		return Down
	}
	d, dropped := m.put(item{msg: msg, key: class.Key}, class)
	wake := m.wake()
	m.mu.Unlock()
	if wake {
		m.node.sys.exec.Turn(m)
	}
	if d != Accepted {
		m.account(d, dropped, class.Lane)
	}
	return d
}

// account counts what became of a message that was not just queued.
func (m *mailbox) account(d Delivery, dropped any, l Lane) {
	if d != Coalesced {
		m.node.countRefusal(l)
	}
	switch d {
	case Replaced:
		m.node.sys.deadLetter(dropped, ErrRefused, &m.node.sys.dead.replaced)
	case Coalesced:
		m.node.sys.deadLetter(dropped, ErrRefused, &m.node.sys.dead.coalesced)
	}
}

func (m *mailbox) put(it item, class Class) (d Delivery, dropped any) {
	q := &m.normal
	if class.Lane != Normal {
		q = &m.rareLane(class.Lane).ring
	}
	if class.Key != "" {
		for i := range q.len {
			if at := q.at(i); at.key == class.Key && !at.ours {
				dropped, at.msg = at.msg, it.msg
				return Coalesced, dropped
			}
		}
	}
	if m.full(class.Lane) {
		if class.WhenFull == Refuse {
			return Refused, nil
		}
		var ok bool
		if dropped, ok = m.dropOldest(class.Lane); ok { // else a turn took it just now
			d = Replaced
		}
	}
	switch class.Lane {
	case Normal:
		m.push(it)
	case Control:
		q.push(it)
		m.hurry()
	default:
		q.push(it)
	}
	return orDefault(d, Accepted), dropped
}

// full reports whether a lane has no room. What the turn took already counts as
// long as it is not being handled.
func (m *mailbox) full(l Lane) bool {
	if l != Normal {
		q := m.rareLane(l)
		return q.len >= q.limit
	}
	waiting := m.normal.len - m.exempt
	if b := m.batch; b != nil {
		if waiting+b.most < m.limit { // looking further costs the turn time
			return false
		}
		b.most = b.left()
		waiting += b.most
	}
	return waiting >= m.limit
}

// dropOldest makes room in a full lane.
func (m *mailbox) dropOldest(l Lane) (msg any, ok bool) {
	if l != Normal {
		it, ok := m.rareLane(l).pop()
		return it.msg, ok
	}
	if msg, ok := m.batch.claim(true); ok {
		return msg, true
	}
	for i := range m.normal.len {
		if !m.normal.at(i).ours {
			it := m.normal.removeAt(i)
			m.left(&it)
			return it.msg, true
		}
	}
	return nil, false
}

func (m *mailbox) rareLane(l Lane) *lane {
	if m.rare == nil {
		s := m.node.spec.Mailbox
		m.rare = &rareLanes{}
		m.rare.control.limit = int32(orDefault(s.Control, defaultControl))
		m.rare.telemetry.limit = int32(orDefault(s.Telemetry, defaultTelemetry))
	}
	if l == Control {
		return &m.rare.control
	}
	return &m.rare.telemetry
}

// deliver queues a message of the runtime in the Normal lane: in order with what
// its sender sent before, never refused, never replaced, and not counted against
// the limit. False: the mailbox is closed.
func (m *mailbox) deliver(msg any) bool {
	m.mu.Lock()
	ok, wake := m.deliverLocked(msg)
	m.mu.Unlock()
	if wake {
		m.node.sys.exec.Turn(m)
	}
	return ok
}

func (m *mailbox) deliverLocked(msg any) (ok, wake bool) {
	if m.closed {
		return false, false
	}
	m.push(item{msg: msg, ours: true})
	m.exempt++
	return true, m.wake()
}

// signal queues a message of the runtime; it is never refused.
func (m *mailbox) signal(msg any) {
	m.mu.Lock()
	if m.detached {
		m.mu.Unlock()
		return
	}
	m.pushSignal(msg)
	m.hurry()
	wake := m.wake()
	m.mu.Unlock()
	if wake {
		m.node.sys.exec.Turn(m)
	}
}

// fire queues a timer unless it was cancelled meanwhile. It returns the mailbox
// if that needs a turn now.
func (m *mailbox) fire(t *timer) Turner {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.dead || t.queued {
		return nil
	}
	if m.closed {
		m.node.sys.dead.timers.Add(1) // cannot be: the timers end before the box does
	}
	t.queued = true
	m.fired.push(t)
	m.hurry()
	if !m.wake() {
		return nil
	}
	return m
}

func (m *mailbox) wake() bool {
	if !m.started || m.scheduled || m.detached {
		return false
	}
	m.scheduled = true
	return true
}

func (m *mailbox) setAgain(again bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.again = again
}

// lastWord is ending for who does not hold the lock.
func (m *mailbox) lastWord() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ending()
}

// ending is what askers are told that get no answer any more.
func (m *mailbox) ending() error {
	if m.again {
		return ErrRestarted
	}
	return ErrStopped
}

// close refuses user messages from now on; what waits becomes dead letters, and
// what this life asked is forgotten.
func (m *mailbox) close() {
	m.mu.Lock()
	left, why := m.closeLocked(), m.ending()
	m.mu.Unlock()
	m.bury(left, nil, why)
}

func (m *mailbox) closeLocked() (left []item) {
	m.closed = true
	m.node.box.CompareAndSwap(m, nil)
	m.endAsks()
	return m.drainLocked()
}

// bury makes dead letters of what waited, and tells those who were promised an
// answer; the lock is not held.
func (m *mailbox) bury(left []item, owed []ReplyTo, why error) {
	for _, to := range owed {
		to.answer(nil, why)
	}
	for _, it := range left {
		m.node.sys.deadLetter(it.msg, why, &m.node.sys.dead.stopped)
	}
}

// drainLocked takes out all that users sent.
func (m *mailbox) drainLocked() (left []item) {
	if s := m.stash; s != nil {
		left = append(s.front.drain(), s.kept.drain()...)
		m.stash = nil
	}
	if m.rare != nil {
		left = append(left, m.rare.control.drain()...)
	}
	for msg, ok := m.batch.claim(true); ok; msg, ok = m.batch.claim(true) {
		left = append(left, item{msg: msg})
	}
	left = append(left, m.normal.drain()...)
	m.exempt, m.special = 0, 0
	if m.rare != nil {
		left = append(left, m.rare.telemetry.drain()...)
	}
	m.node.sys.dead.timers.Add(uint64(len(m.fired.drain())))
	return slices.DeleteFunc(left, func(it item) bool {
		if w, ok := it.msg.(*worker); ok {
			m.pushSignal(w) // its life waits for it
		}
		return it.ours
	})
}

// detach makes sure that the invoker is never called again. It reports whether
// a handler is still running on some goroutine (a zombie). Who asked it is told
// now: its answer would be refused. revoke is called under the same lock: a
// worker that returns sees all of it or nothing.
func (m *mailbox) detach(revoke func()) (zombie bool) {
	m.mu.Lock()
	revoke()
	left, owed := m.closeLocked(), m.owed()
	m.detached = true
	m.signals.drain()
	m.hurry()
	asked, zombie, why := m.handling, m.running, m.ending()
	if m.running && !m.zombie {
		m.zombie = true
		m.node.sys.zombies.Add(1)
		m.node.zombies.Add(1)
	}
	m.mu.Unlock()
	m.bury(left, owed, why)
	asked.fail(why)
	return zombie
}

// end is detach for a life that came to its own end: the turn that runs is its
// last.
func (m *mailbox) end() {
	m.mu.Lock()
	left, owed, why := m.closeLocked(), m.owed(), m.ending()
	m.detached = true
	m.hurry()
	m.mu.Unlock()
	m.bury(left, owed, why)
}

// queued is how many messages wait, those in the stash included.
func (m *mailbox) queued() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := m.normal.len + m.batch.left()
	if m.rare != nil {
		sum += m.rare.control.len + m.rare.telemetry.len
	}
	if m.stash != nil {
		sum += m.stash.kept.len + m.stash.front.len
	}
	return int(sum)
}

// What follows is protoactor's side of the mailbox.

// PostUserMessage queues a message that came through protoactor.
func (m *mailbox) PostUserMessage(msg any) {
	if d := m.post(msg); !d.OK() {
		m.node.sys.deadLetter(msg, ErrRefused, &m.node.sys.dead.stopped)
	}
}

// PostSystemMessage queues a message of protoactor itself.
func (m *mailbox) PostSystemMessage(msg any) { m.signal(msg) }

// RegisterHandlers is protoactor's introduction of the actor.
func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, _ actor.Dispatcher) {
	m.invoker = invoker
}

// Start allows turns. Before it the handlers are not there: a message that
// arrives earlier waits (protoactor's own mailboxes crash on it).
func (m *mailbox) Start() {
	m.mu.Lock()
	m.started = true
	wake := m.signals.len > 0 && m.wake()
	m.mu.Unlock()
	if wake {
		m.node.sys.exec.Turn(m)
	}
}

// UserMessageCount is how many user messages wait.
func (m *mailbox) UserMessageCount() int { return m.queued() }

func isProtoSystem(msg any) bool {
	switch msg.(type) {
	case *actor.Started, *actor.Stop, *actor.Watch, *actor.Unwatch, *actor.Terminated:
		return true
	}
	return false
}
