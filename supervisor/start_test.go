package supervisor_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

func failStart(err error) probe {
	return probe{OnStart: func(ctx) error { return err }}
}

// TestStartOrder: children start one after the other, depth first, and the
// system is ready when the last one is.
func TestStartOrder(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		l := w.log
		w.start(spec{Children: kids{
			l.Child("a", probe{}),
			supervised("s", spec{Children: kids{l.Child("x", probe{}), l.Child("y", probe{})}}),
			l.Child("b", probe{}),
		}})
		w.wantLog("start root/a#1", "start root/s/x#1", "start root/s/y#1", "start root/b#1")
		r := w.stop()
		w.wantLog("stop root/b#1 shutdown", "stop root/s/y#1 shutdown", "stop root/s/x#1 shutdown", "stop root/a#1 shutdown")
		equal(t, "report", supervisor.StopReport{Took: r.Took, Complete: true}, r)
	})
}

// TestStartWaits: a child is not started before the one before it is ready.
func TestStartWaits(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	slow := probe{OnStart: func(ctx) error { gate.Pass(); return nil }}
	done := make(chan error, 1)
	go func() {
		done <- w.try(spec{Children: kids{w.log.Child("a", slow), w.log.Child("b", probe{})}})
	}()
	<-gate.Entered()
	w.x.Wait(nil, 5*time.Millisecond)
	w.wantLog("start root/a#1")
	gate.Open()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	w.wantLog("start root/b#1")
}

// TestStartFails: whatever goes wrong in a start, those before are stopped in
// reverse, those after are not touched, and one error names child and cause.
func TestStartFails(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		bad supervisor.ChildSpec
		say string
		is  error
	}{
		"error": {bad: (&supervisortest.Log{}).Child("bad", failStart(boom)), say: "boom", is: boom},
		"panic": {bad: (&supervisortest.Log{}).Child("bad", probe{OnStart: func(ctx) error { panic("ouch") }}), say: "panic: ouch"},
		"New panics": {
			bad: supervisor.ChildSpec{ID: "bad", New: func() supervisor.Actor { panic("no memory") }}, say: "panic: no memory",
		},
		"New returns nil": {
			bad: supervisor.ChildSpec{ID: "bad", New: func() supervisor.Actor { return nil }}, say: "New returned nil",
		},
		"temporary too": {
			bad: with((&supervisortest.Log{}).Child("bad", failStart(boom)), func(c *kid) { c.Restart = supervisor.Temporary }),
			say: "boom", is: boom,
		},
		"do not restart": {
			bad: (&supervisortest.Log{}).Child("bad", failStart(supervisor.DoNotRestart(boom))), say: "boom", is: boom,
		},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, w *world) {
				l := w.log
				err := w.try(spec{Children: kids{
					l.Child("a", probe{}),
					supervised("s", spec{Children: kids{l.Child("x", probe{}), c.bad, l.Child("y", probe{})}}),
					l.Child("b", probe{}),
				}})
				if err == nil || !strings.Contains(err.Error(), "root/s/bad") || !strings.Contains(err.Error(), c.say) {
					t.Fatalf("error %v, want one that names root/s/bad and %q", err, c.say)
				}
				if c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("%v is not the cause of %v", c.is, err)
				}
				var child *supervisor.ChildError
				if !errors.As(err, &child) {
					t.Errorf("%T is no ChildError", err)
				}
				w.wantLog("start root/a#1", "start root/s/x#1", "stop root/s/x#1 shutdown", "stop root/a#1 shutdown")
				balanced(t, w.events)
			})
		})
	}
}

// balanced: every life that started also ended, once.
func balanced(t *testing.T, l *eventLog) {
	t.Helper()
	open := map[string]int{}
	for _, e := range l.of(supervisor.EventStarting, "") {
		open[fmt.Sprint(e.Path, "#", e.Incarnation)]++
	}
	for _, e := range l.of(supervisor.EventExited, "") {
		open[fmt.Sprint(e.Path, "#", e.Incarnation)]--
	}
	for life, n := range open {
		if n != 0 {
			t.Errorf("%s: starts minus exits is %d", life, n)
		}
	}
}

