package supervisor_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// ticker is a tree of one actor that notes its ticks with their time.
func ticker(t *testing.T) *world {
	w := simWorld(t)
	w.start(spec{Children: kids{w.log.Child("a", probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
		switch m := msg.(type) {
		case supervisor.Tick:
			w.log.Add("%v %s missed %d", c.Now().Sub(sim.Epoch), m.Key, m.Missed)
		case urgent:
			m.do(c)
		}
		return nil
	}})}})
	w.log.Take()
	return w
}

// urgent is run in the actor before timers are looked at.
type urgent struct{ do func(c ctx) }

func (urgent) Class() supervisor.Class { return supervisor.Class{Lane: supervisor.Control} }

// in runs f inside the actor, the clock standing still.
func (w *world) in(f func(c ctx)) {
	w.t.Helper()
	w.do("a", func(c ctx) error { f(c); return nil })
	w.sim.Quiesce()
}

func TestAfterAndEvery(t *testing.T) {
	w := ticker(t)
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

// TestSameKeyReplaces: whatever kind the other was, and even if it had fired.
func TestSameKeyReplaces(t *testing.T) {
	w := ticker(t)
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

// TestCancelledButFired: a tick that waits in the mailbox already is dropped.
func TestCancelledButFired(t *testing.T) {
	for name, cancel := range map[string]func(c ctx){
		"cancel":  func(c ctx) { equal(t, "there was one", true, c.CancelTimer("k")) },
		"replace": func(c ctx) { c.After("k", time.Hour) },
		"state":   func(c ctx) { c.EnterState() },
	} {
		t.Run(name, func(t *testing.T) {
			w := ticker(t)
			w.in(func(c ctx) { c.StateAfter("k", time.Second) })
			w.sim.Stall(w.x.Now().Add(time.Second)) // it fires into the mailbox
			w.send("a", urgent{cancel})             // and control goes before it
			w.sim.Quiesce()
			w.sim.Advance(30 * time.Second)
			w.wantLog()
		})
	}
	// Both fired; the first tick's handler cancels the second.
	u := simWorld(t)
	u.start(spec{Children: kids{u.log.Child("a", probe{OnStart: func(c ctx) error {
		c.After("first", time.Second)
		c.After("second", time.Second)
		c.Every("third", time.Second)
		return nil
	}, OnReceive: func(c ctx, _ any) error {
		equal(t, "second", true, c.CancelTimer("second"))
		equal(t, "third", true, c.CancelTimer("third"))
		return nil
	}})}})
	u.advance(time.Minute)
	u.wantLog("start root/a#1", "got root/a#1 {first 0}")
	equal(t, "armed", int64(0), u.sys.Ledger().Timers)
}

// TestNoDrift: 100,000 periods of an uneven length end at exactly their times.
func TestNoDrift(t *testing.T) {
	const n, period = 100_000, 33_333_333 * time.Nanosecond
	w := simWorld(t)
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

// TestNoDriftWhenLate: lateness of a handler does not add up.
func TestNoDriftWhenLate(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Children: kids{w.log.Child("a", probe{Quiet: true, OnStart: func(c ctx) error {
		c.Every("k", time.Second)
		return nil
	}, OnReceive: func(c ctx, msg any) error {
		w.log.Add("%v missed %d", c.Now().Sub(sim.Epoch), msg.(supervisor.Tick).Missed)
		return nil
	}})}})
	w.log.Take()
	// The machine stands still: the clock moves on and nobody has a turn.
	for _, stall := range []time.Duration{1300, 900, 3700, 1000, 100} {
		end := w.x.Now().Add(stall * time.Millisecond)
		w.sim.Stall(end)
		w.sim.Quiesce()
	}
	// Due at 1, 2, 3...; stalls end at 1.3, 2.2, 5.9, 6.9, 7.0.
	w.wantLog("1.3s missed 0", "2.2s missed 0", "5.9s missed 2", "6.9s missed 0", "7s missed 0")
}

// TestMissedCoalesce: while the actor is busy one tick waits, not many.
func TestMissedCoalesce(t *testing.T) {
	w := realWorld(t)
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

func TestStateTimers(t *testing.T) {
	w := ticker(t)
	w.in(func(c ctx) {
		c.StateAfter("state", 2*time.Second)
		c.After("actor", 2*time.Second)
		c.EnterState()
		c.StateAfter("next state", 2*time.Second)
	})
	w.advance(time.Minute)
	w.wantLog("2s actor missed 0", "2s next state missed 0")
}

// TestTimersEndWithTheLife: none after a restart, none after a stop.
func TestTimersEndWithTheLife(t *testing.T) {
	w := ticker(t)
	for range 5 {
		w.in(func(c ctx) {
			c.Every("k", time.Second)
			c.After("l", time.Second)
			c.StateAfter("m", time.Second)
		})
		w.send("a", supervisortest.End{})
		w.sim.Quiesce()
		equal(t, "armed", int64(0), w.node("a").Timers)
		w.advance(time.Minute) // the backoff
		for _, line := range w.log.Take() {
			if strings.Contains(line, "missed") {
				t.Errorf("a tick of an earlier life: %s", line)
			}
		}
		w.waitState("a", supervisor.StateRunning)
	}
	w.in(func(c ctx) { c.Every("k", time.Second) })
	w.stop()
	equal(t, "in the simulation", 0, w.sim.Timers())
}

// TestTimersOfHooks: those armed by a Start that panics or by the Stop hook die
// with their life.
func TestTimersOfHooks(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Budget: isolating(1), Children: kids{w.log.Child("a", probe{
		OnStart: func(c ctx) error {
			c.Every("k", time.Second)
			panic("after arming")
		},
		OnStop: func(c ctx, _ supervisor.Reason) { c.Every("l", time.Second) },
	})}})
	w.advance(time.Minute)
	for _, line := range w.log.Lines() {
		if strings.HasPrefix(line, "got") {
			t.Errorf("tick: %s", line)
		}
	}
	equal(t, "the actor's", int64(0), w.node("a").Timers)
}

