package supervisor_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// TestTortureP is what protoactor's own mechanisms do wrong. Each case first
// shows it on them (torture_p_stock_test.go), then that ours does right.
func TestTortureP(t *testing.T) {
	torture(
		t, 14,
		tortureCase{name: "a1 dropping: stock spins for ever, ours is idle", run: againstStock("a1 dropping",
			"busy with nothing to do true, stopped true, busy afterwards true", droppingIsIdle)},
		tortureCase{name: "a3 nil: stock spins for ever, ours refuses it", run: againstStock("a3 nil",
			"busy with nothing to do true, stopped true, busy afterwards true", nilIsRefused)},
		tortureCase{name: "b1 full: stock blocks the sender, ours answers", on: onMachine, run: againstStock("b1 full",
			"a box of 10 takes 16, the next sender is stuck true", fullAnswers)},
		tortureCase{name: "b2 self-send: stock locks up, ours goes on and stops", on: onMachine, run: againstStock("b2 self-send",
			"stuck in its own handler true, cannot be stopped true", selfSendStops)},
		tortureCase{name: "b4 stop under fire: stock loses messages, ours counts all", on: onMachine, run: againstStock("b4 vanish",
			"all sent true, all handled or reported false", stopUnderFire)},
		tortureCase{name: "timers after restarts: stock's pile up, ours end", run: againstStock("timers restart",
			"the sixth life gets the ticks of all six true", oneTimerALife)},
		tortureCase{name: "timers after a stop: stock's go on, ours end", on: onMachine, run: againstStock("timers stop",
			"ticks go on after the stop true", noTickAfter(func(w *world) {
				w.send("a", supervisortest.Fail{Err: supervisor.DoNotRestart(supervisortest.ErrCrash)})
			}))},
		tortureCase{name: "timers after the shutdown: stock's go on, ours end", on: onMachine, run: againstStock("timers shutdown",
			"ticks are handled after the shutdown true", noTickAfter(func(w *world) { w.stop() }))},
		tortureCase{name: "backoff: stock's exponential is linear, ours doubles", run: againstStock("backoff", "linear", backoffDoubles)},
		tortureCase{name: "intensity: stock stops the child in silence, ours escalates", run: againstStock("intensity",
			"the child is gone for good true, nobody above notices true", intensityEscalates)},
		tortureCase{name: "stop, then restart: stock's child rises again, ours is down", sim: holdAll, run: againstStock("resurrection",
			"the stopped child is back true, its parents never stop true", noResurrection)},
		tortureCase{name: "panic in Stopping: stock never stops, ours is its reason", on: onBoth, run: againstStock("panic in Stopping",
			"its parents never stop true", panicInTheEnd)},
		tortureCase{name: "panic in Stopped: stock never stops, ours is its reason", on: onBoth, run: againstStock("panic in Stopped",
			"its parents never stop true", panicInTheEndOfAll)},
		tortureCase{name: "spawn race: stock's process dies, ours keeps the message", on: onBoth, run: keepsEarlyMessage},
		tortureCase{name: "queue at the stop: stock's vanishes, ours is counted", run: againstStock("dead queue",
			"waited 10, handled 0, unreported true", stopWhileQueued)},
		tortureCase{name: "restart statistics: stock's grow, ours are flat", run: againstStock("restart statistics",
			"after 2000 restarts it keeps 2000", restartsStayCheap)},
	)
}

// againstStock shows a demonstration, once, then the same with ours.
func againstStock(demo, want string, ours func(t *testing.T, w *world)) func(*testing.T, *world) {
	var once sync.Once
	return func(t *testing.T, w *world) {
		once.Do(func() { wantStock(t, demo, want, "") })
		ours(t, w)
	}
}

// idle is that nobody has anything to do.
func (w *world) idle() {
	w.t.Helper()
	w.sim.Quiesce()
	before := w.sim.Rounds()
	if w.sim.Round() || w.sim.Rounds() != before {
		w.t.Error("busy with nothing to do")
	}
}

func droppingIsIdle(t *testing.T, w *world) {
	w.boxed(1, 16, 1)
	for i := range 100 {
		w.put(i, supervisor.Class{WhenFull: supervisor.ReplaceOldest})
	}
	equal(t, "handled", 16, len(w.got()))
	equal(t, "dropped and told", uint64(84), w.sys.Ledger().DeadReplaced)
	w.idle()
	w.stop()
	w.idle()
}

func nilIsRefused(t *testing.T, w *world) {
	w.boxed(1, 16, 1)
	equal(t, "nil", supervisor.Refused, w.ref("a").Send(nil))
	w.idle()
	w.stop()
	equal(t, "after the stop", false, w.ref("a").Send(nil).OK())
	w.idle()
}

// blocked starts an actor a whose handler is at the gate.
func (w *world) blocked(a kid) *supervisortest.Gate {
	gate := supervisortest.NewGate()
	w.start(spec{Children: kids{a}})
	w.do("a", func(ctx) error { gate.Pass(); return nil })
	<-gate.Entered()
	return gate
}

