package actors_test

import (
	"fmt"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

// stalled is a simulation in which one actor gets no turn for a while, so that
// a test can fill its mailbox in an order of its own.
type stalled struct {
	*sim.Sim
	path string
	kept []supervisor.Turner
}

// Turn keeps the turns of the stalled actor.
func (s *stalled) Turn(t supervisor.Turner) {
	if t.Path() == s.path {
		s.kept = append(s.kept, t)
		return
	}
	s.Sim.Turn(t)
}

func (s *stalled) resume() {
	s.path = ""
	for _, t := range s.kept {
		s.Sim.Turn(t)
	}
	s.kept = nil
	s.Quiesce()
}

// stalledHouse is a building, not yet started, on such a simulation.
func stalledHouse(t *testing.T, n int, opts sim.Options, change ...func(*access.Rules)) (*house, *stalled) {
	t.Helper()
	s := &stalled{Sim: sim.New(1, opts)}
	h := newHouse(t, n, s, change...)
	h.sim = s.Sim
	h.probed()
	return h, s
}

// probed is to be called before the start, so that panics works.
func (h *house) probed() {
	h.config.Probe = func(path string, msg any) {
		if h.probe != nil {
			h.probe(path, fmt.Sprintf("%T", msg))
		}
	}
}

// fill fills the control lane of an actor that gets no turn.
func (h *house) fill(path string) {
	h.t.Helper()
	for h.b.Poke(path).OK() {
	}
}

// panics makes the actor at path panic, n times, at messages whose type is
// named so ("" is any).
func (h *house) panics(path, typeName string, n int) {
	h.probe = func(at string, name string) {
		if n > 0 && at == path && (typeName == "" || typeName == name) {
			n--
			panic("injected")
		}
	}
}

// down makes a door fail: its actors are not there until its backoff is over.
func (h *house) down(door access.DoorID) {
	h.t.Helper()
	path := actors.DoorPath(door) + "/logic"
	h.panics(path, "", 1<<30)
	for range 20 {
		h.b.Poke(path)
		h.quiet()
		if at := h.find(actors.DoorPath(door)); at.State == supervisor.StateFailed {
			break
		}
		h.sim.Advance(100 * time.Millisecond)
	}
	if at := h.find(actors.DoorPath(door)); at.State != supervisor.StateFailed {
		h.t.Fatalf("door %s is %v, not failed", door, at.State)
	}
	h.probe = nil
}

func (h *house) find(path string) supervisor.Tree {
	tree := h.b.Tree()
	return *tree.Find(path)
}

// all are the journal's events of a kind.
func (h *house) all(kind access.Kind) (list []access.Event) {
	h.journal.mu.Lock()
	defer h.journal.mu.Unlock()
	for _, e := range h.journal.events {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

// status is the status of a door by its number.
func (h *house) status(door access.DoorID) actors.DoorStatus {
	h.t.Helper()
	s, err := h.b.Door(door)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// command gives a command that must be taken.
func (h *house) command(c access.Command, doors ...access.DoorID) actors.CommandReport {
	h.t.Helper()
	report, err := h.b.Command(c, doors...)
	if err != nil {
		h.t.Fatal(err)
	}
	return report
}
