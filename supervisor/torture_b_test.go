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

// TestTortureB is about the start: children in order, each waits for the one
// before it, and what cannot start leaves nothing behind.
func TestTortureB(t *testing.T) {
	boom := errors.New("boom")
	bad := func(p probe) kid { return (&supervisortest.Log{}).Child("bad", p) }
	made := func(f func() supervisor.Actor) kid { return kid{ID: "bad", New: f} }
	torture(
		t, 16,
		tortureCase{name: "children start in order, depth first, and stop in reverse", on: onBoth, run: startsInOrder},
		tortureCase{name: "no child starts before the one before it is ready", on: onMachine, run: startWaits},
		tortureCase{name: "an error rolls back what had started", on: onBoth, run: failedStart(bad(failStart(boom)), "boom", boom)},
		tortureCase{
			name: "a panic rolls back what had started", on: onBoth,
			run: failedStart(bad(probe{OnStart: func(ctx) error { panic("ouch") }}), "panic: ouch", nil),
		},
		tortureCase{
			name: "a New that panics", on: onBoth,
			run: failedStart(made(func() supervisor.Actor { panic("no memory") }), "panic: no memory", nil),
		},
		tortureCase{
			name: "a New that returns nil", on: onBoth,
			run: failedStart(made(func() supervisor.Actor { return nil }), "New returned nil", nil),
		},
		tortureCase{
			name: "a temporary child that cannot start rolls back too", on: onBoth,
			run: failedStart(with(bad(failStart(boom)), func(c *kid) { c.Restart = supervisor.Temporary }), "boom", boom),
		},
		tortureCase{
			name: "do not restart, said at the start, rolls back too", on: onBoth,
			run: failedStart(bad(failStart(supervisor.DoNotRestart(boom))), "boom", boom),
		},
		tortureCase{
			name: "escalate, said at the start, rolls back too", on: onBoth,
			run: failedStart(bad(failStart(supervisor.Escalate(boom))), "boom", boom),
		},
		tortureCase{name: "a start that hangs is abandoned and rolled back", on: onMachine, run: startTimesOut},
		tortureCase{name: "a supervisor has a start time-out if it asks for one", on: onMachine, run: startTimesOutOfSupervisor},
		tortureCase{name: "a tree that does not get ready is stopped after an hour", run: startPatience},
		tortureCase{name: "ignore: permanent", on: onBoth, run: ignoresAtStart(supervisor.Permanent)},
		tortureCase{name: "ignore: transient", on: onBoth, run: ignoresAtStart(supervisor.Transient)},
		tortureCase{name: "ignore: temporary", on: onBoth, run: ignoresAtStart(supervisor.Temporary)},
		tortureCase{name: "ignore: a child of the spec that StartChild asks again", on: onBoth, run: ignoresWhenAsked},
		tortureCase{name: "ignore: a dynamic permanent child is forgotten", on: onBoth, run: dynamicIgnores(supervisor.Permanent)},
		tortureCase{name: "ignore: a dynamic temporary child is forgotten", on: onBoth, run: dynamicIgnores(supervisor.Temporary)},
		tortureCase{name: "ignore: a later life", on: onBoth, run: ignoresAtRestart},
		tortureCase{name: "ignore, said by a handler, is an error", on: onBoth, run: ignoreIsOfStartOnly},
		tortureCase{name: "a child may end inside its start", on: onBoth, run: stopsInsideStart},
		tortureCase{name: "a duplicate id starts nobody", on: onBoth, run: duplicateStartsNobody},
		tortureCase{name: "a name that a stranger has rolls back", on: onBoth, run: nameTaken},
		tortureCase{name: "a name that a stranger takes meanwhile is tried again", run: nameTakenMeanwhile},
		tortureCase{name: "the root's name is taken", on: onBoth, run: rootNameTaken},
		tortureCase{name: "StartChild that fails leaves a child of the spec stopped", on: onBoth, run: failsWhenAsked},
		tortureCase{name: "a message accepted while starting is handled", on: onMachine, run: messageWhileStarting},
		tortureCase{name: "isolating, one for one: a bad child keeps nobody from starting", on: onBoth, run: isolatingStart(supervisor.OneForOne)},
		tortureCase{name: "isolating, rest for one: those before it start", on: onBoth, run: isolatingStart(supervisor.RestForOne)},
		tortureCase{name: "isolating, rest for one: the rest follows once it starts", run: isolatingStartHeals},
		tortureCase{name: "one for one: a crash while siblings still start", on: onMachine, run: crashWhileSiblingsStart(supervisor.OneForOne)},
		tortureCase{name: "rest for one: a crash while siblings still start", on: onMachine, run: crashWhileSiblingsStart(supervisor.RestForOne)},
	)
}

