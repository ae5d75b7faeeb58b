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

// slowEnds lets every task take a second. Then an actor whose Stop hook starts
// one is stopping for a second.
var slowEnds = sim.Options{Hold: func(string, string) sim.Hold { return sim.Hold{Start: time.Second} }}

// TestTortureD is about which end of a life leads to another: all restart types
// and reasons, when the child ended by itself and when it was told to.
func TestTortureD(t *testing.T) {
	var cases []tortureCase
	for restart, name := range []string{"permanent", "transient", "temporary"} {
		restart := supervisor.Restart(restart)
		cases = append(cases, endsByItself(name, restart)...)
		cases = append(cases, endsOnDemand(name, restart)...)
		cases = append(cases, tortureCase{
			name: name + ", the tree stops: nobody is restarted", on: onBoth, run: stopIsNoFailure(restart),
		})
	}
	torture(t, 30, append(
		cases,
		tortureCase{name: "whatever a handler panics with is the reason", on: onBoth, run: panicValues},
		tortureCase{name: "do not restart, said by an error", on: onBoth, run: doNotRestart},
		tortureCase{name: "do not restart, said by an end that had to be killed", sim: holdAll, run: killedKeepsItsDirective},
		tortureCase{name: "escalate, said to an escalating supervisor", on: onBoth, run: escalates(escalating(9))},
		tortureCase{name: "escalate, said to an isolating supervisor", on: onBoth, run: escalates(isolating(9))},
	)...)
}

// endsByItself: nobody told the child to stop, save where a sibling's crash takes
// it down: that is the reason shutdown.
func endsByItself(name string, restart supervisor.Restart) (cases []tortureCase) {
	for _, c := range []struct {
		reason supervisor.ExitKind
		msg    any
		again  bool // a transient child
	}{
		{supervisor.ExitNormal, supervisortest.End{}, false},
		{supervisor.ExitShutdown, nil, true},
		{supervisor.ExitError, supervisortest.Crash, true},
		{supervisor.ExitPanic, supervisortest.Panic{Value: "ouch"}, true},
		{supervisor.ExitKilled, supervisortest.Do(func(c ctx) error { c.Stop(); return deaf(c) }), true},
	} {
		again := restart == supervisor.Permanent || restart == supervisor.Transient && c.again
		run := func(t *testing.T, w *world) { endByItself(t, w, restart, c.reason, c.msg, again) }
		cases = append(cases, tortureCase{name: fmt.Sprintf("%s, by itself, %v", name, c.reason), sim: holdAll, run: run})
	}
	return cases
}

func endByItself(t *testing.T, w *world, restart supervisor.Restart, reason supervisor.ExitKind, msg any, again bool) {
	a := with(w.log.Child("a", probe{}), func(c *kid) { c.Restart = restart })
	s := spec{Children: kids{a, w.log.Child("b", probe{})}}
	if msg == nil {
		s.Strategy = supervisor.OneForAll
		w.start(s)
		w.send("b", supervisortest.Crash)
	} else {
		w.start(s)
		w.send("a", msg)
	}
	w.advance(time.Minute)
	want := supervisor.StateStopped
	if again {
		want = supervisor.StateRunning
	}
	equal(t, "state", want, w.state("a"))
	exits := w.events.of(supervisor.EventExited, "a")
	if len(exits) != 1 || exits[0].Reason.Kind != reason {
		t.Errorf("exits: %v", exits)
	}
	if msg != nil {
		equal(t, "sibling's lives", uint64(1), w.node("b").Incarnation)
	}
	if !again {
		equal(t, "send", supervisor.Down, w.ref("a").Send("x"))
	}
	w.release()
}

// endsOnDemand: StopChild comes first, or while the child is ending already. It
// stays stopped, whatever the reason, until it is started again.
func endsOnDemand(name string, restart supervisor.Restart) (cases []tortureCase) {
	slow := func(c ctx, _ supervisor.Reason) { _ = deaf(c) }
	for _, c := range []struct {
		reason supervisor.ExitKind
		first  any // before it is told
		stop   func(ctx, supervisor.Reason)
		sim    sim.Options
	}{
		{reason: supervisor.ExitNormal, first: supervisortest.End{}, stop: slow, sim: slowEnds},
		{reason: supervisor.ExitShutdown},
		{reason: supervisor.ExitError, first: supervisortest.Crash, stop: slow, sim: slowEnds},
		{reason: supervisor.ExitPanic, stop: func(ctx, supervisor.Reason) { panic("in the hook") }},
		{reason: supervisor.ExitKilled, stop: slow, sim: holdAll},
	} {
		run := func(t *testing.T, w *world) {
			a := with(w.log.Child("a", probe{OnStop: c.stop}), func(k *kid) { k.Restart = restart })
			w.start(spec{Children: kids{a, w.log.Child("b", probe{})}})
			if c.first != nil {
				w.send("a", c.first)
				w.advance(time.Second / 2)
				equal(t, "before", supervisor.StateStopping, w.state("a"))
			}
			endOnDemand(t, w, c.reason)
		}
		cases = append(cases, tortureCase{name: fmt.Sprintf("%s, told to, %v", name, c.reason), sim: c.sim, run: run})
	}
	return cases
}

