package supervisor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// TestTortureM is about insight: looking never blocks, never tears and never
// lies, whatever the tree is doing.
func TestTortureM(t *testing.T) {
	torture(
		t, 12,
		tortureCase{name: "every state as value, text and JSON", sim: holdAll, run: treeShows},
		tortureCase{name: "the sums of all places are the ledger", sim: holdAll, run: treeSums},
		tortureCase{name: "restarting: until when, and the same in the event", run: treeRetryAt},
		tortureCase{name: "starting and stopping: what hangs is seen", on: onMachine, run: treeWhileItHangs},
		tortureCase{name: "the reason of a crash outlives the stop", on: onBoth, run: treeLastReason},
		tortureCase{name: "find each path of a deep tree, and no other", run: treeFind},
		tortureCase{name: "looking under fire is never torn", on: onMachine, run: treeUnderFire},
		tortureCase{name: "a walk over 2,000 children while they restart", on: onMachine, run: walkWhileRestarting},
		tortureCase{name: "a walk over 2,000 children while they come and go", on: onMachine, run: walkWhileComing},
		tortureCase{name: "stop in mid-walk", on: onMachine, run: stopInMidWalk},
		tortureCase{name: "the events of a place come in order", on: onBoth, run: eventsInOrder},
		tortureCase{name: "hooks look and send, and their panics kill nobody", on: onBoth, run: hooks},
		tortureCase{name: "crashes of a place: the first in full, then one a minute with the count", run: crashReports},
		tortureCase{name: "a crash is an error or a panic, and no other end", run: whatIsACrash},
		tortureCase{name: "ten stacks a second in the whole system", run: stacksOfPanics},
		tortureCase{name: "a panic without its stack is cheaper", run: panicWithoutStack},
		tortureCase{name: "subscribe: all in order; a slow reader loses the newest, counted; closed at the end", run: subscribe},
		tortureCase{name: "subscribe under fire: nobody waits for a reader", on: onMachine, run: subscribeUnderFire},
		tortureCase{name: "every goroutine has an owner when a storm is over", on: onMachine, run: ledgerAfterAStorm},
	)
}

// treeShows shows every place, also while it restarts, as value, text and JSON.
func treeShows(t *testing.T, w *world) {
	l := w.log
	w.start(spec{Budget: isolating(1), Children: kids{
		l.Child("a", probe{OnStart: func(c ctx) error {
			c.Every("k", time.Hour)
			return c.Task("deaf", 0, func(context.Context) (any, error) { return nil, nil })
		}}),
		supervised("s", spec{Budget: escalating(9), Children: kids{
			with(l.Child("x", probe{}), func(c *kid) { c.Backoff.Min = time.Minute }),
			with(l.Child("y", probe{}), func(c *kid) { c.Mailbox.Normal = 1 }),
		}}),
		l.Child("i", failStart(supervisor.ErrIgnore)),
		with(l.Child("f", failStart(supervisortest.ErrCrash)), func(c *kid) { c.Backoff.Min = time.Hour }),
	}})
	w.advance(0)
	w.crash("s/x")
	w.crash("s/x")
	w.ref("s/y").Send(1)
	w.ref("s/y").Send(2)
	w.log.Take()
	equal(t, "text", strings.Join([]string{
		`root running timers=1`, // the next try of f
		`  a running timers=1 workers=1`,
		`  s running timers=1`,
		`    x restarting restarts=1 last="error: crash"`,
		`    y running queued=1 refused=1`,
		`  i ignored last="normal"`,
		`  f failed restarts=1 last="error: crash"`,
		``,
	}, "\n"), w.sys.Tree().String())
	x := w.node("s/x")
	equal(t, "retry at", w.x.Now().Add(time.Minute), *x.RetryAt)
	text, err := json.Marshal(x)
	if err != nil || !strings.Contains(string(text), `"state":"restarting","incarnation":2,"restarts":1,"last_reason":"error: crash","retry_at":"2026-01-05T08:01:00Z"`) {
		t.Errorf("json: %s, %v", text, err)
	}
	tree := w.sys.Tree()
	for _, path := range []string{"root", "root/s", "root/s/y"} {
		if n := tree.Find(path); n == nil || n.Path != path {
			t.Errorf("Find(%s): %v", path, n)
		}
	}
	for _, path := range []string{"", "roo", "root/", "root/s/yy", "root/ss"} {
		if n := tree.Find(path); n != nil {
			t.Errorf("Find(%q): %v", path, n)
		}
	}
	w.sys.Stop()
	w.sim.Release("root/a", "deaf")
	w.sim.Quiesce()
	w.stop()
}

