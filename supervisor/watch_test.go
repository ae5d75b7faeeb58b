package supervisor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// watched starts a tree with a HandlerLimit.
func (w *world) watched(limit time.Duration, s spec) {
	w.t.Helper()
	sys, err := supervisor.Start(s, supervisor.Options{Executor: w.x, OnEvent: w.events.add, HandlerLimit: limit})
	if err != nil {
		w.t.Fatal(err)
	}
	w.sys = sys
	w.t.Cleanup(func() { w.stop() })
}

// lasting is a handler that takes virtual time, in which timers go off.
func (w *world) lasting(d time.Duration) supervisortest.Do {
	return func(ctx) error {
		const step = 10 * time.Millisecond
		for ; d > 0; d -= step {
			w.sim.Stall(w.x.Now().Add(step))
		}
		return nil
	}
}

// TestSlowHandlerInVirtualTime: reported once, between the limit and a quarter
// more; one that is faster is not; the next slow one is again.
func TestSlowHandlerInVirtualTime(t *testing.T) {
	w := simWorld(t)
	w.watched(time.Second, spec{Children: kids{w.log.Child("a", probe{}), w.log.Child("b", probe{})}})
	w.send("b", w.lasting(490*time.Millisecond)) // so that the next begins late in its tick
	w.send("b", w.lasting(990*time.Millisecond))
	w.advance(time.Minute)
	equal(t, "not slow", 0, len(w.events.of(supervisor.EventSlow, "")))
	for _, d := range []time.Duration{10 * time.Second, 1250 * time.Millisecond} {
		begin := w.x.Now()
		w.send("a", w.lasting(d))
		w.advance(time.Minute)
		e := w.events.of(supervisor.EventSlow, "a")
		last := e[len(e)-1]
		if after := last.Time.Sub(begin); after < time.Second || after > 1250*time.Millisecond || last.Wait != time.Second || last.Incarnation != 1 {
			t.Errorf("after %v: %+v", after, last)
		}
	}
	equal(t, "events", 2, len(w.events.of(supervisor.EventSlow, "")))
}

// TestManyFastHandlers: a turn, and a queue, that take long are not a handler
// that does.
func TestManyFastHandlers(t *testing.T) {
	w := simWorld(t, sim.Options{Throughput: 64})
	w.watched(time.Second, spec{Children: kids{w.log.Child("a", probe{})}})
	for range 50 {
		w.send("a", w.lasting(200*time.Millisecond))
	}
	w.advance(time.Minute)
	equal(t, "events", 0, len(w.events.of(supervisor.EventSlow, "")))
	for range 20 {
		w.send("a", w.lasting(200*time.Millisecond))
	}
	w.send("a", w.lasting(2*time.Second))
	w.advance(time.Minute)
	equal(t, "one in the middle of a turn", 1, len(w.events.of(supervisor.EventSlow, "")))
}

// TestWatchSleeps: an idle system has no alarm set, and a simulation that did not
// ask for it never.
func TestWatchSleeps(t *testing.T) {
	for limit, most := range map[time.Duration]int{0: 0, -1: 0, time.Second: 1} {
		w := simWorld(t)
		w.watched(limit, spec{Children: kids{w.log.Child("a", probe{})}})
		armed := 0
		for range 5 {
			w.inside("a", func(ctx) { armed = max(armed, w.sim.Timers()) })
			w.advance(250 * time.Millisecond)
			equal(t, "when idle", 0, w.sim.Timers())
		}
		equal(t, fmt.Sprint("in a handler, limit ", limit), most, armed)
		equal(t, "of actors", int64(0), w.sys.Ledger().Timers)
		w.send("a", w.lasting(10*time.Second))
		w.sim.Quiesce()
		equal(t, "events", most, len(w.events.of(supervisor.EventSlow, "")))
		w.stop()
		equal(t, "after the stop", 0, w.sim.Timers())
	}
}

