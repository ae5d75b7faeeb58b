package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// TestTortureJ is about timers: each belongs to one life of one actor, and a
// cancelled one is never delivered.
func TestTortureJ(t *testing.T) {
	slowTurns := sim.Options{Throughput: 1}
	torture(
		t, 20,
		tortureCase{name: "once and again, at their times", run: afterAndEvery},
		tortureCase{name: "the same key replaces, whatever kind it was", run: sameKeyReplaces},
		tortureCase{name: "cancelled but queued: cancel", run: cancelledButQueued(func(t *testing.T, c ctx) {
			equal(t, "there was one", true, c.CancelTimer("k"))
		})},
		tortureCase{name: "cancelled but queued: replace", run: cancelledButQueued(func(_ *testing.T, c ctx) { c.After("k", time.Hour) })},
		tortureCase{name: "cancelled but queued: next state", run: cancelledButQueued(func(_ *testing.T, c ctx) { c.EnterState() })},
		tortureCase{name: "cancelled but queued: by the tick before it", run: cancelledByATick},
		tortureCase{name: "cancel says whether there was one", run: cancelSays},
		tortureCase{name: "nested: ticks arm the next, across states", run: nestedTimers},
		tortureCase{name: "state timers end with the state", run: stateTimers},
		tortureCase{name: "restart ends them, five times", run: restartEndsTimers},
		tortureCase{name: "a tick queued behind a crash does not reach the next life", run: tickBehindACrash},
		tortureCase{name: "stop ends them, also those that have fired", run: stopEndsTimers},
		tortureCase{name: "an abandoned life has none", sim: holdAll, run: abandonEndsTimers},
		tortureCase{name: "a Start that panics, and a Stop hook, leave none", run: timersOfHooks},
		tortureCase{name: "a task that ends takes its time limit with it", run: taskLimitEnds},
		tortureCase{name: "full mailbox: ticks go between control and normal", run: fullMailboxTimers},
		tortureCase{name: "missed periods become one tick with their number", on: onMachine, run: missedCoalesce},
		tortureCase{name: "clock jump: a day at once is one tick, then in step", run: clockJump},
		tortureCase{name: "lateness does not add up", run: noDriftWhenLate},
		tortureCase{name: "no drift in 100,000 uneven periods", run: noDrift},
		tortureCase{name: "100,000 cancelled leave nothing", run: manyCancelled},
		tortureCase{name: "a thousand in one actor, cancelled in between", run: manyTimers},
		tortureCase{name: "a key re-armed under a flood waits once", sim: slowTurns, run: firedTimersAreBounded},
		tortureCase{name: "a period of nothing is a panic", run: everyNeedsAPeriod},
		tortureCase{name: "hammered: cancelled ticks are never delivered", on: onMachine, run: hammeredTimers},
		tortureCase{name: "leak check: every kind, in every place of a life", run: timersEverywhere},
	)
}

// tick is the note of a tick: when, which, how many were missed.
func (w *world) tick(c ctx, m supervisor.Tick) {
	w.log.Add("%v %s missed %d", c.Now().Sub(sim.Epoch), m.Key, m.Missed)
}

// ticking starts a tree of one actor that notes its ticks with their time and
// does what urgent messages say.
func (w *world) ticking(then func(c ctx, m supervisor.Tick)) {
	w.start(spec{Budget: escalating(9), Children: kids{w.log.Child("a", probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
		switch m := msg.(type) {
		case supervisor.Tick:
			w.tick(c, m)
			if then != nil {
				then(c, m)
			}
		case urgent:
			m.do(c)
		}
		return nil
	}})}})
	w.log.Take()
}

func afterAndEvery(t *testing.T, w *world) {
	w.ticking(nil)
	w.in(func(c ctx) {
		c.After("once", 3*time.Second)
		c.Every("again", 2*time.Second)
		c.After("now", 0)
		c.After("past", -time.Hour)
	})
	w.advance(5 * time.Second)
	w.wantLog("0s now missed 0", "0s past missed 0", "2s again missed 0", "3s once missed 0", "4s again missed 0")
	equal(t, "armed", int64(1), w.sys.Ledger().Timers)
}

func sameKeyReplaces(t *testing.T, w *world) {
	w.ticking(nil)
	w.in(func(c ctx) {
		c.Every("k", time.Second)
		c.After("k", 3*time.Second)
		c.StateAfter("k", 2*time.Second)
		c.After("k", 4*time.Second)
	})
	equal(t, "armed", int64(1), w.sys.Ledger().Timers)
	w.advance(10 * time.Second)
	w.wantLog("4s k missed 0")
}

