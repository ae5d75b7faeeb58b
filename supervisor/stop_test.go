package supervisor_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// holdAll keeps every task from ever ending by itself.
var holdAll = sim.Options{Hold: func(string, string) sim.Hold { return sim.Hold{Result: sim.Forever} }}

// deaf starts a task that does not end.
func deaf(c ctx) error {
	return c.Task("deaf", 0, func(context.Context) (any, error) { return nil, nil })
}

// stuck is a probe with such a task from its first life on.
func stuck() probe { return probe{OnStart: deaf} }

// release ends all deaf tasks.
func (w *world) release() {
	for _, path := range []string{"a", "b", "c", "s/x", "s/y", "s/z"} {
		for w.sim.Release("root/"+path, "deaf") {
		}
	}
	w.sim.Quiesce()
}

// TestStopOrderNested: exactly the reverse of the start, five levels deep.
func TestStopOrderNested(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		tree := func(below kids) spec {
			return spec{Children: slices.Concat(kids{w.log.Child("l", probe{})}, below, kids{w.log.Child("r", probe{})})}
		}
		s := tree(nil)
		for range 4 {
			s = tree(kids{supervised("s", s)})
		}
		w.start(s)
		starts := w.log.Take()
		equal(t, "lives", 10, len(starts))
		w.stop()
		stops := w.log.Take()
		slices.Reverse(stops)
		for i := range starts {
			equal(t, "stop", strings.Replace(starts[i], "start", "stop", 1)+" shutdown", stops[i])
		}
	})
}

// TestStopDeadline: at the deadline the context ends, after the grace the life
// is fenced and abandoned, at exactly these times.
func TestStopDeadline(t *testing.T) {
	w := simWorld(t, holdAll)
	a := w.log.Child("a", stuck())
	a.StopDeadline = 2 * time.Second
	w.start(spec{Children: kids{a, w.log.Child("b", probe{})}})
	r := w.sys.Stop()
	equal(t, "report", supervisor.StopReport{
		Took: 2*time.Second + supervisor.DefaultGrace, Abandoned: []string{"root/a"}, Zombies: 1, Complete: true,
	}, r)
	equal(t, "in the tree", int64(1), w.node("a").Zombies)
	w.release()
	equal(t, "later", int64(0), w.node("a").Zombies)
	w.stop()
}

// TestHandlerHearsTheDeadline: a handler that blocks on its context gets free at
// the deadline and still ends in order.
func TestHandlerHearsTheDeadline(t *testing.T) {
	w := realWorld(t)
	in := make(chan struct{})
	a := w.log.Child("a", probe{})
	a.StopDeadline = 20 * time.Millisecond
	w.start(spec{Children: kids{a}})
	w.do("a", func(c ctx) error { close(in); <-c.Context().Done(); return nil })
	<-in
	r := w.stop()
	equal(t, "zombies", int64(0), r.Zombies)
	w.wantLog("start root/a#1", "stop root/a#1 shutdown")
}

// TestContextMadeLate: a handler that asks for its context only after the
// deadline gets one that has ended.
func TestContextMadeLate(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	a := w.log.Child("a", probe{})
	a.StopDeadline = 5 * time.Millisecond
	w.start(spec{Children: kids{a}})
	w.do("a", func(c ctx) error { gate.Pass(); <-c.Context().Done(); return nil })
	<-gate.Entered()
	done := make(chan supervisor.StopReport)
	go func() { done <- w.sys.Stop() }()
	w.x.Wait(nil, 100*time.Millisecond) // after the deadline, within the grace
	gate.Open()
	equal(t, "abandoned", nil, (<-done).Abandoned)
	w.stop()
}

// TestInfinity: a child with no deadline is waited for, until the budget.
func TestInfinity(t *testing.T) {
	w := simWorld(t, holdAll)
	a := w.log.Child("a", stuck())
	a.StopDeadline = supervisor.Infinity
	w.start(spec{StopBudget: time.Hour, Children: kids{a}})
	w.sim.AfterFunc(50*time.Minute, func() { w.sim.Release("root/a", "deaf") })
	r := w.stop()
	equal(t, "report", supervisor.StopReport{Took: 50 * time.Minute, Complete: true}, r)
}

