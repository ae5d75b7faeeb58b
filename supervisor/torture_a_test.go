package supervisor_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"gatehouse/supervisor"
)

// TestTortureA is about specs: each that is accepted is kept, in all
// combinations, and each mistake is refused before anything runs.
func TestTortureA(t *testing.T) {
	cases := append(goodSpecs(), badSpecs()...)
	torture(t, 144+28, append(
		cases,
		tortureCase{name: "one error names every mistake", run: everyMistake},
		tortureCase{name: "options are checked too", run: badOptions},
		tortureCase{name: "a lane holds 64 messages unless the spec says otherwise", run: defaultLane},
	)...)
}

func newActor() supervisor.Actor { return &probe{} }

// combination is a spec of one child, c, or its subtree of one child, x.
type combination struct {
	strategy supervisor.Strategy
	restart  supervisor.Restart
	deadline time.Duration
	subtree  bool
	budget   supervisor.Budget
}

// goodSpecs is all combinations.
func goodSpecs() (cases []tortureCase) {
	strategies := []string{"one for one", "rest for one", "one for all", "dynamic"}
	restarts := []string{"permanent", "transient", "temporary"}
	for strategy, a := range strategies {
		for restart, b := range restarts {
			for _, deadline := range []time.Duration{2 * time.Second, supervisor.Brutal, supervisor.Infinity} {
				for _, budget := range []supervisor.Budget{escalating(1), isolating(1)} {
					for _, subtree := range []bool{false, true} {
						cases = append(cases, tortureCase{
							name: fmt.Sprintf("%s, %s, stop %d, subtree %v, isolating %v", a, b, deadline, subtree, budget.Isolating),
							sim:  holdAll,
							run:  combination{supervisor.Strategy(strategy), supervisor.Restart(restart), deadline, subtree, budget}.run,
						})
					}
				}
			}
		}
	}
	return cases
}

func (c combination) run(t *testing.T, w *world) {
	c.startsRestartsStops(t, w)
	w.account()
	again := simWorld(t)
	c.spendsItsBudget(t, again)
	again.account()
}

// up starts the tree, and the child.
func (c combination) up(w *world) (leaf string) {
	w.t.Helper()
	leaf = "c"
	k := w.log.Child("c", probe{Quiet: true})
	if c.subtree {
		x := with(w.log.Child("x", probe{}), func(x *kid) { x.StopDeadline = 15 * time.Second })
		leaf, k = "c/x", supervised("c", spec{Budget: escalating(0), Children: kids{x}})
	}
	k.Restart, k.StopDeadline = c.restart, c.deadline
	if c.strategy == supervisor.Dynamic {
		k.ID = ""
	}
	w.start(spec{Strategy: c.strategy, Budget: c.budget, Children: kids{k}})
	if c.strategy == supervisor.Dynamic {
		w.startChild("", "c")
	}
	equal(w.t, "running", supervisor.StateRunning, w.state("c"))
	return leaf
}

// startsRestartsStops: strategy, restart type and stop deadline are kept.
func (c combination) startsRestartsStops(t *testing.T, w *world) {
	leaf := c.up(w)
	w.crash(leaf)
	if c.restart == supervisor.Temporary {
		equal(t, "gone", c.strategy == supervisor.Dynamic, !w.ref("c").Valid())
		w.startChild("", "c")
	} else {
		equal(t, "back by itself", uint64(2), w.node("c").Incarnation)
	}
	equal(t, "running", supervisor.StateRunning, w.state("c"))
	w.log.Take()
	w.do(leaf, deaf)
	w.sim.Quiesce()
	begin := w.x.Now()
	w.sim.AfterFunc(15500*time.Millisecond, func() { w.sim.Release("root/"+leaf, "deaf") })
	w.sys.Stop()
	want := map[time.Duration]time.Duration{
		2 * time.Second: 2500 * time.Millisecond, supervisor.Brutal: 0, supervisor.Infinity: 15500 * time.Millisecond,
	}
	equal(t, "took", want[c.deadline], w.x.Now().Sub(begin))
	hooks := 1
	if c.deadline == supervisor.Brutal {
		hooks = 0
	}
	equal(t, "Stop hooks", hooks, len(w.log.Take()))
	w.advance(16 * time.Second)
}

