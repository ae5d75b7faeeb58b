package supervisor_test

import (
	"fmt"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// TestTortureE is about strategies: who shares a child's fate, in which order
// they stop and start, and what happens when more goes wrong meanwhile.
func TestTortureE(t *testing.T) {
	takesASecond := sim.Options{Hold: func(string, string) sim.Hold { return sim.Hold{Start: time.Second} }}
	torture(
		t, 24,
		tortureCase{name: "one for one: nobody else notices", on: onBoth, run: oneForOne},
		tortureCase{name: "one for one: two crash at once, each comes back alone", run: twoAtOnce},
		tortureCase{name: "one for one: a temporary bystander, and one that ended, stay as they are", run: oneBystanders},
		tortureCase{name: "one for one: a sibling's backoff delays nobody", run: backoffDelaysNobody},
		tortureCase{name: "rest for one: those after it stop in reverse and start in order", on: onBoth, run: restForOne},
		tortureCase{name: "rest for one: the first takes all with it", run: restOf(0)},
		tortureCase{name: "rest for one: the last takes nobody with it", run: restOf(4)},
		tortureCase{name: "rest for one: a subtree stops and starts in its place", run: restSubtree},
		tortureCase{name: "rest for one: bystanders", on: onBoth, run: restBystanders},
		tortureCase{name: "rest for one: a sibling that fails during the restart is tried again, earlier ones stay", run: restFailureDuringRestart},
		tortureCase{name: "rest for one: an earlier sibling crashes while the plan waits", run: restSecondCrash},
		tortureCase{name: "rest for one: a later sibling fails by itself while the plan stops it", sim: takesASecond, run: restSelfFailure},
		tortureCase{name: "rest for one: a child that ignores its restart does not hold the plan", run: leavesThePlan(supervisor.ErrIgnore, supervisor.StateIgnored)},
		tortureCase{
			name: "rest for one: a child that asks not to be restarted does not hold the plan",
			run:  leavesThePlan(supervisor.DoNotRestart(supervisortest.ErrCrash), supervisor.StateStopped),
		},
		tortureCase{name: "rest for one: beyond the budget, all stop in reverse and the parent starts them anew", run: strategyEscalates(supervisor.RestForOne)},
		tortureCase{name: "one for all: all stop in reverse and start in order", on: onBoth, run: oneForAll},
		tortureCase{name: "one for all: bystanders", on: onBoth, run: allBystanders},
		tortureCase{name: "one for all: a sibling that fails during the restart is tried again, with those that were back", run: allFailureDuringRestart},
		tortureCase{name: "one for all: a second child crashes while the plan stops it", sim: takesASecond, run: allSecondCrash},
		tortureCase{name: "one for all: one that is back crashes while another waits", run: allCrashOfOneThatIsBack},
		tortureCase{name: "one for all: one that takes its time delays the restart, exactly", sim: takesASecond, run: allWaitForTheSlow},
		tortureCase{name: "one for all: one that is stuck is abandoned and succeeded", sim: holdAll, run: allAbandonTheStuck},
		tortureCase{name: "one for all: beyond the budget, all stop in reverse and the parent starts them anew", run: strategyEscalates(supervisor.OneForAll)},
		tortureCase{name: "dynamic: a child that is lost comes back alone", on: onBoth, run: dynamicLost},
		tortureCase{name: "dynamic: a child that ignores its restart is forgotten", run: dynamicIgnoresRestart},
		tortureCase{name: "dynamic: a thousand temporary ones that ended leave nothing", run: dynamicTemporaries},
		tortureCase{name: "dynamic: beyond the budget, all end and the parent starts it empty", run: dynamicEscalates},
		tortureCase{name: "three levels: what is in the spec comes back, dynamic children do not", run: threeLevels},
	)
}

// oneForOne: nobody else notices.
func oneForOne(t *testing.T, w *world) {
	l := w.log
	w.start(spec{Children: kids{l.Child("a", probe{}), l.Child("b", probe{}), l.Child("c", probe{})}})
	l.Take()
	w.send("b", supervisortest.Crash)
	w.waitLife("b", 2)
	w.wantLog("stop root/b#1 error: crash", "start root/b#2")
}

// restForOne: those started after the failed one are stopped in reverse and
// started again in order; those before it are untouched.
func restForOne(t *testing.T, w *world) {
	l := w.log
	w.start(spec{Strategy: supervisor.RestForOne, Children: kids{
		l.Child("a", probe{}), l.Child("b", probe{}), l.Child("c", probe{}), l.Child("d", probe{}),
	}})
	l.Take()
	w.send("b", supervisortest.Crash)
	w.waitLife("d", 2)
	w.wantLog(
		"stop root/b#1 error: crash", "stop root/d#1 shutdown", "stop root/c#1 shutdown",
		"start root/b#2", "start root/c#2", "start root/d#2",
	)
	w.becomes("a's lives", uint64(1), func() any { return w.node("a").Incarnation })
}

// restBystanders: in rest-for-one a temporary sibling that is taken down stays
// down, and so does one that asked not to be restarted; one that had ended
// cleanly or ignored is started with the others, as in OTP.
func restBystanders(t *testing.T, w *world) {
	l := w.log
	temporary := with(l.Child("temporary", probe{}), func(c *kid) { c.Restart = supervisor.Temporary })
	done := with(l.Child("done", probe{}), func(c *kid) { c.Restart = supervisor.Transient })
	transient := with(l.Child("transient", probe{}), func(c *kid) { c.Restart = supervisor.Transient })
	barred := l.Child("barred", probe{OnReceive: func(ctx, any) error { return supervisor.DoNotRestart(supervisortest.ErrCrash) }})
	w.start(spec{Strategy: supervisor.RestForOne, Children: kids{
		l.Child("a", probe{}), temporary, done, transient, barred,
	}})
	w.send("done", supervisortest.End{})
	w.waitState("done", supervisor.StateStopped)
	w.send("barred", "end")
	w.waitState("barred", supervisor.StateStopped)
	l.Take()
	w.send("a", supervisortest.Crash)
	w.waitLife("transient", 2)
	w.wantLog(
		"stop root/a#1 error: crash", "stop root/transient#1 shutdown", "stop root/temporary#1 shutdown",
		"start root/a#2", "start root/done#2", "start root/transient#2",
	)
	equal(t, "temporary", supervisor.StateStopped, w.state("temporary"))
	equal(t, "barred", supervisor.StateStopped, w.state("barred"))
}

// restFailureDuringRestart: a child that fails to start again counts and is
// retried; in rest-for-one those already back before it stay untouched.
func restFailureDuringRestart(t *testing.T, w *world) {
	l := w.log
	stubborn := func(until uint64) probe {
		return probe{OnStart: func(c ctx) error {
			if n := c.Incarnation(); n > 1 && n < until {
				return supervisortest.ErrCrash
			}
			return nil
		}}
	}
	w.start(spec{Strategy: supervisor.RestForOne, Budget: escalating(5), Children: kids{
		l.Child("a", probe{}), l.Child("b", probe{}), l.Child("c", stubborn(3)), l.Child("d", probe{}),
	}})
	l.Take()
	w.send("b", supervisortest.Crash)
	w.advance(10 * time.Second)
	w.wantLog(
		"stop root/b#1 error: crash", "stop root/d#1 shutdown", "stop root/c#1 shutdown",
		"start root/b#2", "start root/c#2", "stop root/c#2 error: crash", "start root/c#3", "start root/d#2",
	)
	equal(t, "restarts that counted", 2, len(w.events.of(supervisor.EventRestarting, "")))
}

// restSecondCrash: an earlier sibling crashes while the plan waits;
// the plan begins at it.
func restSecondCrash(t *testing.T, w *world) {
	l := w.log
	w.start(spec{Strategy: supervisor.RestForOne, Budget: escalating(5), Children: kids{
		l.Child("a", probe{}),
		with(l.Child("b", probe{}), func(c *kid) { c.Backoff = supervisor.Backoff{Min: time.Second} }),
		l.Child("c", probe{}),
	}})
	w.send("b", supervisortest.Crash)
	w.sim.Advance(0) // the first restart is immediate
	w.send("b", supervisortest.Crash)
	w.sim.Advance(500 * time.Millisecond) // half of the backoff
	equal(t, "b", supervisor.StateRestarting, w.state("b"))
	equal(t, "c", supervisor.StateStopped, w.state("c"))
	l.Take()
	w.send("a", supervisortest.Crash)
	w.sim.Advance(499 * time.Millisecond)
	w.wantLog("stop root/a#1 error: crash") // the whole plan waits for b
	w.sim.Advance(time.Millisecond)
	w.wantLog("start root/a#2", "start root/b#3", "start root/c#3")
}

// restSelfFailure: a later sibling fails by itself while the plan stops
// the tail; the plan still begins at the first one.
func restSelfFailure(t *testing.T, w *world) {
	l := w.log
	w.start(spec{Strategy: supervisor.RestForOne, Budget: escalating(5), Children: kids{
		l.Child("a", probe{}), l.Child("b", probe{}),
		l.Child("c", probe{OnStop: func(c ctx, _ supervisor.Reason) { _ = deaf(c) }}), // for a second
	}})
	l.Take()
	w.send("a", supervisortest.Crash)
	w.advance(500 * time.Millisecond)
	w.send("b", supervisortest.Crash)
	w.advance(400 * time.Millisecond)
	w.wantLog("stop root/a#1 error: crash", "stop root/c#1 shutdown", "stop root/b#1 error: crash")
	w.advance(100 * time.Millisecond)
	w.wantLog("start root/a#2", "start root/b#2", "start root/c#2")
}

// oneForAll: all siblings are stopped in reverse and started again in order.
func oneForAll(t *testing.T, w *world) {
	l := w.log
	w.start(spec{Strategy: supervisor.OneForAll, Children: kids{
		l.Child("a", probe{}), l.Child("b", probe{}), l.Child("c", probe{}),
	}})
	l.Take()
	w.send("b", supervisortest.Crash)
	w.waitLife("c", 2)
	w.wantLog(
		"stop root/b#1 error: crash", "stop root/c#1 shutdown", "stop root/a#1 shutdown",
		"start root/a#2", "start root/b#2", "start root/c#2",
	)
}

// allFailureDuringRestart: a sibling that fails to start again takes
// down those that were back already, and all are tried again.
func allFailureDuringRestart(t *testing.T, w *world) {
	l := w.log
	w.start(spec{Strategy: supervisor.OneForAll, Budget: escalating(5), Children: kids{
		l.Child("a", probe{}),
		l.Child("b", probe{OnStart: func(c ctx) error {
			if c.Incarnation() == 2 {
				return supervisortest.ErrCrash
			}
			return nil
		}}),
		l.Child("c", probe{}),
	}})
	l.Take()
	w.send("a", supervisortest.Crash)
	w.advance(10 * time.Second)
	w.wantLog(
		"stop root/a#1 error: crash", "stop root/c#1 shutdown", "stop root/b#1 shutdown",
		"start root/a#2", "start root/b#2", "stop root/b#2 error: crash", "stop root/a#2 shutdown",
		"start root/a#3", "start root/b#3", "start root/c#2",
	)
}

// allBystanders: an end that is no failure touches nobody; a temporary
// sibling that was taken down stays down, an ended one is started with the rest.
func allBystanders(t *testing.T, w *world) {
	l := w.log
	temporary := with(l.Child("temporary", probe{}), func(c *kid) { c.Restart = supervisor.Temporary })
	transient := with(l.Child("transient", probe{}), func(c *kid) { c.Restart = supervisor.Transient })
	w.start(spec{Strategy: supervisor.OneForAll, Children: kids{l.Child("a", probe{}), temporary, transient}})
	l.Take()
	w.send("transient", supervisortest.End{})
	w.waitState("transient", supervisor.StateStopped)
	w.wantLog("stop root/transient#1 normal")
	w.send("a", supervisortest.Crash)
	w.waitLife("transient", 2)
	w.wantLog(
		"stop root/a#1 error: crash", "stop root/temporary#1 shutdown", "start root/a#2", "start root/transient#2",
	)
}

// twoAtOnce: each is a failure of its own.
func twoAtOnce(t *testing.T, w *world) {
	l := w.log
	w.start(spec{Budget: escalating(2), Children: kids{l.Child("a", probe{}), l.Child("b", probe{}), l.Child("c", probe{})}})
	w.send("a", supervisortest.Crash)
	w.send("c", supervisortest.Crash)
	w.advance(0)
	equal(t, "lives", []uint64{2, 1, 2}, w.incarnations("a", "b", "c"))
	equal(t, "root's life", uint64(1), w.node("").Incarnation)
}

func (w *world) incarnations(paths ...string) (n []uint64) {
	w.t.Helper()
	for _, path := range paths {
		n = append(n, w.node(path).Incarnation)
	}
	return n
}

// oneBystanders: a sibling's failure is no reason to start anybody.
func oneBystanders(t *testing.T, w *world) {
	l := w.log
	temporary := with(l.Child("temporary", probe{}), func(c *kid) { c.Restart = supervisor.Temporary })
	done := with(l.Child("done", probe{}), func(c *kid) { c.Restart = supervisor.Transient })
	gone := with(l.Child("gone", probe{}), func(c *kid) { c.Restart = supervisor.Temporary })
	w.start(spec{Children: kids{l.Child("a", probe{}), temporary, done, gone}})
	w.send("done", supervisortest.End{})
	w.send("gone", supervisortest.Crash)
	w.advance(0)
	l.Take()
	w.crash("a")
	w.wantLog("stop root/a#1 error: crash", "start root/a#2")
	equal(t, "temporary", supervisor.StateRunning, w.state("temporary"))
	equal(t, "done", supervisor.StateStopped, w.state("done"))
	equal(t, "gone", supervisor.StateStopped, w.state("gone"))
}

// backoffDelaysNobody: one child waits for an hour, another is back at once.
func backoffDelaysNobody(t *testing.T, w *world) {
	a := with(w.log.Child("a", probe{}), func(c *kid) { c.Backoff = supervisor.Backoff{Min: time.Hour, Max: time.Hour} })
	w.start(spec{Budget: escalating(9), Children: kids{a, w.log.Child("b", probe{})}})
	w.crash("a")
	w.crash("a")
	w.crash("b")
	equal(t, "a", supervisor.StateRestarting, w.state("a"))
	equal(t, "lives", []uint64{2, 2}, w.incarnations("a", "b"))
	equal(t, "b", supervisor.StateRunning, w.state("b"))
}

// five is five children, c0 to c4.
func (w *world) five() (children kids) {
	for i := range 5 {
		children = append(children, w.log.Child(fmt.Sprint("c", i), probe{}))
	}
	return children
}

// restOf: one of five crashes; those after it stop in exact reverse, then all
// start in order.
func restOf(n int) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) {
		w.start(spec{Strategy: supervisor.RestForOne, Children: w.five()})
		w.log.Take()
		w.crash(fmt.Sprint("c", n))
		want := []string{fmt.Sprintf("stop root/c%d#1 error: crash", n)}
		for i := 4; i > n; i-- {
			want = append(want, fmt.Sprintf("stop root/c%d#1 shutdown", i))
		}
		for i := n; i < 5; i++ {
			want = append(want, fmt.Sprintf("start root/c%d#2", i))
		}
		w.wantLog(want...)
	}
}

