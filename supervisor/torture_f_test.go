package supervisor_test

import (
	"errors"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// TestTortureF is about budgets: how many restarts are allowed, counted where and
// how long, and what happens beyond.
func TestTortureF(t *testing.T) {
	torture(t, 16, append(
		budgetCases(),
		tortureCase{name: "escalating counts the restarts of all children together", run: sharedBudget(escalating(1), 2)},
		tortureCase{name: "isolating counts those of each child", run: sharedBudget(isolating(1), 1)},
		tortureCase{name: "failed starts count", run: failedStartsCount},
		tortureCase{name: "the clock jumps forward: all is forgotten, nothing breaks", run: clockJumps(24*time.Hour, false)},
		tortureCase{name: "the clock jumps backward: nothing is forgotten", run: clockJumps(-24*time.Hour, true)},
		tortureCase{name: "up to the root: each level has a budget of its own, OnFatal is called once", on: onBoth, run: escalationClimbs},
		tortureCase{name: "the root gives up: children stop in reverse, sends and stops still answer", on: onBoth, run: rootGivesUp},
		tortureCase{name: "isolating: a child fails for ever while its siblings live", run: isolatingForEver},
		tortureCase{name: "isolating: one stable life gives a fresh budget", run: failedHeals},
		tortureCase{name: "restarts cost the same after thousands, in time and memory", run: restartsAreFlat},
	)...)
}

// budgetCases: n restarts are within the budget, the n+1st is not; a restart
// exactly the period after another is still in its window.
func budgetCases() (cases []tortureCase) {
	const period = 5 * time.Second
	for _, c := range []struct {
		name   string
		budget supervisor.Budget
		gaps   []time.Duration // before each crash
		gone   bool
	}{
		{"budget, default: one", supervisor.Budget{}, []time.Duration{0}, false},
		{"budget, default: two", supervisor.Budget{}, []time.Duration{0, 0}, true},
		{"budget, default: two, spaced", supervisor.Budget{}, []time.Duration{0, period + 1}, false},
		{"budget, none allowed", escalating(0), []time.Duration{0}, true},
		{"budget, n", escalating(3), []time.Duration{0, 1, 1}, false},
		{"budget, n+1", escalating(3), []time.Duration{0, 1, 1, 1}, true},
		{"budget, window's edge", escalating(1), []time.Duration{0, period}, true},
		{"budget, beyond the edge", escalating(1), []time.Duration{0, period + 1}, false},
		{"budget, before the edge", escalating(1), []time.Duration{0, period - 1}, true},
		{"budget, sliding", escalating(2), []time.Duration{0, 3 * time.Second, 3 * time.Second, 3 * time.Second}, false},
		{"budget, burst after silence", escalating(2), []time.Duration{0, 0, time.Hour, 0}, false},
		{"budget, burst of n+1 after silence", escalating(2), []time.Duration{0, 0, time.Hour, 0, 0}, true},
	} {
		cases = append(cases, tortureCase{name: c.name, run: func(t *testing.T, w *world) {
			crashesAfter(t, w, c.budget, c.gaps, c.gone)
		}})
	}
	return cases
}

func crashesAfter(t *testing.T, w *world, budget supervisor.Budget, gaps []time.Duration, gone bool) {
	var fatal []supervisor.Reason
	w.onFatal = func(r supervisor.Reason) { fatal = append(fatal, r) }
	a := w.log.Child("a", probe{})
	a.Backoff = noBackoff
	w.start(spec{Budget: budget, Children: kids{a, w.log.Child("b", probe{})}})
	for _, gap := range gaps {
		w.waitState("a", supervisor.StateRunning)
		at := w.x.Now()
		w.advance(gap)
		if gap > 0 && w.x.Now().Sub(at) != gap {
			t.Fatal("the clock is off")
		}
		w.crash("a")
	}
	equal(t, "gave up", gone, len(fatal) == 1)
	if !gone {
		w.waitState("a", supervisor.StateRunning)
		return
	}
	if !errors.Is(fatal[0].Err, supervisor.ErrBudget) {
		t.Errorf("fatal reason %v", fatal[0])
	}
	equal(t, "b", supervisor.StateStopped, w.state("b"))
}

func sharedBudget(budget supervisor.Budget, lives uint64) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		w.start(spec{Budget: escalating(9), Children: kids{
			supervised("s", spec{Budget: budget, Children: kids{w.log.Child("x", probe{}), w.log.Child("y", probe{})}}),
		}})
		w.crash("s/x")
		w.crash("s/y")
		equal(t, "lives of s", lives, w.node("s").Incarnation)
		equal(t, "y", supervisor.StateRunning, w.state("s/y"))
	}
}

