package supervisor_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// TestTortureC is about the stop: in reverse, each within its deadline, all
// within the budget, from anywhere, at any time, and nobody comes back.
func TestTortureC(t *testing.T) {
	torture(
		t, 20,
		tortureCase{name: "exactly the reverse of the start, five levels deep", on: onBoth, run: stopsInReverse},
		tortureCase{name: "one of six is stuck: its deadline and the grace", sim: holdAll, run: stuckOf(1, 0, 1500*time.Millisecond)},
		tortureCase{name: "half of six are stuck: one after the other", sim: holdAll, run: stuckOf(3, 0, 4500*time.Millisecond)},
		tortureCase{name: "all six are stuck: one after the other", sim: holdAll, run: stuckOf(6, 0, 9*time.Second)},
		tortureCase{name: "all six are stuck: never beyond the budget and the grace", sim: holdAll, run: stuckOf(6, 3*time.Second, 3500*time.Millisecond)},
		tortureCase{name: "deadline: fenced and abandoned after the grace", sim: holdAll, run: stopDeadlines},
		tortureCase{name: "killed, clean, killed", sim: holdAll, run: killedCleanKilled},
		tortureCase{name: "a child that ends by itself as the stop comes has a deadline", sim: holdAll, run: endingAtStop},
		tortureCase{name: "a handler that waits for its context gets free at the deadline", on: onMachine, run: handlerHearsTheDeadline},
		tortureCase{name: "a context made after the deadline has ended", run: contextMadeLate},
		tortureCase{name: "infinity: an actor is waited for", sim: holdAll, run: infinityWaits},
		tortureCase{name: "infinity: a supervisor is waited for", sim: holdAll, run: infinityOfSupervisor},
		tortureCase{name: "brutal: at once, without the Stop hook", on: onBoth, run: brutalStop},
		tortureCase{name: "brutal: ten stuck ones take no time", sim: holdAll, run: brutalTen},
		tortureCase{name: "the budget is spent: all are told at once", sim: holdAll, run: stopBudgetSpent},
		tortureCase{name: "a deadline survives the end of its supervisor", sim: holdAll, run: deadlineSurvives},
		tortureCase{name: "stop during the start of a subtree", on: onMachine, run: stopDuringStart},
		tortureCase{name: "stop during a restart: one for one", run: stopWinsOverRestart(supervisor.OneForOne)},
		tortureCase{name: "stop during a restart: rest for one", run: stopWinsOverRestart(supervisor.RestForOne)},
		tortureCase{name: "stop during a restart: one for all", run: stopWinsOverRestart(supervisor.OneForAll)},
		tortureCase{name: "stop twice: the second finds it done", on: onBoth, run: stopTwice},
		tortureCase{name: "stop from many goroutines while children crash", on: onMachine, run: stopManyTimes},
		tortureCase{name: "race of twelve children that end by themselves", on: onBoth, run: stopRace},
		tortureCase{name: "twelve that end by themselves while the tree stops keep their reasons", sim: holdAll, run: ownReasons},
		tortureCase{name: "StopChild whose caller gives up is carried out all the same", sim: holdAll, run: callerGivesUp},
		tortureCase{name: "dynamic: ten brutal ones take no time", sim: holdAll, run: stuckPool(supervisor.Brutal, 0)},
		tortureCase{name: "dynamic: ten stuck ones take the time of one", sim: holdAll, run: stuckPool(2*time.Second, 2500*time.Millisecond)},
		tortureCase{name: "dynamic: children that end in other ways keep their reasons", on: onBoth, run: poolOfPanics},
		tortureCase{name: "what waits in a mailbox is a dead letter, its asker is told", on: onMachine, dead: 3, run: queuedAtStop},
		tortureCase{name: "a panic in the Stop hook is the reason, and resurrects nobody", on: onBoth, run: panicInStop},
		tortureCase{name: "goexit in every hook ends a life like a panic", on: onMachine, run: goexits},
		tortureCase{name: "a hanging Stop hook of an end that nobody asked for", on: onMachine, run: hangingHook},
		tortureCase{name: "an observer that blocks delays the root beyond its budget", on: onMachine, run: lateRoot},
	)
}

