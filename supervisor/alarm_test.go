package supervisor_test

import (
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// countingExecutor counts what a tree asks of it.
type countingExecutor struct {
	supervisor.Executor
	alarms, turns atomic.Int64
}

func (x *countingExecutor) Alarm(d time.Duration, fire func() supervisor.Turner) supervisor.Alarm {
	x.alarms.Add(1)
	return x.Executor.Alarm(d, fire)
}

func (x *countingExecutor) Turn(t supervisor.Turner) {
	x.turns.Add(1)
	x.Executor.Turn(t)
}

// TestPeriodicTimerKeepsItsAlarm: a thousand ticks need one alarm, and each
// comes at its time.
func TestPeriodicTimerKeepsItsAlarm(t *testing.T) {
	x := sim.New(1, sim.Options{})
	counting := &countingExecutor{Executor: x}
	w := newWorld(t, counting)
	ticks, late := 0, time.Duration(0)
	w.start(spec{Children: kids{w.log.Child("a", probe{Quiet: true, OnReceive: func(c ctx, _ any) error {
		ticks++
		late = max(late, c.Now().Sub(sim.Epoch)-time.Duration(ticks)*time.Second)
		return nil
	}})}})
	w.inside("a", func(c ctx) { c.Every("k", time.Second) })
	before := counting.alarms.Load()
	x.Advance(1000 * time.Second)
	equal(t, "ticks", 1000, ticks)
	equal(t, "drift", 0, late)
	equal(t, "alarms for later ticks", before, counting.alarms.Load())
	w.stop()
	equal(t, "left", 0, x.Timers())
}

// TestTickTakesItsTurn: on the machine the goroutine of the alarm runs the turn
// of an idle actor; no other is started.
func TestTickTakesItsTurn(t *testing.T) {
	x := &countingExecutor{Executor: supervisor.NewReal(1)}
	w := newWorld(t, x)
	var ticks atomic.Int64
	w.start(spec{Children: kids{w.log.Child("a", probe{Quiet: true, OnReceive: func(ctx, any) error {
		ticks.Add(1)
		return nil
	}})}})
	w.inside("a", func(c ctx) { c.Every("k", time.Millisecond) })
	w.wait("the first tick", func() bool { return ticks.Load() > 0 })
	before := x.turns.Load()
	w.wait("20 ticks", func() bool { return ticks.Load() > 20 })
	equal(t, "turns started for ticks", before, x.turns.Load())
}

// TestWaitAllocatesNothing, whether it ends in time or not.
func TestWaitAllocatesNothing(t *testing.T) {
	if supervisortest.RaceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	x := supervisor.NewReal(1)
	done := make(chan struct{}, 1)
	made := testing.AllocsPerRun(100, func() {
		if x.Wait(nil, time.Microsecond) {
			t.Error("nothing to wait for, and it came")
		}
		done <- struct{}{}
		if !x.Wait(done, time.Hour) {
			t.Error("too late")
		}
	})
	equal(t, "allocations", 0, made)
}