// cancelledButQueued: a tick that waits in the mailbox already is dropped.
func cancelledButQueued(cancel func(t *testing.T, c ctx)) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		w.ticking(nil)
		w.in(func(c ctx) { c.StateAfter("k", time.Second) })
		w.sim.Stall(w.x.Now().Add(time.Second))           // it fires into the mailbox
		w.send("a", urgent{func(c ctx) { cancel(t, c) }}) // and control goes before it
		w.sim.Quiesce()
		w.advance(30 * time.Second)
		w.wantLog()
	}
}

func cancelledByATick(t *testing.T, w *world) {
	w.start(spec{Children: kids{w.log.Child("a", probe{OnStart: func(c ctx) error {
		c.After("first", time.Second)
		c.After("second", time.Second)
		c.Every("third", time.Second)
		return nil
	}, OnReceive: func(c ctx, _ any) error {
		equal(t, "second", true, c.CancelTimer("second"))
		equal(t, "third", true, c.CancelTimer("third"))
		return nil
	}})}})
	w.advance(time.Minute)
	w.wantLog("start root/a#1", "got root/a#1 {first 0}")
	equal(t, "armed", int64(0), w.sys.Ledger().Timers)
}

func cancelSays(t *testing.T, w *world) {
	w.ticking(func(c ctx, m supervisor.Tick) {
		equal(t, "in its own tick: "+m.Key, m.Key == "again", c.CancelTimer(m.Key))
	})
	w.in(func(c ctx) {
		equal(t, "never armed", false, c.CancelTimer("k"))
		c.After("k", time.Second)
		equal(t, "armed", true, c.CancelTimer("k"))
		equal(t, "twice", false, c.CancelTimer("k"))
		c.After("once", time.Second)
		c.Every("again", time.Second)
	})
	w.advance(time.Minute)
	w.wantLog("1s once missed 0", "1s again missed 0")
	w.in(func(c ctx) { equal(t, "long past", false, c.CancelTimer("once")) })
}

// nestedTimers: what a tick's handler arms belongs to the same life, and to the
// state that is entered last.
func nestedTimers(t *testing.T, w *world) {
	w.ticking(func(c ctx, m supervisor.Tick) {
		switch m.Key {
		case "chain":
			if c.Now().Sub(sim.Epoch) < 3*time.Second {
				c.After("chain", time.Second)
			}
			c.StateAfter("dies with the state", 500*time.Millisecond)
			c.EnterState()
			c.StateAfter("state", 250*time.Millisecond)
		case "state":
			c.After("now", 0)
		case "now":
			c.EnterState() // nothing of it is left
		}
	})
	w.in(func(c ctx) { c.After("chain", time.Second) })
	w.advance(time.Minute)
	w.wantLog(
		"1s chain missed 0", "1.25s state missed 0", "1.25s now missed 0",
		"2s chain missed 0", "2.25s state missed 0", "2.25s now missed 0",
		"3s chain missed 0", "3.25s state missed 0", "3.25s now missed 0",
	)
	equal(t, "armed", int64(0), w.sys.Ledger().Timers)
}

func stateTimers(_ *testing.T, w *world) {
	w.ticking(nil)
	w.in(func(c ctx) {
		c.StateAfter("state", 2*time.Second)
		c.After("actor", 2*time.Second)
		c.EnterState()
		c.StateAfter("next state", 2*time.Second)
	})
	w.advance(time.Minute)
	w.wantLog("2s actor missed 0", "2s next state missed 0")
}

// armAll arms one of each kind.
func armAll(c ctx) {
	c.Every("k", time.Second)
	c.After("l", time.Second)
	c.StateAfter("m", time.Second)
}

// noTicks fails for every tick in the log, and forgets it.
func (w *world) noTicks() {
	w.t.Helper()
	for _, line := range w.log.Take() {
		if strings.Contains(line, "missed") || strings.HasPrefix(line, "got") {
			w.t.Errorf("a tick of an earlier life: %s", line)
		}
	}
}

func restartEndsTimers(t *testing.T, w *world) {
	w.ticking(nil)
	for range 5 {
		w.in(armAll)
		w.send("a", supervisortest.End{})
		w.sim.Quiesce()
		equal(t, "armed", int64(0), w.node("a").Timers)
		w.advance(time.Minute) // the backoff
		w.noTicks()
		w.waitState("a", supervisor.StateRunning)
	}
}

