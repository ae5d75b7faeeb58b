package actors_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/supervisor/sim"
)

func TestACardOpensADoorAndItLocksAgain(t *testing.T) {
	h := simHouse(t, 1, 1, sim.Options{})
	h.card(1, "in", 3)
	h.sim.Quiesce()
	if !h.lock(1).Released() {
		t.Fatalf("not released; journal %v", h.kinds(1))
	}
	h.contact(1).Set(true)
	h.sim.Quiesce()
	h.contact(1).Set(false)
	h.sim.Quiesce()
	if h.lock(1).Released() {
		t.Error("still released after the door was closed")
	}
	want := []string{"granted", "door_opened", "passage", "door_closed"}
	if diff := cmp.Diff(want, h.kinds(1)); diff != "" {
		t.Error(diff)
	}
	h.card(1, "in", 99)
	h.sim.Advance(10 * time.Second)
	last := h.journal.events[len(h.journal.events)-1]
	if last.Kind != access.KindDenied || last.Reason != access.ReasonUnknownCard {
		t.Errorf("unknown card: %+v", last)
	}
	report := h.b.Stop()
	if l := h.accounts(); !report.Complete || l.Actors != 0 || l.Timers != 0 || l.Workers != 0 || len(l.Unaccounted) != 0 {
		t.Errorf("left over: %+v %+v", report, l)
	}
}
