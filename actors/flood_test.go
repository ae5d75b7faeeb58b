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
// the flooded reader gets at most one turn more than the read's own path takes
// when nothing is flooded, and the decision comes in the same round.
func TestSweepAFloodDelaysNobody(t *testing.T) {
	for seed := range supervisortest.Seeds(t, 1000) {
		own := readAtDoor2(t, uint64(seed), false, false)
		got := readAtDoor2(t, uint64(seed), true, false)
		if got.flooded > own.path+1 {
			t.Fatalf("seed %d: the flooded reader had %d turns, the read's own path takes %d", seed, got.flooded, own.path)
		}
		if got.rounds != own.rounds || own.flooded != 0 || got.flooded == 0 || own.path == 0 {
			t.Fatalf("seed %d: %+v with the flood, %+v without", seed, got, own)
		}
	}
}

// The control: where a turn has no bound, and ends only when the mailbox is
// empty, the flooded reader has more.
func TestAFloodWithoutABoundDelaysEverybody(t *testing.T) {
	for seed := range uint64(20) {
		own, got := readAtDoor2(t, seed, false, true), readAtDoor2(t, seed, true, true)
		if got.flooded <= own.path+1 {
			t.Errorf("seed %d: %+v: without the bound the promise holds all the same: the sweep proves nothing", seed, got)
		}
	}
}

// counted is a simulation that counts turns. When it is greedy, an actor that
// wants another turn has it at once.
type counted struct {
	*sim.Sim
	greedy  bool
	running string
	again   supervisor.Turner
	turns   map[string]int
}

// Turn queues a turn.
func (x *counted) Turn(t supervisor.Turner) {
	if x.greedy && t.Path() == x.running {
		x.again = t
		return
	}
	x.Sim.Turn(countedTurn{t, x})
}

type countedTurn struct {
	supervisor.Turner
	x *counted
}

// Turn takes it, and those that follow at once.
func (t countedTurn) Turn() {
	x := t.x
	x.running = t.Path()
	for turn := t.Turner; turn != nil; turn = x.again {
		x.again = nil
		x.turns[x.running]++
		turn.Turn()
	}
	x.running = ""
}

// reading is what happened between a read at door 2 and its decision: turns of
// the flooded reader and of the actors that the read passes, and rounds.
type reading struct{ flooded, path, rounds int }

func readAtDoor2(t *testing.T, seed uint64, flood, greedy bool) (r reading) {
	t.Helper()
	x := &counted{Sim: sim.New(seed, sim.Options{}), greedy: greedy, turns: map[string]int{}}
	h := newHouse(t, 2, x)
	h.sim = x.Sim
	decided := false
	h.config.OnEvent = func(e access.Event) {
		decided = decided || (e.Door == "door-2" && e.Kind == access.KindGranted)
	}
	h.start()
	feed := func() {
		for range 200 {
			if flood {
				h.card(1, "in", 1)
			}
		}
	}
	feed()
	h.card(2, "in", 2)
	clear(x.turns)
	for begin := x.Rounds(); !decided; r.rounds = int(x.Rounds() - begin) {
		feed() // it never ends
		if !x.Round() {
			t.Fatal("quiet, but nothing was decided")
		}
	}
	door2 := actors.DoorPath("door-2")
	r.flooded = x.turns[reader1]
	r.path = x.turns[door2+"/io/reader-in"] + x.turns[door2+"/logic"] + x.turns[trackerPath]
	return r
}