func tickBehindACrash(t *testing.T, w *world) {
	w.ticking(nil)
	w.in(armAll)
	w.sim.Stall(w.x.Now().Add(time.Second)) // all have fired
	w.send("a", urgent{func(ctx) { panic("before the ticks") }})
	w.advance(time.Minute)
	w.noTicks()
	equal(t, "life", uint64(2), w.node("a").Incarnation)
	equal(t, "armed", int64(0), w.sys.Ledger().Timers)
}

func stopEndsTimers(t *testing.T, w *world) {
	w.ticking(nil)
	w.in(armAll)
	w.in(func(c ctx) { c.Every("waiting", time.Hour) })
	w.sim.Stall(w.x.Now().Add(time.Second))
	equal(t, "armed", int64(4), w.sys.Ledger().Timers)
	w.stop()
	w.noTicks()
	equal(t, "in the simulation", 0, w.sim.Timers())
}

// abandonEndsTimers: they end when the life is given up, not when its worker
// returns at last.
func abandonEndsTimers(t *testing.T, w *world) {
	a := w.log.Child("a", probe{OnStart: func(c ctx) error {
		if c.Incarnation() > 1 {
			return nil
		}
		armAll(c)
		return deaf(c)
	}})
	a.StopDeadline = supervisor.Brutal
	w.start(spec{Strategy: supervisor.RestForOne, Children: kids{w.log.Child("first", probe{}), a}})
	w.crash("first")
	equal(t, "zombies", int64(1), w.sys.Ledger().Zombies)
	equal(t, "armed", int64(0), w.sys.Ledger().Timers)
	equal(t, "in the simulation", 0, w.sim.Timers())
	w.advance(time.Minute)
	w.noTicks()
	w.release()
}

func timersOfHooks(t *testing.T, w *world) {
	w.start(spec{Budget: isolating(1), Children: kids{w.log.Child("a", probe{
		OnStart: func(c ctx) error {
			armAll(c)
			panic("after arming")
		},
		OnStop: func(c ctx, _ supervisor.Reason) { armAll(c) },
	})}})
	w.advance(time.Minute)
	w.noTicks()
	equal(t, "the actor's", int64(0), w.node("a").Timers)
	equal(t, "all: the next try", int64(1), w.sys.Ledger().Timers)
}

func taskLimitEnds(t *testing.T, w *world) {
	w.start(spec{Children: kids{w.log.Child("a", probe{OnStart: func(c ctx) error {
		return c.Task("quick", time.Hour, func(context.Context) (any, error) { return "done", nil })
	}})}})
	w.advance(0)
	w.wantLog("start root/a#1", "got root/a#1 {quick done <nil>}")
	equal(t, "in the simulation", 0, w.sim.Timers())
}

// fullMailboxTimers: they have a place of their own, before normal messages and
// after control.
func fullMailboxTimers(t *testing.T, w *world) {
	a := w.log.Child("a", probe{OnStart: func(c ctx) error { c.After("tick", time.Second); return nil }})
	a.Mailbox = supervisor.MailboxSpec{Control: 1, Normal: 2, Telemetry: 1}
	w.start(spec{Children: kids{a}})
	w.log.Take()
	w.sim.AfterFunc(time.Second-1, func() {
		for i := range 3 {
			w.ref("a").Send(i)
			w.ref("a").Send(classed{n: 10 + i, class: supervisor.Class{Lane: supervisor.Telemetry}})
			w.ref("a").Send(classed{n: 20 + i, class: supervisor.Class{Lane: supervisor.Control}})
		}
		w.sim.Stall(w.x.Now().Add(1))
	})
	w.advance(2 * time.Second)
	w.wantLog("got root/a#1 20", "got root/a#1 {tick 0}", "got root/a#1 0", "got root/a#1 1", "got root/a#1 10")
	equal(t, "refused", uint64(5), w.node("a").Refused)
}

// missedCoalesce: while the actor is busy one tick waits, not many.
func missedCoalesce(_ *testing.T, w *world) {
	gate := supervisortest.NewGate()
	var ticks, missed atomic.Int64
	w.start(spec{Children: kids{w.log.Child("a", probe{Quiet: true, OnStart: func(c ctx) error {
		c.Every("k", 2*time.Millisecond)
		return nil
	}, OnReceive: func(c ctx, msg any) error {
		ticks.Add(1)
		missed.Add(int64(msg.(supervisor.Tick).Missed))
		return nil
	}})}})
	w.do("a", func(ctx) error { gate.Pass(); ticks.Store(0); return nil })
	<-gate.Entered()
	w.x.Wait(nil, 60*time.Millisecond)
	gate.Open()
	w.wait("the tick", func() bool { return ticks.Load() > 0 && missed.Load() >= 20 })
}

