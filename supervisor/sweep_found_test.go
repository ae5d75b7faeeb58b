package supervisor_test

import (
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// What the sweep found, as cases of their own.

// TestStopWinsOverBackoff: a backoff that is over while the supervisor waits for
// a younger child's end starts nobody.
func TestStopWinsOverBackoff(t *testing.T) {
	w := simWorld(t)
	slow := w.log.Child("slow", probe{OnStop: func(ctx, supervisor.Reason) { w.sim.Sleep(3 * time.Second) }})
	crash := func(c ctx) error {
		if c.Incarnation() > 1 {
			return supervisor.ErrBudget
		}
		return nil
	}
	a := w.log.Child("a", probe{OnStart: crash})
	a.Backoff = supervisor.Backoff{Min: time.Second}
	w.start(spec{Budget: escalating(9), Children: kids{a, slow}})
	w.do("a", func(ctx) error { return supervisor.ErrBudget })
	w.advance(500 * time.Millisecond)
	equal(t, "state", supervisor.StateRestarting, w.state("a"))
	w.stop()
	equal(t, "lives", uint64(2), w.node("a").Incarnation)
}

// TestOrderedStartThatWantsRest: DoNotRestart keeps a child down also when
// StartChild had asked for the start: a sibling's failure does not start it.
func TestOrderedStartThatWantsRest(t *testing.T) {
	w := simWorld(t)
	b := w.log.Child("b", probe{OnStart: func(c ctx) error {
		if c.Incarnation() > 1 {
			return supervisor.DoNotRestart(supervisortest.ErrCrash)
		}
		return nil
	}})
	w.start(spec{Strategy: supervisor.OneForAll, Budget: escalating(9), Children: kids{w.log.Child("a", probe{}), b}})
	for _, order := range []any{supervisor.StopChild{ID: "b"}, supervisor.StartChild{ID: "b"}} {
		_, err := w.sys.Ref("root").Ask(order, limit)
		if _, stop := order.(supervisor.StopChild); (err == nil) != stop {
			t.Errorf("%T: %v", order, err)
		}
	}
	w.crash("a")
	equal(t, "lives of a", uint64(2), w.node("a").Incarnation)
	equal(t, "lives of b", uint64(2), w.node("b").Incarnation)
}

// TestHurriedHasGrace: a supervisor that is hurried gives its children the whole
// grace, though its own stop budget is spent meanwhile.
func TestHurriedHasGrace(t *testing.T) {
	w := simWorld(t)
	polite := w.log.Child("polite", probe{OnReceive: func(c ctx, _ any) error {
		return w.sim.Await(c.Context(), time.Hour)
	}, OnStop: func(ctx, supervisor.Reason) { w.sim.Sleep(supervisor.DefaultGrace / 2) }})
	polite.StopDeadline = supervisor.Infinity
	w.start(spec{StopBudget: time.Second, Children: kids{
		supervised("sub", spec{StopBudget: 1100 * time.Millisecond, Children: kids{polite}}),
	}})
	w.send("sub/polite", "wait")
	w.advance(0)
	report := w.stop()
	if want := time.Second + supervisor.DefaultGrace/2; report.Took != want || !report.Complete || report.Abandoned != nil {
		t.Errorf("%+v", report)
	}
}
