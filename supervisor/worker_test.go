package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// results makes a child that notes what its workers bring.
func results(w *world) kid {
	return w.log.Child("a", probe{OnReceive: func(_ ctx, msg any) error {
		switch m := msg.(type) {
		case supervisor.TaskDone:
			var p *supervisor.PanicError
			if errors.As(m.Err, &p) && p.Stack == "" {
				return errors.New("a panic without a stack")
			}
			w.log.Add("task %s: %v, %v", m.Name, m.Value, m.Err)
		case supervisor.LoopEnded:
			w.log.Add("loop %s: %v", m.Name, m.Err)
		}
		return nil
	}, Quiet: true})
}

// TestTask: the result, the error or the panic comes back as a message.
func TestTask(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.start(spec{Children: kids{results(w)}})
		w.inside("a", func(c ctx) {
			for name, f := range map[string]func(context.Context) (any, error){
				"value": func(context.Context) (any, error) { return 42, nil },
				"error": func(context.Context) (any, error) { return nil, supervisortest.ErrCrash },
				"panic": func(context.Context) (any, error) { panic("ouch") },
				"nil":   nil,
			} {
				if err := c.Task(name, 0, f); err != nil {
					t.Error(err)
				}
			}
		})
		w.waitLine("task value: 42, <nil>")
		w.waitLine("task error: <nil>, crash")
		w.waitLine("task panic: <nil>, panic: ouch")
		w.waitLine("task nil: <nil>, panic: runtime error: invalid memory address or nil pointer dereference")
		equal(t, "workers", int64(0), w.sys.Ledger().Workers)
	})
}

// TestTaskLimit: after its limit a task's context ends.
func TestTaskLimit(t *testing.T) {
	w := realWorld(t)
	w.start(spec{Children: kids{results(w)}})
	w.inside("a", func(c ctx) {
		_ = c.Task("slow", time.Millisecond, func(ctx context.Context) (any, error) { <-ctx.Done(); return nil, ctx.Err() })
		_ = c.Task("quick", time.Hour, func(context.Context) (any, error) { return 1, nil })
	})
	w.waitLine("task slow: <nil>, context canceled")
	w.waitLine("task quick: 1, <nil>")
	w.stop()

	s := simWorld(t, sim.Options{Hold: func(string, string) sim.Hold { return sim.Hold{Start: 2 * time.Second} }})
	s.start(spec{Children: kids{results(s)}})
	s.inside("a", func(c ctx) {
		_ = c.Task("in time", 3*time.Second, func(ctx context.Context) (any, error) { return nil, ctx.Err() })
		_ = c.Task("late", time.Second, func(ctx context.Context) (any, error) { return nil, ctx.Err() })
	})
	s.advance(2 * time.Second)
	for _, line := range []string{"task in time: <nil>, <nil>", "task late: <nil>, context canceled"} {
		if !s.log.Has(line) {
			t.Errorf("no %q in %v", line, s.log.Lines())
		}
	}
	equal(t, "limits left", 0, s.sim.Timers())
}

// TestOneWorkerOfAName runs at a time, until its result was delivered.
func TestOneWorkerOfAName(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	w.start(spec{Children: kids{results(w)}})
	slow := func(context.Context) (any, error) { gate.Pass(); return 1, nil }
	w.inside("a", func(c ctx) {
		equal(t, "first", nil, c.Task("t", 0, slow))
		equal(t, "second", true, errors.Is(c.Task("t", 0, slow), supervisor.ErrWorkerRuns))
		equal(t, "loop", true, errors.Is(c.Loop("t", nil), supervisor.ErrWorkerRuns))
		equal(t, "other", nil, c.Task("u", 0, slow))
	})
	equal(t, "workers", int64(2), w.node("a").Workers)
	gate.Open()
	w.waitLine("task t: 1, <nil>")
	w.waitLine("task u: 1, <nil>")
	w.inside("a", func(c ctx) { equal(t, "again", nil, c.Task("t", 0, slow)) })
}

// TestLoop runs until the actor ends; if it ends by itself, the actor is told.
func TestLoop(t *testing.T) {
	w := realWorld(t)
	w.start(spec{Children: kids{results(w)}})
	running := make(chan struct{})
	w.inside("a", func(c ctx) {
		_ = c.Loop("runs", func(ctx context.Context) error {
			close(running)
			<-ctx.Done()
			w.log.Add("loop heard the end")
			return nil
		})
		_ = c.Loop("fails", func(context.Context) error { return supervisortest.ErrCrash })
		_ = c.Loop("panics", func(context.Context) error { panic("ouch") })
	})
	<-running
	w.waitLine("loop fails: crash")
	w.waitLine("loop panics: panic: ouch")
	w.log.Take()
	w.stop()
	w.wantLog("stop root/a#1 shutdown", "loop heard the end")
}

