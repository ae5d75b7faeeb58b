package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// TestRestartTypes: restart type x reason, on a life that ended by itself.
func TestRestartTypes(t *testing.T) {
	deaf := supervisortest.Do(func(c ctx) error {
		c.Stop()
		return c.Task("deaf", 0, func(context.Context) (any, error) { return nil, nil })
	})
	for _, restart := range []supervisor.Restart{supervisor.Permanent, supervisor.Transient, supervisor.Temporary} {
		for _, c := range []struct {
			reason   supervisor.ExitKind
			msg      any
			abnormal bool
		}{
			{supervisor.ExitNormal, supervisortest.End{}, false},
			{supervisor.ExitError, supervisortest.Crash, true},
			{supervisor.ExitPanic, supervisortest.Panic{Value: "ouch"}, true},
			{supervisor.ExitKilled, deaf, true},
		} {
			t.Run(fmt.Sprint(restart, " ", c.reason), func(t *testing.T) {
				w := simWorld(t, sim.Options{Hold: func(string, string) sim.Hold { return sim.Hold{Start: sim.Forever} }})
				a := w.log.Child("a", probe{})
				a.Restart = restart
				w.start(spec{Children: kids{a, w.log.Child("b", probe{})}})
				w.send("a", c.msg)
				w.advance(time.Minute)
				want := supervisor.StateStopped
				if restart == supervisor.Permanent || restart == supervisor.Transient && c.abnormal {
					want = supervisor.StateRunning
				}
				equal(t, "state", want, w.state("a"))
				equal(t, "sibling's lives", uint64(1), w.node("b").Incarnation)
				exits := w.events.of(supervisor.EventExited, "a")
				if len(exits) != 1 || exits[0].Reason.Kind != c.reason {
					t.Errorf("exits: %v", exits)
				}
				if want == supervisor.StateStopped {
					equal(t, "send", supervisor.Down, w.ref("a").Send("x"))
				}
				w.sim.Release("root/a", "deaf")
				w.sim.Quiesce()
				w.stop()
				balanced(t, w.events)
			})
		}
	}
}

// TestStopIsNoFailure: an administrative stop restarts nobody.
func TestStopIsNoFailure(t *testing.T) {
	for _, restart := range []supervisor.Restart{supervisor.Permanent, supervisor.Transient, supervisor.Temporary} {
		both(t, func(t *testing.T, w *world) {
			a := w.log.Child("a", probe{})
			a.Restart = restart
			w.start(spec{Children: kids{a}})
			w.stop()
			w.wantLog("start root/a#1", "stop root/a#1 shutdown")
			equal(t, "restarting", 0, len(w.events.of(supervisor.EventRestarting, "")))
		})
	}
}

// TestPanicValues: whatever a handler panics with becomes the reason.
func TestPanicValues(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.start(spec{Budget: escalating(9), Children: kids{w.log.Child("a", probe{OnReceive: func(_ ctx, msg any) error {
			switch msg {
			case "nil map":
				var m map[string]int
				//lint:ignore SA5000 the panic is what is tested
				m["x"]++
			case "index":
				_ = []int{}[len(fmt.Sprint(msg))]
			}
			return nil
		}})}})
		for i, msg := range []any{supervisortest.Panic{Value: errors.New("e")}, supervisortest.Panic{}, "nil map", "index"} {
			w.send("a", msg)
			w.wait("restart", func() bool { return w.node("a").Incarnation == uint64(i)+2 })
			w.waitState("a", supervisor.StateRunning)
		}
		exits := w.events.of(supervisor.EventExited, "a")
		for _, e := range exits {
			if e.Reason.Kind != supervisor.ExitPanic || e.Reason.Stack == "" || len(e.Reason.Stack) > 4<<10 {
				t.Errorf("exit %v, %d bytes of stack", e.Reason, len(e.Reason.Stack))
			}
		}
		equal(t, "exits", 4, len(exits))
	})
}

// TestDirectives: an error can carry the decision.
func TestDirectives(t *testing.T) {
	boom := errors.New("boom")
	t.Run("do not restart", func(t *testing.T) {
		both(t, func(t *testing.T, w *world) {
			w.start(spec{Children: kids{w.log.Child("a", probe{}), w.log.Child("b", probe{})}})
			w.send("a", supervisortest.Fail{Err: fmt.Errorf("wrapped: %w", supervisor.DoNotRestart(boom))})
			w.waitState("a", supervisor.StateStopped)
			equal(t, "last", "error: wrapped: boom", w.node("a").LastReason)
			equal(t, "b", supervisor.StateRunning, w.state("b"))
		})
	})
	for name, budget := range map[string]supervisor.Budget{"escalate": escalating(9), "escalate, isolating": isolating(9)} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, w *world) {
				w.start(spec{Children: kids{
					supervised("s", spec{Budget: budget, Children: kids{w.log.Child("x", probe{}), w.log.Child("y", probe{})}}),
					w.log.Child("b", probe{}),
				}})
				w.log.Take()
				w.send("s/x", supervisortest.Fail{Err: supervisor.Escalate(boom)})
				w.waitLife("s", 2) // one level only: the root restarts it
				w.wantLog("stop root/s/x#1 error: boom", "stop root/s/y#1 shutdown", "start root/s/x#2", "start root/s/y#2")
				equal(t, "b's lives", uint64(1), w.node("b").Incarnation)
			})
		})
	}
}

