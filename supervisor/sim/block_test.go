package sim_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// since notes a line with the virtual time.
func (r *rig) note(format string, a ...any) {
	r.log.Add("%v "+format, append([]any{r.Now().Sub(sim.Epoch)}, a...)...)
}

// TestSleep: a handler that takes a second is busy for a second; others go on.
func TestSleep(t *testing.T) {
	r := newRig(t, 1, sim.Options{}, "a", "b")
	r.do("a", func(*supervisor.Context) { r.note("begin"); r.Sleep(time.Second); r.note("end") })
	r.sys.Ref("root/a").Send("next")
	r.Advance(500 * time.Millisecond)
	r.sys.Ref("root/b").Send("meanwhile")
	r.Advance(499 * time.Millisecond)
	r.want("0s begin", "got root/b#1 meanwhile")
	r.Advance(time.Millisecond)
	r.want("1s end", "got root/a#1 next")
	r.do("a", func(*supervisor.Context) { r.Sleep(0); r.Sleep(time.Minute); r.Sleep(time.Minute); r.note("twice") })
	r.do("b", func(*supervisor.Context) { r.Sleep(90 * time.Second); r.note("between") })
	r.Advance(time.Hour)
	r.want("1m31s between", "2m1s twice")
	if r.Sleepers() != 0 || r.Timers() != 0 {
		t.Errorf("%d sleep, %d timers", r.Sleepers(), r.Timers())
	}
	defer func() {
		if recover() == nil {
			t.Error("slept outside of a turn")
		}
	}()
	r.Sleep(1)
}

// TestSleepInTask: a task's function takes time beside its actor.
func TestSleepInTask(t *testing.T) {
	r := newRig(t, 1, sim.Options{}, "a")
	r.do("a", func(c *supervisor.Context) {
		for i, d := range []time.Duration{time.Second, time.Hour} {
			_ = c.Task(fmt.Sprint(i), time.Minute, func(ctx context.Context) (any, error) {
				err := r.Await(ctx, d)
				r.note("%d %v", i, err)
				return nil, err
			})
		}
	})
	r.Quiesce()
	r.sys.Ref("root/a").Send("beside it")
	r.Advance(time.Hour)
	r.want("got root/a#1 beside it", "1s 0 <nil>", "got root/a#1 {0 <nil> <nil>}",
		"1m0s 1 context canceled", "got root/a#1 {1 <nil> context canceled}")
}

// TestHang: a handler that never returns is abandoned at its deadline and its
// grace, to the nanosecond; what its zombie does later reaches nobody.
func TestHang(t *testing.T) {
	r := newRig(t, 1, sim.Options{}, "a")
	late := func(c *supervisor.Context) {
		r.Block()
		r.note("late %v", c.Send(c.Self(), "x"))
	}
	r.do("a", late)
	r.Quiesce()
	report := r.sys.Stop()
	if want := supervisor.DefaultStopDeadline + supervisor.DefaultGrace; report.Took != want || report.Zombies != 1 {
		t.Errorf("stop: %+v", report)
	}
	if r.Sleepers() != 1 || r.Unblock("root/b") != 0 || r.Unblock("root/a") != 1 {
		t.Errorf("%d sleep", r.Sleepers())
	}
	r.Quiesce()
	r.want("5.5s late down")
}

// TestPolite: a call that ends with its context ends at the deadline.
func TestPolite(t *testing.T) {
	r := newRig(t, 1, sim.Options{}, "a")
	r.do("a", func(c *supervisor.Context) { r.note("%v", r.Await(c.Context(), sim.Forever)) })
	r.Quiesce()
	if took := r.sys.Stop().Took; took != supervisor.DefaultStopDeadline {
		t.Errorf("took %v", took)
	}
	r.want("5s context canceled", "stop root/a#1 shutdown")
}

// TestDeaf: a loop that does not listen to its context keeps its actor from
// ending, then is a zombie until it ends.
func TestDeaf(t *testing.T) {
	deaf := func(_, name string) bool { return name == "deaf" }
	r := newRig(t, 1, sim.Options{Deaf: deaf}, "a")
	r.do("a", func(c *supervisor.Context) { _, _ = c.Loop("deaf", nil), c.Loop("other", nil) })
	r.Quiesce()
	if report := r.sys.Stop(); report.Took < supervisor.DefaultStopDeadline || report.Zombies != 1 {
		t.Errorf("stop: %+v", report)
	}
	if !r.EndLoop("root/a", "deaf", nil) {
		t.Error("the loop is gone")
	}
}

// TestReleaseAll leaves nothing of a script: newRig's end looks for leaks.
func TestReleaseAll(t *testing.T) {
	r := newRig(t, 1, sim.Options{
		Deaf: func(string, string) bool { return true },
		Hold: func(string, string) sim.Hold { return sim.Hold{Result: sim.Forever} },
	}, "a", "b")
	r.do("a", func(c *supervisor.Context) {
		_ = c.Loop("deaf", nil)
		_ = c.Task("held", 0, func(context.Context) (any, error) { return nil, nil })
		r.Block()
		r.Block()
	})
	r.do("b", func(*supervisor.Context) { r.Sleep(time.Hour) })
	r.Quiesce()
	r.sys.Stop()
	for i, want := range []int{4, 1, 0} {
		if n := r.ReleaseAll(); n != want {
			t.Errorf("release %d: %d instead of %d", i, n, want)
		}
		r.Quiesce()
	}
}

// TestGoexit: a handler that ends its goroutine, as a failed test does, ends the
// script's; the simulation still works.
func TestGoexit(t *testing.T) {
	r := newRig(t, 1, sim.Options{}, "a", "b")
	over := make(chan struct{})
	r.do("b", func(*supervisor.Context) { r.Sleep(time.Second); r.note("slept") })
	r.do("a", func(*supervisor.Context) { runtime.Goexit() })
	go func() {
		defer close(over)
		r.Quiesce()
		r.log.Add("not reached")
	}()
	<-over
	r.Advance(time.Minute)
	r.want("stop root/a#1 panic: it ended its goroutine (runtime.Goexit)", "start root/a#2", "1s slept")
	if got, err := r.sys.Ref("root/a").Ask(supervisortest.Echo{Value: 1}, time.Second); got != 1 || err != nil {
		t.Error(got, err)
	}
}

// TestPanicIsCaught: a panic after a sleep is the actor's, as any.
func TestPanicIsCaught(t *testing.T) {
	r := newRig(t, 1, sim.Options{}, "a")
	r.do("a", func(*supervisor.Context) { r.Sleep(time.Second); panic(errors.New("late")) })
	r.Advance(time.Minute)
	r.want("stop root/a#1 panic: late", "start root/a#2")
}