// everySecond starts an actor that notes its ticks, one a second.
func (w *world) everySecond() {
	w.ticking(nil)
	w.in(func(c ctx) { c.Every("k", time.Second) })
}

func clockJump(t *testing.T, w *world) {
	w.everySecond()
	w.in(func(c ctx) { c.After("soon", 10*time.Second); c.After("later", 25*time.Hour) })
	w.sim.Stall(w.x.Now().Add(24*time.Hour + 300*time.Millisecond))
	w.advance(2 * time.Second)
	w.wantLog(
		"24h0m0.3s k missed 86399", "24h0m0.3s soon missed 0",
		"24h0m1s k missed 0", "24h0m2s k missed 0",
	)
	equal(t, "armed", int64(2), w.sys.Ledger().Timers)
}

func noDriftWhenLate(_ *testing.T, w *world) {
	w.everySecond()
	// The machine stands still: the clock moves on and nobody has a turn.
	for _, stall := range []time.Duration{1300, 900, 3700, 1000, 100} {
		w.sim.Stall(w.x.Now().Add(stall * time.Millisecond))
		w.sim.Quiesce()
	}
	// Due at 1, 2, 3...; stalls end at 1.3, 2.2, 5.9, 6.9, 7.0.
	w.wantLog("1.3s k missed 0", "2.2s k missed 0", "5.9s k missed 2", "6.9s k missed 0", "7s k missed 0")
}

// noDrift: 100,000 periods of an uneven length end at exactly their times.
func noDrift(t *testing.T, w *world) {
	const n, period = 100_000, 33_333_333 * time.Nanosecond
	ticks, late := 0, time.Duration(0)
	w.start(spec{Children: kids{w.log.Child("a", probe{Quiet: true, OnStart: func(c ctx) error {
		c.Every("k", period)
		return nil
	}, OnReceive: func(c ctx, msg any) error {
		ticks++
		late = max(late, c.Now().Sub(sim.Epoch)-time.Duration(ticks)*period)
		if tick := msg.(supervisor.Tick); tick.Missed != 0 {
			return fmt.Errorf("missed %d", tick.Missed)
		}
		return nil
	}})}})
	w.advance(n * period)
	equal(t, "ticks", n, ticks)
	equal(t, "drift", 0, late)
}

// manyCancelled: half by cancelling, half by arming again; none fires, and the
// memory is given back.
func manyCancelled(t *testing.T, w *world) {
	const n = 100_000
	w.ticking(nil)
	before := liveHeap()
	w.in(func(c ctx) {
		for i := range n / 2 {
			key := fmt.Sprint(i % 100)
			c.After(key, time.Second)
			c.After(key, time.Hour)
			if !c.CancelTimer(key) {
				t.Fatal("no timer", i)
			}
		}
	})
	if grown := int64(liveHeap()) - int64(before); grown > 64<<10 {
		t.Errorf("%d cancelled timers left %d bytes", n, grown)
	}
	equal(t, "armed", int64(0), w.sys.Ledger().Timers)
	equal(t, "in the simulation", 0, w.sim.Timers())
	w.advance(2 * time.Hour)
	w.wantLog()
}

func manyTimers(t *testing.T, w *world) {
	const n = 1000
	w.ticking(nil)
	w.in(func(c ctx) {
		for i := range n {
			c.After(fmt.Sprint(i), time.Second)
		}
		for i := range n {
			if i%3 != 0 {
				equal(t, "cancelled", true, c.CancelTimer(fmt.Sprint(i)))
			}
		}
	})
	equal(t, "armed", int64(334), w.sys.Ledger().Timers)
	w.advance(time.Second)
	equal(t, "ticks", 334, len(w.log.Take()))
	equal(t, "left", int64(0), w.sys.Ledger().Timers)
}

// firedTimersAreBounded: re-arming a key whose tick waits behind a flood leaves
// one tick waiting, not one for each time.
func firedTimersAreBounded(t *testing.T, w *world) {
	ticks := 0
	w.ticking(func(ctx, supervisor.Tick) { ticks++ })
	rearm := urgent{func(c ctx) { c.After("k", 0) }}
	flood := func(n int) {
		for range n {
			w.send("a", rearm)
			w.sim.Round()
			w.sim.Stall(w.x.Now()) // the timer fires; the flood goes before it
		}
	}
	flood(100)
	before := liveHeap()
	flood(5000)
	if grown := int64(liveHeap()) - int64(before); grown > 64<<10 {
		t.Errorf("5,000 cancelled ticks left %d bytes", grown)
	}
	equal(t, "ticks during the flood", 0, ticks)
	w.advance(0)
	equal(t, "ticks", 1, ticks)
}

