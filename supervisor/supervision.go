package supervisor

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// childState is what a supervisor knows of a child.
type childState uint8

const (
	childStopped  childState = iota // not running
	childStarting                   // spawned, not yet ready
	childRunning
	childStopping // told to stop, or ending by itself
	childWaiting  // it failed; started again when its backoff is over
)

// deadline says what a supervisor waits for.
type deadline uint8

const (
	startLimit deadline = iota
	stopDeadline
	stopGrace
	nextTry
)

// child is a supervisor's record of one child.
type child struct {
	index   int32
	slot    int32  // of its deadline among all, from 1; 0: it has none
	nth     uint32 // this deadline is
	state   childState
	what    deadline
	due     bool // to be started by the plan
	told    bool // it was told to stop: its exit is no failure
	barred  bool // it asked not to be restarted
	ready   bool // this life became ready, at readyAt
	failed  bool // out of its own budget, and no stable life since
	held    bool // stopped by StopChild; only StartChild or a strategy starts it again
	ordered bool // this start was asked for; its failure is the asker's
	swept   bool // told by stopAll
	node    *node
	sh      *shell        // the current life, nil between lives
	until   time.Duration // its deadline
	readyAt time.Duration
	ending  *Reason // why it ends by itself, as long as it does
	orders  *orders // nil if nobody waits
	window  *window // of an isolating budget, once it failed
	delays  delays
}

// supervision is one life of a supervisor. Everything in it happens on the
// turns of its shell, under mu, so that a parent that gives up can abandon the
// subtree from outside.
//
// Starting, stopping a tail and starting it again is one plan: the children
// from index plan on are first stopped in reverse (stopping), then those that
// are due are started in order; plan moves on with them. No plan:
// plan == len(children).
type supervision struct {
	mu       sync.Mutex
	sh       *shell
	spec     *SupervisorSpec
	children []*child
	window   window
	dead     atomic.Bool // abandoned
	plan     int
	stopping bool // first part of the plan:
	low      int  // those from here on are down already
	lives    int  // children that have one

	ending   bool // the children are being stopped for good;
	alive    int  // those from here on are down, or told to stop:
	told     int  // so many
	sweeping bool // stopAll is at it
	hurried  bool // the stop budget is spent

	budget    *timer // of the stop, then of the grace
	deadlines deadlines
}

func newSupervision(sh *shell, spec *SupervisorSpec) *supervision {
	s := &supervision{sh: sh, spec: spec}
	if spec.Strategy == Dynamic {
		return s
	}
	s.children = make([]*child, len(spec.Children))
	all := make([]child, len(spec.Children))
	for i := range all {
		all[i] = child{index: int32(i), node: sh.node.children[i], due: true}
		s.children[i] = &all[i]
	}
	return s
}

// receive handles the signals of children.
func (s *supervision) receive(msg any) {
	switch m := msg.(type) {
	case *childReady:
		if m.child.sh == (*shell)(m) {
			s.childReady(m.child)
		}
	case childEnding:
		if m.sh.child.sh == m.sh {
			s.childEnding(m.sh.child, m.reason)
		}
	case *childExited:
		if m.child.sh == (*shell)(m) {
			s.exited(m.child, *m.reason, m.ignored)
		}
	case tryNow:
		if m.c.state == childWaiting && m.c.slot == 0 {
			s.retry(m.c)
		}
	case claimFreed:
		s.claimFreed(m.c)
	case tooManyZombies:
		s.sh.end(Reason{Kind: ExitError, Err: ErrZombies})
	default:
		s.administer(msg, ReplyTo{})
	}
}

// tryNow: the first restart is immediate, but a message all the same.
type tryNow struct{ c *child }

// passed: a deadline is over.
func (s *supervision) passed(c *child) {
	switch c.what {
	case startLimit:
		s.giveUpLife(c, Reason{Kind: ExitError, Err: ErrStartTimeout})
	case stopDeadline:
		c.sh.cancelAll()
		s.arm(c, stopGrace, DefaultGrace)
	case stopGrace:
		s.missedDeadline(c)
	case nextTry:
		s.retry(c)
	}
}

