package actors_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

// lives are the incarnations of every place of the tree.
func lives(t supervisor.Tree, into map[string]uint64) map[string]uint64 {
	into[strings.TrimPrefix(t.Path, actors.Root+"/")] = t.Incarnation
	for _, c := range t.Children {
		lives(c, into)
	}
	return into
}

// A crash of any actor touches exactly what the tree says (design section 4).
func TestACrashTouchesOnlyWhatBelongsToIt(t *testing.T) {
	io1 := []string{
		"doors/door-1/io", "doors/door-1/io/contact", "doors/door-1/io/reader-in",
		"doors/door-1/io/reader-out", "doors/door-1/io/rex", "doors/door-1/io/tamper",
	}
	with := func(more ...string) []string { return append(more, io1...) }
	rows := []struct {
		crash   string
		touched []string
	}{
		{"store/journal", []string{"store/journal"}},
		{"store/modes", []string{"store/modes"}},
		{"feed/feed", []string{"feed/feed"}},
		{"buses/fire", []string{"buses/fire"}},
		{"areas/tracker", []string{"areas/tracker"}},
		{"doors/door-1/lock", with("doors/door-1/lock", "doors/door-1/logic")},
		{"doors/door-1/logic", with("doors/door-1/logic")},
		{"doors/door-1/io/contact", []string{"doors/door-1/io/contact"}},
		{"doors/door-1/io/rex", []string{"doors/door-1/io/rex"}},
		{"doors/door-1/io/tamper", []string{"doors/door-1/io/tamper"}},
		{"doors/door-1/io/reader-in", []string{"doors/door-1/io/reader-in"}},
		{"doors/door-1/io/reader-out", []string{"doors/door-1/io/reader-out"}},
		{"edge/server", []string{"edge/server"}},
	}
	for _, row := range rows {
		t.Run(row.crash, func(t *testing.T) {
			h := newHouse(t, 2, sim.New(1, sim.Options{}))
			path, armed := actors.Root+"/"+row.crash, false
			h.config.Probe = func(at string, _ any) {
				if armed && at == path {
					armed = false
					panic("injected")
				}
			}
			h.startWith(supervisor.ChildSpec{ID: "server", New: func() supervisor.Actor { return h.probedEdge() }})
			before := lives(h.b.Tree(), map[string]uint64{})
			armed = true
			h.b.Poke(path)
			h.sim.Advance(time.Second)
			tree := h.b.Tree()
			var touched []string
			for p, n := range lives(tree, map[string]uint64{}) {
				if n != before[p] {
					touched = append(touched, p)
				}
			}
			slices.Sort(touched)
			slices.Sort(row.touched)
			if diff := cmp.Diff(row.touched, touched); diff != "" {
				t.Errorf("touched (-want +got):\n%s", diff)
			}
			if at := tree.Find(path); at.Restarts != 1 || !strings.Contains(at.LastReason, "injected") {
				t.Errorf("the tree does not show it: %+v", at)
			}
			h.answers(1)
			h.answers(2)
			h.stopClean()
		})
	}
}

// probedEdge is an actor of the edge that a Probe can crash.
func (h *house) probedEdge() supervisor.Actor { return edgeActor{h} }

type edgeActor struct{ h *house }

func (e edgeActor) Receive(c *supervisor.Context, msg any) error {
	e.h.config.Probe(c.Self().Path(), msg)
	return nil
}

// answers checks that a door still lets a person through.
func (h *house) answers(door int) {
	h.t.Helper()
	h.card(door, "in", uint64(door))
	h.quiet()
	if !h.lock(door).Released() {
		h.t.Fatalf("door %d does not answer: %v\n%v", door, h.kinds(door), h.b.Tree())
	}
	h.contact(door).Set(true)
	h.quiet()
	h.contact(door).Set(false)
	h.quiet()
	if h.lock(door).Released() {
		h.t.Fatalf("door %d stays released: %v", door, h.kinds(door))
	}
}

// stopClean stops the building and demands that nothing is left.
func (h *house) stopClean() {
	h.t.Helper()
	report := h.b.Stop()
	l := h.b.Ledger()
	// In real time the goroutine of the last turn may not have returned yet.
	for i := 0; h.sim == nil && len(l.Unaccounted) > 0 && i < 100; i++ {
		h.config.Executor.Wait(nil, 10*time.Millisecond)
		l = h.b.Ledger()
	}
	if !report.Complete || l.Actors+l.Timers+l.Workers+l.Zombies != 0 || len(l.Unaccounted) != 0 || l.DeadTimers != 0 {
		h.t.Errorf("left over: %+v %+v", report, l)
	}
}

// A card that crashes door 7 each time it is shown harms door 7 only.
func TestACardThatCrashesADoorHarmsOnlyThatDoor(t *testing.T) {
	const shown = 10_000
	h := simHouse(t, 7, 1, sim.Options{})
	h.crash = access.Card{Facility: 1, Number: 20}
	failed := 0
	for i := range shown {
		h.card(7, "in", 20)
		h.sim.Quiesce()
		if h.lock(7).Released() {
			t.Fatal("door 7 was released by a crash")
		}
		if i%100 == 0 {
			for door := 1; door <= 6; door++ {
				h.answers(door)
			}
		}
		tree := h.b.Tree()
		if tree.Find(actors.DoorPath("door-7")).State == supervisor.StateFailed {
			failed++
		}
		h.sim.Advance(time.Second)
	}
	status, err := h.b.Door("door-7")
	if err != nil || failed == 0 || status.Restarts == 0 {
		t.Errorf("door 7 was never failed: %+v %v", status, err)
	}
	h.crash = access.Card{}
	h.sim.Advance(31 * time.Second) // the cap of its backoff: it comes back
	h.answers(7)
	t.Logf("failed at %d of %d cards", failed, shown)
	h.stopClean()
}