func failStart(err error) probe {
	return probe{OnStart: func(ctx) error { return err }}
}

// startsInOrder: children start one after the other, depth first, and the
// system is ready when the last one is.
func startsInOrder(t *testing.T, w *world) {
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
}

// startWaits: a child is not started before the one before it is ready.
func startWaits(t *testing.T, w *world) {
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

// failedStart: whatever goes wrong in a start, those before are stopped in
// reverse, those after are not touched, and one error names child and cause.
func failedStart(bad kid, say string, is error) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		l := w.log
		err := w.try(spec{Children: kids{
			l.Child("a", probe{}),
			supervised("s", spec{Children: kids{l.Child("x", probe{}), bad, l.Child("y", probe{})}}),
			l.Child("b", probe{}),
		}})
		if err == nil || !strings.Contains(err.Error(), "root/s/bad") || !strings.Contains(err.Error(), say) {
			t.Fatalf("error %v, want one that names root/s/bad and %q", err, say)
		}
		if is != nil && !errors.Is(err, is) {
			t.Errorf("%v is not the cause of %v", is, err)
		}
		var child *supervisor.ChildError
		if !errors.As(err, &child) {
			t.Errorf("%T is no ChildError", err)
		}
		w.wantLog("start root/a#1", "start root/s/x#1", "stop root/s/x#1 shutdown", "stop root/a#1 shutdown")
	}
}

// startTimesOut: a start that hangs is abandoned at its time-out and rolled
// back like one that failed; its late return changes nothing.
func startTimesOut(t *testing.T, w *world) {
	gate := supervisortest.NewGate()
	hang := w.log.Child("bad", probe{OnStart: func(ctx) error { gate.Pass(); return nil }})
	hang.StartTimeout = 500 * time.Millisecond // it must have begun by then
	err := w.try(spec{Children: kids{w.log.Child("a", probe{}), hang, w.log.Child("b", probe{})}})
	if !errors.Is(err, supervisor.ErrStartTimeout) || !strings.Contains(err.Error(), "root/bad") {
		t.Fatalf("error %v", err)
	}
	w.wantLog("start root/a#1", "start root/bad#1", "stop root/a#1 shutdown")
	equal(t, "abandoned", 1, len(w.events.of(supervisor.EventAbandoned, "bad")))
	equal(t, "said to be ready", 0, len(w.events.of(supervisor.EventReady, "bad")))
	before := w.events.lines()
	gate.Open()
	w.x.Wait(nil, 5*time.Millisecond)
	equal(t, "events of the zombie", before, w.events.lines())
}

// startTimesOutOfSupervisor: a supervisor has one only if it asks for it.
func startTimesOutOfSupervisor(t *testing.T, w *world) {
	gate := supervisortest.NewGate()
	hang := w.log.Child("x", probe{OnStart: func(ctx) error { gate.Pass(); return nil }})
	s := supervised("s", spec{Children: kids{hang}})
	s.StartTimeout = 10 * time.Millisecond
	err := w.try(spec{Children: kids{s}})
	if !errors.Is(err, supervisor.ErrStartTimeout) || !strings.Contains(err.Error(), "root/s") {
		t.Fatalf("error %v", err)
	}
	gate.Open()
}

// ignoresAtStart: a child may say at its start that it does not want to run. That is
// no failure, and whatever its restart type it is not started again.
func ignoresAtStart(restart supervisor.Restart) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		ignore := w.log.Child("i", failStart(fmt.Errorf("no hardware: %w", supervisor.ErrIgnore)))
		ignore.Restart = restart
		w.start(spec{Children: kids{ignore, w.log.Child("b", probe{})}})
		equal(t, "state", supervisor.StateIgnored, w.state("i"))
		equal(t, "send", supervisor.Down, w.ref("i").Send(1))
		w.wantLog("start root/i#1", "stop root/i#1 normal", "start root/b#1")
		w.stop()
		w.wantLog("stop root/b#1 shutdown")
	}
}

