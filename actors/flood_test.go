package actors_test

import (
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// A flood on one reader never blocks the feeder, and every refusal is counted
// and visible.
func TestAFloodIsRefusedAndCounted(t *testing.T) {
	const flood = 100_000
	h := simHouse(t, 2, 1, sim.Options{})
	for range flood {
		h.card(1, "in", 1) // returns although nobody takes a turn
	}
	h.sim.Advance(2 * time.Second)
	granted, refused := 0, uint64(0)
	for _, e := range h.journal.events {
		switch {
		case e.Kind == access.KindGranted:
			granted++
		case e.Kind == access.KindReadsRefused && e.Door == "door-1" && e.Reader == "in":
			refused += e.Count
		}
	}
	if granted == 0 || uint64(granted)+refused != flood {
		t.Errorf("%d granted and %d refused are not %d", granted, refused, flood)
	}
	tree := h.b.Tree()
	if at := tree.Find(actors.DoorPath("door-1") + "/io/reader-in"); at.Refused == 0 {
		t.Errorf("the tree does not show the refusals: %+v", at)
	}
	h.stopClean()
}

// A flood at door 1 costs door 2 nothing: between a read there and its decision
// the flooded reader gets at most one turn more than the read's own path takes.
func TestSweepAFloodDelaysNobody(t *testing.T) {
	if supervisortest.RaceEnabled {
		t.Skip("a sweep: runs without -race")
	}
	for seed := range uint64(1000) {
		flooded, own := turnsUnderFlood(t, seed, nil)
		if flooded > own+1 {
			t.Fatalf("seed %d: the flooded reader had %d turns, the read's own path took %d", seed, flooded, own)
		}
	}
}

// The control: with an executor that gives the flooded reader several turns
// where all others get one, the promise does not hold.
func TestAnUnfairSchedulerBreaksThePromise(t *testing.T) {
	for seed := range uint64(20) {
		flooded, own := turnsUnderFlood(t, seed, func(s *sim.Sim) supervisor.Executor { return unfair{s} })
		if flooded > own+1 {
			return
		}
	}
	t.Error("the control keeps the promise: the sweep proves nothing")
}

// unfair is a simulation whose actors may handle a thousand messages in a turn;
// it counts a turn of eight messages as one.
type unfair struct{ *sim.Sim }

func (u unfair) Turn(t supervisor.Turner) {
	for range 4 {
		u.Sim.Turn(again{t})
	}
}

// again takes a turn only if the mailbox still has something to do.
type again struct{ supervisor.Turner }

// turnsUnderFlood counts the turns of the flooded reader between a read at
// door 2 and its decision, and the rounds that the read's own path takes.
func turnsUnderFlood(t *testing.T, seed uint64, wrap func(*sim.Sim) supervisor.Executor) (flooded, own int) {
	t.Helper()
	counting := false
	reader := actors.DoorPath("door-1") + "/io/reader-in"
	opts := sim.Options{OnTurn: func(path string) {
		if counting && path == reader {
			flooded++
		}
	}}
	s := sim.New(seed, opts)
	var exec supervisor.Executor = s
	if wrap != nil {
		exec = wrap(s)
	}
	h := newHouse(t, 2, exec)
	h.sim = s
	decided := false
	h.config.OnEvent = func(e access.Event) {
		decided = decided || (e.Door == "door-2" && e.Kind == access.KindGranted)
	}
	h.start()
	flood := func() {
		for range 200 {
			h.card(1, "in", 1)
		}
	}
	flood()
	h.card(2, "in", 2)
	counting = true
	for begin := s.Rounds(); !decided; own = int(s.Rounds() - begin) {
		flood() // it never ends
		if !s.Round() {
			t.Fatal("quiet, but nothing was decided")
		}
	}
	counting = false
	return flooded, own
}
