package diag

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/edge/httpapi"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

// desk is a switch in a tree on virtual time, with what it told.
type desk struct {
	t     *testing.T
	sim   *sim.Sim
	sys   *supervisor.System
	p     *Profiling
	told  []string
	crash bool
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, sim: sim.New(1, sim.Options{})}
	d.p = NewProfiling(d.sim.Now, func(on bool, by access.OperatorID, detail string) {
		d.told = append(d.told, fmt.Sprintf("%v %s %s", on, by, detail))
	})
	spec := d.p.Spec()
	bare := spec.New
	spec.New = func() supervisor.Actor { return &crashing{bare(), d} }
	spec.Backoff = supervisor.Backoff{Min: time.Second}
	sys, err := supervisor.Start(supervisor.SupervisorSpec{
		Budget: supervisor.Isolating(3, time.Minute), Children: []supervisor.ChildSpec{spec},
	}, supervisor.Options{Executor: d.sim})
	if err != nil {
		t.Fatal(err)
	}
	d.sys = sys
	d.sim.Quiesce()
	return d
}

// crashing panics once when it is told to.
type crashing struct {
	supervisor.Actor
	d *desk
}

func (c *crashing) Start(x *supervisor.Context) error {
	return c.Actor.(supervisor.Starter).Start(x)
}

func (c *crashing) Receive(x *supervisor.Context, msg any) error {
	if c.d.crash {
		c.d.crash = false
		panic("crash")
	}
	return c.Actor.Receive(x, msg)
}

// change switches without waiting: nobody waits in a simulation.
func (d *desk) change(c change) {
	d.t.Helper()
	if got := d.p.actor.Load().Send(c); !got.OK() {
		d.t.Fatal(got)
	}
	d.sim.Quiesce()
}

func (d *desk) want(on bool, told ...string) {
	d.t.Helper()
	if got := d.p.Status().On; got != on {
		d.t.Errorf("on is %v", got)
	}
	if diff := cmp.Diff(told, d.told); diff != "" {
		d.t.Errorf("told (-want +got):\n%s", diff)
	}
	d.told = nil
}

func (d *desk) stop() {
	d.t.Helper()
	if r := d.sys.Stop(); !r.Complete || r.Zombies > 0 {
		d.t.Errorf("%+v", r)
	}
	if c := d.sys.Counts(); c.Actors+c.Timers+c.Workers != 0 || d.sim.Timers() != 0 {
		d.t.Errorf("left over: %+v, %d timers of the clock", c, d.sim.Timers())
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func TestProfilingSwitchesItselfOff(t *testing.T) {
	d := newDesk(t)
	d.want(false)
	until := d.sim.Now().Add(httpapi.MaxProfiling)
	d.change(change{httpapi.MaxProfiling, "api"})
	d.want(true, "true api until "+stamp(until))
	d.sim.Advance(httpapi.MaxProfiling - time.Second)
	d.want(true)
	d.sim.Advance(time.Second)
	d.want(false, "false  its time is over")
	d.sim.Advance(24 * time.Hour)
	d.want(false)
	d.stop()
}

func TestProfilingIsSwitchedOff(t *testing.T) {
	d := newDesk(t)
	d.change(change{time.Minute, "api"})
	d.told = nil
	d.change(change{0, "ann"})
	d.want(false, "false ann ")
	d.change(change{0, "ann"}) // it is off already
	d.sim.Advance(time.Hour)
	d.want(false)
	d.stop()
}

// Who switches it on again gets another while from then on, not two.
func TestProfilingGoesOn(t *testing.T) {
	d := newDesk(t)
	d.change(change{30 * time.Minute, "api"})
	d.sim.Advance(20 * time.Minute)
	d.told = nil
	d.change(change{30 * time.Minute, "api"})
	d.want(true, "true api until "+stamp(d.sim.Now().Add(30*time.Minute)))
	d.sim.Advance(29 * time.Minute)
	d.want(true)
	d.sim.Advance(time.Minute)
	d.want(false, "false  its time is over")
	d.stop()
}

// A crash of the actor changes nothing: not the end either, also when it is down at
// that moment.
func TestProfilingOutlivesACrash(t *testing.T) {
	d := newDesk(t)
	d.change(change{10 * time.Minute, "api"})
	d.told = nil
	d.crash = true
	d.change(change{time.Hour, "api"}) // lost with the crash
	d.sim.Advance(9 * time.Minute)
	d.want(true)
	d.sim.Advance(time.Minute)
	d.want(false, "false  its time is over")

	d.change(change{10 * time.Minute, "api"})
	d.told = nil
	d.sim.Advance(10*time.Minute - time.Second)
	for range 3 { // the restart after the second one waits
		d.crash = true
		d.p.actor.Load().Send(change{time.Hour, "api"})
		d.sim.Quiesce()
	}
	d.sim.Advance(time.Second / 2)
	d.want(true)
	d.sim.Advance(time.Second / 2)
	if d.p.Status().On {
		t.Error("it is on beyond its time, because its actor is down")
	}
	d.sim.Advance(time.Hour)
	d.want(false, "false  its time is over")
	d.stop()
}

func TestProfilingBeforeTheTreeRuns(t *testing.T) {
	p := NewProfiling(sim.New(1, sim.Options{}).Now, nil)
	if err := p.On(time.Minute, "api"); err == nil || p.Status().On {
		t.Errorf("%v, %+v", err, p.Status())
	}
}