// spendsItsBudget: one restart is within it, the second is not.
func (c combination) spendsItsBudget(t *testing.T, w *world) {
	gone := false
	w.onFatal = func(supervisor.Reason) { gone = true }
	leaf := c.up(w)
	w.crash(leaf)
	if c.restart == supervisor.Temporary {
		equal(t, "restarts", 0, len(w.events.of(supervisor.EventRestarting, "c")))
		return
	}
	w.crash(leaf)
	equal(t, "gave up", !c.budget.Isolating, gone)
	if c.budget.Isolating {
		equal(t, "state", supervisor.StateFailed, w.state("c"))
	}
}

// badSpecs are refused with an error that names the place, and nothing of the
// tree was started.
func badSpecs() (cases []tortureCase) {
	child := func(change func(*kid)) spec {
		return spec{Children: kids{with(kid{ID: "c", New: newActor}, change)}}
	}
	backoff := func(b supervisor.Backoff) spec { return child(func(c *kid) { c.Backoff = b }) }
	loop := spec{}
	loop.Children = kids{{ID: "again", Supervisor: &loop}}
	deep := loop
	twice := spec{}
	twice.Children = kids{{ID: "a", Supervisor: &twice}, {ID: "b", Supervisor: &twice}}
	for _, c := range []struct {
		name string
		spec spec
		say  string
	}{
		{"dynamic, no kind", spec{Strategy: supervisor.Dynamic}, `supervisor "root": Dynamic takes exactly one`},
		{"dynamic, two kinds", spec{Strategy: supervisor.Dynamic, Children: kids{{}, {}}}, "exactly one"},
		{"dynamic, named kind", spec{Strategy: supervisor.Dynamic, Children: kids{{ID: "k"}}}, "without an id"},
		{"dynamic, bad kind", spec{Strategy: supervisor.Dynamic, Children: kids{{Restart: 9}}}, `child "root/*": unknown restart type`},
		{"dynamic, both", spec{Strategy: supervisor.Dynamic, Children: kids{{New: newActor, Supervisor: &spec{}}}}, "not both"},
		{"dynamic, exclusive", spec{Strategy: supervisor.Dynamic, Children: kids{{Exclusive: "bus"}}}, "not of a kind"},
		{"dynamic, exclusive below", spec{Strategy: supervisor.Dynamic, Children: kids{{Supervisor: &spec{
			Children: kids{supervised("s", spec{Children: kids{{ID: "x", New: newActor, Exclusive: "bus"}}})},
		}}}}, `child "root/*/s/x": exclusive resource "bus": not of a kind, nor below one`},
		{"dynamic, max", spec{Strategy: supervisor.Dynamic, Children: kids{{}}, MaxChildren: -1}, "below 0"},
		{"max, not dynamic", spec{MaxChildren: 1}, "of Dynamic supervisors only"},
		{"parallel", spec{Parallelism: 1}, "of Dynamic supervisors only"},
		{"exclusive twice", spec{Children: kids{
			{ID: "a", New: newActor, Exclusive: "bus"},
			supervised("s", spec{Children: kids{{ID: "b", New: newActor, Exclusive: "bus"}}}),
		}}, `child "root/s/b": exclusive resource "bus" is "root/a"'s already`},
		{"exclusive tree", spec{Children: kids{with(supervised("s", spec{}), func(c *kid) { c.Exclusive = "bus" })}}, "of an actor only"},
		{"nested dynamic", spec{Children: kids{supervised("s", spec{Strategy: supervisor.Dynamic})}}, `supervisor "root/s"`},
		{"unknown strategy", spec{Strategy: 9}, "unknown strategy 9"},
		{"negative intensity", spec{Budget: supervisor.Escalating(-1, time.Second)}, "budget"},
		{"negative period", spec{Budget: supervisor.Isolating(1, -1)}, "budget"},
		{"no period", spec{Budget: supervisor.Escalating(1, 0)}, "budget"},
		{"negative budget", spec{StopBudget: -1}, "stop budget"},
		{"no id", child(func(c *kid) { c.ID = "" }), "id"},
		{"slash in id", child(func(c *kid) { c.ID = "a/b" }), "slash"},
		{"twice", spec{Children: kids{{ID: "c", New: newActor}, {ID: "c", New: newActor}}}, `two children have the id "c"`},
		{"neither", child(func(c *kid) { c.New = nil }), "exactly one"},
		{"both", child(func(c *kid) { c.Supervisor = &spec{} }), "exactly one"},
		{"unknown restart", child(func(c *kid) { c.Restart = 3 }), "unknown restart"},
		{"negative deadline", child(func(c *kid) { c.StopDeadline = -2 }), "stop deadline"},
		{"negative start", child(func(c *kid) { c.StartTimeout = -1 }), "start time-out"},
		{"min above max", backoff(supervisor.Backoff{Min: 2, Max: 1}), "backoff"},
		{"negative min", backoff(supervisor.Backoff{Min: -1}), "backoff"},
		{"negative reset", backoff(supervisor.Backoff{ResetAfter: -1}), "backoff"},
		{"factor below 1", backoff(supervisor.Backoff{Factor: 0.5}), "backoff"},
		{"factor no number", backoff(supervisor.Backoff{Factor: math.NaN()}), "backoff"},
		{"jitter above 1", backoff(supervisor.Backoff{Jitter: 1.1}), "backoff"},
		{"jitter below 0", backoff(supervisor.Backoff{Jitter: -0.1}), "backoff"},
		{"jitter no number", backoff(supervisor.Backoff{Jitter: math.NaN()}), "backoff"},
		{"negative lane", child(func(c *kid) { c.Mailbox.Normal = -1 }), "lane"},
		{"huge lane", child(func(c *kid) { c.Mailbox.Control = 1<<20 + 1 }), "lane"},
		{"supervisor mailbox", spec{Children: kids{with(supervised("s", spec{}), func(c *kid) { c.Mailbox.Normal = 1 })}}, "no Mailbox"},
		{"spec within itself", deep, "contain itself"},
		{"spec twice within itself", twice, "contain itself"},
		{"mistake deep inside", spec{Children: kids{supervised("s", spec{Children: kids{{ID: "x"}}})}}, `child "root/s/x"`},
	} {
		cases = append(cases, tortureCase{name: c.name, on: onMachine, run: func(t *testing.T, w *world) {
			err := w.try(c.spec)
			if err == nil {
				t.Fatal("was accepted")
			}
			if !strings.Contains(err.Error(), c.say) {
				t.Errorf("error %q does not say %q", err, c.say)
			}
			equal(t, "events", nil, w.events.lines())
		}})
	}
	return cases
}