// restSubtree: a supervisor in the tail is a child like others.
func restSubtree(_ *testing.T, w *world) {
	l := w.log
	w.start(spec{Strategy: supervisor.RestForOne, Children: kids{
		l.Child("a", probe{}),
		supervised("s", spec{Children: kids{l.Child("x", probe{}), l.Child("y", probe{})}}),
		l.Child("b", probe{}),
	}})
	l.Take()
	w.crash("a")
	w.wantLog(
		"stop root/a#1 error: crash", "stop root/b#1 shutdown", "stop root/s/y#1 shutdown", "stop root/s/x#1 shutdown",
		"start root/a#2", "start root/s/x#2", "start root/s/y#2", "start root/b#2",
	)
}

// leavesThePlan: the child after it starts all the same.
func leavesThePlan(err error, state supervisor.State) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		l := w.log
		w.start(spec{Strategy: supervisor.RestForOne, Children: kids{
			l.Child("a", probe{}),
			l.Child("b", probe{OnStart: func(c ctx) error {
				if c.Incarnation() == 2 {
					return err
				}
				return nil
			}}),
			l.Child("c", probe{}),
		}})
		w.crash("a")
		equal(t, "b", state, w.state("b"))
		equal(t, "c", supervisor.StateRunning, w.state("c"))
		equal(t, "lives", []uint64{2, 2, 2}, w.incarnations("a", "b", "c"))
		equal(t, "restarts that counted", 1, len(w.events.of(supervisor.EventRestarting, "")))
	}
}

