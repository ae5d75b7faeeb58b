package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// crash makes the child crash and lets its restart happen, the clock standing
// still.
func (w *world) crash(path string) {
	w.t.Helper()
	w.send(path, supervisortest.Crash)
	w.advance(0)
}

// noBackoff restarts at once, again and again.
var noBackoff = supervisor.Backoff{Min: 1, Max: 1}

// TestBudget: n restarts are within the budget, the n+1st is not; a restart
// exactly the period after another is still in its window.
func TestBudget(t *testing.T) {
	const period = 5 * time.Second
	for _, c := range []struct {
		name   string
		budget supervisor.Budget
		gaps   []time.Duration // before each crash
		gone   bool
	}{
		{"default: one", supervisor.Budget{}, []time.Duration{0}, false},
		{"default: two", supervisor.Budget{}, []time.Duration{0, 0}, true},
		{"default: two, spaced", supervisor.Budget{}, []time.Duration{0, period + 1}, false},
		{"none allowed", escalating(0), []time.Duration{0}, true},
		{"n", escalating(3), []time.Duration{0, 1, 1}, false},
		{"n+1", escalating(3), []time.Duration{0, 1, 1, 1}, true},
		{"window's edge", escalating(1), []time.Duration{0, period}, true},
		{"beyond the edge", escalating(1), []time.Duration{0, period + 1}, false},
		{"before the edge", escalating(1), []time.Duration{0, period - 1}, true},
		{"sliding", escalating(2), []time.Duration{0, 3 * time.Second, 3 * time.Second, 3 * time.Second}, false},
		{"burst after silence", escalating(2), []time.Duration{0, 0, time.Hour, 0}, false},
		{"burst of n+1 after silence", escalating(2), []time.Duration{0, 0, time.Hour, 0, 0}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := simWorld(t)
			var fatal []supervisor.Reason
			w.onFatal = func(r supervisor.Reason) { fatal = append(fatal, r) }
			a := w.log.Child("a", probe{})
			a.Backoff = noBackoff
			w.start(spec{Budget: c.budget, Children: kids{a, w.log.Child("b", probe{})}})
			for _, gap := range c.gaps {
				w.waitState("a", supervisor.StateRunning)
				at := w.x.Now()
				w.advance(gap)
				if gap > 0 && w.x.Now().Sub(at) != gap {
					t.Fatal("the clock is off")
				}
				w.crash("a")
			}
			equal(t, "gave up", c.gone, len(fatal) == 1)
			if !c.gone {
				w.waitState("a", supervisor.StateRunning)
				return
			}
			if !errors.Is(fatal[0].Err, supervisor.ErrBudget) {
				t.Errorf("fatal reason %v", fatal[0])
			}
			equal(t, "b", supervisor.StateStopped, w.state("b"))
		})
	}
}

// TestBudgetIsShared: escalating counts the restarts of all children together,
// isolating those of each.
func TestBudgetIsShared(t *testing.T) {
	for _, c := range []struct {
		budget supervisor.Budget
		lives  uint64
	}{{escalating(1), 2}, {isolating(1), 1}} {
		w := simWorld(t)
		w.start(spec{Budget: escalating(9), Children: kids{
			supervised("s", spec{Budget: c.budget, Children: kids{w.log.Child("x", probe{}), w.log.Child("y", probe{})}}),
		}})
		w.crash("s/x")
		w.crash("s/y")
		equal(t, "lives of s", c.lives, w.node("s").Incarnation)
		equal(t, "y", supervisor.StateRunning, w.state("s/y"))
	}
}

// TestEscalation goes up level by level: the parent has a budget of its own, and
// at the root OnFatal is called, once, with the whole path in the reason.
func TestEscalation(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
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
		equal(t, "x's lives: 3 of s, 2 of m, 2 of the root, the first without a crash", uint64(12), w.node("m/s/x").Incarnation)
		<-w.sys.Down()
		equal(t, "the system's reason", r.String(), w.sys.Reason().String())
		equal(t, "stop afterwards", true, w.stop().Complete)
		equal(t, "more OnFatal", 0, len(fatal))
		balanced(t, w.events)
	})
}