// TestStopWaitsForWorkers: the parent is told only when they are back, and their
// results are not delivered any more.
func TestStopWaitsForWorkers(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	w.start(spec{Children: kids{w.log.Child("first", probe{}), results(w)}})
	w.inside("a", func(c ctx) {
		_ = c.Task("t", 0, func(context.Context) (any, error) { gate.Pass(); return 1, nil })
	})
	<-gate.Entered()
	done := make(chan supervisor.StopReport)
	go func() { done <- w.sys.Stop() }()
	w.waitState("a", supervisor.StateStopping)
	w.x.Wait(nil, 5*time.Millisecond)
	equal(t, "first", supervisor.StateRunning, w.state("first"))
	gate.Open()
	equal(t, "zombies", int64(0), (<-done).Zombies)
	w.wantLog("start root/first#1", "start root/a#1", "stop root/a#1 shutdown", "stop root/first#1 shutdown")
	w.stop()
}

// TestRestartWaitsForWorkers: a new life begins when the old one's workers are
// back.
func TestRestartWaitsForWorkers(t *testing.T) {
	w := simWorld(t, sim.Options{Hold: func(string, string) sim.Hold { return sim.Hold{Result: 3 * time.Second} }})
	w.start(spec{Children: kids{results(w)}})
	w.do("a", func(c ctx) error {
		_ = c.Task("t", 0, func(context.Context) (any, error) { return 1, nil })
		return supervisortest.ErrCrash
	})
	w.advance(3*time.Second - 1)
	equal(t, "before", supervisor.StateStopping, w.state("a"))
	w.advance(1)
	equal(t, "after", supervisor.StateRunning, w.state("a"))
	equal(t, "life", uint64(2), w.node("a").Incarnation)
	w.wantLog("start root/a#1", "stop root/a#1 error: crash", "start root/a#2")
}

// TestWorkerInStopHook: may be started, is cancelled at once, and is waited for.
func TestWorkerInStopHook(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.start(spec{Children: kids{w.log.Child("a", probe{OnStop: func(c ctx, _ supervisor.Reason) {
			c.After("tick", 0)
			if err := c.Task("last", 0, func(ctx context.Context) (any, error) {
				<-ctx.Done()
				w.log.Add("last task done")
				return nil, nil
			}); err != nil {
				t.Error(err)
			}
		}})}})
		w.stop()
		w.wantLog("start root/a#1", "stop root/a#1 shutdown", "last task done")
	})
}

// TestDeafLoop: a loop that does not hear the end is reported with its stack,
// counted, visible in the ledger with the function that it hangs in, and
// un-counted when it ends at last.
func TestDeafLoop(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	a := w.log.Child("a", probe{OnStart: func(c ctx) error {
		return c.Loop("deaf", func(context.Context) error { return hangInHere(gate) })
	}})
	a.StopDeadline = time.Millisecond
	w.start(spec{Children: kids{a}})
	<-gate.Entered()
	r := w.sys.Stop()
	equal(t, "abandoned", []string{"root/a"}, r.Abandoned)
	equal(t, "zombies", int64(1), r.Zombies)
	e := w.events.of(supervisor.EventAbandoned, "a")
	for _, say := range []string{`worker "deaf"`, "hangInHere", "worker_test.go"} {
		if len(e) != 1 || !strings.Contains(e[0].Detail, say) {
			t.Errorf("the event does not say %q: %+v", say, e)
		}
	}
	w.wait("the root's last turn to end", func() bool { return len(w.sys.Ledger().Unaccounted) == 1 })
	strays := w.sys.Ledger().Unaccounted
	if len(strays) != 1 || strays[0].Count != 1 || !strings.Contains(strays[0].Stack, "hangInHere") ||
		!strings.Contains(strays[0].Creator, "supervisor.(*Real).Work") || !strings.Contains(strays[0].Labels, `"worker":"deaf"`) {
		t.Errorf("unaccounted: %+v", strays)
	}
	gate.Open()
	w.stop()
}

func hangInHere(g *supervisortest.Gate) error { g.Pass(); return nil }

// TestLabels: the goroutines of workers, and those that they start, carry the
// owner's path, and the ledger counts them as owned.
func TestLabels(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	w.start(spec{Children: kids{results(w), w.log.Child("b", probe{})}})
	inside := make(chan struct{})
	w.inside("a", func(c ctx) {
		_ = c.Loop("server", func(ctx context.Context) error {
			pprof.ForLabels(ctx, func(key, value string) bool { w.log.Add("%s=%s", key, value); return true })
			go func() { close(inside); gate.Pass() }() // as libraries do
			<-ctx.Done()
			return nil
		})
	})
	<-inside
	w.do("b", func(ctx) error { gate.Pass(); return nil })
	w.wait("the ledger's balance", func() bool {
		l := w.sys.Ledger()
		return l.Owned["root/a"] == 2 && l.Owned["root/b"] == 1 && len(l.Unaccounted) == 0 && balance(l) == 0
	})
	gate.Open()
}

