package supervisor_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// Short names for what every test here uses.
type (
	spec  = supervisor.SupervisorSpec
	kid   = supervisor.ChildSpec
	kids  = []supervisor.ChildSpec
	probe = supervisortest.Probe
	ctx   = *supervisor.Context
)

// limit is for asks that are meant to be answered.
const limit = 30 * time.Second

// world is a tree under test, on the machine or in simulation.
type world struct {
	t       *testing.T
	x       supervisor.Executor
	sim     *sim.Sim // nil on the machine
	log     *supervisortest.Log
	events  *eventLog
	sys     *supervisor.System
	onFatal func(supervisor.Reason)
	stopped bool
	dead    uint64 // messages that shall be dead letters at the end of a torture case
	zombies int    // Options.ZombieLimit
}

func newWorld(t *testing.T, x supervisor.Executor) *world {
	w := &world{t: t, x: x, log: &supervisortest.Log{}, events: &eventLog{}}
	w.sim, _ = x.(*sim.Sim)
	return w
}

func simWorld(t *testing.T, opts ...sim.Options) *world {
	return newWorld(t, sim.New(1, append(opts, sim.Options{})[0]))
}

func realWorld(t *testing.T) *world { return newWorld(t, supervisor.NewReal(1)) }

// both runs a case on the machine and in simulation.
func both(t *testing.T, f func(t *testing.T, w *world)) {
	t.Run("real", func(t *testing.T) { f(t, realWorld(t)) })
	t.Run("sim", func(t *testing.T) { f(t, simWorld(t)) })
}

// try starts the tree; a test that can start it also sees that nothing leaks.
func (w *world) try(s spec) error {
	w.t.Helper()
	sys, err := supervisor.Start(s, supervisor.Options{
		Executor: w.x, OnEvent: w.events.add, ZombieLimit: w.zombies, OnFatal: func(r supervisor.Reason) {
			if w.onFatal != nil {
				w.onFatal(r)
			}
		},
	})
	if err == nil {
		w.sys = sys
		w.t.Cleanup(func() { w.stop() })
	}
	return err
}

func (w *world) start(s spec) {
	w.t.Helper()
	if err := w.try(s); err != nil {
		w.t.Fatalf("start: %v", err)
	}
}

// stop stops the tree and checks that nothing is left.
func (w *world) stop() supervisor.StopReport {
	w.t.Helper()
	r := w.sys.Stop()
	if !w.stopped {
		w.stopped = true
		supervisortest.NoLeaks(w.t, w.sys)
		if w.sim != nil && w.sim.Timers() != 0 {
			w.t.Errorf("%d timers left in the simulation", w.sim.Timers())
		}
	}
	return r
}

func (w *world) ref(path string) supervisor.Ref { return w.sys.Ref("root/" + path) }

// send demands that the message was queued.
func (w *world) send(path string, msg any) {
	w.t.Helper()
	if d := w.ref(path).Send(msg); !d.OK() {
		w.t.Fatalf("send %T to %s: %v", msg, path, d)
	}
}

func (w *world) do(path string, f func(c ctx) error) {
	w.t.Helper()
	w.send(path, supervisortest.Do(f))
}

// inside runs f in the actor and waits for it.
func (w *world) inside(path string, f func(c ctx)) {
	w.t.Helper()
	done := supervisortest.Do(func(c ctx) error { f(c); c.Reply(true); return nil })
	if _, err := w.ref(path).Ask(done, limit); err != nil {
		w.t.Fatalf("inside %s: %v", path, err)
	}
}

func (w *world) wait(what string, cond func() bool) {
	w.t.Helper()
	supervisortest.Eventually(w.t, w.x, what, cond)
}

func (w *world) waitLine(line string) {
	w.t.Helper()
	w.wait(line, func() bool { return w.log.Has(line) })
}

func (w *world) node(path string) *supervisor.Tree {
	w.t.Helper()
	tree := w.sys.Tree()
	n := tree.Find(strings.TrimSuffix("root/"+path, "/"))
	if n == nil {
		w.t.Fatalf("no %s in the tree", path)
	}
	return n
}

func (w *world) state(path string) supervisor.State { return w.node(path).State }

func (w *world) waitState(path string, s supervisor.State) {
	w.t.Helper()
	w.wait(fmt.Sprintf("%s %v", path, s), func() bool { return w.state(path) == s })
}

// waitLife waits until the n-th life runs.
func (w *world) waitLife(path string, n uint64) {
	w.t.Helper()
	w.wait(fmt.Sprintf("%s#%d running", path, n), func() bool {
		p := w.node(path)
		return p.Incarnation == n && p.State == supervisor.StateRunning
	})
}

func (w *world) advance(d time.Duration) { w.sim.Advance(d) }

// wantLog compares what the probes noted, and forgets it.
func (w *world) wantLog(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.log.Take()); diff != "" {
		w.t.Errorf("log (-want +got):\n%s", diff)
	}
}

func equal[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// becomes is equal for what may come true a moment later on the machine; under
// simulation it holds at once.
func (w *world) becomes(what string, want any, got func() any) {
	w.t.Helper()
	if w.sim != nil {
		equal(w.t, what, want, got())
		return
	}
	w.wait(fmt.Sprintf("%s: %v", what, want), func() bool { return cmp.Equal(want, got()) })
}

// eventLog keeps a tree's events.
type eventLog struct {
	mu   sync.Mutex
	off  bool
	list []supervisor.Event
}

func (l *eventLog) add(e supervisor.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.off {
		l.list = append(l.list, e)
	}
}

// of is the events of a kind at a path, "" for all paths.
func (l *eventLog) of(kind supervisor.EventKind, path string) (found []supervisor.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.list {
		if e.Kind == kind && (path == "" || e.Path == "root/"+path) {
			found = append(found, e)
		}
	}
	return found
}

// lines is one line for each event: "exited root/a#1 shutdown".
func (l *eventLog) lines() (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.list {
		lines = append(lines, fmt.Sprintf("%v %s#%d %v %v", e.Kind, e.Path, e.Incarnation, e.Reason, e.Wait))
	}
	return lines
}

// crash makes the child crash and lets its restart happen, the clock standing
// still.
func (w *world) crash(path string) {
	w.t.Helper()
	w.send(path, supervisortest.Crash)
	w.advance(0)
}

// noBackoff restarts at once, again and again.
var noBackoff = supervisor.Backoff{Min: 1, Max: 1}

func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// holdAll keeps every task from ever ending by itself.
var holdAll = sim.Options{Hold: func(string, string) sim.Hold { return sim.Hold{Result: sim.Forever} }}

// deaf starts a task that does not end.
func deaf(c ctx) error {
	return c.Task("deaf", 0, func(context.Context) (any, error) { return nil, nil })
}

// stuck is a probe with such a task from its first life on.
func stuck() probe { return probe{OnStart: deaf} }

// release ends all deaf tasks.
func (w *world) release() { w.releaseBelow(w.sys.Tree()) }

func (w *world) releaseBelow(n supervisor.Tree) {
	for w.sim.Release(n.Path, "deaf") {
	}
	for _, c := range n.Children {
		w.releaseBelow(c)
	}
	w.sim.Quiesce()
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

func supervised(id string, s spec) kid { return kid{ID: id, Supervisor: &s} }

// with changes a spec and returns it.
func with(c kid, change func(*kid)) kid {
	change(&c)
	return c
}

func isolating(n int) supervisor.Budget  { return supervisor.Isolating(n, 5*time.Second) }
func escalating(n int) supervisor.Budget { return supervisor.Escalating(n, 5*time.Second) }