func fullAnswers(t *testing.T, w *world) {
	gate := w.blocked(with(w.log.Child("a", probe{Quiet: true}), func(c *kid) { c.Mailbox.Normal = 10 }))
	defer gate.Open()
	var counts [5]atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 16 {
				counts[w.ref("a").Send(i)].Add(1)
			}
		})
	}
	all.Wait() // nobody is stuck: the gate is still closed
	equal(t, "taken", int64(10), counts[supervisor.Accepted].Load())
	equal(t, "refused", int64(54), counts[supervisor.Refused].Load())
	gate.Open()
	w.wait("handled", func() bool { return w.node("a").Queued == 0 })
}

func selfSendStops(t *testing.T, w *world) {
	w.start(spec{Children: kids{with(w.log.Child("a", probe{Quiet: true}), func(c *kid) { c.Mailbox.Normal = 16 })}})
	refused := 0
	w.inside("a", func(c ctx) {
		for i := range 21 {
			if !c.Send(c.Self(), i).OK() {
				refused++
			}
		}
	})
	equal(t, "refused", 5, refused)
	w.wait("handled", func() bool { return w.node("a").Queued == 0 })
	equal(t, "complete", true, w.stop().Complete)
}

func stopUnderFire(t *testing.T, w *world) {
	var handled atomic.Int64
	w.start(spec{Children: kids{w.log.Child("a", probe{Quiet: true, OnReceive: func(ctx, any) error { handled.Add(1); return nil }})}})
	var counts [5]atomic.Int64
	var all sync.WaitGroup
	ref := w.ref("a")
	for range 4 {
		all.Go(func() {
			for i := 0; counts[supervisor.Down].Load() < 100; i++ {
				counts[ref.Send(i)].Add(1)
			}
		})
	}
	w.wait("a full box", func() bool { return counts[supervisor.Refused].Load() > 0 })
	w.stop()
	all.Wait()
	w.dead = uint64(counts[supervisor.Accepted].Load() - handled.Load())
	w.becomes("refused", uint64(counts[supervisor.Refused].Load()), func() any { return w.node("a").Refused })
}

func oneTimerALife(t *testing.T, w *world) {
	w.start(spec{Budget: isolating(9), Children: kids{with(w.log.Child("a", probe{OnStart: func(c ctx) error {
		c.Every("k", time.Second)
		return nil
	}}), func(c *kid) { c.Backoff = noBackoff })}})
	for range 5 {
		w.send("a", supervisortest.Crash)
		w.advance(1)
	}
	w.log.Take()
	w.advance(10 * time.Second)
	equal(t, "ticks in 10 s", slices.Repeat([]string{"got root/a#6 {k 0}"}, 10), w.log.Take())
}

// noTickAfter: when the place is stopped, no timer of it is armed any more, on
// a machine that fires a thousand a second.
func noTickAfter(end func(w *world)) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		var ticks atomic.Int64
		w.start(spec{Budget: isolating(9), Children: kids{w.log.Child("a", probe{
			Quiet:     true,
			OnStart:   func(c ctx) error { c.Every("k", time.Millisecond); return nil },
			OnReceive: func(ctx, any) error { ticks.Add(1); return nil },
		})}})
		w.wait("ticks", func() bool { return ticks.Load() > 5 })
		end(w)
		w.waitState("a", supervisor.StateStopped)
		w.becomes("armed", int64(0), func() any { return w.sys.Ledger().Timers })
		before := ticks.Load()
		w.x.Wait(nil, 20*time.Millisecond)
		equal(t, "ticks", before, ticks.Load())
		w.becomes("ticks for nobody", uint64(0), func() any { return w.sys.Ledger().DeadTimers })
	}
}

func backoffDoubles(t *testing.T, w *world) {
	w.start(spec{Budget: escalating(9), Children: kids{with(w.log.Child("a", probe{}), func(c *kid) {
		c.Backoff = supervisor.Backoff{Min: 50 * time.Millisecond, Max: time.Second}
	})}})
	for range 8 {
		w.send("a", supervisortest.Crash)
		w.advance(time.Second)
	}
	var waits []time.Duration
	for _, e := range w.events.of(supervisor.EventRestarting, "a") {
		waits = append(waits, e.Wait/time.Millisecond)
	}
	equal(t, "waits in ms", []time.Duration{0, 50, 100, 200, 400, 800, 1000, 1000}, waits)
}

func intensityEscalates(t *testing.T, w *world) {
	var fatal []supervisor.Reason
	w.onFatal = func(r supervisor.Reason) { fatal = append(fatal, r) }
	w.start(spec{Budget: escalating(1), Children: kids{
		supervised("s", spec{Budget: escalating(1), Children: kids{w.log.Child("x", probe{})}}),
	}})
	w.crash("s/x")
	w.crash("s/x")
	equal(t, "the supervisor's lives", uint64(2), w.node("s").Incarnation)
	equal(t, "the child is back", supervisor.StateRunning, w.state("s/x"))
	w.crash("s/x")
	w.crash("s/x")
	if len(fatal) != 1 || !errors.Is(fatal[0].Err, supervisor.ErrBudget) {
		t.Errorf("OnFatal: %v", fatal)
	}
}

