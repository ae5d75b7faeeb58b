package sim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// rig is a tree of some actors in a simulation.
type rig struct {
	*sim.Sim
	t   *testing.T
	log *supervisortest.Log
	sys *supervisor.System
}

func newRig(t *testing.T, seed uint64, opts sim.Options, actors ...string) *rig {
	t.Helper()
	r := &rig{sim.New(seed, opts), t, &supervisortest.Log{}, nil}
	var s supervisor.SupervisorSpec
	for _, id := range actors {
		s.Children = append(s.Children, r.log.Child(id, supervisortest.Probe{}))
	}
	sys, err := supervisor.Start(s, supervisor.Options{Executor: r.Sim})
	if err != nil {
		t.Fatal(err)
	}
	r.sys = sys
	t.Cleanup(func() {
		sys.Stop()
		supervisortest.NoLeaks(t, sys)
	})
	r.log.Take()
	return r
}

func (r *rig) do(id string, f func(c *supervisor.Context)) {
	r.t.Helper()
	do := supervisortest.Do(func(c *supervisor.Context) error { f(c); return nil })
	if d := r.sys.Ref("root/" + id).Send(do); !d.OK() {
		r.t.Fatal(d)
	}
}

func (r *rig) want(lines ...string) {
	r.t.Helper()
	if diff := cmp.Diff(lines, r.log.Take()); diff != "" {
		r.t.Errorf("log (-want +got):\n%s", diff)
	}
}

// TestRounds: who can run at the begin of a round gets one bounded turn; what
// becomes runnable meanwhile waits for the next round.
func TestRounds(t *testing.T) {
	r := newRig(t, 1, sim.Options{Throughput: 2}, "a", "b")
	a, b := r.sys.Ref("root/a"), r.sys.Ref("root/b")
	for i := range 5 {
		a.Send(i)
	}
	r.Round()
	r.want("got root/a#1 0", "got root/a#1 1")
	b.Send("x")
	r.Round()
	lines := r.log.Take()
	slices.Sort(lines)
	if diff := cmp.Diff([]string{"got root/a#1 2", "got root/a#1 3", "got root/b#1 x"}, lines); diff != "" {
		t.Error(diff)
	}
	r.do("a", func(c *supervisor.Context) { c.Send(b, "from a") })
	r.Round()
	r.want("got root/a#1 4") // and the do
	r.Round()
	r.want("got root/b#1 from a")
	if r.Round() {
		t.Error("a round of nobody")
	}
}

// TestOrderIsDrawn: the order within a round depends on the seed and on nothing
// else.
func TestOrderIsDrawn(t *testing.T) {
	orders := map[string]int{}
	for seed := range uint64(200) {
		var turns []string
		r := newRig(t, seed, sim.Options{OnTurn: func(path string) { turns = append(turns, path) }}, "a", "b", "c")
		turns = nil
		for _, id := range []string{"a", "b", "c"} {
			r.sys.Ref("root/" + id).Send(1)
		}
		r.Round()
		orders[fmt.Sprint(turns)]++
	}
	if len(orders) != 6 {
		t.Errorf("orders: %v", orders)
	}
	for order, n := range orders {
		if n < 15 {
			t.Errorf("%s came %d times of 200", order, n)
		}
	}
}

// TestClock stands still while somebody can run, and jumps to what is due next.
func TestClock(t *testing.T) {
	r := newRig(t, 1, sim.Options{}, "a")
	begin := r.Now()
	if !begin.Equal(sim.Epoch) {
		t.Errorf("time begins at %v", begin)
	}
	r.do("a", func(c *supervisor.Context) { c.Every("k", time.Minute) })
	r.Quiesce()
	if !r.Now().Equal(begin) || r.Timers() != 1 {
		t.Errorf("now %v, %d timers", r.Now(), r.Timers())
	}
	r.Advance(90 * time.Second)
	r.want("got root/a#1 {k 0}")
	r.AdvanceTo(begin) // the past: nothing happens
	if got := r.Now().Sub(begin); got != 90*time.Second {
		t.Errorf("advanced by %v", got)
	}
	r.Stall(begin.Add(10 * time.Minute))
	r.want()
	r.Quiesce()
	r.want("got root/a#1 {k 8}")
	if other := newRig(t, 1, sim.Options{Start: begin.AddDate(1, 0, 0)}, "a"); !other.Now().Equal(begin.AddDate(1, 0, 0)) {
		t.Errorf("starts at %v", other.Now())
	}
}