// balance is goroutines minus owners.
func balance(l supervisor.Ledger) int {
	n := l.Goroutines
	for _, m := range []map[string]int{l.Owned, l.Named} {
		for _, k := range m {
			n -= k
		}
	}
	return n
}

// TestLedgerFindsStrays is the negative control of every leak check: a planted
// goroutine that nobody owns is found and named, also when it pretends to belong
// to a place that is not there.
func TestLedgerFindsStrays(t *testing.T) {
	w := realWorld(t)
	w.start(spec{Children: kids{results(w)}})
	w.wait("nothing before", func() bool { return len(w.sys.Ledger().Unaccounted) == 0 })
	gate := supervisortest.NewGate()
	in := make(chan struct{}, 2)
	go straying(in, gate)
	go pprof.Do(context.Background(), pprof.Labels("actor", "root/nowhere"), func(context.Context) { straying(in, gate) })
	<-in
	<-in
	var strays []supervisor.Stray
	w.wait("the start's last turns to end", func() bool { strays = w.sys.Ledger().Unaccounted; return len(strays) == 2 })
	text := fmt.Sprintf("%+v", strays)
	if len(strays) != 2 || strings.Count(text, "straying") < 2 || !strings.Contains(text, "root/nowhere") {
		t.Errorf("unaccounted: %s", text)
	}
	const known = "gatehouse/supervisor_test.straying"
	w.wait("both as known ones", func() bool {
		l := w.sys.Ledger(known)
		return l.Named[known] == 2 && len(l.Unaccounted) == 0
	})
	gate.Open()
	w.wait("gone", func() bool { return len(w.sys.Ledger().Unaccounted) == 0 })
}

// TestLedgerNamesCreators: strays with one body and the same labels are told
// apart by who started them; what is known of each is exact.
func TestLedgerNamesCreators(t *testing.T) {
	w := realWorld(t)
	w.start(spec{Children: kids{results(w)}})
	gate := supervisortest.NewGate()
	defer gate.Open()
	in := make(chan struct{}, 5)
	strayFromHere(in, gate, 2)
	strayFromThere(in, gate)
	pprof.Do(context.Background(), pprof.Labels("k", "a b"), func(context.Context) {
		go func() { straying(in, gate) }()
	})
	go func() { straying(in, gate) }()
	for range 5 {
		<-in
	}
	want := []string{
		"1 TestLedgerNamesCreators > TestLedgerNamesCreators.func2 {}",
		`1 TestLedgerNamesCreators.func1 > TestLedgerNamesCreators.func1.1 {"k":"a b"}`,
		"1 strayFromThere > straying {}",
		"2 strayFromHere > straying {}",
	}
	var got []string
	defer func() { equal(t, "strays", want, got) }()
	w.wait("all are where they wait", func() bool {
		got = nil
		for _, s := range w.sys.Ledger().Unaccounted {
			got = append(got, strings.ReplaceAll(fmt.Sprintf("%d %s > %s %s", s.Count, s.Creator, s.BeganIn, s.Labels), "gatehouse/supervisor_test.", ""))
		}
		slices.Sort(got)
		return slices.Equal(got, want) // a goroutine may move between the two profiles
	})
	gate.Open()
	w.wait("gone", func() bool { return len(w.sys.Ledger().Unaccounted) == 0 })
}

func strayFromHere(in chan<- struct{}, g *supervisortest.Gate, n int) {
	for range n {
		go straying(in, g)
	}
}

func strayFromThere(in chan<- struct{}, g *supervisortest.Gate) { go straying(in, g) }

func straying(in chan<- struct{}, g *supervisortest.Gate) {
	in <- struct{}{}
	g.Pass()
}

// TestTwoSystems: each accounts for its own goroutines only, though the paths
// are the same.
func TestTwoSystems(t *testing.T) {
	one, two := realWorld(t), realWorld(t)
	for _, w := range []*world{one, two} {
		w.start(spec{Children: kids{results(w)}})
	}
	one.inside("a", func(c ctx) { _ = c.Loop("l", func(ctx context.Context) error { <-ctx.Done(); return nil }) })
	one.wait("owned", func() bool { return one.sys.Ledger().Owned["root/a"] == 1 })
	equal(t, "owned by the other", 0, two.sys.Ledger().Owned["root/a"])
	two.send("a", "only for two")
	one.sys.Stop()
	two.inside("a", func(ctx) {})
}