// strategyEscalates: the parent sees one failure of the supervisor.
func strategyEscalates(strategy supervisor.Strategy) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		l := w.log
		s := spec{Strategy: strategy, Budget: escalating(1), Children: kids{l.Child("x", probe{}), l.Child("y", probe{}), l.Child("z", probe{})}}
		w.start(spec{Children: kids{l.Child("a", probe{}), supervised("s", s)}})
		w.crash("s/x")
		equal(t, "within the budget", []uint64{1, 2, 2, 2}, w.incarnations("s", "s/x", "s/y", "s/z"))
		l.Take()
		w.crash("s/y")
		w.wantLog(
			"stop root/s/y#2 error: crash", "stop root/s/z#2 shutdown", "stop root/s/x#2 shutdown",
			"start root/s/x#3", "start root/s/y#3", "start root/s/z#3",
		)
		equal(t, "beyond it", []uint64{1, 2}, w.incarnations("a", "s"))
		w.crash("s/x") // a new life has a budget of its own
		equal(t, "afterwards", []uint64{2, 4}, w.incarnations("s", "s/x"))
	}
}

// allSecondCrash: the second failure joins the plan that is under way.
func allSecondCrash(t *testing.T, w *world) {
	l := w.log
	w.start(spec{Strategy: supervisor.OneForAll, Budget: escalating(5), Children: kids{
		l.Child("a", probe{}), l.Child("b", probe{}),
		l.Child("c", probe{OnStop: func(c ctx, _ supervisor.Reason) { _ = deaf(c) }}), // for a second
	}})
	l.Take()
	w.send("b", supervisortest.Crash)
	w.advance(time.Second / 2)
	w.send("a", supervisortest.Crash)
	w.advance(400 * time.Millisecond)
	w.wantLog("stop root/b#1 error: crash", "stop root/c#1 shutdown", "stop root/a#1 error: crash")
	w.advance(100 * time.Millisecond)
	w.wantLog("start root/a#2", "start root/b#2", "start root/c#2")
	equal(t, "failures that counted", 2, len(w.events.of(supervisor.EventRestarting, "")))
}

