package supervisor_test

import (
	"errors"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// TestTortureH is about a child that never starts again: its supervisor answers,
// shows it as restarting, carries out what it is told, and stops.
func TestTortureH(t *testing.T) {
	var cases []tortureCase
	for strategy, name := range []string{"one for one", "rest for one", "one for all", "dynamic"} {
		n := &never{strategy: supervisor.Strategy(strategy)}
		cases = append(
			cases,
			tortureCase{name: name + ": the supervisor answers, shows it, and stops", on: onBoth, run: n.answersAndStops},
			tortureCase{name: name + ": told to stop it, the supervisor gives up its next try", on: onBoth, run: n.toldToStop},
			tortureCase{name: name + ": asked to start it, the supervisor says that it is on its way", on: onBoth, run: n.askedToStart},
			tortureCase{name: name + ": stop while it fails as fast as it can", on: onMachine, run: n.stopInALoop},
		)
	}
	torture(t, 8, append(
		cases,
		tortureCase{name: "a later start that hangs is abandoned, counted and tried again", on: onMachine, run: startTimesOutAtRestart},
	)...)
}

// never is a tree with a child that starts only once; its siblings are a, before
// it, and under another supervisor b.
type never struct{ strategy supervisor.Strategy }

// start makes the child crash, and waits until it has failed to start.
func (n *never) start(w *world, b supervisor.Backoff) {
	w.t.Helper()
	l := w.log
	child := l.Child("never", probe{OnStart: func(c ctx) error {
		if c.Incarnation() > 1 && c.Self().Path() == "root/s/never" {
			return supervisortest.ErrCrash
		}
		return nil
	}})
	child.Backoff = b
	s := spec{Strategy: n.strategy, Budget: supervisor.Escalating(1<<20, time.Hour), Children: kids{l.Child("a", probe{}), child}}
	if n.strategy == supervisor.Dynamic {
		child.ID = ""
		s.Children = kids{child}
	}
	w.start(spec{Children: kids{supervised("s", s), l.Child("b", probe{})}})
	if n.strategy == supervisor.Dynamic {
		w.startChild("s", "a")
		w.startChild("s", "never")
	}
	w.send("s/never", supervisortest.Crash)
	w.wait("second failure", func() bool { return len(w.events.of(supervisor.EventRestarting, "s/never")) >= 2 })
}

var anHour = supervisor.Backoff{Min: time.Hour, Max: time.Hour}

func (n *never) answersAndStops(t *testing.T, w *world) {
	n.start(w, anHour)
	p := w.node("s/never")
	equal(t, "state", supervisor.StateRestarting, p.State)
	if p.RetryAt == nil || p.RetryAt.Sub(w.x.Now()) < 59*time.Minute {
		t.Errorf("retry at %v, now %v", p.RetryAt, w.x.Now())
	}
	equal(t, "send", supervisor.Down, w.ref("s/never").Send("x"))
	w.wantErr("s", supervisor.StopChild{ID: "nobody"}, supervisor.ErrNoChild)
	sibling := "s/a"
	if n.strategy == supervisor.OneForAll {
		sibling = "b" // a waits for it
		equal(t, "a", supervisor.StateStopped, w.state("s/a"))
	}
	for _, path := range []string{sibling, "b"} {
		got, err := w.ref(path).Ask(supervisortest.Echo{Value: 1}, limit)
		if got != 1 || err != nil {
			t.Error(path, got, err)
		}
	}
	r := w.stop()
	equal(t, "report", supervisor.StopReport{Took: r.Took, Complete: true}, r)
	if n.strategy != supervisor.Dynamic {
		equal(t, "after the stop", supervisor.StateStopped, w.state("s/never"))
	}
}

func (n *never) toldToStop(t *testing.T, w *world) {
	n.start(w, anHour)
	w.stopChild("s", "never")
	if n.strategy == supervisor.Dynamic {
		equal(t, "forgotten", false, w.ref("s/never").Valid())
	} else {
		equal(t, "state", supervisor.StateStopped, w.state("s/never"))
	}
	w.waitState("s/a", supervisor.StateRunning) // nobody waits for it any longer
	if w.sim != nil {
		w.advance(10 * time.Hour)
	}
	equal(t, "tries", 2, len(w.events.of(supervisor.EventRestarting, "s/never")))
	var child *supervisor.ChildError
	v, err := w.at("s").Ask(supervisor.StartChild{ID: "never"}, limit)
	switch {
	case n.strategy == supervisor.Dynamic: // a new place, whose first life starts
		equal(t, "path", "root/s/never", v.(supervisor.Ref).Path())
	case !errors.As(err, &child) || !errors.Is(err, supervisortest.ErrCrash):
		t.Errorf("started again: %v, %v", v, err)
	}
	equal(t, "failures that counted", 2, len(w.events.of(supervisor.EventRestarting, "s/never")))
}

func (n *never) askedToStart(t *testing.T, w *world) {
	n.start(w, anHour)
	w.wantErr("s", supervisor.StartChild{ID: "never"}, supervisor.ErrRunning)
	equal(t, "state", supervisor.StateRestarting, w.state("s/never"))
	equal(t, "tries", 2, len(w.events.of(supervisor.EventRestarting, "s/never")))
}

// stopInALoop: with hardly any backoff the supervisor is busy with restarts; it
// answers and stops all the same.
func (n *never) stopInALoop(t *testing.T, w *world) {
	n.start(w, noBackoff)
	w.wait("a hundred failures", func() bool { return len(w.events.of(supervisor.EventRestarting, "s/never")) > 100 })
	w.wantErr("s", supervisor.StopChild{ID: "nobody"}, supervisor.ErrNoChild)
	r := w.stop()
	equal(t, "report", supervisor.StopReport{Took: r.Took, Complete: true}, r)
}

// startTimesOutAtRestart: a hanging start of a later life is abandoned,
// counted and tried again; the zombie's return does not touch its successor.
func startTimesOutAtRestart(t *testing.T, w *world) {
	gate, second := supervisortest.NewGate(), supervisortest.NewGate()
	a := w.log.Child("a", probe{OnStart: func(c ctx) error {
		switch c.Incarnation() {
		case 2:
			gate.Pass()
		case 3:
			second.Pass()
		}
		return nil
	}})
	a.StartTimeout = time.Second // the third life must not have reached it below
	a.Backoff = supervisor.Backoff{Min: time.Millisecond}
	w.start(spec{Budget: escalating(9), Children: kids{a}})
	w.send("a", supervisortest.Crash)
	<-second.Entered()
	w.becomes("zombies", int64(1), func() any { return w.sys.Ledger().Zombies })
	gate.Open() // the second life says "ready" while the third still starts
	w.wait("no zombie", func() bool { return w.sys.Ledger().Zombies == 0 })
	equal(t, "state", supervisor.StateStarting, w.state("a"))
	equal(t, "ready events", 1, len(w.events.of(supervisor.EventReady, "a")))
	second.Open()
	w.waitLife("a", 3)
	w.stop()
}
