package supervisor_test

import (
	"errors"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// TestStartedByHand: a child of the spec that is asked to start and cannot is
// stopped as before; the asker is told why, and no restart is spent.
func TestStartedByHand(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		fail := false
		a := w.log.Child("a", probe{OnStart: func(ctx) error {
			if fail {
				return supervisortest.ErrCrash
			}
			return nil
		}})
		w.start(spec{Budget: escalating(0), Children: kids{a}})
		w.stopChild("", "a")
		fail = true
		var child *supervisor.ChildError
		if _, err := w.at("").Ask(supervisor.StartChild{ID: "a"}, limit); !errors.As(err, &child) || child.Path != "root/a" {
			t.Errorf("answer %v", err)
		}
		equal(t, "state", supervisor.StateStopped, w.state("a"))
		fail = false
		w.startChild("", "a")
		equal(t, "life", uint64(3), w.node("a").Incarnation)
	})
}

// TestStopWithoutItsAsker: a child is stopped although nobody waits any longer
// for the answer.
func TestStopWithoutItsAsker(t *testing.T) {
	for _, c := range []spec{
		{Strategy: supervisor.OneForOne, Children: kids{{ID: "a"}}},
		{Strategy: supervisor.Dynamic, Children: kids{{}}},
	} {
		w := simWorld(t, sim.Options{Hold: func(string, string) sim.Hold { return sim.Hold{Start: time.Second} }})
		c.Children[0].New = w.log.Child("", probe{}).New
		w.start(c)
		if c.Strategy == supervisor.Dynamic {
			w.startChild("", "a")
		}
		w.do("a", hang)
		w.sim.Quiesce()
		if _, err := w.at("").Ask(supervisor.StopChild{ID: "a"}, time.Millisecond); !errors.Is(err, supervisor.ErrNoAnswer) {
			t.Errorf("answer %v", err)
		}
		w.log.Take()
		w.advance(time.Second)
		equal(t, "workers", 0, int(w.sys.Ledger().Workers))
		equal(t, "lives", 1, int(w.sys.Ledger().Actors))
	}
}

// TestDynamicEndsKeepTheirReasons: children that end in another way than they
// were told do not change the end of their supervisor.
func TestDynamicEndsKeepTheirReasons(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		kind := w.log.Child("", probe{OnStop: func(c ctx, _ supervisor.Reason) {
			if c.Self().Path() != "root/pool/c" {
				panic("ouch")
			}
		}})
		w.start(spec{Children: kids{supervised("pool", spec{Strategy: supervisor.Dynamic, Children: kids{kind}})}})
		for _, id := range []string{"a", "b", "c"} {
			w.startChild("pool", id)
		}
		r := w.sys.Stop()
		equal(t, "complete", true, r.Complete && len(r.Abandoned) == 0)
		for path, want := range map[string]string{
			"pool/a": "panic: ouch", "pool/b": "panic: ouch", "pool/c": "shutdown", "pool": "shutdown",
		} {
			equal(t, path, []string{want}, reasons(w.events.of(supervisor.EventExited, path)))
		}
	})
}

func reasons(events []supervisor.Event) (texts []string) {
	for _, e := range events {
		texts = append(texts, e.Reason.String())
	}
	return texts
}

// TestDefaults: what a spec that says nothing means, where it can be seen from
// outside; a lane's 64 and the shapes of a backoff have tests of their own.
func TestDefaults(t *testing.T) {
	w := simWorld(t, sim.Options{Hold: func(string, string) sim.Hold { return sim.Hold{Start: sim.Forever} }})
	w.start(spec{Children: kids{
		w.log.Child("a", probe{}),
		supervised("s", spec{Children: kids{w.log.Child("b", probe{})}}),
	}})
	w.send("a", supervisortest.End{}) // permanent
	w.sim.Quiesce()
	equal(t, "life of a", uint64(2), w.node("a").Incarnation)
	w.do("a", hang)
	w.do("s/b", hang)
	w.sim.Quiesce()
	r := w.sys.Stop()
	// 5 s and the grace each; the supervisor between is waited for.
	want := supervisor.StopReport{Took: 11 * time.Second, Abandoned: []string{"root/a", "root/s/b"}, Zombies: 2, Complete: true}
	equal(t, "report", want, r)
	w.sim.Release("root/a", "hang")
	w.sim.Release("root/s/b", "hang")
	w.sim.Quiesce()
}