// TestBrutal: abandoned at once, without its Stop hook, and not a failure of the
// stop.
func TestBrutal(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		a := w.log.Child("a", probe{})
		a.StopDeadline = supervisor.Brutal
		s := supervised("s", spec{Children: kids{w.log.Child("x", probe{})}})
		s.StopDeadline = supervisor.Brutal
		w.start(spec{Children: kids{a, s, w.log.Child("b", probe{})}})
		w.log.Take()
		r := w.stop()
		w.wantLog("stop root/b#1 shutdown")
		equal(t, "report", supervisor.StopReport{Took: r.Took, Complete: true}, r)
		equal(t, "reason", supervisor.ExitKilled, w.events.of(supervisor.EventExited, "s/x")[0].Reason.Kind)
		balanced(t, w.events)
	})
}

// TestStopBudget: when it is spent, all that are left are told at once: the
// healthy end well within the grace, the stuck are abandoned.
func TestStopBudget(t *testing.T) {
	w := simWorld(t, holdAll)
	l := w.log
	slow := func(id string) kid {
		return with(l.Child(id, stuck()), func(c *kid) { c.StopDeadline = time.Minute })
	}
	w.start(spec{StopBudget: 10 * time.Second, Children: kids{
		l.Child("first", probe{}),
		supervised("s", spec{Children: kids{l.Child("w", probe{}), slow("x"), l.Child("v", probe{})}}),
		slow("c"),
	}})
	l.Take()
	r := w.sys.Stop()
	// s has its own grace, and is given up by the root at the same time.
	equal(t, "report", supervisor.StopReport{
		Took: 10*time.Second + supervisor.DefaultGrace, Zombies: 2, Complete: true,
		Abandoned: r.Abandoned,
	}, r)
	if !slices.Contains(r.Abandoned, "root/s/x") || !slices.Contains(r.Abandoned, "root/c") ||
		slices.Contains(r.Abandoned, "root/first") || slices.Contains(r.Abandoned, "root/s/w") {
		t.Errorf("abandoned %v", r.Abandoned)
	}
	lines := l.Take()
	slices.Sort(lines)
	equal(t, "log", []string{
		"stop root/c#1 shutdown", "stop root/first#1 shutdown",
		"stop root/s/v#1 shutdown", "stop root/s/w#1 shutdown", "stop root/s/x#1 shutdown",
	}, lines)
	w.release()
	w.stop()
	balanced(t, w.events)
}

// TestDeadlineSurvivesTheSupervisorsEnd: a child that a restart plan has told to
// stop keeps its deadline when the supervisor itself has to stop meanwhile.
func TestDeadlineSurvivesTheSupervisorsEnd(t *testing.T) {
	w := simWorld(t, holdAll)
	b := w.log.Child("y", stuck())
	b.StopDeadline = 4 * time.Second
	w.start(spec{Children: kids{supervised("s", spec{
		Strategy: supervisor.RestForOne, Children: kids{w.log.Child("x", probe{}), b},
	})}})
	w.send("s/x", supervisortest.Crash)
	w.advance(time.Second)
	r := w.sys.Stop()
	equal(t, "took", 3*time.Second+supervisor.DefaultGrace, r.Took)
	w.release()
}

// TestStopDuringStart: a supervisor that is just starting children stops as well.
func TestStopDuringStart(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	l := w.log
	w.start(spec{Children: kids{supervised("s", spec{Budget: escalating(0), Children: kids{
		l.Child("w", probe{}),
		l.Child("x", probe{OnStart: func(c ctx) error {
			if c.Incarnation() == 2 {
				gate.Pass()
			}
			return nil
		}}),
		l.Child("y", probe{}),
	}})}})
	w.send("s/y", supervisortest.Crash) // s has no budget: it starts anew
	<-gate.Entered()
	l.Take()
	done := make(chan supervisor.StopReport)
	go func() { done <- w.sys.Stop() }()
	w.waitState("s", supervisor.StateStopping)
	gate.Open()
	r := <-done
	equal(t, "report", supervisor.StopReport{Took: r.Took, Complete: true}, r)
	w.wantLog("stop root/s/x#2 shutdown", "stop root/s/w#2 shutdown")
	w.stop()
	balanced(t, w.events)
}