// allCrashOfOneThatIsBack: a is back and b waits for its third life when a
// crashes; both come back together, once, when both have waited.
func allCrashOfOneThatIsBack(t *testing.T, w *world) {
	l := w.log
	b := l.Child("b", probe{OnStart: func(c ctx) error {
		if c.Incarnation() == 2 {
			return supervisortest.ErrCrash
		}
		return nil
	}})
	b.Backoff = supervisor.Backoff{Min: time.Second, Max: time.Second}
	w.start(spec{Strategy: supervisor.OneForAll, Budget: escalating(5), Children: kids{l.Child("a", probe{}), b, l.Child("c", probe{})}})
	w.crash("b")
	equal(t, "b", supervisor.StateRestarting, w.state("b"))
	equal(t, "a went down with it", supervisor.StateStopped, w.state("a"))
	l.Take()
	w.advance(999 * time.Millisecond)
	w.wantLog()
	w.advance(time.Millisecond)
	w.wantLog("start root/a#3", "start root/b#3", "start root/c#2")
	w.crash("a")
	equal(t, "lives", []uint64{4, 4, 3}, w.incarnations("a", "b", "c"))
}

// allWaitForTheSlow: nobody starts before everybody is down.
func allWaitForTheSlow(t *testing.T, w *world) {
	l := w.log
	slow := probe{OnStop: func(c ctx, _ supervisor.Reason) { _ = deaf(c) }}
	w.start(spec{Strategy: supervisor.OneForAll, Children: kids{l.Child("a", slow), l.Child("b", probe{}), l.Child("c", slow)}})
	l.Take()
	w.send("b", supervisortest.Crash)
	w.advance(time.Second - 1)
	w.wantLog("stop root/b#1 error: crash", "stop root/c#1 shutdown")
	w.advance(1)
	w.wantLog("stop root/a#1 shutdown")
	w.advance(time.Second - 1)
	w.wantLog()
	w.advance(1)
	w.wantLog("start root/a#2", "start root/b#2", "start root/c#2")
	equal(t, "restarts that counted", 1, len(w.events.of(supervisor.EventRestarting, "")))
}

