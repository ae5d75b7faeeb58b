package supervisor_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// pool is a Dynamic supervisor of probes.
func pool(w *world, change func(*kid)) spec {
	kind := w.log.Child("", probe{})
	change(&kind)
	return spec{Strategy: supervisor.Dynamic, Budget: escalating(3), Children: kids{kind}}
}

func permanent(*kid) {}

// startChild demands that a child was started.
func (w *world) startChild(sup, id string) supervisor.Ref {
	w.t.Helper()
	v, err := w.at(sup).Ask(supervisor.StartChild{ID: id}, limit)
	if err != nil {
		w.t.Fatalf("start %s of %s: %v", id, sup, err)
	}
	return v.(supervisor.Ref)
}

// at is the place below the root, "" the root itself.
func (w *world) at(path string) supervisor.Ref {
	if path == "" {
		return w.sys.Ref("root")
	}
	return w.ref(path)
}

func (w *world) stopChild(sup, id string) {
	w.t.Helper()
	if _, err := w.at(sup).Ask(supervisor.StopChild{ID: id}, limit); err != nil {
		w.t.Fatalf("stop %s of %s: %v", id, sup, err)
	}
}

// wantErr asks a supervisor for something it must refuse.
func (w *world) wantErr(sup string, msg any, want error) {
	w.t.Helper()
	if v, err := w.at(sup).Ask(msg, limit); !errors.Is(err, want) || err == nil {
		w.t.Errorf("%T: %v, %v; want %v", msg, v, err, want)
	}
}

func TestDynamicLife(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.start(spec{Children: kids{supervised("pool", pool(w, permanent))}})
		equal(t, "children at first", 0, len(w.node("pool").Children))
		a := w.startChild("pool", "a")
		equal(t, "path", "root/pool/a", a.Path())
		w.startChild("pool", "b")
		w.wantErr("pool", supervisor.StartChild{ID: "a"}, supervisor.ErrRunning)
		a.Send("hello")
		a.Send(supervisortest.Crash)
		w.waitLife("pool/a", 2) // permanent: back, under the same Ref
		equal(t, "alive", true, a.Send("again").OK())
		w.waitLine("got root/pool/a#2 again")
		w.stopChild("pool", "a")
		equal(t, "forgotten", supervisor.Down, a.Send("gone"))
		equal(t, "no place", false, w.ref("pool/a").Valid())
		w.wantErr("pool", supervisor.StopChild{ID: "a"}, supervisor.ErrNoChild)
		again := w.startChild("pool", "a")
		equal(t, "new place", true, again.Send("new").OK())
		equal(t, "old address", supervisor.Down, a.Send("old"))
		equal(t, "children", 2, len(w.node("pool").Children))
	})
}

// TestDynamicForgets: an end that is final takes the place out of the tree.
func TestDynamicForgets(t *testing.T) {
	end := func(msg any) func(*world, supervisor.Ref) {
		return func(w *world, a supervisor.Ref) { a.Send(msg) }
	}
	for name, c := range map[string]struct {
		restart supervisor.Restart
		do      func(*world, supervisor.Ref)
		kept    bool
	}{
		"permanent, normal":         {supervisor.Permanent, end(supervisortest.End{}), true},
		"permanent, do not restart": {supervisor.Permanent, end(supervisortest.Fail{Err: supervisor.DoNotRestart(supervisortest.ErrCrash)}), false},
		"transient, error":          {supervisor.Transient, end(supervisortest.Crash), true},
		"transient, normal":         {supervisor.Transient, end(supervisortest.End{}), false},
		"temporary, error":          {supervisor.Temporary, end(supervisortest.Crash), false},
		"temporary, normal":         {supervisor.Temporary, end(supervisortest.End{}), false},
		"stopped":                   {supervisor.Permanent, func(w *world, _ supervisor.Ref) { w.stopChild("", "a") }, false},
		"stopped while it waits": {supervisor.Permanent, func(w *world, a supervisor.Ref) {
			a.Send(supervisortest.Crash)
			w.advance(0)
			a.Send(supervisortest.Crash)
			w.advance(0)
			equal(w.t, "state", supervisor.StateRestarting, w.state("a"))
			w.stopChild("", "a")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := simWorld(t)
			w.start(pool(w, func(k *kid) { k.Restart = c.restart }))
			c.do(w, w.startChild("", "a"))
			w.advance(time.Second)
			equal(t, "kept", c.kept, w.ref("a").Valid())
			equal(t, "in the tree", c.kept, len(w.node("").Children) == 1)
		})
	}
}