// TestStartTimeout: a start that hangs is abandoned at its time-out and rolled
// back like one that failed; its late return changes nothing.
func TestStartTimeout(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	hang := w.log.Child("bad", probe{OnStart: func(ctx) error { gate.Pass(); return nil }})
	hang.StartTimeout = 10 * time.Millisecond
	err := w.try(spec{Children: kids{w.log.Child("a", probe{}), hang, w.log.Child("b", probe{})}})
	if !errors.Is(err, supervisor.ErrStartTimeout) || !strings.Contains(err.Error(), "root/bad") {
		t.Fatalf("error %v", err)
	}
	w.wantLog("start root/a#1", "start root/bad#1", "stop root/a#1 shutdown")
	equal(t, "abandoned", 1, len(w.events.of(supervisor.EventAbandoned, "bad")))
	before := w.events.lines()
	gate.Open()
	w.x.Wait(nil, 5*time.Millisecond)
	equal(t, "events of the zombie", before, w.events.lines())
	balanced(t, w.events)
}

// TestStartTimeoutOfSupervisor: a supervisor has one only if it asks for it.
func TestStartTimeoutOfSupervisor(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	hang := w.log.Child("x", probe{OnStart: func(ctx) error { gate.Pass(); return nil }})
	s := supervised("s", spec{Children: kids{hang}})
	s.StartTimeout = 10 * time.Millisecond
	err := w.try(spec{Children: kids{s}})
	if !errors.Is(err, supervisor.ErrStartTimeout) || !strings.Contains(err.Error(), "root/s") {
		t.Fatalf("error %v", err)
	}
	gate.Open()
	balanced(t, w.events)
}

// TestIgnore: a child may say at its start that it does not want to run. That is
// no failure, and whatever its restart type it is not started again.
func TestIgnore(t *testing.T) {
	for _, restart := range []supervisor.Restart{supervisor.Permanent, supervisor.Transient, supervisor.Temporary} {
		both(t, func(t *testing.T, w *world) {
			ignore := w.log.Child("i", failStart(fmt.Errorf("no hardware: %w", supervisor.ErrIgnore)))
			ignore.Restart = restart
			w.start(spec{Children: kids{ignore, w.log.Child("b", probe{})}})
			equal(t, "state", supervisor.StateIgnored, w.state("i"))
			equal(t, "send", supervisor.Down, w.ref("i").Send(1))
			w.wantLog("start root/i#1", "stop root/i#1 normal", "start root/b#1")
			w.stop()
			w.wantLog("stop root/b#1 shutdown")
		})
	}
}

// TestIgnoreAtRestart: also a later life may say it.
func TestIgnoreAtRestart(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.log.Child("i", probe{OnStart: func(c ctx) error {
			if c.Incarnation() == 2 {
				return supervisor.ErrIgnore
			}
			return nil
		}})
		w.start(spec{Children: kids{c}})
		w.send("i", supervisortest.Crash)
		w.waitState("i", supervisor.StateIgnored)
		equal(t, "lives", uint64(2), w.node("i").Incarnation)
	})
}

// TestIgnoreIsOfStartOnly: from Receive it is an error like others.
func TestIgnoreIsOfStartOnly(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.start(spec{Children: kids{w.log.Child("a", probe{})}})
		w.send("a", supervisortest.Fail{Err: supervisor.ErrIgnore})
		w.waitLife("a", 2)
	})
}

// TestStopInsideStart: the child became ready, then ended; its restart type
// decides.
func TestStopInsideStart(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.log.Child("a", probe{OnStart: func(c ctx) error { c.Stop(); return nil }})
		c.Restart = supervisor.Transient
		w.start(spec{Children: kids{c, w.log.Child("b", probe{})}})
		w.waitState("a", supervisor.StateStopped)
		equal(t, "ready events", 1, len(w.events.of(supervisor.EventReady, "a")))
		w.wait("b runs", func() bool { return w.state("b") == supervisor.StateRunning })
		equal(t, "lives", uint64(1), w.node("a").Incarnation)
	})
}

// TestMessageWhileStarting: what is accepted during Start is handled after it.
func TestMessageWhileStarting(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	slow := w.log.Child("a", probe{OnStart: func(c ctx) error {
		if c.Incarnation() == 2 {
			gate.Pass()
		}
		return nil
	}})
	w.start(spec{Children: kids{slow}})
	w.send("a", supervisortest.Crash)
	<-gate.Entered()
	w.send("a", "early")
	got := make(chan any)
	go func() {
		v, err := w.ref("a").Ask(supervisortest.Echo{Value: "asked early"}, limit)
		if err != nil {
			v = err
		}
		got <- v
	}()
	gate.Open()
	w.waitLine("got root/a#2 early")
	equal(t, "answer", any("asked early"), <-got)
}