// TestSlowOnTheMachine: handler, Start and Stop hook are found with their stack,
// in events, Slow and the tree, while they hang; a worker's stack is not theirs.
func TestSlowOnTheMachine(t *testing.T) {
	w := realWorld(t)
	inReceive, inStop := supervisortest.NewGate(), supervisortest.NewGate()
	const limit = 100 * time.Millisecond
	w.watched(limit, spec{Children: kids{
		w.log.Child("quick", probe{}),
		w.log.Child("a", probe{OnReceive: func(c ctx, _ any) error { hangInReceive(inReceive); return nil }}),
		w.log.Child("z", probe{OnStop: func(ctx, supervisor.Reason) { hangInStop(inStop) }}),
	}})
	w.send("a", "hang")
	w.send("z", supervisortest.End{})
	// On a busy machine a quick handler may be slow, too, so it is not counted.
	slow := func(path string) (found []supervisor.Slow) {
		for _, s := range w.sys.Slow() {
			if s.Path == "root/"+path {
				found = append(found, s)
			}
		}
		return found
	}
	for _, want := range []struct{ path, stack string }{{"a", "hangInReceive"}, {"z", "hangInStop"}} {
		w.wait(want.path, func() bool {
			w.ref("quick").Send("hello")
			return len(slow(want.path)) == 1 && len(w.events.of(supervisor.EventSlow, want.path)) == 1
		})
		if s := slow(want.path)[0]; s.For < limit || !strings.Contains(s.Stack, want.stack) {
			t.Errorf("%+v", s)
		}
		if e := w.events.of(supervisor.EventSlow, want.path)[0]; e.Wait < limit || !strings.Contains(e.Detail, want.stack) {
			t.Errorf("%+v", e)
		}
		if busy := w.node(want.path).Busy; busy < limit {
			t.Errorf("busy %v", busy)
		}
	}
	if text := w.sys.Tree().String(); strings.Count(text, " busy=") < 2 {
		t.Error(text)
	}
	inReceive.Open()
	inStop.Open()
	w.wait("none", func() bool { return len(w.sys.Slow()) == 0 && w.node("a").Busy == 0 })
	w.waitLife("z", 2)
	w.stop()
	equal(t, "once each", 2, len(w.events.of(supervisor.EventSlow, "a"))+len(w.events.of(supervisor.EventSlow, "z")))
}

func hangInReceive(g *supervisortest.Gate) { g.Pass() }
func hangInStop(g *supervisortest.Gate)    { g.Pass() }

// TestWatchOutlivesNothing: a handler that hangs for good does not keep the
// watch of a stopped system going.
func TestWatchOutlivesNothing(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	a := w.log.Child("a", probe{OnReceive: func(ctx, any) error { gate.Pass(); return nil }})
	a.StopDeadline = supervisor.Brutal
	w.watched(20*time.Millisecond, spec{Children: kids{a}})
	w.send("a", "hang")
	w.wait("slow", func() bool { return len(w.events.of(supervisor.EventSlow, "a")) == 1 })
	w.sys.Stop()
	before := supervisor.Ticks(w.sys)
	w.x.Wait(nil, 60*time.Millisecond)
	if after := supervisor.Ticks(w.sys); after > before+1 {
		t.Errorf("%d ticks after the stop", after-before)
	}
	equal(t, "slow", 0, len(w.sys.Slow()))
	gate.Open()
}

// TestWatchCostsNothing: a message allocates as little with the watch as without.
func TestWatchCostsNothing(t *testing.T) {
	cost := func(limit time.Duration) float64 {
		w := simWorld(t)
		w.watched(limit, spec{Children: kids{{ID: "a", New: func() supervisor.Actor { return &counter{left: 1 << 30} }}}})
		ref, msg := w.ref("a"), any(1)
		return testing.AllocsPerRun(100, func() { ref.Send(msg); w.sim.Quiesce() })
	}
	equal(t, "allocations", cost(-1), cost(time.Hour))
}