// failedStartsCount: a crash and two starts that fail are three.
func failedStartsCount(t *testing.T, w *world) {
	for budget, lives := range map[int]uint64{2: 2, 3: 1} {
		w := newWorld(t, w.x)
		w.sim.Advance(time.Hour)
		x := w.log.Child("x", probe{OnStart: func(c ctx) error {
			if n := c.Incarnation(); n == 2 || n == 3 {
				return supervisortest.ErrCrash
			}
			return nil
		}})
		x.Backoff = noBackoff
		w.start(spec{Children: kids{supervised("s", spec{Budget: escalating(budget), Children: kids{x}})}})
		w.send("s/x", supervisortest.Crash)
		w.advance(time.Second)
		equal(t, "lives of s", lives, w.node("s").Incarnation)
		equal(t, "lives of x", uint64(4), w.node("s/x").Incarnation)
		equal(t, "x", supervisor.StateRunning, w.state("s/x"))
		w.account()
	}
}

// jumpingClock is a simulation whose clock can be set.
type jumpingClock struct {
	*sim.Sim
	off time.Duration
}

func (x *jumpingClock) Now() time.Time { return x.Sim.Now().Add(x.off) }

// clockJumps: one restart is allowed within 5 s; the clock is set between two.
func clockJumps(by time.Duration, gone bool) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		x := &jumpingClock{Sim: w.sim}
		w.x = x
		w.onFatal = func(supervisor.Reason) { w.log.Add("fatal") }
		w.start(spec{Children: kids{w.log.Child("a", probe{})}})
		w.crash("a")
		x.off = by
		w.crash("a")
		equal(t, "gave up", gone, w.log.Has("fatal"))
		if !gone {
			w.waitState("a", supervisor.StateRunning)
			equal(t, "life", uint64(3), w.node("a").Incarnation)
		}
	}
}

// rootGivesUp: a tree that is down answers everybody at once.
func rootGivesUp(t *testing.T, w *world) {
	fatal := make(chan supervisor.Reason, 9)
	w.onFatal = func(r supervisor.Reason) { fatal <- r }
	w.start(spec{Budget: escalating(0), Children: kids{w.log.Child("a", probe{}), w.log.Child("b", probe{}), w.log.Child("c", probe{})}})
	w.log.Take()
	w.send("b", supervisortest.Crash)
	w.wait("fatal", func() bool { return len(fatal) > 0 })
	<-w.sys.Down()
	w.wantLog("stop root/b#1 error: crash", "stop root/c#1 shutdown", "stop root/a#1 shutdown")
	equal(t, "send", supervisor.Down, w.ref("a").Send("x"))
	_, err := w.ref("a").Ask("x", limit)
	if !errors.Is(err, supervisor.ErrDown) {
		t.Errorf("ask: %v", err)
	}
	w.wantErr("", supervisor.StartChild{ID: "a"}, supervisor.ErrDown)
	r := w.stop()
	equal(t, "stop", supervisor.StopReport{Took: r.Took, Complete: true}, r)
	equal(t, "OnFatal", 1, len(fatal))
}

// escalationClimbs goes up level by level: the parent has a budget of its own, and
// at the root OnFatal is called, once, with the whole path in the reason.
func escalationClimbs(t *testing.T, w *world) {
	fatal := make(chan supervisor.Reason, 9)
	w.onFatal = func(r supervisor.Reason) { fatal <- r }
	x := w.log.Child("x", probe{OnStart: func(c ctx) error {
		if c.Incarnation() > 1 {
			c.After("die", 0)
		}
		return nil
	}, OnReceive: func(ctx, any) error { return supervisortest.ErrCrash }})
	x.Backoff = noBackoff
	s := supervised("s", spec{Budget: escalating(2), Children: kids{x}})
	s.Backoff = noBackoff
	m := supervised("m", spec{Budget: escalating(1), Children: kids{s}})
	m.Backoff = noBackoff
	w.start(spec{Budget: escalating(1), Children: kids{w.log.Child("a", probe{}), m}})
	w.send("m/s/x", supervisortest.Crash)
	w.wait("fatal", func() bool { return len(fatal) > 0 })
	r := <-fatal
	equal(t, "reason", "error: child root/m: restart budget exceeded after child root/m/s: "+
		"restart budget exceeded after child root/m/s/x: restart budget exceeded after crash", r.String())
	if !errors.Is(r.Err, supervisortest.ErrCrash) {
		t.Error("the cause is not in the reason")
	}
	w.becomes("x's lives: 3 of s, 2 of m, 2 of the root, the first without a crash", uint64(12), func() any { return w.node("m/s/x").Incarnation })
	<-w.sys.Down()
	equal(t, "the system's reason", r.String(), w.sys.Reason().String())
	equal(t, "stop afterwards", true, w.stop().Complete)
	equal(t, "more OnFatal", 0, len(fatal))
	balanced(t, w.events)
}