// treeUnderFire: looking never blocks and never tears, whatever happens.
func treeUnderFire(t *testing.T, w *world) {
	var children kids
	for i := range 30 {
		children = append(children, w.log.Child(fmt.Sprint("c", i), probe{Quiet: true}))
	}
	w.start(spec{Budget: isolating(1 << 20), Children: kids{supervised("s", spec{Strategy: supervisor.RestForOne, Budget: isolating(1 << 20), Children: children})}})
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					tree := w.sys.Tree()
					if len(tree.Find("root/s").Children) != 30 || tree.String() == "" {
						t.Error("torn")
					}
				}
			}
		})
	}
	for i := range 500 {
		w.ref(fmt.Sprint("s/c", i%30)).Send(supervisortest.Crash)
		w.ref(fmt.Sprint("s/c", (i+1)%30)).Send(i)
	}
	w.sys.Stop()
	close(stop)
	all.Wait()
	w.stop()
	w.dead = w.sys.Ledger().DeadStopped // messages that met a crash
}

// hooks may look at the system and send, and their panics kill nobody.
func hooks(t *testing.T, w *world) {
	var sys *supervisor.System
	var found supervisor.Ref
	var mu sync.Mutex
	events := 0
	fatal := make(chan supervisor.Reason, 1)
	s, err := supervisor.Start(spec{Children: kids{w.log.Child("a", probe{}), w.log.Child("b", probe{})}}, supervisor.Options{
		Executor: w.x,
		OnBuilt:  func(find func(string) supervisor.Ref) { found = find("root/b") },
		OnEvent: func(supervisor.Event) {
			mu.Lock()
			defer mu.Unlock()
			events++
			if sys != nil {
				_ = sys.Tree().String()
				found.Send("from the hook")
			}
			panic("in OnEvent")
		},
		OnFatal: func(r supervisor.Reason) { fatal <- r; panic("in OnFatal") },
	})
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	sys = s
	mu.Unlock()
	for range 2 {
		s.Ref("root/a").Send(supervisortest.Crash)
		supervisortest.Eventually(t, w.x, "event", func() bool {
			tree := s.Tree()
			return tree.Find("root/a").State == supervisor.StateRunning || tree.State == supervisor.StateStopped
		})
		w.x.Wait(nil, 50*time.Millisecond)
	}
	<-s.Down()
	if r := <-fatal; r.Kind != supervisor.ExitError {
		t.Error(r)
	}
	supervisortest.Eventually(t, w.x, "panics counted", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return s.Ledger().HookPanics == uint64(events)+1
	})
	equal(t, "got", true, slices.Contains(w.log.Lines(), "got root/b#1 from the hook"))
}

