package supervisor_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

func noWork(context.Context) (any, error) { return nil, nil }

// port is a resource that notices when two hold it.
type port struct {
	w      *world
	claims []*supervisor.Claim
}

// holder is an actor that holds the port, and hangs in a task until released.
func (p *port) holder(w *world) kid {
	c := w.log.Child("a", probe{OnStart: func(c ctx) error {
		for i, cl := range p.claims {
			if cl.Held() {
				w.t.Errorf("life %d still holds the port", i+1)
			}
		}
		p.claims = append(p.claims, c.Claim())
		if !c.Claim().Held() {
			w.t.Error("a new life does not hold its resource")
		}
		return nil
	}})
	c.Exclusive, c.StopDeadline, c.StartTimeout, c.Backoff = "port", time.Second, 10*time.Second, noBackoff
	return c
}

func forever(owner, name string) sim.Hold {
	if name == "hang" {
		return sim.Hold{Result: sim.Forever}
	}
	return sim.Hold{}
}

func hang(c ctx) error { return c.Task("hang", 0, noWork) }

// TestExclusiveWaitsForTheZombie: the next life starts when the last goroutine
// of the one before has returned.
func TestExclusiveWaitsForTheZombie(t *testing.T) {
	w := simWorld(t, sim.Options{Hold: forever})
	p := &port{w: w}
	w.start(spec{Budget: isolating(100), Children: kids{p.holder(w)}})
	w.do("a", hang)
	w.send("a", supervisortest.Crash)
	w.advance(5 * time.Second)
	equal(t, "state", supervisor.StateStarting, w.state("a"))
	equal(t, "lives", uint64(1), w.node("a").Incarnation)
	equal(t, "revoked", true, closed(p.claims[0].Revoked()))
	w.sim.Release("root/a", "hang")
	w.advance(0)
	equal(t, "state", supervisor.StateRunning, w.state("a"))
	equal(t, "lives", uint64(2), w.node("a").Incarnation)
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// TestExclusiveReleased: the driver's word frees the resource under a zombie.
func TestExclusiveReleased(t *testing.T) {
	w := simWorld(t, sim.Options{Hold: forever})
	p := &port{w: w}
	w.start(spec{Budget: isolating(100), Children: kids{p.holder(w)}})
	w.do("a", hang)
	w.send("a", supervisortest.Crash)
	w.advance(5 * time.Second)
	p.claims[0].Release()
	w.advance(0)
	equal(t, "lives", uint64(2), w.node("a").Incarnation)
	w.sim.Release("root/a", "hang") // its late end frees nothing of its successor's
	w.advance(0)
	equal(t, "held", []bool{false, true}, []bool{p.claims[0].Held(), p.claims[1].Held()})
	w.do("a", hang)
	w.send("a", supervisortest.Crash)
	w.advance(5 * time.Second)
	equal(t, "waits again", uint64(2), w.node("a").Incarnation)
	w.sim.Release("root/a", "hang")
}

// TestExclusiveStartTimeout: a resource that never comes free is a start that
// fails, and is tried again.
func TestExclusiveStartTimeout(t *testing.T) {
	for name, c := range map[string]struct {
		budget supervisor.Budget
		up     bool
	}{"isolating": {isolating(1), true}, "escalating": {escalating(1), false}} {
		t.Run(name, func(t *testing.T) {
			w := simWorld(t, sim.Options{Hold: forever})
			p := &port{w: w}
			a := p.holder(w)
			a.StartTimeout = 2 * time.Second
			var fatal supervisor.Reason
			w.onFatal = func(r supervisor.Reason) { fatal = r }
			w.start(spec{Budget: c.budget, Children: kids{a}})
			w.do("a", hang)
			w.send("a", supervisortest.Crash)
			w.advance(time.Minute)
			equal(t, "lives", uint64(1), w.node("a").Incarnation)
			equal(t, "up", c.up, w.state("") == supervisor.StateRunning)
			equal(t, "cause", !c.up, errors.Is(fatal.Err, supervisor.ErrStartTimeout))
			w.sim.Release("root/a", "hang")
			w.advance(time.Minute)
			equal(t, "heals", c.up, w.state("a") == supervisor.StateRunning)
		})
	}
}

// TestExclusiveStopWhileWaiting: StopChild and Stop end the wait at once.
func TestExclusiveStopWhileWaiting(t *testing.T) {
	for _, strategy := range []supervisor.Strategy{supervisor.OneForOne, supervisor.RestForOne, supervisor.OneForAll} {
		w := simWorld(t, sim.Options{Hold: forever})
		p := &port{w: w}
		w.start(spec{Strategy: strategy, Budget: isolating(100), Children: kids{p.holder(w), w.log.Child("b", probe{})}})
		w.do("a", hang)
		w.send("a", supervisortest.Crash)
		w.advance(5 * time.Second)
		equal(t, "state", supervisor.StateStarting, w.state("a"))
		w.stopChild("", "a")
		equal(t, "state", supervisor.StateStopped, w.state("a"))
		w.advance(0)
		equal(t, "its sibling", supervisor.StateRunning, w.state("b"))
		w.sim.Release("root/a", "hang")
		w.advance(time.Minute)
		equal(t, "stays", supervisor.StateStopped, w.state("a"))
		w.startChild("", "a")
		w.do("a", hang)
		w.send("a", supervisortest.Crash)
		w.advance(5 * time.Second)
		r := w.sys.Stop()
		equal(t, "stop while it waits", []string{"root/a"}, r.Abandoned) // its zombie
		equal(t, "at once", time.Duration(0), r.Took)
		w.sim.Release("root/a", "hang")
		w.advance(0)
		w.stop()
	}
}

// TestExclusiveRealHandler: the same with a handler that hangs on the machine.
func TestExclusiveRealHandler(t *testing.T) {
	w := realWorld(t)
	p := &port{w: w}
	a := p.holder(w)
	a.StopDeadline = time.Millisecond
	w.start(spec{Strategy: supervisor.RestForOne, Budget: isolating(100), Children: kids{w.log.Child("first", probe{}), a}})
	gate := supervisortest.NewGate()
	w.do("a", func(ctx) error { gate.Pass(); return nil })
	<-gate.Entered()
	w.send("first", supervisortest.Crash)
	w.wait("abandoned", func() bool { return len(w.events.of(supervisor.EventAbandoned, "a")) == 1 })
	w.wait("waits", func() bool { return w.state("a") == supervisor.StateStarting && w.node("a").Incarnation == 1 })
	gate.Open()
	w.waitLife("a", 2)
	w.stop()
}