// allAbandonTheStuck: a plan never waits for ever.
func allAbandonTheStuck(t *testing.T, w *world) {
	l := w.log
	b := l.Child("b", probe{OnStart: func(c ctx) error {
		if c.Incarnation() == 1 {
			return deaf(c)
		}
		return nil
	}})
	w.start(spec{Strategy: supervisor.OneForAll, Children: kids{l.Child("a", probe{}), b}})
	w.send("a", supervisortest.Crash)
	w.advance(supervisor.DefaultStopDeadline + supervisor.DefaultGrace - 1)
	equal(t, "before", []uint64{1, 1}, w.incarnations("a", "b"))
	w.advance(1)
	equal(t, "after", []uint64{2, 2}, w.incarnations("a", "b"))
	equal(t, "zombies", int64(1), w.sys.Ledger().Zombies)
	w.release()
}

// dynamicLost: under its own address, and nobody else notices.
func dynamicLost(t *testing.T, w *world) {
	w.start(pool(w, permanent))
	a := w.startChild("", "a")
	w.startChild("", "b")
	w.log.Take()
	a.Send(supervisortest.Crash)
	w.waitLife("a", 2)
	equal(t, "its address", supervisor.Accepted, a.Send("again"))
	w.waitLine("got root/a#2 again")
	w.wantLog("stop root/a#1 error: crash", "start root/a#2", "got root/a#2 again")
}