// treeSums: what the places say they have is what the system has.
func treeSums(t *testing.T, w *world) {
	busy := probe{OnStart: func(c ctx) error {
		armAll(c)
		return deaf(c)
	}}
	a := with(w.log.Child("a", busy), func(c *kid) { c.StopDeadline = supervisor.Brutal })
	w.start(spec{Strategy: supervisor.RestForOne, Budget: isolating(9), Children: kids{
		supervised("s", spec{Children: kids{w.log.Child("x", busy)}}), w.log.Child("first", probe{}), a,
	}})
	w.crash("first")
	for i := range 3 {
		w.send("s/x", i)
	}
	tree := w.sys.Tree()
	var timers, workers, zombies int64
	var running, queued int
	each(&tree, func(n *supervisor.Tree) {
		timers, workers, zombies, queued = timers+n.Timers, workers+n.Workers, zombies+n.Zombies, queued+n.Queued
		if n.State != supervisor.StateStopped {
			running++
		}
	})
	l := w.sys.Ledger()
	equal(t, "actors", l.Actors, int64(running))
	equal(t, "timers", l.Timers, timers)
	equal(t, "workers", l.Workers, workers)
	equal(t, "zombies", l.Zombies, zombies)
	equal(t, "queued", 3, queued)
	if timers == 0 || workers == 0 || zombies == 0 {
		t.Error("nothing was summed:\n" + tree.String())
	}
	w.sys.Stop()
	w.release()
}

func treeRetryAt(t *testing.T, w *world) {
	w.start(spec{Budget: isolating(2), Children: kids{
		with(w.log.Child("a", probe{}), func(c *kid) { c.Backoff = supervisor.Backoff{Min: 3 * time.Second, Max: time.Minute} }),
	}})
	for i, want := range []struct {
		state supervisor.State
		wait  time.Duration
	}{{supervisor.StateRunning, 0}, {supervisor.StateRestarting, 3 * time.Second}, {supervisor.StateFailed, time.Minute}} {
		w.crash("a")
		n := w.node("a")
		equal(t, fmt.Sprint("crash ", i), want.state, n.State)
		if want.wait == 0 {
			equal(t, "no next try", true, n.RetryAt == nil)
			continue
		}
		equal(t, "next try", w.x.Now().Add(want.wait), *n.RetryAt)
		e := w.events.of(supervisor.EventRestarting, "a")
		equal(t, "event", want.wait, e[len(e)-1].Wait)
		w.advance(want.wait - 1)
		equal(t, "just before", want.state, w.state("a"))
		w.advance(1)
		equal(t, "then", supervisor.StateRunning, w.state("a"))
	}
}

func treeWhileItHangs(t *testing.T, w *world) {
	starts, stops := supervisortest.NewGate(), supervisortest.NewGate()
	a := w.log.Child("a", probe{
		OnStart: func(c ctx) error {
			if c.Incarnation() == 2 {
				starts.Pass()
			}
			return nil
		},
		OnStop: func(c ctx, _ supervisor.Reason) {
			if c.Incarnation() == 1 {
				stops.Pass()
			}
		},
	})
	w.start(spec{Children: kids{a, w.log.Child("b", probe{})}})
	w.send("a", supervisortest.Crash)
	<-stops.Entered()
	equal(t, "hangs in its Stop hook", supervisor.StateStopping, w.state("a"))
	stops.Open()
	<-starts.Entered()
	n := w.node("a")
	equal(t, "hangs in its Start", supervisor.StateStarting, n.State)
	equal(t, "its life", uint64(2), n.Incarnation)
	equal(t, "restarts", uint64(1), n.Restarts)
	equal(t, "the sibling", supervisor.StateRunning, w.state("b"))
	starts.Open()
	w.waitLife("a", 2)
}

func treeLastReason(t *testing.T, w *world) {
	w.start(spec{Children: kids{w.log.Child("a", probe{}), w.log.Child("b", probe{})}})
	w.send("a", supervisortest.Panic{Value: "ouch"})
	w.waitLife("a", 2)
	w.becomes("while it lives again", "panic: ouch", func() any { return w.node("a").LastReason })
	w.stop()
	w.becomes("after the stop", "panic: ouch", func() any { return w.node("a").LastReason })
	w.becomes("of one that never crashed", "shutdown", func() any { return w.node("b").LastReason })
	tree := w.sys.Tree()
	each(&tree, func(n *supervisor.Tree) { equal(t, n.Path, supervisor.StateStopped, n.State) })
}