// TestFullMailboxDoesNotBlockTimers: they have a place of their own, before
// normal messages and after control.
func TestFullMailboxDoesNotBlockTimers(t *testing.T) {
	w := simWorld(t)
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

// classed is a message with a class of its own.
type classed struct {
	n     int
	class supervisor.Class
}

func (m classed) Class() supervisor.Class { return m.class }
func (m classed) String() string          { return fmt.Sprint(m.n) }

// TestEveryNeedsAPeriod: a mistake that would be one silent tick is a panic.
func TestEveryNeedsAPeriod(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	w.do("a", func(c ctx) error { c.Every("k", 0); return nil })
	w.advance(0)
	equal(t, "reason", "panic: supervisor: Every needs a period above 0", w.node("a").LastReason)
}

// TestManyTimers: hundreds in one actor, cancelled in between.
func TestManyTimers(t *testing.T) {
	const n = 1000
	w := ticker(t)
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

// TestHammeredTimers: on the machine, cancelling and re-arming as fast as it
// goes, a cancelled timer is never delivered, and all are accounted for.
func TestHammeredTimers(t *testing.T) {
	w := realWorld(t)
	var bad atomic.Int64
	var children kids
	for i := range 4 {
		armed := map[string]bool{}
		n := 0
		children = append(children, w.log.Child(fmt.Sprint("c", i), probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
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
		}}))
	}
	w.start(spec{Children: children})
	for i := range 20_000 {
		for j := range children {
			for w.ref(fmt.Sprint("c", j)).Send(i) == supervisor.Refused {
				w.x.Wait(nil, 10*time.Microsecond)
			}
		}
	}
	w.stop()
	equal(t, "cancelled ticks that were delivered", int64(0), bad.Load())
	equal(t, "dead ticks", uint64(0), w.sys.Ledger().DeadTimers)
}

// TestFiredTimersAreBounded: re-arming a key whose tick waits behind a flood
// leaves one tick waiting, not one for each time.
func TestFiredTimersAreBounded(t *testing.T) {
	w := simWorld(t, sim.Options{Throughput: 1})
	ticks := 0
	w.start(spec{Children: kids{w.log.Child("a", probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
		switch m := msg.(type) {
		case supervisor.Tick:
			ticks++
		case urgent:
			m.do(c)
		}
		return nil
	}})}})
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