// noResurrection: the backoff of s/y ends while s waits for its slow child x.
func noResurrection(t *testing.T, w *world) {
	slow := with(w.log.Child("x", stuck()), func(c *kid) { c.StopDeadline = time.Minute })
	w.start(spec{Budget: isolating(9), Strategy: supervisor.RestForOne, Children: kids{
		w.log.Child("a", probe{}),
		supervised("s", spec{Budget: isolating(9), Children: kids{slow, w.log.Child("y", probe{})}}),
	}})
	w.crash("s/y")
	w.crash("s/y")
	equal(t, "waits", supervisor.StateRestarting, w.state("s/y"))
	w.send("a", supervisortest.Crash) // and so s is stopped
	w.advance(30 * time.Second)
	equal(t, "y", supervisor.StateStopped, w.state("s/y"))
	equal(t, "s", supervisor.StateStopping, w.state("s"))
	w.sim.Release("root/s/x", "deaf")
	w.advance(0)
	equal(t, "y's lives", uint64(3), w.node("s/y").Incarnation) // the third is of the next s
	equal(t, "s", supervisor.StateRunning, w.state("s"))
	w.sim.AfterFunc(time.Second, func() { w.sim.Release("root/s/x", "deaf") })
	equal(t, "complete", true, w.stop().Complete)
}

// panicInTheEnd: of a leaf that is told to stop.
func panicInTheEnd(t *testing.T, w *world) {
	w.start(spec{Children: kids{supervised("s", spec{Children: kids{
		w.log.Child("x", probe{OnStop: func(ctx, supervisor.Reason) { panic("in its end") }}),
	}})}})
	r := w.stop()
	equal(t, "complete", true, r.Complete)
	w.becomes("reason", "panic: in its end", func() any { return w.node("s/x").LastReason })
	w.becomes("lives", uint64(1), func() any { return w.node("s/x").Incarnation })
}

// panicInTheEndOfAll: of a life that ends for another reason, and again in each
// of the lives that come after it. Ours has no hook after the last; the one at
// the end is it.
func panicInTheEndOfAll(t *testing.T, w *world) {
	w.start(spec{Budget: isolating(2), Children: kids{with(
		w.log.Child("a", probe{OnStop: func(ctx, supervisor.Reason) { panic("in its end") }}),
		func(c *kid) { c.Backoff = noBackoff },
	)}})
	for n := range uint64(2) {
		w.send("a", supervisortest.Crash)
		w.waitLife("a", n+2)
		w.becomes("reason", "panic: in its end", func() any { return w.node("a").LastReason })
	}
	equal(t, "complete", true, w.stop().Complete)
	w.becomes("actors", int64(0), func() any { return w.sys.Ledger().Actors })
}

// keepsEarlyMessage: a message that comes between the registration of a life
// and its first turn waits for it. Stock's cannot be shown in this process: the
// mailbox's nil dispatcher is called on the goroutine of whoever sends.
func keepsEarlyMessage(t *testing.T, w *world) {
	if w.sim != nil {
		wantStock(t, "spawn race", "", "nil pointer dereference")
	}
	var find func(string) supervisor.Ref
	sys, err := supervisor.Start(spec{Children: kids{w.log.Child("a", probe{})}}, supervisor.Options{
		Executor: w.x,
		OnBuilt:  func(f func(path string) supervisor.Ref) { find = f },
		OnEvent: func(e supervisor.Event) {
			w.events.add(e)
			if e.Kind == supervisor.EventStarting && e.Path == "root/a" {
				equal(t, "early", supervisor.Accepted, find("root/a").Send(fmt.Sprint("early ", e.Incarnation)))
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.sys = sys
	w.waitLine("got root/a#1 early 1")
	w.send("a", supervisortest.Crash)
	w.waitLine("got root/a#2 early 2")
}

// restartsStayCheap: in what a restart allocates and in what it leaves.
func restartsStayCheap(t *testing.T, w *world) {
	w.events.off = true // they would be the growth
	w.start(spec{Budget: supervisor.Escalating(10, 1), Children: kids{with(w.log.Child("a", probe{}), func(c *kid) { c.Backoff = noBackoff })}})
	restart := func() { w.send("a", supervisortest.Crash); w.advance(1); w.log.Take() }
	for range 300 { // beyond the numbers that Go keeps in boxes
		restart()
	}
	heap, fresh := liveHeap(), testing.AllocsPerRun(100, restart)
	for range 2000 {
		restart()
	}
	if old := testing.AllocsPerRun(100, restart); old > 1.5*fresh {
		t.Errorf("a restart took %v allocations, now %v", fresh, old)
	}
	if grown := int64(liveHeap()) - int64(heap); grown > 32<<10 {
		t.Errorf("2,000 restarts left %d bytes", grown)
	}
}