// TestStopWinsOverRestart: at every moment of a restart a stop ends the tree, and
// nobody comes back.
func TestStopWinsOverRestart(t *testing.T) {
	for _, strategy := range []supervisor.Strategy{supervisor.OneForOne, supervisor.RestForOne, supervisor.OneForAll} {
		for _, after := range []time.Duration{0, 1, 50 * time.Millisecond, 100 * time.Millisecond, 101 * time.Millisecond} {
			w := simWorld(t)
			w.start(spec{Strategy: strategy, Budget: escalating(9), Children: kids{w.log.Child("a", probe{}), w.log.Child("b", probe{})}})
			w.crash("a")
			w.send("a", supervisortest.Crash)
			w.sim.Round()
			w.sim.AdvanceTo(w.x.Now().Add(after))
			r := w.stop()
			equal(t, "complete", true, r.Complete)
			w.advance(time.Hour)
			equal(t, "a", supervisor.StateStopped, w.state("a"))
			balanced(t, w.events)
		}
	}
}

// TestStopManyTimes: idempotent, from many goroutines, while children crash.
func TestStopManyTimes(t *testing.T) {
	w := realWorld(t)
	var children kids
	for i := range 20 {
		children = append(children, w.log.Child(fmt.Sprint("c", i), probe{Quiet: true}))
	}
	w.start(spec{Budget: isolating(1000), Children: children})
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 50 {
				w.ref(fmt.Sprint("c", (i+j)%20)).Send(supervisortest.Crash)
			}
			if r := w.sys.Stop(); !r.Complete || r.Zombies != 0 {
				t.Errorf("report %+v", r)
			}
			if r := w.sys.Stop(); !r.Complete {
				t.Errorf("again: %+v", r)
			}
		})
	}
	all.Wait()
	w.stop()
	balanced(t, w.events)
	for i := range 20 {
		equal(t, "state", supervisor.StateStopped, w.state(fmt.Sprint("c", i)))
	}
}

// TestStopRace: children that end by themselves, in every way, while the tree
// stops.
func TestStopRace(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		var children kids
		msgs := []any{supervisortest.End{}, supervisortest.Crash, supervisortest.Panic{Value: 1}, supervisortest.Fail{Err: supervisor.Escalate(supervisortest.ErrCrash)}}
		for _, restart := range []supervisor.Restart{supervisor.Permanent, supervisor.Transient, supervisor.Temporary} {
			for i := range msgs {
				children = append(children, with(w.log.Child(fmt.Sprint(restart, i), probe{}), func(c *kid) { c.Restart = restart }))
			}
		}
		for range 20 {
			w := newWorld(t, w.x)
			w.start(spec{Budget: escalating(100), Children: children})
			for i, c := range children {
				w.ref(c.ID).Send(msgs[i%len(msgs)]) // some are down already
			}
			if r := w.stop(); !r.Complete || r.Zombies != 0 {
				t.Errorf("%+v", r)
			}
			balanced(t, w.events)
		}
	})
}

// TestPanicInStop: becomes the exit reason, and resurrects nobody.
func TestPanicInStop(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		bad := func(id string) kid {
			return w.log.Child(id, probe{OnStop: func(ctx, supervisor.Reason) { panic("in the hook") }})
		}
		w.start(spec{Children: kids{bad("a"), w.log.Child("b", probe{}), bad("c")}})
		w.send("a", supervisortest.End{})
		w.waitLife("a", 2)
		equal(t, "reason", "panic: in the hook", w.node("a").LastReason)
		w.log.Take()
		r := w.stop()
		equal(t, "complete", true, r.Complete)
		w.wantLog("stop root/c#1 shutdown", "stop root/b#1 shutdown", "stop root/a#2 shutdown")
		balanced(t, w.events)
	})
}

