package supervisor_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// TestTortureI is about backoff: how long a child waits for its next life.
func TestTortureI(t *testing.T) {
	aMinute := sim.Options{Hold: func(string, string) sim.Hold { return sim.Hold{Start: time.Minute} }}
	const reset, first, second = 10 * time.Second, 0, 100 * time.Millisecond
	torture(t, 12, append(
		backoffCurves(),
		tortureCase{name: "the first restart is immediate, whatever the backoff", run: firstIsImmediate},
		tortureCase{name: "the wait is kept to the nanosecond", run: waitIsExact},
		tortureCase{name: "reset: a life just below ResetAfter", run: backoffReset(reset-1, second)},
		tortureCase{name: "reset: a life of ResetAfter", run: backoffReset(reset, first)},
		tortureCase{name: "reset: a long life", run: backoffReset(time.Hour, first)},
		tortureCase{name: "reset: the curve begins anew", run: curveBeginsAnew},
		tortureCase{name: "a start that fails slowly is no stable life", sim: aMinute, run: slowFailingStart},
		tortureCase{name: "one child's failures are not another's", run: backoffIsOfOneChild},
		tortureCase{name: "it ends with the tree", run: backoffEndsWithTheTree},
		tortureCase{name: "it ends with the supervisor, and begins anew", run: backoffEndsWithTheSupervisor},
		tortureCase{name: "stop of the child cancels it", run: backoffCancelled},
		tortureCase{name: "jitter only shortens, and stays within its part", run: jitterBounds},
		tortureCase{name: "a thousand children spread over the jitter, at the cap too", run: jitterSpreads},
		tortureCase{name: "one seed gives one backoff", run: jitterIsSeeded},
	)...)
}

// backoffCurves: the first restart is immediate, then Min, Min*Factor, ... Max.
func backoffCurves() (cases []tortureCase) {
	ms := time.Millisecond
	for _, c := range []struct {
		name string
		b    supervisor.Backoff
		want []time.Duration
	}{
		{"defaults", supervisor.Backoff{}, []time.Duration{
			0, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, 12800 * ms, 25600 * ms, 30000 * ms, 30000 * ms,
		}},
		{"factor 3", supervisor.Backoff{Min: ms, Factor: 3, Max: 20 * ms}, []time.Duration{0, ms, 3 * ms, 9 * ms, 20 * ms, 20 * ms}},
		{"constant", supervisor.Backoff{Min: 7 * ms, Factor: 1}, []time.Duration{0, 7 * ms, 7 * ms, 7 * ms}},
		{"min above cap", supervisor.Backoff{Min: time.Hour}, []time.Duration{0, time.Hour, time.Hour}},
		{"cap below min", supervisor.Backoff{Max: 5 * ms}, []time.Duration{0, 5 * ms, 5 * ms}},
		{"infinite factor", supervisor.Backoff{Min: ms, Factor: 1e300, Max: 9 * ms}, []time.Duration{0, ms, 9 * ms, 9 * ms, 9 * ms}},
	} {
		cases = append(cases, tortureCase{name: "curve: " + c.name, run: func(t *testing.T, w *world) {
			equal(t, "waits", c.want, waits(w, c.b, len(c.want)))
		}})
	}
	return cases
}

// waits is the backoffs of a child that crashes n times in a row.
func waits(w *world, b supervisor.Backoff, n int) (all []time.Duration) {
	w.t.Helper()
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
	return all
}

// lastWait is how long the latest restart of a child waits.
func (w *world) lastWait(path string) time.Duration {
	w.t.Helper()
	e := w.events.of(supervisor.EventRestarting, path)
	return e[len(e)-1].Wait
}

func firstIsImmediate(t *testing.T, w *world) {
	a := with(w.log.Child("a", probe{}), func(c *kid) { c.Backoff = supervisor.Backoff{Min: time.Hour, Max: time.Hour, Jitter: 0.5} })
	w.start(spec{Children: kids{a}})
	at := w.x.Now()
	w.crash("a")
	equal(t, "wait", 0, w.lastWait("a"))
	equal(t, "life", uint64(2), w.node("a").Incarnation)
	equal(t, "now", at, w.x.Now())
}

func waitIsExact(t *testing.T, w *world) {
	w.start(spec{Budget: escalating(9), Children: kids{w.log.Child("a", probe{})}})
	w.crash("a")
	w.crash("a")
	equal(t, "shown", w.x.Now().Add(100*time.Millisecond), *w.node("a").RetryAt)
	w.advance(100*time.Millisecond - 1)
	equal(t, "before", supervisor.StateRestarting, w.state("a"))
	w.advance(1)
	equal(t, "after", supervisor.StateRunning, w.state("a"))
	equal(t, "shown afterwards", true, w.node("a").RetryAt == nil)
}