func treeFind(t *testing.T, w *world) {
	s := spec{Children: kids{w.log.Child("l", probe{}), w.log.Child("ll", probe{})}}
	for range 20 {
		s = spec{Children: kids{w.log.Child("l", probe{}), supervised("s", s), w.log.Child("sl", probe{})}}
	}
	w.start(s)
	tree := w.sys.Tree()
	found := 0
	each(&tree, func(n *supervisor.Tree) {
		found++
		if other := tree.Find(n.Path); other == nil || other.Path != n.Path {
			t.Errorf("Find(%s): %v", n.Path, other)
		}
		equal(t, n.Path, true, w.sys.Ref(n.Path).Valid())
		for _, no := range []string{n.Path + "/", n.Path + "x", n.Path + "/x", n.Path[1:]} {
			if tree.Find(no) != nil || w.sys.Ref(no).Valid() {
				t.Errorf("there is no %s", no)
			}
		}
	})
	equal(t, "places", 1+20*3+2, found)
	equal(t, "text", found, strings.Count(tree.String(), "\n"))
}

// walkers look at the tree again and again until the returned function is called,
// which also tells how often.
func (w *world) walkers(check func(supervisor.Tree)) (end func() int64) {
	var looks atomic.Int64
	done := make(chan struct{})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for !closed(done) {
				check(w.sys.Tree())
				looks.Add(1)
			}
		})
	}
	return func() int64 {
		w.wait("a look", func() bool { return looks.Load() > 2 })
		close(done)
		all.Wait()
		return looks.Load()
	}
}

// idlers is the ids and specs of n children without a log.
func idlers(n int) (children kids) {
	for i := range n {
		children = append(children, kid{ID: fmt.Sprint(i), New: newIdler, Backoff: noBackoff})
	}
	return children
}

// unique demands that no place is there twice and returns how many there are.
func unique(t *testing.T, tree *supervisor.Tree) int {
	seen := make(map[string]bool, len(tree.Children))
	for i := range tree.Children {
		p := tree.Children[i].Path
		if seen[p] {
			t.Errorf("%s is there twice", p)
		}
		seen[p] = true
	}
	return len(seen)
}

const crowded = 2000

func walkWhileRestarting(t *testing.T, w *world) {
	w.start(spec{Budget: isolating(1 << 20), Children: idlers(crowded)})
	end := w.walkers(func(tree supervisor.Tree) {
		if n := unique(t, &tree); n != crowded {
			t.Errorf("%d places", n)
		}
	})
	for i := range crowded {
		w.ref(fmt.Sprint(i)).Send("crash")
	}
	w.wait("all back", func() bool {
		tree := w.sys.Tree()
		return !slices.ContainsFunc(tree.Children, func(n supervisor.Tree) bool {
			return n.Incarnation != 2 || n.State != supervisor.StateRunning || n.Restarts != 1
		})
	})
	end()
	w.becomes("actors", int64(crowded+1), func() any { return w.sys.Ledger().Actors })
}

// walkWhileComing: every place is there at most once, and all at the end.
func walkWhileComing(t *testing.T, w *world) {
	w.start(spec{Strategy: supervisor.Dynamic, Budget: isolating(9), Children: kids{{New: newIdler}}})
	end := w.walkers(func(tree supervisor.Tree) {
		if n := unique(t, &tree); n > crowded {
			t.Errorf("%d places", n)
		}
	})
	for i := range crowded {
		w.startChild("", fmt.Sprint(i))
		if i%2 == 1 {
			w.stopChild("", fmt.Sprint(i-1))
		}
	}
	end()
	tree := w.sys.Tree()
	equal(t, "left", crowded/2, unique(t, &tree))
}