// stopsInReverse: exactly the reverse of the start, five levels deep.
func stopsInReverse(t *testing.T, w *world) {
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
}

// stopDeadlines: at the deadline the context ends, after the grace the life
// is fenced and abandoned, at exactly these times.
func stopDeadlines(t *testing.T, w *world) {
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

// handlerHearsTheDeadline: a handler that blocks on its context gets free at
// the deadline and still ends in order.
func handlerHearsTheDeadline(t *testing.T, w *world) {
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

// contextMadeLate: a handler that asks for its context only after the
// deadline gets one that has ended.
func contextMadeLate(t *testing.T, w *world) {
	a := w.log.Child("a", probe{})
	a.StopDeadline = 5 * time.Millisecond
	w.start(spec{Children: kids{a}})
	var ended error
	w.do("a", func(c ctx) error {
		w.sim.Sleep(100 * time.Millisecond) // after the deadline, within the grace
		ended = c.Context().Err()
		return nil
	})
	w.advance(0)
	equal(t, "abandoned", nil, w.sys.Stop().Abandoned)
	equal(t, "the context", fmt.Sprint(context.Canceled), fmt.Sprint(ended))
	w.stop()
}

// infinityWaits: a child with no deadline is waited for, until the budget.
func infinityWaits(t *testing.T, w *world) {
	a := w.log.Child("a", stuck())
	a.StopDeadline = supervisor.Infinity
	w.start(spec{StopBudget: time.Hour, Children: kids{a}})
	w.sim.AfterFunc(50*time.Minute, func() { w.sim.Release("root/a", "deaf") })
	r := w.stop()
	equal(t, "report", supervisor.StopReport{Took: 50 * time.Minute, Complete: true}, r)
}

// brutalStop: abandoned at once, without its Stop hook, and not a failure of the
// stop.
func brutalStop(t *testing.T, w *world) {
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
}

// stopBudgetSpent: when it is spent, all that are left are told at once: the
// healthy end well within the grace, the stuck are abandoned.
func stopBudgetSpent(t *testing.T, w *world) {
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
}

// deadlineSurvives: a child that a restart plan has told to
// stop keeps its deadline when the supervisor itself has to stop meanwhile.
func deadlineSurvives(t *testing.T, w *world) {
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

// stopDuringStart: a supervisor that is just starting children stops as well.
func stopDuringStart(t *testing.T, w *world) {
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
}

// stopWinsOverRestart: at every moment of a restart a stop ends the tree, and
// nobody comes back.
func stopWinsOverRestart(strategy supervisor.Strategy) func(*testing.T, *world) {
	return func(t *testing.T, _ *world) {
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
			w.account()
		}
	}
}

// stopManyTimes: idempotent, from many goroutines, while children crash.
func stopManyTimes(t *testing.T, w *world) {
	var children kids
	for i := range 20 {
		children = append(children, w.log.Child(fmt.Sprint("c", i), probe{Quiet: true}))
	}
	w.start(spec{Budget: isolating(1000), Children: children})
	var all sync.WaitGroup
	var accepted atomic.Int64
	for i := range 16 {
		all.Go(func() {
			for j := range 50 {
				if w.ref(fmt.Sprint("c", (i+j)%20)).Send(supervisortest.Crash).OK() {
					accepted.Add(1)
				}
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
	w.dead = uint64(accepted.Load()) - w.endedByThemselves()
	for i := range 20 {
		equal(t, "state", supervisor.StateStopped, w.state(fmt.Sprint("c", i)))
	}
}

// endedByThemselves counts the lives of actors that ended for what they were sent.
func (w *world) endedByThemselves() (n uint64) {
	for _, e := range w.events.of(supervisor.EventExited, "") {
		if e.Reason.Kind != supervisor.ExitShutdown && e.Path != supervisor.RootID {
			n++
		}
	}
	return n
}

// stopRace: children that end by themselves, in every way, while the tree
// stops.
func stopRace(t *testing.T, w *world) {
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
			if w.ref(c.ID).Send(msgs[i%len(msgs)]).OK() { // some are down already
				w.dead++
			}
		}
		if r := w.stop(); !r.Complete || r.Zombies != 0 {
			t.Errorf("%+v", r)
		}
		w.dead -= w.endedByThemselves()
		w.account()
	}
}

// panicInStop: becomes the exit reason, and resurrects nobody.
func panicInStop(t *testing.T, w *world) {
	bad := func(id string) kid {
		return w.log.Child(id, probe{OnStop: func(ctx, supervisor.Reason) { panic("in the hook") }})
	}
	w.start(spec{Children: kids{bad("a"), w.log.Child("b", probe{}), bad("c")}})
	w.send("a", supervisortest.End{})
	w.waitLife("a", 2)
	w.becomes("reason", "panic: in the hook", func() any { return w.node("a").LastReason })
	w.log.Take()
	r := w.stop()
	equal(t, "complete", true, r.Complete)
	w.wantLog("stop root/c#1 shutdown", "stop root/b#1 shutdown", "stop root/a#2 shutdown")
}

// goexits: user code that ends its goroutine instead of returning, as a
// failed test does, ends its life like a panic; the actor comes back.
func goexits(t *testing.T, w *world) {
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
	w.becomes("reason", "panic: it ended its goroutine (runtime.Goexit)", func() any { return w.node("receive").LastReason })
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
}

// hangingHook: an end that nobody asked for has a deadline too.
func hangingHook(t *testing.T, w *world) {
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
	w.becomes("zombies", int64(1), func() any { return w.node("a").Zombies })
	gate.Open()
	w.wait("no zombie", func() bool { return w.node("a").Zombies == 0 })
	equal(t, "state", supervisor.StateRunning, w.state("a"))
	w.stop()
}

// lateRoot: an OnEvent that blocks, against the rules, delays the root beyond
// its budget; all Stops return, and say so.
func lateRoot(t *testing.T, _ *world) {
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
	for range 2 { // the gate is closed
		r := <-reports
		if r.Complete || !slices.Contains(r.Abandoned, "root") {
			t.Errorf("report %+v", r)
		}
	}
	<-sys.Down()
	gate.Open()
	equal(t, "again", false, sys.Stop().Complete)
	supervisortest.NoLeaks(t, sys)
}

// stuckOf: some of six children never end by themselves; the stop takes exactly
// what their deadlines and the budget say.
func stuckOf(n int, budget, took time.Duration) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		var children kids
		var bad []string
		for i := range 6 {
			p := probe{}
			if i%2 == 1 && i/2 < n || i%2 == 0 && i/2 < n-3 {
				p = stuck()
				bad = append(bad, fmt.Sprint("root/c", i))
			}
			children = append(children, with(w.log.Child(fmt.Sprint("c", i), p), func(c *kid) { c.StopDeadline = time.Second }))
		}
		w.start(spec{StopBudget: budget, Children: children})
		r := w.sys.Stop()
		equal(t, "report", supervisor.StopReport{Took: took, Abandoned: bad, Zombies: int64(n), Complete: true}, r)
		equal(t, "stuck", n, len(bad))
		w.release()
	}
}

// killedCleanKilled: a stop that fails for one is not worse for the others.
func killedCleanKilled(t *testing.T, w *world) {
	w.start(spec{Children: kids{w.log.Child("a", stuck()), w.log.Child("b", probe{}), w.log.Child("c", stuck())}})
	w.sys.Stop()
	var kinds []supervisor.ExitKind
	for _, e := range w.events.of(supervisor.EventExited, "") {
		kinds = append(kinds, e.Reason.Kind)
	}
	equal(t, "c, b, a, root", []supervisor.ExitKind{
		supervisor.ExitKilled, supervisor.ExitShutdown, supervisor.ExitKilled, supervisor.ExitShutdown,
	}, kinds)
	w.release()
}

// infinityOfSupervisor: it has no deadline of its own unless it asks for one.
func infinityOfSupervisor(t *testing.T, w *world) {
	x := with(w.log.Child("x", stuck()), func(c *kid) { c.StopDeadline = supervisor.Infinity })
	below := spec{StopBudget: time.Hour, Children: kids{x}}
	w.start(spec{StopBudget: time.Hour, Children: kids{supervised("s", below)}})
	w.sim.AfterFunc(50*time.Minute, w.release)
	r := w.stop()
	equal(t, "report", supervisor.StopReport{Took: 50 * time.Minute, Complete: true}, r)
}

// brutalTen: nobody waits for what is given up at once.
func brutalTen(t *testing.T, w *world) {
	var children kids
	for i := range 10 {
		children = append(children, with(w.log.Child(fmt.Sprint("c", i), stuck()), func(c *kid) { c.StopDeadline = supervisor.Brutal }))
	}
	w.start(spec{Children: children})
	w.log.Take()
	r := w.sys.Stop()
	equal(t, "report", supervisor.StopReport{Abandoned: r.Abandoned, Zombies: 10, Complete: true}, r)
	equal(t, "abandoned", 10, len(r.Abandoned))
	w.wantLog()
	w.release()
}

// stopTwice: idempotent, also much later.
func stopTwice(t *testing.T, w *world) {
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	equal(t, "first", true, w.stop().Complete)
	before := w.events.lines()
	r := w.sys.Stop()
	equal(t, "second", supervisor.StopReport{Took: r.Took, Complete: true}, r)
	equal(t, "events of the second", before, w.events.lines())
	equal(t, "reason", supervisor.ExitShutdown, w.sys.Reason().Kind)
	equal(t, "send", supervisor.Down, w.ref("a").Send("x"))
}

// ownReasons: while the youngest takes its time to stop, three restart types end
// in four ways; each keeps its own reason, the tree's is shutdown.
func ownReasons(t *testing.T, w *world) {
	ends := map[string]any{
		"normal": supervisortest.End{}, "error": supervisortest.Crash, "panic": supervisortest.Panic{Value: 1},
		"killed": supervisortest.Do(func(c ctx) error { c.Stop(); return deaf(c) }),
	}
	var children kids
	for _, restart := range []supervisor.Restart{supervisor.Permanent, supervisor.Transient, supervisor.Temporary} {
		for _, how := range []string{"normal", "error", "panic", "killed"} {
			children = append(children, with(w.log.Child(fmt.Sprint(how, restart), probe{}), func(c *kid) { c.Restart = restart }))
		}
	}
	last := with(w.log.Child("last", stuck()), func(c *kid) { c.StopDeadline = time.Hour })
	w.start(spec{StopBudget: 2 * time.Hour, Children: append(children, last)})
	w.sim.AfterFunc(time.Minute, func() {
		for _, c := range children {
			w.send(c.ID, ends[c.ID[:len(c.ID)-1]])
		}
	})
	w.sim.AfterFunc(2*time.Minute, w.release)
	equal(t, "complete", true, w.stop().Complete)
	equal(t, "root", supervisor.ExitShutdown, w.sys.Reason().Kind)
	for _, c := range children {
		exits := w.events.of(supervisor.EventExited, c.ID)
		equal(t, c.ID+"'s lives", 1, len(exits))
		equal(t, c.ID, c.ID[:len(c.ID)-1], exits[0].Reason.Kind.String())
	}
}

// queuedAtStop: the stop does not wait for what is queued, and nobody waits for
// an answer that will never come.
func queuedAtStop(t *testing.T, w *world) {
	in := make(chan struct{})
	w.start(spec{Children: kids{with(w.log.Child("a", probe{}), func(c *kid) { c.StopDeadline = 5 * time.Millisecond })}})
	w.do("a", func(c ctx) error { close(in); <-c.Context().Done(); return nil })
	<-in
	w.send("a", "one")
	w.send("a", "two")
	asked := make(chan error, 1)
	go func() { _, err := w.ref("a").Ask(supervisortest.Echo{}, limit); asked <- err }()
	w.wait("the ask waits", func() bool { return w.node("a").Queued == 3 })
	r := w.stop()
	equal(t, "report", supervisor.StopReport{Took: r.Took, Complete: true}, r)
	equal(t, "who asked", supervisor.ErrStopped.Error(), fmt.Sprint(<-asked))
	w.wantLog("start root/a#1", "stop root/a#1 shutdown")
}

// callerGivesUp: the order stands, also when nobody waits for the answer.
func callerGivesUp(t *testing.T, w *world) {
	a := with(w.log.Child("a", stuck()), func(c *kid) { c.StopDeadline = 2 * time.Second })
	w.start(spec{Children: kids{a}})
	_, err := w.at("").Ask(supervisor.StopChild{ID: "a"}, time.Second)
	equal(t, "answer", supervisor.ErrNoAnswer.Error(), fmt.Sprint(err))
	equal(t, "meanwhile", supervisor.StateStopping, w.state("a"))
	w.advance(1500 * time.Millisecond)
	equal(t, "afterwards", supervisor.StateStopped, w.state("a"))
	equal(t, "lives", uint64(1), w.node("a").Incarnation)
	w.release()
}

// poolOfTen starts ten children of a kind.
func (w *world) poolOfTen(p probe, deadline time.Duration) {
	w.t.Helper()
	kind := with(w.log.Child("", p), func(c *kid) { c.StopDeadline = deadline })
	w.start(spec{Children: kids{supervised("pool", spec{Strategy: supervisor.Dynamic, Children: kids{kind}})}})
	for i := range 10 {
		w.startChild("pool", fmt.Sprint(i))
	}
}

func stuckPool(deadline, took time.Duration) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		w.poolOfTen(stuck(), deadline)
		r := w.sys.Stop()
		equal(t, "report", supervisor.StopReport{Took: took, Abandoned: r.Abandoned, Zombies: 10, Complete: true}, r)
		equal(t, "abandoned", 10, len(r.Abandoned))
		for i := range 10 { // their places have left the tree
			w.sim.Release(fmt.Sprint("root/pool/", i), "deaf")
		}
		w.sim.Quiesce()
	}
}