// everyMistake: one run shows them all.
func everyMistake(t *testing.T, w *world) {
	err := w.try(spec{Children: kids{
		{ID: "a"}, {ID: "b", New: newActor, StartTimeout: -1}, supervised("s", spec{Strategy: supervisor.Dynamic}),
	}})
	for _, want := range []string{"root/a", "root/b", "root/s"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

// badOptions: what could not be meant is refused before anything runs.
func badOptions(t *testing.T, w *world) {
	for say, opts := range map[string]supervisor.Options{
		"zombie limit below 0":                {ZombieLimit: -1},
		`root "a/b": an id must not be empty`: {Root: "a/b"},
	} {
		opts.Executor = w.x
		if _, err := supervisor.Start(spec{Children: kids{{ID: "a"}}}, opts); err == nil ||
			!strings.Contains(err.Error(), say) || !strings.Contains(err.Error(), "exactly one of New and Supervisor") {
			t.Errorf("error %v does not say %q", err, say)
		}
	}
}

// defaultLane: a lane holds 64 messages unless the spec says otherwise.
func defaultLane(t *testing.T, w *world) {
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	for i := range 64 {
		w.send("a", i)
	}
	equal(t, "65th message", supervisor.Refused, w.ref("a").Send(65))
	w.sim.Quiesce()
	if !w.log.Has("got root/a#1 63") {
		t.Error("the 64 accepted messages were not handled")
	}
}