// proceed takes the next step of the plan, and reports readiness the first
// time that there is none left.
func (s *supervision) proceed() {
	if s.sh.phase >= phaseEnding {
		return
	}
	if s.spec.Strategy == Dynamic {
		s.sh.ready() // no child has to do with another
		return
	}
	if s.stopping {
		if !s.stopTail() {
			return
		}
		if slices.ContainsFunc(s.children[s.plan:], func(c *child) bool { return c.state == childWaiting }) {
			if s.spec.Budget.Isolating {
				s.sh.ready() // nobody above waits for a child that cannot start
			}
			return
		}
		s.stopping = false
	}
	for ; s.plan < len(s.children); s.plan++ {
		switch c := s.children[s.plan]; {
		case c.state == childStarting || c.state == childStopping && !c.ready:
			return // one after the other, also while one that failed still ends
		case c.due && c.state == childStopped:
			s.spawn(c)
			return
		}
	}
	s.sh.ready()
}

// stopTail stops the youngest that still runs; true when all are down.
func (s *supervision) stopTail() bool {
	for ; s.low > s.plan; s.low-- {
		switch c := s.children[s.low-1]; c.state {
		case childStarting, childRunning:
			c.due = c.node.spec.Restart != Temporary
			s.stop(c)
			return false
		case childStopping:
			return false
		case childStopped: // it had ended, or ignored: the plan starts it again, as OTP does
			c.due = c.due || c.node.spec.Restart != Temporary && !c.barred && !c.held
		}
	}
	return true
}

func (s *supervision) spawn(c *child) {
	c.state, c.due, c.told, c.ready, c.ending = childStarting, false, false, false, nil
	if !s.waitsForClaim(c) {
		c.sh = s.sh.sys.spawn(c.node, s.sh.box, c)
		s.lives++
	}
	if d := c.node.spec.startTimeout(); d != Infinity {
		s.arm(c, startLimit, d)
	}
}

func (s *supervision) childReady(c *child) {
	if c.state != childStarting {
		return
	}
	s.disarm(c)
	c.state, c.ready, c.readyAt = childRunning, true, s.sh.sys.clock()
	c.answer(nil)
	s.proceed()
}

// childEnding puts the stop deadline on a child that ends by itself.
func (s *supervision) childEnding(c *child, r *Reason) {
	if c.state == childStarting || c.state == childRunning {
		c.ending = r
		s.waitForEnd(c)
	}
}

// stop tells a child to stop, and puts a deadline on it.
func (s *supervision) stop(c *child) {
	c.told = true
	switch {
	case c.sh == nil: // it waits for its resource
		s.exited(c, Reason{Kind: ExitShutdown}, false)
	case c.node.spec.stopDeadline() == Brutal:
		s.giveUpLife(c, Reason{Kind: ExitKilled})
	default:
		s.waitForEnd(c)
		c.sh.box.signal(stopSignal{again: c.due})
	}
}

func (s *supervision) waitForEnd(c *child) {
	c.state = childStopping
	s.disarm(c)
	if d := c.node.spec.stopDeadline(); d != Infinity {
		s.arm(c, stopDeadline, max(d, 0))
	}
}

// missedDeadline abandons a child that did not stop in time. What it wanted its
// supervisor to do when it ended by itself still counts.
func (s *supervision) missedDeadline(c *child) {
	if s.sh.sys.stopping.Load() {
		c.node.setGivenUp()
	}
	s.giveUpLife(c, c.ending.killed())
}

// giveUpLife abandons a life and treats it as ended.
func (s *supervision) giveUpLife(c *child, r Reason) {
	s.disarm(c)
	if c.sh != nil && !c.sh.abandon(r, c.due || !c.told && c.restarts(r)) {
		c.state = childStopping // it ends right now; its exit is on the way
		return
	}
	s.exited(c, r, false)
}

// exited is called once for every life of a child, also an abandoned one.
func (s *supervision) exited(c *child, r Reason, ignored bool) {
	s.disarm(c)
	if c.sh == nil {
		c.node.setAway(StateStopped, noTime)
	} else {
		s.lives--
	}
	c.sh, c.state = nil, childStopped
	switch {
	case s.sh.phase >= phaseEnding:
		c.answer(ErrStopped)
		if c.swept {
			c.swept = false
			s.told--
		}
		s.stopAll()
		return
	case c.told: // by a plan, or by StopChild
		if !c.due {
			s.down(c, ErrStopped)
		}
	case ignored:
		c.node.setAway(StateIgnored, noTime)
		s.down(c, ErrIgnore)
	default:
		s.failedOrDone(c, r)
	}
	s.proceed()
}