// TestDynamicStartFails: the asker is told, nothing is left, no restart is spent.
func TestDynamicStartFails(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		var fail error
		kind := w.log.Child("", probe{OnStart: func(ctx) error { return fail }})
		kind.StartTimeout = time.Hour
		w.start(spec{Strategy: supervisor.Dynamic, Budget: escalating(0), Children: kids{kind}, MaxChildren: 1})
		for range 3 {
			fail = supervisortest.ErrCrash
			w.wantErr("", supervisor.StartChild{ID: "a"}, supervisortest.ErrCrash)
			fail = supervisor.ErrIgnore
			w.wantErr("", supervisor.StartChild{ID: "a"}, supervisor.ErrIgnore)
			equal(t, "children", 0, len(w.node("").Children))
		}
		fail = nil
		w.startChild("", "a")
		w.wantErr("", supervisor.StartChild{ID: "b"}, supervisor.ErrChildren)
		for _, bad := range []supervisor.StartChild{{ID: ""}, {ID: "x/y"}} {
			if _, err := w.at("").Ask(bad, limit); err == nil {
				t.Errorf("%+v was accepted", bad)
			}
		}
		equal(t, "others", supervisor.Down, w.at("").Send("hello"))
	})
}

// TestDynamicNew: each StartChild may bring its own actor.
func TestDynamicNew(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Strategy: supervisor.Dynamic, Children: kids{{}}})
	if _, err := w.at("").Ask(supervisor.StartChild{ID: "a"}, limit); err == nil {
		t.Error("without New")
	}
	for i := range 3 {
		c := w.log.Child("", probe{OnReceive: func(c ctx, _ any) error { c.Reply(i); return nil }})
		if _, err := w.at("").Ask(supervisor.StartChild{ID: fmt.Sprint(i), New: c.New}, limit); err != nil {
			t.Fatal(err)
		}
	}
	w.send("1", supervisortest.Crash)
	w.advance(time.Second)
	for i := range 3 {
		v, err := w.ref(fmt.Sprint(i)).Ask("who", limit)
		equal(t, fmt.Sprint(err), any(i), v)
	}
}

// TestDynamicSubtrees: the kind may be a supervisor.
func TestDynamicSubtrees(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		sub := spec{Strategy: supervisor.RestForOne, Children: kids{w.log.Child("x", probe{}), w.log.Child("y", probe{})}}
		w.start(spec{Strategy: supervisor.Dynamic, Budget: escalating(3), Children: kids{{Supervisor: &sub}}})
		w.startChild("", "1")
		w.startChild("", "2")
		w.send("1/x", supervisortest.Crash)
		w.waitLife("1/y", 2)
		equal(t, "bystander", uint64(1), w.node("2/y").Incarnation)
		w.stopChild("", "1")
		equal(t, "forgotten", false, w.ref("1/y").Valid())
		equal(t, "actors", int64(4), w.sys.Ledger().Actors)
	})
}

// TestDynamicDoNotComeBack: as in OTP, a restarted supervisor begins empty, and
// one that goes over its budget takes its children with it.
func TestDynamicDoNotComeBack(t *testing.T) {
	w := simWorld(t)
	p := pool(w, permanent)
	p.Budget = escalating(0)
	w.start(spec{Budget: escalating(3), Children: kids{supervised("pool", p)}})
	a, b := w.startChild("pool", "a"), w.startChild("pool", "b")
	a.Send(supervisortest.Crash)
	w.advance(time.Second)
	equal(t, "supervisor", uint64(2), w.node("pool").Incarnation)
	equal(t, "children", 0, len(w.node("pool").Children))
	equal(t, "old addresses", []supervisor.Delivery{supervisor.Down, supervisor.Down}, []supervisor.Delivery{a.Send(1), b.Send(1)})
	w.startChild("pool", "a")
	equal(t, "actors", int64(3), w.sys.Ledger().Actors)
}

// TestDynamicStopsInParallel: no order, at most Parallelism at a time, within
// the deadline of one.
func TestDynamicStopsInParallel(t *testing.T) {
	w := simWorld(t, sim.Options{Hold: func(string, string) sim.Hold { return sim.Hold{Result: time.Second} }})
	p := pool(w, func(c *kid) {
		log := w.log
		*c = log.Child("", probe{OnStart: func(c ctx) error { return c.Task("t", 0, noWork) }})
	})
	p.Parallelism = 5
	w.start(spec{Children: kids{supervised("pool", p)}})
	for i := range 20 {
		if d := w.ref("pool").Send(supervisor.StartChild{ID: fmt.Sprint(i)}); !d.OK() {
			t.Fatal(d)
		}
	}
	w.sim.Quiesce()
	equal(t, "children", 20, len(w.node("pool").Children))
	equal(t, "stop", time.Second, w.stop().Took) // the tasks are under way already
}

