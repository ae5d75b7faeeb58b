package supervisor

import (
	"slices"
	"time"
)

// How a supervisor stops its children for good.

// stopAll stops the youngest child that still runs, or some of them under
// Dynamic, which has no order; when none is left, the supervisor itself may end.
func (s *supervision) stopAll() {
	if !s.ending {
		s.ending, s.alive = true, len(s.children)
		s.startBudget(s.spec.stopBudget())
	}
	if s.sweeping {
		return // a child that ended at once called back
	}
	s.sweeping = true
	for most := s.parallelism(); s.alive > 0 && s.told < most; {
		s.alive--
		s.sweep(s.children[s.alive])
	}
	s.sweeping = false
	s.sh.finishWhenDone()
}

func (s *supervision) parallelism() int {
	if s.spec.Strategy == Dynamic {
		return orDefault(s.spec.Parallelism, defaultParallelism)
	}
	return 1
}

func (s *supervision) sweep(c *child) {
	switch c.state {
	case childStarting, childRunning:
		s.told++
		c.swept = true
		s.stop(c)
	case childStopping:
		s.told++
		c.swept = true
		if !c.told { // it is ending by itself: keep waiting, with a deadline
			c.told = true
			s.waitForEnd(c)
		}
	default:
		s.forgetTry(c)
		c.answer(ErrStopped)
	}
}

// forgetTry: backoffs die with the supervisor.
func (s *supervision) forgetTry(c *child) {
	if c.sh != nil {
		return
	}
	s.disarm(c)
	c.state = childStopped
	c.node.forgetTry()
}

// startBudget replaces the timer: when a supervisor above hurries this one, its
// own budget must not cut the grace short.
func (s *supervision) startBudget(d time.Duration) {
	if s.budget != nil {
		s.sh.stopTimer(s.budget)
	}
	s.budget = &timer{}
	s.sh.startTimer(s.budget, d)
}

// outOfBudget comes twice: first those that are left have the grace to end
// well, then they are abandoned.
func (s *supervision) outOfBudget() {
	if !s.hurried {
		s.hurry()
		return
	}
	s.abandonChildren(true)
	s.stopAll()
}

// hurry tells all that are left at once.
func (s *supervision) hurry() {
	if s.hurried {
		return
	}
	s.hurried = true
	s.startBudget(DefaultGrace)
	for _, c := range slices.Backward(s.children) {
		if c.sh == nil {
			continue
		}
		c.sh.cancelAll()
		switch {
		case c.node.spec.Supervisor != nil:
			c.told, c.state = true, childStopping
			c.sh.box.signal(hurrySignal{})
		case c.state != childStopping:
			s.stop(c)
		}
	}
}

func (s *supervision) empty() bool { return s.lives == 0 && s.alive == 0 }

// abandonAll gives up the whole subtree; called by a parent that gave up this
// supervisor.
func (s *supervision) abandonAll() {
	s.dead.Store(true)
	if !s.sh.sys.lastResort.Load() {
		s.mu.Lock()
	} else if !s.mu.TryLock() {
		return // a turn of it hangs in a hook: it does this itself, if it ever comes back
	}
	defer s.mu.Unlock()
	s.abandonChildren(false)
}

// leave ends what began with mu.Lock in a turn.
func (s *supervision) leave() {
	s.mu.Unlock()
	if s.dead.Load() && s.mu.TryLock() {
		defer s.mu.Unlock()
		s.abandonChildren(false)
	}
}

func (s *supervision) abandonChildren(report bool) {
	for _, c := range slices.Backward(s.children) {
		s.forgetTry(c)
		c.answer(ErrStopped)
		s.disarm(c) // if it is just ending, its exit is on the way
		if c.sh == nil || !c.sh.abandon(Reason{Kind: ExitKilled}, false) {
			continue
		}
		s.lives--
		if c.swept {
			c.swept = false
			s.told--
		}
		c.sh, c.state = nil, childStopped
		if report && s.sh.sys.stopping.Load() {
			c.node.setGivenUp()
		}
	}
}