// everyNeedsAPeriod: a mistake that would be one silent tick is a panic.
func everyNeedsAPeriod(t *testing.T, w *world) {
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	w.do("a", func(c ctx) error { c.Every("k", 0); return nil })
	w.advance(0)
	equal(t, "reason", "panic: supervisor: Every needs a period above 0", w.node("a").LastReason)
}

// hammerer arms and cancels at every message, and counts the ticks that it had
// cancelled.
func hammerer(bad *atomic.Int64) func(c ctx, msg any) error {
	armed := map[string]bool{}
	n := 0
	return func(c ctx, msg any) error {
		if tick, ok := msg.(supervisor.Tick); ok {
			if !armed[tick.Key] {
				bad.Add(1)
			}
			armed[tick.Key] = tick.Key == "every"
			return nil
		}
		n++
		key := fmt.Sprint(n % 7)
		switch n % 5 {
		case 0, 1:
			c.After(key, time.Duration(n%3)*10*time.Microsecond)
			armed[key] = true
		case 2:
			c.CancelTimer(key)
			armed[key] = false
		case 3:
			c.Every("every", 20*time.Microsecond)
			armed["every"] = true
		case 4:
			c.CancelTimer("every")
			armed["every"] = false
		}
		return nil
	}
}

// hammeredTimers: on the machine, cancelling and re-arming as fast as it goes.
func hammeredTimers(t *testing.T, w *world) {
	var bad atomic.Int64
	var children kids
	for i := range 4 {
		children = append(children, w.log.Child(fmt.Sprint("c", i), probe{Quiet: true, OnReceive: hammerer(&bad)}))
	}
	w.start(spec{Children: children})
	for i := range 20_000 {
		for j := range children {
			for w.ref(fmt.Sprint("c", j)).Send(i) == supervisor.Refused {
				w.x.Wait(nil, 10*time.Microsecond)
			}
		}
	}
	w.wait("all handled", func() bool {
		return w.node("c0").Queued+w.node("c1").Queued+w.node("c2").Queued+w.node("c3").Queued == 0
	})
	w.stop()
	equal(t, "cancelled ticks that were delivered", int64(0), bad.Load())
	w.becomes("dead ticks", uint64(0), func() any { return w.sys.Ledger().DeadTimers })
}

// timersEverywhere arms every kind in Start, in ticks and in the Stop hook of
// actors that end in every way there is.
func timersEverywhere(t *testing.T, w *world) {
	ends := map[string]func(c ctx) error{
		"error": func(ctx) error { return errors.New("ouch") },
		"panic": func(ctx) error { panic("ouch") },
		"stop":  func(c ctx) error { c.Stop(); return nil },
		"never": func(ctx) error { return supervisor.DoNotRestart(supervisortest.ErrCrash) },
		"lives": func(ctx) error { return nil },
	}
	var children kids
	for id := range ends {
		children = append(children, w.log.Child(id, probe{
			OnStart: func(c ctx) error { armAll(c); return nil },
			OnReceive: func(c ctx, msg any) error {
				c.After("after "+msg.(supervisor.Tick).Key, time.Minute)
				return nil
			},
			OnStop: func(c ctx, _ supervisor.Reason) { armAll(c) },
		}))
	}
	w.start(spec{Budget: isolating(9), Children: children})
	equal(t, "after the start", int64(3*len(ends)), w.sys.Ledger().Timers)
	w.advance(2 * time.Second)
	equal(t, "the periodic one and three that ticks armed", int64(4*len(ends)), w.sys.Ledger().Timers)
	for id, end := range ends {
		w.do(id, end)
	}
	w.advance(0)
	for id, want := range map[string]int64{"error": 3, "panic": 3, "stop": 3, "never": 0, "lives": 4} {
		equal(t, id, want, w.node(id).Timers)
	}
	equal(t, "all", int64(13), w.sys.Ledger().Timers)
	equal(t, "in the simulation", 13, w.sim.Timers())
	w.sim.Stall(w.x.Now().Add(time.Second)) // those that fire now meet the stop
	w.stop()
}
