package supervisor

import (
	"sync"
	"sync/atomic"
	"time"
)

// DefaultHandlerLimit is how long a handler may run on the machine before it
// counts as slow.
const DefaultHandlerLimit = time.Second

// Slow is a handler that has been running for longer than Options.HandlerLimit.
type Slow struct {
	Path  string
	For   time.Duration // at least; in steps of a quarter of the limit
	Stack string
}

// watch finds handlers that run too long without reading the clock for each
// message. While turns run, an alarm rings every quarter of the limit and counts
// a tick; a mailbox stores the tick in which its handler began. Only when a turn
// is old enough does anybody walk the tree. An idle system has no alarm.
type watch struct {
	sys    *System
	period time.Duration // 0: there is no watch

	tick  atomic.Uint32 // from 1, so that 0 is no tick
	_     [60]byte      // what every message reads is apart from what every turn writes
	armed atomic.Bool
	turns [turnAges]atomic.Int32 // running, by the tick of their beginning

	mu    sync.Mutex
	alarm Alarm
	over  bool
}

const (
	// slowAge: a handler this many ticks old has run for at least the limit, of
	// four periods, since it may have begun at the very end of its tick.
	slowAge = 5
	// turnAges keeps old turns apart from young ones. It is a little more than
	// needed: a turn that hangs is taken for a young one every now and then.
	turnAges = 16
)

// start begins the watch. Simulations have none unless they ask for it.
func (w *watch) start(s *System, limit time.Duration) {
	w.sys = s
	if _, real := s.exec.(*Real); limit == 0 && real {
		limit = DefaultHandlerLimit
	}
	if limit > 0 {
		w.period = max(limit/(slowAge-1), 1)
		w.tick.Store(1)
	}
}

// begin counts a turn in, and returns what end wants.
func (w *watch) begin() (tick uint32) {
	if w.period == 0 {
		return 0
	}
	tick = w.tick.Load()
	w.turns[tick%turnAges].Add(1)
	w.arm()
	return tick
}

func (w *watch) end(tick uint32) {
	if w.period != 0 {
		w.turns[tick%turnAges].Add(-1)
	}
}

// arm sets the alarm unless it is set.
func (w *watch) arm() {
	if w.armed.Load() || !w.armed.CompareAndSwap(false, true) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over:
	case w.alarm == nil:
		w.alarm = w.sys.exec.Alarm(w.period, w.ring)
	default:
		w.alarm.Reset(w.period)
	}
}

// stop ends the watch with its system.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.alarm != nil {
		w.alarm.Stop()
	}
}

// ring is called when a period has passed. It disarms before it looks whether
// anybody runs: a turn that begins meanwhile arms.
func (w *watch) ring() Turner {
	tick := w.tick.Add(1)
	if w.running(slowAge, tick) {
		w.report(tick)
	}
	w.armed.Store(false)
	if w.running(0, tick) {
		w.arm()
	}
	return nil
}

// running reports whether there are turns of at least this age.
func (w *watch) running(age, tick uint32) bool {
	for ; age < turnAges; age++ {
		if w.turns[(tick-age)%turnAges].Load() > 0 {
			return true
		}
	}
	return false
}

// report makes an event of every handler that has become slow.
func (w *watch) report(tick uint32) {
	if !w.sys.heard() {
		return
	}
	w.sys.root.walk(func(n *node) {
		box := n.box.Load()
		if box == nil || !box.reportSlow(tick) {
			return
		}
		w.sys.emit(Event{
			Kind: EventSlow, Path: n.path, Incarnation: n.epoch.Load(),
			Wait: w.busy(box), Detail: w.sys.handlerStack(n.path),
		})
	})
}

// reportSlow is true once for every handler that is slow.
func (m *mailbox) reportSlow(tick uint32) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	began := m.began.Load()
	if !m.running || m.reported == began || tick-began < slowAge || m.node.spec.Supervisor != nil {
		return false
	}
	m.reported = began
	return true
}

// busy is for how long the mailbox's handler has run, at least; 0 if none runs.
func (w *watch) busy(m *mailbox) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if age := w.tick.Load() - m.began.Load(); m.running && w.period > 0 && age > 1 {
		return time.Duration(age-1) * w.period
	}
	return 0
}

// same reports whether the tick is the one that was seen before, as long as there
// are ticks, four a second or more: then hardly any time can have passed.
func (w *watch) same(seen *atomic.Uint32) bool {
	if w.period > time.Second/4 || !w.armed.Load() {
		return false
	}
	tick := w.tick.Load()
	if seen.Load() == tick {
		return true
	}
	seen.Store(tick)
	return false
}

// note stores when the handler begins that is about to run: it writes only when
// time has moved on.
func (m *mailbox) note(w *watch) {
	if tick := w.tick.Load(); m.began.Load() != tick {
		m.began.Store(tick)
	}
}

// Slow is the handlers that have been running for longer than the limit, with
// their stacks. It stops the world for a moment when there are any.
func (s *System) Slow() (all []Slow) {
	s.root.walk(func(n *node) {
		box := n.box.Load()
		if box == nil || n.spec.Supervisor != nil {
			return
		}
		if d := s.watch.busy(box); d > 0 && d >= (slowAge-1)*s.watch.period {
			all = append(all, Slow{Path: n.path, For: d})
		}
	})
	if len(all) == 0 {
		return nil
	}
	groups := goroutines()
	for i := range all {
		all[i].Stack = s.stacksOf(groups, all[i].Path, false)
	}
	return all
}