// TestGoexit: user code that ends its goroutine instead of returning, as a
// failed test does, ends its life like a panic; the actor comes back.
func TestGoexit(t *testing.T) {
	w := realWorld(t)
	exit := func() error { runtime.Goexit(); return nil }
	w.start(spec{Budget: isolating(100), Children: kids{
		w.log.Child("receive", probe{}),
		w.log.Child("start", probe{OnStart: func(c ctx) error {
			if c.Incarnation() == 2 {
				return exit()
			}
			return nil
		}}),
		w.log.Child("stop", probe{OnStop: func(ctx, supervisor.Reason) { _ = exit() }}),
		w.log.Child("worker", probe{OnReceive: func(c ctx, msg any) error {
			if done, ok := msg.(supervisor.TaskDone); ok {
				w.log.Add("worker %v", done.Err)
			}
			return nil
		}}),
	}})
	_, err := w.ref("receive").Ask(supervisortest.Do(func(ctx) error { return exit() }), limit)
	equal(t, "who asked", supervisor.ErrStopped.Error(), fmt.Sprint(err))
	w.waitLife("receive", 2)
	equal(t, "reason", "panic: it ended its goroutine (runtime.Goexit)", w.node("receive").LastReason)
	w.send("start", supervisortest.Crash)
	w.waitLife("start", 3)
	w.send("stop", supervisortest.Crash)
	w.waitLife("stop", 2)
	w.do("worker", func(c ctx) error {
		return c.Task("t", 0, func(context.Context) (any, error) { return nil, exit() })
	})
	w.waitLine("worker it ended its goroutine (runtime.Goexit)")
	r := w.stop()
	equal(t, "complete", true, r.Complete)
	equal(t, "Stop hooks of stop", 2, w.log.Count("stop root/stop#1 error: crash")+w.log.Count("stop root/stop#2 shutdown"))
	balanced(t, w.events)
}

// TestHangingHooks: an end that nobody asked for has a deadline too.
func TestHangingHooks(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	a := w.log.Child("a", probe{OnStop: func(c ctx, _ supervisor.Reason) {
		if c.Incarnation() == 1 {
			gate.Pass()
		}
	}})
	a.StopDeadline = 10 * time.Millisecond
	w.start(spec{Children: kids{a}})
	w.send("a", supervisortest.Crash)
	w.waitLife("a", 2)
	equal(t, "zombies", int64(1), w.node("a").Zombies)
	gate.Open()
	w.wait("no zombie", func() bool { return w.node("a").Zombies == 0 })
	equal(t, "state", supervisor.StateRunning, w.state("a"))
	w.stop()
	balanced(t, w.events)
}

// TestLateRoot: an OnEvent that blocks, against the rules, delays the root beyond
// its budget; all Stops return, and say so.
func TestLateRoot(t *testing.T) {
	gate := supervisortest.NewGate()
	sys, err := supervisor.Start(
		spec{StopBudget: time.Millisecond, Children: kids{(&supervisortest.Log{}).Child("a", probe{})}},
		supervisor.Options{OnEvent: func(e supervisor.Event) {
			if e.Kind == supervisor.EventStarting && e.Incarnation == 2 {
				gate.Pass()
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	sys.Ref("root/a").Send(supervisortest.Crash)
	<-gate.Entered()
	reports := make(chan supervisor.StopReport, 2)
	for range 2 {
		go func() { reports <- sys.Stop() }()
	}
	supervisor.NewReal(1).Wait(nil, time.Millisecond+2*supervisor.DefaultGrace+200*time.Millisecond)
	gate.Open()
	for range 2 {
		r := <-reports
		if r.Complete || !slices.Contains(r.Abandoned, "root") {
			t.Errorf("report %+v", r)
		}
	}
	<-sys.Down()
	equal(t, "again", false, sys.Stop().Complete)
	supervisortest.NoLeaks(t, sys)
}