// dynamicIgnoresRestart: a later life that does not want to run is the last.
func dynamicIgnoresRestart(t *testing.T, w *world) {
	kind := w.log.Child("", probe{OnStart: func(c ctx) error {
		if c.Incarnation() == 2 {
			return supervisor.ErrIgnore
		}
		return nil
	}})
	w.start(spec{Strategy: supervisor.Dynamic, Children: kids{kind}})
	a := w.startChild("", "a")
	a.Send(supervisortest.Crash)
	w.advance(0)
	equal(t, "place", false, w.ref("a").Valid())
	equal(t, "children", 0, len(w.node("").Children))
	w.startChild("", "a") // the id is free
}

// dynamicTemporaries: neither a place nor memory is kept of them.
func dynamicTemporaries(t *testing.T, w *world) {
	w.events.off = true
	w.start(pool(w, func(c *kid) { c.Restart = supervisor.Temporary }))
	round := func(n int) {
		for i := range n {
			id := fmt.Sprint(i)
			w.startChild("", id).Send(supervisortest.End{})
			w.advance(0)
		}
		w.log.Take()
	}
	round(1000) // the maps of protoactor's registry take their final size
	before := liveHeap()
	round(1000)
	if grown := int64(liveHeap()) - int64(before); grown > 32<<10 {
		t.Errorf("1,000 children left %d bytes", grown)
	}
	equal(t, "children", 0, len(w.node("").Children))
	equal(t, "actors: the root", int64(1), w.sys.Ledger().Actors)
}

// dynamicEscalates: the failures of all children together are within the budget
// or beyond it.
func dynamicEscalates(t *testing.T, w *world) {
	w.start(spec{Children: kids{supervised("pool", pool(w, permanent))}}) // 3 within 5 s
	for i := range 4 {
		w.startChild("pool", fmt.Sprint(i))
	}
	for i := range 3 {
		w.crash(fmt.Sprint("pool/", i))
	}
	equal(t, "within", uint64(1), w.node("pool").Incarnation)
	equal(t, "children", 4, len(w.node("pool").Children))
	w.log.Take()
	w.crash("pool/3")
	equal(t, "beyond", uint64(2), w.node("pool").Incarnation)
	equal(t, "children", 0, len(w.node("pool").Children))
	equal(t, "ends", 4, len(w.log.Take()))
}

// threeLevels: as in OTP, a supervisor that is started again has the children of
// its spec, and no other.
func threeLevels(t *testing.T, w *world) {
	below := spec{Budget: escalating(0), Children: kids{
		w.log.Child("x", probe{}), supervised("pool", pool(w, permanent)),
	}}
	w.start(spec{Children: kids{supervised("s", below)}})
	w.startChild("s/pool", "p")
	w.crash("s/x")
	equal(t, "lives", []uint64{2, 2, 2}, w.incarnations("s", "s/x", "s/pool"))
	equal(t, "x", supervisor.StateRunning, w.state("s/x"))
	equal(t, "dynamic children", 0, len(w.node("s/pool").Children))
	equal(t, "p's address", false, w.ref("s/pool/p").Valid())
}
