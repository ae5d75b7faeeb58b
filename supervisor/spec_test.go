package supervisor_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"gatehouse/supervisor"
)

func newActor() supervisor.Actor { return &probe{} }

// TestBadSpecs: each mistake is refused with an error that names the place, and
// nothing of the tree was started.
func TestBadSpecs(t *testing.T) {
	child := func(change func(*kid)) spec {
		return spec{Children: kids{with(kid{ID: "c", New: newActor}, change)}}
	}
	backoff := func(b supervisor.Backoff) spec { return child(func(c *kid) { c.Backoff = b }) }
	loop := spec{}
	loop.Children = kids{{ID: "again", Supervisor: &loop}}
	deep := loop
	for name, c := range map[string]struct {
		spec spec
		say  string
	}{
		"dynamic, no kind":    {spec{Strategy: supervisor.Dynamic}, `supervisor "root": Dynamic takes exactly one`},
		"dynamic, two kinds":  {spec{Strategy: supervisor.Dynamic, Children: kids{{}, {}}}, "exactly one"},
		"dynamic, named kind": {spec{Strategy: supervisor.Dynamic, Children: kids{{ID: "k"}}}, "without an id"},
		"dynamic, bad kind":   {spec{Strategy: supervisor.Dynamic, Children: kids{{Restart: 9}}}, `child "root/*": unknown restart type`},
		"dynamic, both":       {spec{Strategy: supervisor.Dynamic, Children: kids{{New: newActor, Supervisor: &spec{}}}}, "not both"},
		"dynamic, exclusive":  {spec{Strategy: supervisor.Dynamic, Children: kids{{Exclusive: "bus"}}}, "not of a kind"},
		"dynamic, max":        {spec{Strategy: supervisor.Dynamic, Children: kids{{}}, MaxChildren: -1}, "below 0"},
		"max, not dynamic":    {spec{MaxChildren: 1}, "of Dynamic supervisors only"},
		"parallel":            {spec{Parallelism: 1}, "of Dynamic supervisors only"},
		"exclusive twice": {spec{Children: kids{
			{ID: "a", New: newActor, Exclusive: "bus"},
			supervised("s", spec{Children: kids{{ID: "b", New: newActor, Exclusive: "bus"}}}),
		}}, `child "root/s/b": exclusive resource "bus" is "root/a"'s already`},
		"exclusive tree":      {spec{Children: kids{with(supervised("s", spec{}), func(c *kid) { c.Exclusive = "bus" })}}, "of an actor only"},
		"nested dynamic":      {spec{Children: kids{supervised("s", spec{Strategy: supervisor.Dynamic})}}, `supervisor "root/s"`},
		"unknown strategy":    {spec{Strategy: 9}, "unknown strategy 9"},
		"negative intensity":  {spec{Budget: supervisor.Escalating(-1, time.Second)}, "budget"},
		"negative period":     {spec{Budget: supervisor.Isolating(1, -1)}, "budget"},
		"no period":           {spec{Budget: supervisor.Escalating(1, 0)}, "budget"},
		"negative budget":     {spec{StopBudget: -1}, "stop budget"},
		"no id":               {child(func(c *kid) { c.ID = "" }), "id"},
		"slash in id":         {child(func(c *kid) { c.ID = "a/b" }), "slash"},
		"twice":               {spec{Children: kids{{ID: "c", New: newActor}, {ID: "c", New: newActor}}}, `two children have the id "c"`},
		"neither":             {child(func(c *kid) { c.New = nil }), "exactly one"},
		"both":                {child(func(c *kid) { c.Supervisor = &spec{} }), "exactly one"},
		"unknown restart":     {child(func(c *kid) { c.Restart = 3 }), "unknown restart"},
		"negative deadline":   {child(func(c *kid) { c.StopDeadline = -2 }), "stop deadline"},
		"negative start":      {child(func(c *kid) { c.StartTimeout = -1 }), "start time-out"},
		"min above max":       {backoff(supervisor.Backoff{Min: 2, Max: 1}), "backoff"},
		"negative min":        {backoff(supervisor.Backoff{Min: -1}), "backoff"},
		"negative reset":      {backoff(supervisor.Backoff{ResetAfter: -1}), "backoff"},
		"factor below 1":      {backoff(supervisor.Backoff{Factor: 0.5}), "backoff"},
		"factor no number":    {backoff(supervisor.Backoff{Factor: math.NaN()}), "backoff"},
		"jitter above 1":      {backoff(supervisor.Backoff{Jitter: 1.1}), "backoff"},
		"jitter below 0":      {backoff(supervisor.Backoff{Jitter: -0.1}), "backoff"},
		"jitter no number":    {backoff(supervisor.Backoff{Jitter: math.NaN()}), "backoff"},
		"negative lane":       {child(func(c *kid) { c.Mailbox.Normal = -1 }), "lane"},
		"huge lane":           {child(func(c *kid) { c.Mailbox.Control = 1<<20 + 1 }), "lane"},
		"supervisor mailbox":  {spec{Children: kids{with(supervised("s", spec{}), func(c *kid) { c.Mailbox.Normal = 1 })}}, "no Mailbox"},
		"spec within itself":  {deep, "contain itself"},
		"mistake deep inside": {spec{Children: kids{supervised("s", spec{Children: kids{{ID: "x"}}})}}, `child "root/s/x"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := realWorld(t)
			err := w.try(c.spec)
			if err == nil {
				t.Fatal("was accepted")
			}
			if !strings.Contains(err.Error(), c.say) {
				t.Errorf("error %q does not say %q", err, c.say)
			}
			equal(t, "events", nil, w.events.lines())
		})
	}
}

// TestBadSpecNamesEveryMistake: one run shows them all.
func TestBadSpecNamesEveryMistake(t *testing.T) {
	err := realWorld(t).try(spec{Children: kids{
		{ID: "a"}, {ID: "b", New: newActor, StartTimeout: -1}, supervised("s", spec{Strategy: supervisor.Dynamic}),
	}})
	for _, want := range []string{"root/a", "root/b", "root/s"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

// TestGoodSpecs: all combinations of what is supported start and stop.
func TestGoodSpecs(t *testing.T) {
	n := 0
	for _, strategy := range []supervisor.Strategy{supervisor.OneForOne, supervisor.RestForOne, supervisor.OneForAll} {
		for _, restart := range []supervisor.Restart{supervisor.Permanent, supervisor.Transient, supervisor.Temporary} {
			for _, deadline := range []time.Duration{0, supervisor.Brutal, supervisor.Infinity} {
				for _, budget := range []supervisor.Budget{escalating(1), isolating(1)} {
					for _, nested := range []bool{false, true} {
						w := simWorld(t)
						c := w.log.Child("c", probe{})
						if nested {
							c = supervised("c", spec{Children: kids{w.log.Child("x", probe{})}})
						}
						c.Restart, c.StopDeadline = restart, deadline
						w.start(spec{Strategy: strategy, Budget: budget, Children: kids{c}})
						if w.state("c") != supervisor.StateRunning {
							t.Error("not running", w.sys.Tree())
						}
						w.stop()
						n++
					}
				}
			}
		}
	}
	equal(t, "combinations", 108, n)
}

// TestDefaultLane: a lane holds 64 messages unless the spec says otherwise.
func TestDefaultLane(t *testing.T) {
	w := simWorld(t)
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
