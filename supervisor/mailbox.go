package supervisor

import (
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
// full or not (coalescing).
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
	maxLane          = 1 << 20
)

// mailbox is the bounded queue of one life of an actor. It never blocks and
// never spins. The signal queue is unbounded in type but bounded by what can
// signal: children, workers and the parent.
type mailbox struct {
	node    *node
	invoker actor.MessageInvoker

	mu        sync.Mutex
	lane      [lanes]ring[item]
	signals   ring[any]
	fired     ring[*timer]
	handling  *call // the ask whose handler runs right now
	started   bool  // protoactor registered the handlers
	scheduled bool
	running   bool // a turn is on a goroutine right now
	closed    bool // user lanes refuse
	detached  bool // never calls its invoker again
	zombie    bool

	began    atomic.Uint32 // tick of the watch in which the handler began
	reported uint32        // the same, of the last one reported as slow
}

// item is a queued message. Its key is kept beside it: asking the message for
// it again would run the sender's code under the mailbox's lock.
type item struct {
	msg any
	key string
}

var (
	_ actor.Mailbox = (*mailbox)(nil)
	_ Turner        = (*mailbox)(nil)
)

func newMailbox(n *node) *mailbox {
	m := &mailbox{node: n}
	s := n.spec.Mailbox
	m.lane[Control].limit = int32(orDefault(s.Control, defaultControl))
	m.lane[Normal].limit = int32(orDefault(s.Normal, defaultNormal))
	m.lane[Telemetry].limit = int32(orDefault(s.Telemetry, defaultTelemetry))
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
	if m.closed || m.node.spec.Supervisor != nil {
		m.mu.Unlock()
		return Down
	}
	d, dropped := m.put(item{msg, class.Key}, class)
	wake := m.wake()
	m.mu.Unlock()
	if wake {
		m.node.sys.exec.Turn(m)
	}
	switch d {
	case Refused:
		m.node.countRefusal(class.Lane)
	case Replaced:
		m.node.countRefusal(class.Lane)
		m.node.sys.deadLetter(dropped, ErrRefused, &m.node.sys.dead.replaced)
	case Coalesced:
		m.node.sys.deadLetter(dropped, ErrRefused, &m.node.sys.dead.coalesced)
	}
	return d
}

func (m *mailbox) put(it item, class Class) (d Delivery, dropped any) {
	q := &m.lane[class.Lane]
	if class.Key != "" {
		for i := range q.len {
			if at := q.at(i); at.key == class.Key {
				dropped, at.msg = at.msg, it.msg
				return Coalesced, dropped
			}
		}
	}
	switch {
	case q.push(it):
		return Accepted, nil
	case class.WhenFull == ReplaceOldest:
		oldest, _ := q.pop()
		q.push(it)
		return Replaced, oldest.msg
	}
	return Refused, nil
}

// signal queues a message of the runtime; it is never refused.
func (m *mailbox) signal(msg any) {
	m.mu.Lock()
	if m.detached {
		m.mu.Unlock()
		return
	}
	m.signals.push(msg)
	wake := m.wake()
	m.mu.Unlock()
	if wake {
		m.node.sys.exec.Turn(m)
	}
}

// deliver queues a message of the runtime that the user shall get: in the Normal
// lane, in its order, and never refused. False: the life is over.
func (m *mailbox) deliver(msg any) bool {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return false
	}
	m.lane[Normal].force(item{msg: msg})
	wake := m.wake()
	m.mu.Unlock()
	if wake {
		m.node.sys.exec.Turn(m)
	}
	return true
}

// fire queues a timer unless it was cancelled meanwhile. It returns the mailbox
// if that needs a turn now.
func (m *mailbox) fire(t *timer) Turner {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.dead {
		return nil
	}
	if m.closed {
		m.node.sys.dead.timers.Add(1) // cannot be: the timers end before the box does
	}
	t.queued = true
	m.fired.push(t)
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
		more = m.handleNext()
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
		m.invoker.InvokeUserMessage(msg)
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
	if m.handling != nil {
		m.handling.to.answer(nil, ErrStopped)
	}
	m.signals.push(goroutineExited{})
	m.mu.Unlock()
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
	m.running, m.handling = true, nil
	m.note()
	if msg, ok := m.signals.pop(); ok {
		return msg, isProtoSystem(msg), true
	}
	if msg, ok := m.popUser(); ok {
		m.handling, _ = msg.(*call)
		return msg, false, true
	}
	m.running, m.scheduled = false, false
	return nil, false, false
}

func (m *mailbox) popUser() (msg any, ok bool) {
	if m.closed {
		return nil, false
	}
	if it, ok := m.lane[Control].pop(); ok {
		return it.msg, true
	}
	if t, ok := m.fired.pop(); ok {
		t.queued = false
		return t, true
	}
	if it, ok := m.lane[Normal].pop(); ok {
		return it.msg, true
	}
	it, ok := m.lane[Telemetry].pop()
	return it.msg, ok
}

// buryLocked ends the turn of a detached mailbox.
func (m *mailbox) buryLocked() bool {
	if !m.detached {
		return false
	}
	m.running, m.scheduled, m.handling = false, false, nil
	if m.zombie {
		m.zombie = false
		m.node.sys.zombies.Add(-1)
		m.node.zombies.Add(-1)
	}
	return true
}

// close refuses user messages from now on; what waits becomes dead letters.
func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	var left []item
	for i := range m.lane {
		left = append(left, m.lane[i].drain()...)
	}
	m.node.sys.dead.timers.Add(uint64(len(m.fired.drain())))
	m.mu.Unlock()
	m.node.box.CompareAndSwap(m, nil)
	for _, it := range left {
		m.node.sys.deadLetter(it.msg, ErrStopped, &m.node.sys.dead.stopped)
	}
}

// detach makes sure that the invoker is never called again. It reports whether
// a handler is still running on some goroutine (a zombie). Who asked it is told
// now: its answer would be refused.
func (m *mailbox) detach() (zombie bool) {
	m.close()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.detached = true
	m.signals.drain()
	if m.handling != nil {
		m.handling.to.answer(nil, ErrStopped)
	}
	if m.running && !m.zombie {
		m.zombie = true
		m.node.sys.zombies.Add(1)
		m.node.zombies.Add(1)
	}
	return m.running
}

// end is detach for a life that came to its own end: the turn that runs is its
// last.
func (m *mailbox) end() {
	m.mu.Lock()
	m.closed, m.detached = true, true
	m.mu.Unlock()
}

func (m *mailbox) queued() (sum int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.lane {
		sum += int(m.lane[i].len)
	}
	return sum
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