// TestIsolatingStart: a child that cannot start neither stops its siblings nor
// keeps the supervisor from being ready.
func TestIsolatingStart(t *testing.T) {
	for _, strategy := range []supervisor.Strategy{supervisor.OneForOne, supervisor.RestForOne} {
		both(t, func(t *testing.T, w *world) {
			bad := w.log.Child("bad", failStart(supervisortest.ErrCrash))
			bad.Backoff = supervisor.Backoff{Min: time.Hour, Max: time.Hour}
			w.start(spec{Children: kids{
				supervised("s", spec{Strategy: strategy, Budget: isolating(1), Children: kids{
					w.log.Child("x", probe{}), bad, w.log.Child("y", probe{}),
				}}),
				w.log.Child("b", probe{}),
			}})
			equal(t, "s", supervisor.StateRunning, w.state("s"))
			equal(t, "b", supervisor.StateRunning, w.state("b"))
			w.waitState("s/bad", supervisor.StateFailed)
			equal(t, "x is untouched", uint64(1), w.node("s/x").Incarnation)
			equal(t, "x", supervisor.StateRunning, w.state("s/x"))
			y := supervisor.StateRunning
			if strategy == supervisor.RestForOne {
				y = supervisor.StateStopped // it needs what cannot start
			}
			equal(t, "y", y, w.state("s/y"))
			w.stop()
			equal(t, "bad after the stop", supervisor.StateStopped, w.state("s/bad"))
		})
	}
}

// TestIsolatingStartHeals: the rest follows once the bad child starts.
func TestIsolatingStartHeals(t *testing.T) {
	w := simWorld(t)
	bad := w.log.Child("bad", probe{OnStart: func(c ctx) error {
		if c.Incarnation() < 4 {
			return supervisortest.ErrCrash
		}
		return nil
	}})
	bad.Backoff = supervisor.Backoff{Max: time.Minute}
	w.start(spec{Strategy: supervisor.RestForOne, Budget: isolating(1), Children: kids{bad, w.log.Child("y", probe{})}})
	w.advance(3 * time.Minute)
	equal(t, "bad", supervisor.StateRunning, w.state("bad"))
	equal(t, "y", supervisor.StateRunning, w.state("y"))
	equal(t, "y's lives", uint64(1), w.node("y").Incarnation)
}

// TestCrashWhileSiblingsStart: a child that was ready is restarted even while
// the supervisor still starts others.
func TestCrashWhileSiblingsStart(t *testing.T) {
	for _, strategy := range []supervisor.Strategy{supervisor.OneForOne, supervisor.RestForOne} {
		w := realWorld(t)
		gate := supervisortest.NewGate()
		a := w.log.Child("a", probe{OnStart: func(c ctx) error {
			if c.Incarnation() == 1 {
				c.After("die", 0)
			}
			return nil
		}, OnReceive: func(ctx, any) error { return supervisortest.ErrCrash }})
		b := w.log.Child("b", probe{OnStart: func(c ctx) error {
			if c.Incarnation() == 1 {
				gate.Pass()
			}
			return nil
		}})
		done := make(chan error, 1)
		go func() { done <- w.try(spec{Strategy: strategy, Children: kids{a, b}}) }()
		<-gate.Entered()
		w.wait("a's second life, or b told", func() bool {
			return len(w.events.of(supervisor.EventRestarting, "a")) == 1
		})
		gate.Open()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		w.waitLife("a", 2)
		want := uint64(1)
		if strategy == supervisor.RestForOne {
			want = 2
		}
		w.waitLife("b", want)
		w.stop()
		balanced(t, w.events)
	}
}

// TestStartPatience: a tree that does not get ready, because of a child that
// comes up and crashes each time, is stopped again after an hour.
func TestStartPatience(t *testing.T) {
	w := simWorld(t)
	a := w.log.Child("a", probe{
		OnStart:   func(c ctx) error { c.Send(c.Self(), "die"); return nil },
		OnReceive: func(ctx, any) error { return supervisortest.ErrCrash },
	})
	a.Backoff = supervisor.Backoff{Min: 2 * time.Hour, Max: 2 * time.Hour}
	begin := w.x.Now()
	err := w.try(spec{Strategy: supervisor.RestForOne, Budget: escalating(1000), Children: kids{a, w.log.Child("b", probe{})}})
	if !errors.Is(err, supervisor.ErrStartTimeout) || w.x.Now().Sub(begin) != time.Hour {
		t.Errorf("%v after %v", err, w.x.Now().Sub(begin))
	}
	equal(t, "timers", 0, w.sim.Timers())
	balanced(t, w.events)
}