// TestDynamicStuck: those that hang are given up and reported, the others end
// well; the place of one that runs on is remembered until it returns.
func TestDynamicStuck(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	w.start(pool(w, func(c *kid) { c.StopDeadline = time.Millisecond }))
	for _, id := range []string{"a", "b", "c"} {
		w.startChild("", id)
	}
	w.do("b", func(ctx) error { gate.Pass(); return nil })
	<-gate.Entered()
	w.stopChild("", "b")
	equal(t, "zombies", int64(1), w.sys.Ledger().Zombies)
	w.wait("no stray", func() bool { return len(w.sys.Ledger().Unaccounted) == 0 })
	w.startChild("", "b")
	r := w.sys.Stop()
	equal(t, "abandoned", []string{"root/b"}, r.Abandoned)
	gate.Open()
	w.stop()
}

// TestAdministration of children of the spec: OTP's answers, in our words.
func TestAdministration(t *testing.T) {
	for _, strategy := range []supervisor.Strategy{supervisor.OneForOne, supervisor.RestForOne, supervisor.OneForAll} {
		t.Run(fmt.Sprint(strategy), func(t *testing.T) {
			w := simWorld(t)
			w.start(spec{Strategy: strategy, Budget: escalating(5), Children: kids{w.log.Child("a", probe{}), w.log.Child("b", probe{}), w.log.Child("c", probe{})}})
			w.wantErr("", supervisor.StartChild{ID: "b"}, supervisor.ErrRunning)
			w.wantErr("", supervisor.StartChild{ID: "x"}, supervisor.ErrNoChild)
			w.wantErr("", supervisor.StopChild{ID: "x"}, supervisor.ErrNoChild)
			w.stopChild("", "b")
			w.stopChild("", "b")
			equal(t, "stopped", supervisor.StateStopped, w.state("b"))
			equal(t, "siblings", []uint64{1, 1}, []uint64{w.node("a").Incarnation, w.node("c").Incarnation})
			w.startChild("", "b")
			equal(t, "back", uint64(2), w.node("b").Incarnation)
			equal(t, "siblings", []uint64{1, 1}, []uint64{w.node("a").Incarnation, w.node("c").Incarnation})
		})
	}
}

// TestHeldChild: what StopChild stopped stays so, unless the strategy starts it.
func TestHeldChild(t *testing.T) {
	for strategy, back := range map[supervisor.Strategy]bool{supervisor.OneForOne: false, supervisor.RestForOne: true, supervisor.OneForAll: true} {
		w := simWorld(t)
		w.start(spec{Strategy: strategy, Budget: escalating(5), Children: kids{w.log.Child("a", probe{}), w.log.Child("b", probe{})}})
		w.stopChild("", "b")
		w.advance(time.Hour)
		equal(t, "held", supervisor.StateStopped, w.state("b"))
		w.send("a", supervisortest.Crash)
		w.advance(time.Second)
		equal(t, fmt.Sprint("strategy ", strategy), back, w.state("b") == supervisor.StateRunning)
	}
}

// TestStopChildInPlan: a child that is to be stopped while its siblings come
// back does not come back with them.
func TestStopChildInPlan(t *testing.T) {
	w := simWorld(t, sim.Options{Hold: func(owner, _ string) sim.Hold {
		if owner == "root/c" {
			return sim.Hold{Result: time.Second}
		}
		return sim.Hold{}
	}})
	busy := probe{OnStart: func(c ctx) error { return c.Task("t", 0, noWork) }}
	w.start(spec{Strategy: supervisor.OneForAll, Budget: escalating(5), Children: kids{w.log.Child("a", probe{}), w.log.Child("b", probe{}), w.log.Child("c", busy)}})
	w.send("a", supervisortest.Crash)
	w.sim.Quiesce() // c holds the stop up
	w.stopChild("", "b")
	w.advance(3 * time.Second)
	equal(t, "states", []supervisor.State{supervisor.StateRunning, supervisor.StateStopped, supervisor.StateRunning},
		[]supervisor.State{w.state("a"), w.state("b"), w.state("c")})
}

// TestAnswersAtTheEnd: whoever waits for a child of a supervisor that ends is
// told so at once.
func TestAnswersAtTheEnd(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	kind := w.log.Child("", probe{OnStart: func(ctx) error { gate.Pass(); return nil }})
	kind.StopDeadline = time.Millisecond
	w.start(spec{Children: kids{supervised("pool", spec{Strategy: supervisor.Dynamic, Children: kids{kind}})}})
	told := make(chan error, 1)
	pool := w.ref("pool")
	go func() {
		_, err := pool.Ask(supervisor.StartChild{ID: "a"}, limit)
		told <- err
	}()
	<-gate.Entered()
	w.stopChild("", "pool")
	if err := <-told; !errors.Is(err, supervisor.ErrStopped) {
		t.Error(err)
	}
	gate.Open()
	w.stop()
}