// TestIsolatingForEver: a child that fails always becomes failed, is tried again
// at the backoff's cap for ever, and nobody else notices.
func TestIsolatingForEver(t *testing.T) {
	w := simWorld(t)
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

// TestFailedHeals: a failed child that fails again right after its try stays
// failed; one stable life gives it a fresh budget.
func TestFailedHeals(t *testing.T) {
	w := simWorld(t)
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

// waits is the backoffs of a child that crashes n times in a row.
func waits(t *testing.T, seed uint64, b supervisor.Backoff, n int) (all []time.Duration) {
	t.Helper()
	w := newWorld(t, sim.New(seed, sim.Options{}))
	a := w.log.Child("a", probe{})
	a.Backoff = b
	w.start(spec{Budget: escalating(1000), Children: kids{a}})
	for range n {
		w.send("a", supervisortest.Crash)
		w.sim.Quiesce()
		e := w.events.of(supervisor.EventRestarting, "a")
		all = append(all, e[len(e)-1].Wait)
		w.advance(e[len(e)-1].Wait)
		w.waitState("a", supervisor.StateRunning)
	}
	w.stop()
	return all
}

// TestBackoffCurve: the first restart is immediate, then Min, Min*Factor, ... Max.
func TestBackoffCurve(t *testing.T) {
	ms := time.Millisecond
	for name, c := range map[string]struct {
		b    supervisor.Backoff
		want []time.Duration
	}{
		"defaults": {supervisor.Backoff{}, []time.Duration{
			0, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, 12800 * ms, 25600 * ms, 30000 * ms, 30000 * ms,
		}},
		"factor 3":        {supervisor.Backoff{Min: ms, Factor: 3, Max: 20 * ms}, []time.Duration{0, ms, 3 * ms, 9 * ms, 20 * ms, 20 * ms}},
		"constant":        {supervisor.Backoff{Min: 7 * ms, Factor: 1}, []time.Duration{0, 7 * ms, 7 * ms, 7 * ms}},
		"min above cap":   {supervisor.Backoff{Min: time.Hour}, []time.Duration{0, time.Hour, time.Hour}},
		"cap below min":   {supervisor.Backoff{Max: 5 * ms}, []time.Duration{0, 5 * ms, 5 * ms}},
		"infinite factor": {supervisor.Backoff{Min: ms, Factor: 1e300, Max: 9 * ms}, []time.Duration{0, ms, 9 * ms, 9 * ms, 9 * ms}},
	} {
		t.Run(name, func(t *testing.T) {
			equal(t, "waits", c.want, waits(t, 1, c.b, len(c.want)))
		})
	}
}

// TestBackoffReset: only a life that was ready for ResetAfter makes the next
// failure a first one again.
func TestBackoffReset(t *testing.T) {
	const reset = 10 * time.Second
	for _, c := range []struct {
		ran  time.Duration
		wait time.Duration
	}{{reset - 1, 100 * time.Millisecond}, {reset, 0}, {time.Hour, 0}} {
		w := simWorld(t)
		w.start(spec{Budget: escalating(9), Children: kids{w.log.Child("a", probe{})}})
		w.crash("a")
		w.advance(c.ran)
		w.crash("a")
		e := w.events.of(supervisor.EventRestarting, "a")
		equal(t, fmt.Sprint("wait after ", c.ran), c.wait, e[len(e)-1].Wait)
	}
}

// TestSlowFailingStart: a start that fails slower than ResetAfter is not a
// stable life: the backoff grows all the same.
func TestSlowFailingStart(t *testing.T) {
	w := simWorld(t, sim.Options{Hold: func(string, string) sim.Hold { return sim.Hold{Start: time.Minute} }})
	a := supervised("a", spec{Budget: escalating(0), Children: kids{
		w.log.Child("x", probe{OnStart: func(c ctx) error {
			if c.Incarnation() > 1 {
				return supervisortest.ErrCrash
			}
			return nil
		}, OnStop: func(c ctx, _ supervisor.Reason) {
			_ = c.Task("slow", 0, func(context.Context) (any, error) { return nil, nil })
		}}),
	}})
	a.Backoff = supervisor.Backoff{ResetAfter: time.Second}
	a.Supervisor.Children[0].StopDeadline = time.Hour
	w.start(spec{Budget: escalating(100), Children: kids{a}})
	w.send("a/x", supervisortest.Crash)
	w.advance(10 * time.Minute)
	var waits []time.Duration
	for _, e := range w.events.of(supervisor.EventRestarting, "a") {
		waits = append(waits, e.Wait)
	}
	if len(waits) < 5 || waits[0] != 0 || !slices.IsSorted(waits) || waits[4] != 800*time.Millisecond {
		t.Errorf("waits %v", waits)
	}
}

// TestJitter: it shortens by at most its part, spreads over all of it, and
// nobody comes in a herd, at the cap neither.
func TestJitter(t *testing.T) {
	const n = 1000
	w := simWorld(t)
	var children kids
	for i := range n {
		c := w.log.Child(fmt.Sprint("c", i), probe{})
		c.Backoff = supervisor.Backoff{Min: time.Second, Max: 8 * time.Second, Jitter: 0.5}
		children = append(children, c)
	}
	w.start(spec{Children: kids{supervised("s", spec{Budget: isolating(2), Children: children})}})
	all := func() {
		for _, c := range children {
			w.send("s/"+c.ID, supervisortest.Crash)
		}
	}
	all()
	w.advance(0)
	for i, most := range []time.Duration{time.Second, 8 * time.Second} {
		all()
		w.sim.Quiesce()
		e := w.events.of(supervisor.EventRestarting, "")
		e = e[len(e)-n:]
		slices.SortFunc(e, func(a, b supervisor.Event) int { return int(a.Wait - b.Wait) })
		low, mid, high := e[0].Wait, e[n/2].Wait, e[n-1].Wait
		if low < most/2 || high > most || low > most*51/100 || high < most*99/100 {
			t.Errorf("%d: waits from %v to %v, want all of %v to %v", i, low, high, most/2, most)
		}
		if mid < most*70/100 || mid > most*80/100 {
			t.Errorf("%d: median %v of %v", i, mid, most)
		}
		for j := range n - 20 {
			if e[j+20].Wait-e[j].Wait < most/2/n {
				t.Errorf("%d: 20 children within %v", i, e[j+20].Wait-e[j].Wait)
				break
			}
		}
		w.advance(most)
	}
	equal(t, "failed", n, len(w.events.of(supervisor.EventFailed, "")))
}

// TestRestartsAreFlat: after 5,000 restarts one costs what it did before, in
// time and in memory (statistics that are never pruned would show).
func TestRestartsAreFlat(t *testing.T) {
	begin := func() *world {
		w := simWorld(t)
		a := w.log.Child("a", probe{})
		a.Backoff = noBackoff
		w.events.off = true
		w.start(spec{Budget: supervisor.Escalating(10, 1), Children: kids{a}})
		return w
	}
	restart := func(w *world, n int) {
		for range n {
			w.send("a", supervisortest.Crash)
			w.advance(1)
		}
		w.log.Take()
	}
	old, fresh := begin(), begin()
	restart(old, 1000)
	before := liveHeap()
	restart(old, 5_000)
	if grown := int64(liveHeap()) - int64(before); grown > 32<<10 {
		t.Errorf("5,000 restarts left %d bytes", grown)
	}
	ratio := supervisortest.Ratio(func() { restart(old, 200) }, func() { restart(fresh, 200) })
	if ratio > 3 {
		t.Errorf("a restart takes %.1f times what it did", ratio)
	}
	equal(t, "lives", uint64(1+6_000+9*200), old.node("a").Incarnation)
}

func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