// ignoresAtRestart: also a later life may say it.
func ignoresAtRestart(t *testing.T, w *world) {
	c := w.log.Child("i", probe{OnStart: func(c ctx) error {
		if c.Incarnation() == 2 {
			return supervisor.ErrIgnore
		}
		return nil
	}})
	w.start(spec{Children: kids{c}})
	w.send("i", supervisortest.Crash)
	w.waitState("i", supervisor.StateIgnored)
	w.becomes("lives", uint64(2), func() any { return w.node("i").Incarnation })
}

// ignoreIsOfStartOnly: from Receive it is an error like others.
func ignoreIsOfStartOnly(t *testing.T, w *world) {
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	w.send("a", supervisortest.Fail{Err: supervisor.ErrIgnore})
	w.waitLife("a", 2)
}

// stopsInsideStart: the child became ready, then ended; its restart type
// decides.
func stopsInsideStart(t *testing.T, w *world) {
	c := w.log.Child("a", probe{OnStart: func(c ctx) error { c.Stop(); return nil }})
	c.Restart = supervisor.Transient
	w.start(spec{Children: kids{c, w.log.Child("b", probe{})}})
	w.waitState("a", supervisor.StateStopped)
	equal(t, "ready events", 1, len(w.events.of(supervisor.EventReady, "a")))
	w.wait("b runs", func() bool { return w.state("b") == supervisor.StateRunning })
	w.becomes("lives", uint64(1), func() any { return w.node("a").Incarnation })
}

// messageWhileStarting: what is accepted during Start is handled after it.
func messageWhileStarting(t *testing.T, w *world) {
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

// isolatingStart: a child that cannot start neither stops its siblings nor
// keeps the supervisor from being ready.
func isolatingStart(strategy supervisor.Strategy) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
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
		w.becomes("x is untouched", uint64(1), func() any { return w.node("s/x").Incarnation })
		equal(t, "x", supervisor.StateRunning, w.state("s/x"))
		y := supervisor.StateRunning
		if strategy == supervisor.RestForOne {
			y = supervisor.StateStopped // it needs what cannot start
		}
		equal(t, "y", y, w.state("s/y"))
		w.stop()
		equal(t, "bad after the stop", supervisor.StateStopped, w.state("s/bad"))
	}
}

// isolatingStartHeals: the rest follows once the bad child starts.
func isolatingStartHeals(t *testing.T, w *world) {
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

// crashWhileSiblingsStart: a child that was ready is restarted even while
// the supervisor still starts others.
func crashWhileSiblingsStart(strategy supervisor.Strategy) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
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
		go func() { done <- w.try(spec{Strategy: strategy, Children: kids{a, b, w.log.Child("c", probe{})}}) }()
		<-gate.Entered()
		w.wait("a's second life, or b told", func() bool {
			return len(w.events.of(supervisor.EventRestarting, "a")) == 1
		})
		if strategy == supervisor.OneForOne {
			w.waitLine("start root/a#2")
		}
		equal(t, "c started before b was ready", false, w.log.Has("start root/c#1"))
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
	}
}

// startPatience: a tree that does not get ready, because of a child that
// comes up and crashes each time, is stopped again after an hour.
func startPatience(t *testing.T, w *world) {
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
}

// duplicateStartsNobody: the mistake is found before anything runs.
func duplicateStartsNobody(t *testing.T, w *world) {
	err := w.try(spec{Children: kids{w.log.Child("a", probe{}), w.log.Child("b", probe{}), w.log.Child("a", probe{})}})
	if err == nil || !strings.Contains(err.Error(), `two children have the id "a"`) {
		t.Errorf("error %v", err)
	}
	equal(t, "events", nil, w.events.lines())
}

// occupied starts the tree with the names of some places taken by a stranger.
func (w *world) occupied(s spec, paths ...string) (free func(), err error) {
	w.t.Helper()
	var frees []func()
	w.sys, err = supervisor.Start(s, supervisor.Options{
		Executor: w.x, OnEvent: w.events.add,
		OnBuilt: func(find func(string) supervisor.Ref) {
			for _, path := range paths {
				f, ok := find(path).Occupy()
				equal(w.t, "free before", true, ok)
				frees = append(frees, f)
			}
		},
	})
	return func() {
		for _, f := range frees {
			f()
		}
	}, err
}

