package actors_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/actors"
	"gatehouse/supervisor/sim"
)

// A bus whose worker ends is started again, and no door notices. It is not
// given up either: a cable that was pulled comes back some day.
func TestABusThatEndsIsStartedAgainAlone(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	path := actors.Root + "/buses/bus-line"
	h.config.Buses = map[string]func(context.Context) error{
		"line": func(context.Context) error { return nil }, // a simulation runs no loop
	}
	h.start()
	before := lives(h.b.Tree(), map[string]uint64{})
	if !h.sim.EndLoop(path, "run", errors.New("cable pulled")) {
		t.Fatalf("the bus has no worker:\n%v", h.b.Tree())
	}
	h.sim.Advance(time.Second)
	if !h.sim.EndLoop(path, "run", nil) {
		t.Fatalf("the bus was not started again:\n%v", h.b.Tree())
	}
	h.sim.Advance(time.Second)
	after := lives(h.b.Tree(), map[string]uint64{})
	before["buses/bus-line"] += 2
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("lives (-want +got):\n%s", diff)
	}
	h.answers(1)
	h.stopClean()
}

// At a start while it burns the outputs are released by the boot act, and no
// lock is secured for a moment before its door has latched the release.
func TestAStartDuringAFireSecuresNothing(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	h.rig.Input("fire/fire").Set(true)
	if err := h.lock(1).Drive(true); err != nil { // as actors.Boot does
		t.Fatal(err)
	}
	moves := h.lock(1).Moves()
	h.start()
	if !h.lock(1).Released() || h.lock(1).Moves() != moves {
		t.Errorf("the start moved the lock: released %t, %d moves more", h.lock(1).Released(), h.lock(1).Moves()-moves)
	}
	h.stopClean()
}

// There is a bound on those who watch; a closed watch makes room.
func TestWatchersAreBounded(t *testing.T) {
	h := simHouse(t, 1, 1, sim.Options{})
	var open []*actors.Watch
	for {
		w, ok := h.b.Watch()
		if !ok {
			break
		}
		if open = append(open, w); len(open) > actors.MaxWatchers {
			t.Fatalf("%d watch, at most %d may", len(open), actors.MaxWatchers)
		}
	}
	open[0].Close()
	if _, ok := h.b.Watch(); !ok || len(open) != actors.MaxWatchers {
		t.Errorf("%d could watch of %d; after a close there is room: %t", len(open), actors.MaxWatchers, ok)
	}
	h.stopClean()
}