// stopInMidWalk: who walks while the tree stops sees each place once, and never
// one that comes back.
func stopInMidWalk(t *testing.T, w *world) {
	w.start(spec{Children: idlers(crowded)})
	end := w.walkers(func(tree supervisor.Tree) {
		equal(t, "places", crowded, unique(t, &tree))
		for _, n := range tree.Children {
			if n.Incarnation > 1 {
				t.Errorf("%s came back", n.Path)
			}
		}
	})
	equal(t, "complete", true, w.sys.Stop().Complete)
	end()
	tree := w.sys.Tree()
	each(&tree, func(n *supervisor.Tree) { equal(t, n.Path, supervisor.StateStopped, n.State) })
}

// eventsInOrder: of each life starting, ready, exited; lives one after the other.
func eventsInOrder(t *testing.T, w *world) {
	const n = 20
	w.start(spec{Strategy: supervisor.RestForOne, Budget: isolating(1 << 20), Children: idlers(n)})
	for range 3 {
		for i := range n {
			w.ref(fmt.Sprint((7 * i) % n)).Send("crash")
		}
		w.wait("all back", func() bool {
			tree := w.sys.Tree()
			return !slices.ContainsFunc(tree.Children, func(n supervisor.Tree) bool { return n.State != supervisor.StateRunning })
		})
	}
	w.stop()
	w.dead = w.sys.Ledger().DeadStopped // crashes that met their sibling's
	for i := range n {
		path := fmt.Sprint("root/", i)
		var story []supervisor.Event
		for _, e := range w.events.all() {
			if e.Path == path && e.Kind <= supervisor.EventExited {
				story = append(story, e)
			}
		}
		life, next := uint64(1), supervisor.EventStarting
		for _, e := range story {
			if e.Incarnation != life || e.Kind != next && !(next == supervisor.EventReady && e.Kind == supervisor.EventExited) {
				t.Fatalf("%s: %v of life %d, expected %v of %d", path, e.Kind, e.Incarnation, next, life)
			}
			switch e.Kind {
			case supervisor.EventStarting:
				next = supervisor.EventReady
			case supervisor.EventReady:
				next = supervisor.EventExited
			case supervisor.EventExited:
				life, next = life+1, supervisor.EventStarting
			}
		}
		equal(t, path+" ends", supervisor.EventStarting, next)
	}
}

// all is every event so far.
func (l *eventLog) all() []supervisor.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// ledgerAfterAStorm: a loop and a task for each of 100 children, and crashes all
// over; then each goroutine of the process is somebody's.
func ledgerAfterAStorm(t *testing.T, w *world) {
	const n = 100
	enough := make(chan struct{})
	var children kids
	for i := range n {
		children = append(children, with(w.log.Child(fmt.Sprint(i), probe{Quiet: true, OnStart: func(c ctx) error {
			if err := c.Loop("loop", func(ctx context.Context) error { <-ctx.Done(); return nil }); err != nil {
				return err
			}
			return c.Task("task", 0, func(ctx context.Context) (any, error) {
				select {
				case <-ctx.Done():
				case <-enough:
				}
				return nil, nil
			})
		}}), func(c *kid) { c.Backoff = noBackoff }))
	}
	w.start(spec{Budget: isolating(1 << 20), Children: children})
	for i := range 200 {
		w.ref(fmt.Sprint(i * 7 % n)).Send(supervisortest.Crash)
	}
	settled := func() bool {
		l := w.sys.Ledger()
		owned := 0
		for _, k := range l.Owned {
			owned += k
		}
		return l.Workers == 2*n && owned == 2*n && l.Actors == n+1 && len(l.Unaccounted) == 0
	}
	w.wait("two goroutines a child", settled)
	close(enough) // the tasks end
	w.wait("one goroutine a child", func() bool {
		l := w.sys.Ledger()
		return l.Workers == n && len(l.Owned) == n && len(l.Unaccounted) == 0
	})
	w.wait("nothing queued", func() bool {
		tree := w.sys.Tree()
		return !slices.ContainsFunc(tree.Children, func(n supervisor.Tree) bool { return n.Queued > 0 })
	})
	w.stop()
	w.dead = w.sys.Ledger().DeadStopped // crashes that met another
}