// isolatingForEver: a child that fails always becomes failed, is tried again
// at the backoff's cap for ever, and nobody else notices.
func isolatingForEver(t *testing.T, w *world) {
	bad := w.log.Child("bad", probe{OnStart: func(ctx) error { return supervisortest.ErrCrash }})
	bad.Backoff = supervisor.Backoff{Min: time.Second, Max: time.Minute}
	w.start(spec{Children: kids{
		supervised("s", spec{Budget: isolating(2), Children: kids{bad, w.log.Child("good", probe{})}}),
	}})
	w.advance(10 * time.Minute)
	failed := w.events.of(supervisor.EventFailed, "s/bad")
	for _, e := range failed {
		equal(t, "wait", time.Minute, e.Wait)
	}
	equal(t, "state", supervisor.StateFailed, w.state("s/bad"))
	before := w.node("s/bad").Incarnation
	w.advance(24 * time.Hour)
	equal(t, "tries in a day", 24*60, int(w.node("s/bad").Incarnation-before))
	equal(t, "good's lives", uint64(1), w.node("s/good").Incarnation)
	equal(t, "s's lives", uint64(1), w.node("s").Incarnation)
	n := w.node("s/bad")
	if wait := n.RetryAt.Sub(w.x.Now()); wait <= 0 || wait > time.Minute {
		t.Errorf("next try in %v", wait)
	}
}

// failedHeals: a failed child that fails again right after its try stays
// failed; one stable life gives it a fresh budget.
func failedHeals(t *testing.T, w *world) {
	a := w.log.Child("a", probe{})
	a.Backoff = supervisor.Backoff{Min: 1, Max: 30 * time.Second, ResetAfter: 10 * time.Second}
	w.start(spec{Budget: isolating(2), Children: kids{a}})
	crash := func() { w.send("a", supervisortest.Crash); w.advance(10) }
	crash()
	crash()
	crash()
	equal(t, "third crash", supervisor.StateFailed, w.state("a"))
	w.advance(30 * time.Second)
	equal(t, "tried", supervisor.StateRunning, w.state("a"))
	w.advance(5 * time.Second)
	crash()
	equal(t, "crash of an unstable life", supervisor.StateFailed, w.state("a"))
	w.advance(30*time.Second + 10*time.Second)
	crash()
	equal(t, "crash of a stable life", supervisor.StateRunning, w.state("a"))
	crash()
	equal(t, "within the fresh budget", supervisor.StateRunning, w.state("a"))
	crash()
	equal(t, "beyond it", supervisor.StateFailed, w.state("a"))
}

// restartsAreFlat: after thousands of restarts one costs what it did before, in
// work and in memory (statistics that are never pruned would show).
func restartsAreFlat(t *testing.T, w *world) {
	linearWork(t, "restarts of one")
	a := w.log.Child("a", probe{})
	a.Backoff = noBackoff
	w.events.off = true
	w.start(spec{Budget: supervisor.Escalating(10, 1), Children: kids{a}})
	restart := func(n int) {
		for range n {
			w.send("a", supervisortest.Crash)
			w.advance(1)
		}
		w.log.Take()
	}
	many := 30_000
	if supervisortest.RaceEnabled {
		many = 1000 // it finds nothing in one goroutine
	}
	restart(1000)
	before := liveHeap()
	restart(many)
	if grown := int64(liveHeap()) - int64(before); grown > 32<<10 {
		t.Errorf("%d restarts left %d bytes", many, grown)
	}
	equal(t, "lives", uint64(1+1000+many), w.node("a").Incarnation)
}