// backoffReset: only a life that was ready for ResetAfter makes the next failure
// a first one again.
func backoffReset(ran, wait time.Duration) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		w.start(spec{Budget: escalating(9), Children: kids{w.log.Child("a", probe{})}})
		w.crash("a")
		w.advance(ran)
		w.crash("a")
		equal(t, fmt.Sprint("wait after ", ran), wait, w.lastWait("a"))
	}
}

func curveBeginsAnew(t *testing.T, w *world) {
	first := waits(w, supervisor.Backoff{ResetAfter: time.Minute}, 5)
	w.advance(time.Minute)
	var again []time.Duration
	for range 5 {
		w.send("a", supervisortest.Crash)
		w.sim.Quiesce()
		again = append(again, w.lastWait("a"))
		w.advance(w.lastWait("a"))
	}
	equal(t, "waits", first, again)
}

// slowFailingStart: a start that fails slower than ResetAfter is not a
// stable life: the backoff grows all the same.
func slowFailingStart(t *testing.T, w *world) {
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

func backoffIsOfOneChild(t *testing.T, w *world) {
	w.start(spec{Budget: escalating(9), Children: kids{w.log.Child("a", probe{}), w.log.Child("b", probe{})}})
	w.crash("a")
	w.crash("a")
	w.crash("b")
	equal(t, "a", 100*time.Millisecond, w.lastWait("a"))
	equal(t, "b", 0, w.lastWait("b"))
}

// waitingForAnHour is a child in a supervisor s that waits for its third life.
func waitingForAnHour(w *world) {
	w.t.Helper()
	x := with(w.log.Child("x", probe{}), func(c *kid) { c.Backoff = anHour })
	w.start(spec{Children: kids{supervised("s", spec{Budget: escalating(2), Children: kids{x, w.log.Child("y", probe{})}})}})
	w.crash("s/x")
	w.crash("s/x")
	equal(w.t, "state", supervisor.StateRestarting, w.state("s/x"))
	equal(w.t, "timers", int64(1), w.sys.Ledger().Timers)
}

func backoffEndsWithTheTree(t *testing.T, w *world) {
	waitingForAnHour(w)
	r := w.stop()
	equal(t, "report", supervisor.StopReport{Complete: true}, r)
	w.advance(10 * time.Hour)
	equal(t, "state", supervisor.StateStopped, w.state("s/x"))
	equal(t, "lives", uint64(2), w.node("s/x").Incarnation)
}

func backoffEndsWithTheSupervisor(t *testing.T, w *world) {
	waitingForAnHour(w)
	w.crash("s/y") // one too many: s starts anew
	equal(t, "s", uint64(2), w.node("s").Incarnation)
	equal(t, "x", supervisor.StateRunning, w.state("s/x"))
	equal(t, "timers", int64(0), w.sys.Ledger().Timers)
	w.advance(10 * time.Hour)
	equal(t, "lives", uint64(3), w.node("s/x").Incarnation)
	w.crash("s/x")
	equal(t, "its failures are forgotten", 0, w.lastWait("s/x"))
}

func backoffCancelled(t *testing.T, w *world) {
	waitingForAnHour(w)
	w.stopChild("s", "x")
	equal(t, "timers", int64(0), w.sys.Ledger().Timers)
	w.advance(10 * time.Hour)
	equal(t, "state", supervisor.StateStopped, w.state("s/x"))
	equal(t, "lives", uint64(2), w.node("s/x").Incarnation)
}

func jitterBounds(t *testing.T, w *world) {
	full := supervisor.Backoff{Min: time.Second, Factor: 1, Jitter: 1}
	all := waits(w, full, 500)
	equal(t, "the first", 0, all[0])
	slices.Sort(all)
	if low, high := all[1], all[499]; low < 0 || low > 20*time.Millisecond || high > time.Second || high < 980*time.Millisecond {
		t.Errorf("from %v to %v, want all of 0 to 1 s", low, high)
	}
}

func jitterIsSeeded(t *testing.T, w *world) {
	b := supervisor.Backoff{Min: time.Second, Jitter: 0.5}
	with := func(seed uint64) []time.Duration {
		other := newWorld(t, sim.New(seed, sim.Options{}))
		defer other.account()
		return waits(other, b, 20)
	}
	same := waits(w, b, 20) // of seed 1
	equal(t, "again", same, with(1))
	if slices.Equal(same, with(2)) {
		t.Error("another seed gives the same")
	}
}

// jitterSpreads: it shortens by at most its part, spreads over all of it, and
// nobody comes in a herd, at the cap neither.
func jitterSpreads(t *testing.T, w *world) {
	const n = 1000
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