// TestKilledKeepsItsDirective: an end that took too long is still the end that
// asked not to be restarted.
func TestKilledKeepsItsDirective(t *testing.T) {
	w := simWorld(t, sim.Options{Hold: func(string, string) sim.Hold { return sim.Hold{Start: sim.Forever} }})
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	w.do("a", func(c ctx) error {
		_ = c.Task("deaf", 0, func(context.Context) (any, error) { return nil, nil })
		return supervisor.DoNotRestart(supervisortest.ErrCrash)
	})
	w.advance(time.Minute)
	equal(t, "state", supervisor.StateStopped, w.state("a"))
	equal(t, "exit", supervisor.ExitKilled, w.events.of(supervisor.EventExited, "a")[0].Reason.Kind)
	w.sim.Release("root/a", "deaf")
	w.sim.Quiesce()
}

// TestRestForOne: those started after the failed one are stopped in reverse and
// started again in order; those before it are untouched.
func TestRestForOne(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
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
		equal(t, "a's lives", uint64(1), w.node("a").Incarnation)
	})
}

// TestOneForOne: nobody else notices.
func TestOneForOne(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		l := w.log
		w.start(spec{Children: kids{l.Child("a", probe{}), l.Child("b", probe{}), l.Child("c", probe{})}})
		l.Take()
		w.send("b", supervisortest.Crash)
		w.waitLife("b", 2)
		w.wantLog("stop root/b#1 error: crash", "start root/b#2")
	})
}

// TestBystanders: in rest-for-one a temporary sibling that is taken down stays
// down, and so does one that asked not to be restarted; one that had ended
// cleanly or ignored is started with the others, as in OTP.
func TestBystanders(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
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
	})
}

// TestFailureDuringRestart: a child that fails to start again counts and is
// retried; in rest-for-one those already back before it stay untouched.
func TestFailureDuringRestart(t *testing.T) {
	w := simWorld(t)
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

// TestSecondCrashDuringRestart: an earlier sibling crashes while the plan waits;
// the plan begins at it.
func TestSecondCrashDuringRestart(t *testing.T) {
	w := simWorld(t)
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

// TestSelfFailureDuringPlan: a later sibling fails by itself while the plan stops
// the tail; the plan still begins at the first one.
func TestSelfFailureDuringPlan(t *testing.T) {
	w := simWorld(t, sim.Options{Hold: func(string, string) sim.Hold { return sim.Hold{Start: time.Second} }})
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

// TestNeverStartingChild: while a child keeps failing to start, the supervisor
// answers for its siblings, shows it as restarting, and stops when told.
func TestNeverStartingChild(t *testing.T) {
	for _, strategy := range []supervisor.Strategy{supervisor.OneForOne, supervisor.RestForOne} {
		both(t, func(t *testing.T, w *world) {
			l := w.log
			never := l.Child("never", probe{OnStart: func(c ctx) error {
				if c.Incarnation() > 1 {
					return supervisortest.ErrCrash
				}
				return nil
			}})
			never.Backoff = supervisor.Backoff{Min: time.Hour, Max: time.Hour}
			w.start(spec{Strategy: strategy, Budget: escalating(100), Children: kids{l.Child("a", probe{}), never}})
			w.send("never", supervisortest.Crash)
			w.wait("second failure", func() bool { return len(w.events.of(supervisor.EventRestarting, "never")) == 2 })
			n := w.node("never")
			equal(t, "state", supervisor.StateRestarting, n.State)
			if n.RetryAt == nil || n.RetryAt.Sub(w.x.Now()) < 59*time.Minute {
				t.Errorf("retry at %v, now %v", n.RetryAt, w.x.Now())
			}
			equal(t, "send", supervisor.Down, w.ref("never").Send("x"))
			got, err := w.ref("a").Ask(supervisortest.Echo{Value: 1}, limit)
			if got != 1 || err != nil {
				t.Error(got, err)
			}
			r := w.stop()
			if !r.Complete || w.state("never") != supervisor.StateStopped {
				t.Errorf("stop: %+v, %v", r, w.state("never"))
			}
		})
	}
}

// TestStartTimeoutAtRestart: a hanging start of a later life is abandoned,
// counted and tried again; the zombie's return does not touch its successor.
func TestStartTimeoutAtRestart(t *testing.T) {
	w := realWorld(t)
	gate, second := supervisortest.NewGate(), supervisortest.NewGate()
	a := w.log.Child("a", probe{OnStart: func(c ctx) error {
		switch c.Incarnation() {
		case 2:
			gate.Pass()
		case 3:
			second.Pass()
		}
		return nil
	}})
	a.StartTimeout = 300 * time.Millisecond
	a.Backoff = supervisor.Backoff{Min: time.Millisecond}
	w.start(spec{Budget: escalating(9), Children: kids{a}})
	w.send("a", supervisortest.Crash)
	<-second.Entered()
	equal(t, "zombies", int64(1), w.sys.Ledger().Zombies)
	gate.Open() // the second life says "ready" while the third still starts
	w.wait("no zombie", func() bool { return w.sys.Ledger().Zombies == 0 })
	equal(t, "state", supervisor.StateStarting, w.state("a"))
	equal(t, "ready events", 1, len(w.events.of(supervisor.EventReady, "a")))
	second.Open()
	w.waitLife("a", 3)
	w.stop()
	balanced(t, w.events)
}