// TestAfterFunc: in order of their times, then of their making; stop says
// whether it kept the function from being called.
func TestAfterFunc(t *testing.T) {
	s := sim.New(1, sim.Options{})
	var got []int
	note := func(n int) func() { return func() { got = append(got, n) } }
	s.AfterFunc(2*time.Second, note(3))
	s.AfterFunc(time.Second, note(1))
	s.AfterFunc(time.Second, note(2))
	stop := s.AfterFunc(time.Second, note(9))
	last := s.AfterFunc(-time.Hour, note(0))
	if !stop() || stop() {
		t.Error("stop")
	}
	s.Advance(time.Minute)
	if diff := cmp.Diff([]int{0, 1, 2, 3}, got); diff != "" {
		t.Error(diff)
	}
	if last() {
		t.Error("stop after the call")
	}
}

// TestHold: a task's function runs at its start, the clock standing still; its
// start and its result can be held back.
func TestHold(t *testing.T) {
	holds := map[string]sim.Hold{
		"start":   {Start: time.Second},
		"result":  {Result: 2 * time.Second},
		"both":    {Start: time.Second, Result: 2 * time.Second},
		"forever": {Start: sim.Forever},
		"late":    {Result: sim.Forever},
	}
	r := newRig(t, 1, sim.Options{Hold: func(owner, name string) sim.Hold {
		if owner != "root/a" {
			t.Errorf("owner %s", owner)
		}
		return holds[name]
	}}, "a")
	begin := r.Now()
	r.do("a", func(c *supervisor.Context) {
		for _, name := range []string{"free", "start", "result", "both", "forever", "late"} {
			_ = c.Task(name, 0, func(context.Context) (any, error) {
				r.log.Add("%v %s runs", r.Now().Sub(begin), name)
				return name, nil
			})
		}
	})
	expect := func(d time.Duration, lines ...string) {
		t.Helper()
		r.AdvanceTo(begin.Add(d))
		got := r.log.Take()
		slices.Sort(got)
		slices.Sort(lines)
		if diff := cmp.Diff(lines, got); diff != "" {
			t.Errorf("at %v (-want +got):\n%s", d, diff)
		}
	}
	done := func(name string) string { return "got root/a#1 {" + name + " " + name + " <nil>}" }
	expect(0, "0s free runs", "0s result runs", "0s late runs", done("free"))
	expect(time.Second, "1s start runs", "1s both runs", done("start"))
	expect(2*time.Second, done("result"))
	expect(3*time.Second, done("both"))
	expect(time.Hour)
	for _, name := range []string{"forever", "late"} {
		if !r.Release("root/a", name) || r.Release("root/a", name) {
			t.Errorf("release %s", name)
		}
	}
	expect(time.Hour, "1h0m0s forever runs", done("forever"), done("late"))
}

// TestLoops are not run: they are there until their context ends or a script
// ends them.
func TestLoops(t *testing.T) {
	r := newRig(t, 1, sim.Options{}, "a")
	loop := func(context.Context) error { t.Error("was run"); return nil }
	r.do("a", func(c *supervisor.Context) { _, _ = c.Loop("l", loop), c.Loop("m", loop) })
	r.Advance(time.Hour)
	r.want()
	if r.EndLoop("root/a", "x", nil) || r.EndLoop("root/b", "l", nil) {
		t.Error("ended a loop that is not there")
	}
	if !r.EndLoop("root/a", "l", errors.New("unplugged")) {
		t.Error("not ended")
	}
	r.Quiesce()
	r.want("got root/a#1 {l unplugged}")
	if l := r.sys.Ledger(); l.Workers != 1 {
		t.Errorf("%d workers", l.Workers)
	}
}

// TestWait makes Ask work, lets time pass as needed, and no more.
func TestWait(t *testing.T) {
	r := newRig(t, 1, sim.Options{Hold: func(string, string) sim.Hold { return sim.Hold{Start: time.Minute} }}, "a")
	begin := r.Now()
	got, err := r.sys.Ref("root/a").Ask(supervisortest.Do(func(c *supervisor.Context) error {
		to := c.ReplyTo()
		return c.Task("t", 0, func(context.Context) (any, error) { to.Reply("after a minute"); return nil, nil })
	}), time.Hour)
	if got != "after a minute" || err != nil || r.Now().Sub(begin) != time.Minute {
		t.Error(got, err, r.Now().Sub(begin))
	}
	if r.Wait(nil, time.Minute) || r.Now().Sub(begin) != 2*time.Minute {
		t.Errorf("waited until %v", r.Now().Sub(begin))
	}
	defer func() {
		if recover() == nil {
			t.Error("waits for ever for what can never happen")
		}
	}()
	r.Wait(make(chan struct{}), supervisor.Infinity)
}