func poolOfPanics(t *testing.T, w *world) {
	w.poolOfTen(probe{OnStop: func(ctx, supervisor.Reason) { panic("in the hook") }}, 0)
	r := w.stop()
	equal(t, "report", supervisor.StopReport{Took: r.Took, Complete: true}, r)
	for i := range 10 {
		exits := w.events.of(supervisor.EventExited, fmt.Sprint("pool/", i))
		equal(t, "exits", 1, len(exits))
		equal(t, "reason", supervisor.ExitPanic, exits[0].Reason.Kind)
	}
	equal(t, "the pool's", supervisor.ExitShutdown, w.events.of(supervisor.EventExited, "pool")[0].Reason.Kind)
	equal(t, "the tree's", supervisor.ExitShutdown, w.sys.Reason().Kind)
}

// endingAtStop: it is not waited for until the budget is spent.
func endingAtStop(t *testing.T, w *world) {
	w.start(spec{StopBudget: time.Hour, Children: kids{w.log.Child("a", stuck())}})
	w.send("a", supervisortest.End{})
	w.advance(time.Second)
	equal(t, "before", supervisor.StateStopping, w.state("a"))
	r := w.sys.Stop()
	equal(t, "took", supervisor.DefaultStopDeadline+supervisor.DefaultGrace, r.Took)
	w.release()
}