func endOnDemand(t *testing.T, w *world, reason supervisor.ExitKind) {
	w.stopChild("", "a")
	exits := w.events.of(supervisor.EventExited, "a")
	if len(exits) != 1 || exits[0].Reason.Kind != reason {
		t.Errorf("exits: %v", exits)
	}
	w.advance(time.Hour)
	equal(t, "state", supervisor.StateStopped, w.state("a"))
	equal(t, "restarts", 0, len(w.events.of(supervisor.EventRestarting, "")))
	w.release()
	equal(t, "started again", "root/a", w.startChild("", "a").Path())
	equal(t, "life", uint64(2), w.node("a").Incarnation)
	equal(t, "sibling's lives", uint64(1), w.node("b").Incarnation)
	w.sys.Stop()
	w.release()
}

// stopIsNoFailure: the stop of the tree restarts nobody.
func stopIsNoFailure(restart supervisor.Restart) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		w.start(spec{Children: kids{with(w.log.Child("a", probe{}), func(c *kid) { c.Restart = restart })}})
		w.stop()
		w.wantLog("start root/a#1", "stop root/a#1 shutdown")
		equal(t, "restarting", 0, len(w.events.of(supervisor.EventRestarting, "")))
	}
}

// panicValues: whatever a handler panics with becomes the reason.
func panicValues(t *testing.T, w *world) {
	w.start(spec{Budget: escalating(9), Children: kids{w.log.Child("a", probe{OnReceive: func(_ ctx, msg any) error {
		switch msg {
		case "nil map":
			var m map[string]int
			//lint:ignore SA5000 the panic is what is tested
			m["x"]++
		case "index":
			_ = []int{}[len(fmt.Sprint(msg))]
		}
		return nil
	}})}})
	for i, msg := range []any{supervisortest.Panic{Value: errors.New("e")}, supervisortest.Panic{}, "nil map", "index"} {
		w.send("a", msg)
		w.wait("restart", func() bool { return w.node("a").Incarnation == uint64(i)+2 })
		w.waitState("a", supervisor.StateRunning)
	}
	exits := w.events.of(supervisor.EventExited, "a")
	for _, e := range exits {
		if e.Reason.Kind != supervisor.ExitPanic || e.Reason.Stack == "" || len(e.Reason.Stack) > 4<<10 {
			t.Errorf("exit %v, %d bytes of stack", e.Reason, len(e.Reason.Stack))
		}
	}
	equal(t, "exits", 4, len(exits))
}

// doNotRestart: an error can carry the decision, also wrapped.
func doNotRestart(t *testing.T, w *world) {
	w.start(spec{Children: kids{w.log.Child("a", probe{}), w.log.Child("b", probe{})}})
	w.send("a", supervisortest.Fail{Err: fmt.Errorf("wrapped: %w", supervisor.DoNotRestart(errors.New("boom")))})
	w.waitState("a", supervisor.StateStopped)
	w.becomes("last", "error: wrapped: boom", func() any { return w.node("a").LastReason })
	equal(t, "b", supervisor.StateRunning, w.state("b"))
}

// escalates: one level only, the supervisor above sees an error like others.
func escalates(budget supervisor.Budget) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		w.start(spec{Children: kids{
			supervised("s", spec{Budget: budget, Children: kids{w.log.Child("x", probe{}), w.log.Child("y", probe{})}}),
			w.log.Child("b", probe{}),
		}})
		w.log.Take()
		w.send("s/x", supervisortest.Fail{Err: supervisor.Escalate(errors.New("boom"))})
		w.waitLife("s", 2)
		w.wantLog("stop root/s/x#1 error: boom", "stop root/s/y#1 shutdown", "start root/s/x#2", "start root/s/y#2")
		w.becomes("b's lives", uint64(1), func() any { return w.node("b").Incarnation })
	}
}

// killedKeepsItsDirective: an end that took too long is still the end that
// asked not to be restarted.
func killedKeepsItsDirective(t *testing.T, w *world) {
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	w.do("a", func(c ctx) error {
		_ = deaf(c)
		return supervisor.DoNotRestart(supervisortest.ErrCrash)
	})
	w.advance(time.Minute)
	equal(t, "state", supervisor.StateStopped, w.state("a"))
	equal(t, "exit", supervisor.ExitKilled, w.events.of(supervisor.EventExited, "a")[0].Reason.Kind)
	w.sim.Release("root/a", "deaf")
	w.sim.Quiesce()
}