// failedOrDone decides what an exit that nobody asked for means.
func (s *supervision) failedOrDone(c *child, r Reason) {
	cause := &ChildError{c.node.path, startCause(r)}
	switch {
	case r.decision == escalate:
		s.fail(c, r, startCause(r))
	case c.ordered && !c.ready:
		c.barred = r.decision == doNotRestart
		s.down(c, cause)
	case s.sh.phase == phaseStarting && !c.ready && !s.spec.Budget.Isolating:
		s.sh.end(Reason{Kind: ExitError, Err: cause})
	case c.restarts(r):
		s.restart(c, r)
	default:
		c.barred = r.decision == doNotRestart
		s.down(c, cause)
	}
}

// restarts reports whether a child that ended like this is to be started again.
func (c *child) restarts(r Reason) bool {
	return r.decision == restartAsSpecified &&
		(c.node.spec.Restart == Permanent || c.node.spec.Restart == Transient && r.Abnormal())
}

// fail ends the supervisor because of a child.
func (s *supervision) fail(c *child, r Reason, cause error) {
	s.sh.sys.emit(Event{Kind: EventEscalated, Path: c.node.path, Reason: r})
	s.sh.end(Reason{Kind: ExitError, Err: &ChildError{c.node.path, cause}})
}

// restart spends budget and puts the child on its way back, always by way of a
// message, also when there is nothing to wait for.
func (s *supervision) restart(c *child, r Reason) {
	now, random := s.sh.sys.exec.Now(), s.sh.sys.exec.Random
	stable := c.ready && s.sh.sys.clock()-c.readyAt >= c.node.spec.Backoff.resetAfter()
	wait := c.delays.next(c.node.spec.Backoff, stable, random)
	if !s.withinBudget(c, stable, now) {
		if !s.spec.Budget.Isolating {
			s.fail(c, r, fmt.Errorf("%w after %w", ErrBudget, startCause(r)))
			return
		}
		wait = c.node.spec.Backoff.jittered(backoffCap(c.node.spec.Backoff), random)
		s.sh.sys.emit(Event{Kind: EventFailed, Path: c.node.path, Reason: r, Wait: wait})
	}
	state := StateRestarting
	if c.failed {
		state = StateFailed
	}
	c.node.setAway(state, now.Add(wait))
	s.sh.sys.emit(Event{Kind: EventRestarting, Path: c.node.path, Reason: r, Wait: wait})
	c.state = childWaiting
	if wait == 0 {
		s.sh.box.signal(tryNow{c})
	} else {
		s.arm(c, nextTry, wait)
	}
	switch s.spec.Strategy {
	case RestForOne:
		s.replan(int(c.index))
	case OneForAll:
		s.replan(0) // also those that are back already
	}
}

// withinBudget counts a restart. A child that has failed stays so until it had
// a stable life: a window would forget while it waits for its next try.
func (s *supervision) withinBudget(c *child, stable bool, now time.Time) bool {
	if !s.spec.Budget.Isolating {
		return s.window.allow(s.spec.Budget, now)
	}
	if c.window == nil {
		c.window = &window{}
	}
	c.failed = c.failed && !stable || !c.window.allow(s.spec.Budget, now)
	return !c.failed
}

// replan makes the plan begin at a failed child. While a plan is starting
// children, those before the failed one are already back and stay untouched.
func (s *supervision) replan(from int) {
	if s.stopping {
		from = min(from, s.plan)
	}
	s.plan, s.stopping, s.low = from, true, len(s.children)
	for _, c := range s.children[from:] {
		c.held = false
	}
}

// retry: the child's backoff is over.
func (s *supervision) retry(c *child) {
	if s.sh.phase >= phaseEnding {
		return // the stop has not come to it yet, but wins
	}
	c.state = childStopped
	if s.spec.Strategy == OneForOne || s.spec.Strategy == Dynamic {
		s.spawn(c)
		return
	}
	c.due = true
	s.proceed()
}