// nameTaken: whoever else uses the registry of processes, the tree does not
// start half.
func nameTaken(t *testing.T, w *world) {
	free, err := w.occupied(spec{Children: kids{w.log.Child("a", probe{}), w.log.Child("b", probe{})}}, "root/b")
	var child *supervisor.ChildError
	if !errors.As(err, &child) || child.Path != "root/b" {
		t.Errorf("error %v", err)
	}
	w.wantLog("start root/a#1", "stop root/a#1 shutdown")
	free()
}

// rootNameTaken: the error is the start's, and nothing hangs.
func rootNameTaken(t *testing.T, w *world) {
	free, err := w.occupied(spec{Children: kids{w.log.Child("a", probe{})}}, "root")
	if err == nil || !strings.Contains(err.Error(), "spawn") {
		t.Errorf("error %v", err)
	}
	w.wantLog()
	free()
}

// nameTakenMeanwhile: a later life that finds its name taken has failed like
// others; it is counted and tried again.
func nameTakenMeanwhile(t *testing.T, w *world) {
	w.start(spec{Budget: escalating(9), Children: kids{w.log.Child("a", probe{}), w.log.Child("b", probe{})}})
	w.crash("a")
	w.send("a", supervisortest.Crash)
	w.sim.Quiesce()
	equal(t, "a waits", supervisor.StateRestarting, w.state("a"))
	free, ok := w.ref("a").Occupy()
	equal(t, "free between lives", true, ok)
	w.advance(100 * time.Millisecond)
	equal(t, "a while its name is taken", supervisor.StateRestarting, w.state("a"))
	free()
	w.advance(200 * time.Millisecond)
	equal(t, "a afterwards", supervisor.StateRunning, w.state("a"))
	equal(t, "lives", uint64(4), w.node("a").Incarnation)
	equal(t, "b's lives", uint64(1), w.node("b").Incarnation)
}

// ignoresWhenAsked: it keeps its place, and may be asked again.
func ignoresWhenAsked(t *testing.T, w *world) {
	var answer error = supervisor.ErrIgnore
	i := w.log.Child("i", probe{OnStart: func(ctx) error { return answer }})
	w.start(spec{Children: kids{i, w.log.Child("b", probe{})}})
	w.wantErr("", supervisor.StartChild{ID: "i"}, supervisor.ErrIgnore)
	equal(t, "state", supervisor.StateIgnored, w.state("i"))
	answer = nil
	w.startChild("", "i")
	equal(t, "state", supervisor.StateRunning, w.state("i"))
	equal(t, "lives", []uint64{3, 1}, w.incarnations("i", "b"))
}

func dynamicIgnores(restart supervisor.Restart) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		kind := with(w.log.Child("", failStart(supervisor.ErrIgnore)), func(c *kid) { c.Restart = restart })
		w.start(spec{Strategy: supervisor.Dynamic, Children: kids{kind}})
		w.wantErr("", supervisor.StartChild{ID: "i"}, supervisor.ErrIgnore)
		equal(t, "place", false, w.ref("i").Valid())
		w.becomes("actors: the root", int64(1), func() any { return w.sys.Ledger().Actors })
		equal(t, "complete", true, w.stop().Complete)
	}
}

// failsWhenAsked: the asker is told why; no restart is spent, nobody else
// notices.
func failsWhenAsked(t *testing.T, w *world) {
	boom := errors.New("boom")
	a := w.log.Child("a", probe{OnStart: func(c ctx) error {
		if c.Incarnation() == 2 {
			return boom
		}
		return nil
	}})
	w.start(spec{Budget: escalating(0), Children: kids{a, w.log.Child("b", probe{})}})
	w.stopChild("", "a")
	w.wantErr("", supervisor.StartChild{ID: "a"}, boom)
	equal(t, "state", supervisor.StateStopped, w.state("a"))
	w.startChild("", "a")
	equal(t, "lives", []uint64{3, 1}, w.incarnations("a", "b"))
}
