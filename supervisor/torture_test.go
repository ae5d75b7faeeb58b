package supervisor_test

import (
	"testing"

	"go.uber.org/goleak"

	"gatehouse/supervisor/sim"
)

// The torture suite: one test for each group of cases, TestTortureA and so on,
// in the file of that name. Each case is a small story about one rule, and each
// ends with exact accounting: every actor, timer, worker, zombie, goroutine and
// dead letter of its tree.

// stage is what a case runs on: the simulation, unless it is about real
// goroutines.
type stage uint8

const (
	inSim stage = iota
	onMachine
	onBoth
)

// tortureCase is one story. run gets a world of its own and starts a tree in
// it; it need not stop the tree, but it must end what it keeps from ending.
type tortureCase struct {
	name string // plain words, what is demanded
	on   stage
	sim  sim.Options
	dead uint64 // messages that wait when their actor ends; run may add to w.dead
	run  func(t *testing.T, w *world)
}

// torture runs the cases of a group. It fails when there are fewer than the list
// demands, or two of one name.
func torture(t *testing.T, least int, cases ...tortureCase) {
	t.Helper()
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.name] {
			t.Errorf("two cases are called %q", c.name)
		}
		seen[c.name] = true
		t.Run(c.name, c.everywhere)
	}
	if len(cases) < least {
		t.Errorf("%d cases, the list demands %d", len(cases), least)
	}
}

func (c *tortureCase) everywhere(t *testing.T) {
	if c.on != onMachine {
		t.Run("sim", func(t *testing.T) { c.once(t, simWorld(t, c.sim)) })
	}
	if c.on != inSim {
		t.Run("real", func(t *testing.T) { c.once(t, realWorld(t)) })
	}
}

func (c *tortureCase) once(t *testing.T, w *world) {
	w.dead = c.dead
	c.run(t, w)
	w.account()
}

// account ends the tree and demands that nothing is left of it, that every life
// that began has ended once, and that the dead letters are those declared.
func (w *world) account() {
	w.t.Helper()
	if w.sys != nil {
		w.stop()
		equal(w.t, "dead letters", w.dead, w.sys.Ledger().DeadStopped)
	} else if err := goleak.Find(); err != nil { // it was never up
		w.t.Error(err)
	}
	if w.sim != nil {
		w.sim.Quiesce()
		equal(w.t, "timers in the simulation", 0, w.sim.Timers())
	}
	balanced(w.t, w.events)
}
