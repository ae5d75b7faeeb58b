package actors_test

import (
	"errors"
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

// bomb is an actor whose supervisor ends with it, once.
type bomb struct{ armed *bool }

func (b bomb) Receive(*supervisor.Context, any) error {
	if *b.armed {
		*b.armed = false
		return supervisor.Escalate(errors.New("bomb"))
	}
	return nil
}

// A crash of the supervisor doors: every door is secured and back, those that
// are held released keep it, and nobody else notices.
func TestACrashOfAllDoors(t *testing.T) {
	h := newHouse(t, 3, sim.New(1, sim.Options{}))
	h.config.Memory = map[access.DoorID]access.DoorMemory{"door-3": {Door: "door-3", Mode: access.LockedOpen}}
	b, err := actors.New(h.config)
	if err != nil {
		t.Fatal(err)
	}
	armed := true
	h.b = b
	if err := b.StartChanged(func(s *supervisor.SupervisorSpec) {
		doors := s.Children[4].Supervisor
		doors.Children = append(doors.Children, supervisor.ChildSpec{ID: "bomb", New: func() supervisor.Actor { return bomb{&armed} }})
	}); err != nil {
		t.Fatal(err)
	}
	h.card(1, "in", 1)
	h.sim.Quiesce()
	if got := h.releases(3); got != [3]bool{true, false, true} {
		t.Fatalf("released: %v", got)
	}
	before := lives(b.Tree(), map[string]uint64{})
	b.Poke(actors.Root + "/doors/bomb")
	h.sim.Advance(time.Second)
	for path, n := range lives(b.Tree(), map[string]uint64{}) {
		want := before[path]
		if path == "doors" || strings.HasPrefix(path, "doors/") {
			want++
		}
		if n != want {
			t.Errorf("%s is in life %d, want %d", path, n, want)
		}
	}
	if got := h.releases(3); got != [3]bool{false, false, true} || h.lock(3).Moves() != 1 {
		t.Errorf("released: %v, door 3 moved %d times", got, h.lock(3).Moves())
	}
	h.answers(1)
	h.answers(2)
	h.stopClean()
}

// A building out of budget: every lock is at rest, those that fire or LockedOpen
// hold keep theirs, and whoever started it is told once.
func TestABuildingThatGivesUp(t *testing.T) {
	h := newHouse(t, 4, sim.New(1, sim.Options{}), func(r *access.Rules) { r.Doors[0].FireRelease, r.Doors[1].FireRelease = false, false })
	h.config.Memory = map[access.DoorID]access.DoorMemory{
		"door-2": {Door: "door-2", Mode: access.LockedOpen}, "door-3": {Door: "door-3", Fire: true},
	}
	fatal, armed := 0, false
	h.config.OnFatal = func(supervisor.Reason) { fatal++ }
	h.startWith(supervisor.ChildSpec{ID: "server", New: func() supervisor.Actor { return bomb{&armed} }})
	h.card(1, "in", 1)
	h.card(4, "in", 4)
	h.sim.Quiesce()
	for range 4 {
		armed = true
		h.b.Poke(actors.Root + "/edge/server")
		h.sim.Advance(time.Second)
	}
	select {
	case <-h.b.Down():
	default:
		t.Fatal("the building lives")
	}
	if released := []bool{h.lock(1).Released(), h.lock(2).Released(), h.lock(3).Released(), h.lock(4).Released()}; !cmp.Equal(released, []bool{false, true, true, false}) || fatal != 1 {
		t.Errorf("released: %v, told %d times", released, fatal)
	}
	h.stopClean()
	if last := h.journal.events[len(h.journal.events)-1]; last.Kind == access.KindStopped {
		t.Error("it says that it stopped in order")
	}
	h.once()
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
	l := h.accounts()
	if !report.Complete || l.Actors+l.Timers+l.Workers+l.Zombies != 0 || len(l.Unaccounted) != 0 || l.DeadTimers != 0 {
		h.t.Errorf("left over: %+v %+v", report, l)
	}
}

// accounts is the ledger once turns that were just ending have ended: on the
// machine those of this building, in a simulation those of the test before.
func (h *house) accounts() supervisor.Ledger {
	clock := supervisor.NewReal(1)
	for range 3000 {
		if l := h.b.Ledger(); len(l.Unaccounted) == 0 {
			return l
		}
		clock.Wait(nil, 10*time.Millisecond)
	}
	return h.b.Ledger()
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

// What a panic or an error said may be about a person, and events and the building's
// health go to other systems: neither has any of it. The control is the tree, which
// stays on the machine.
func TestWhatWasThrownGoesNowhere(t *testing.T) {
	const secret = "card 4711 of Ada Adler"
	for name, crash := range map[string]func() error{
		"panic": func() error { panic(secret) },
		"error": func() error { return errors.New(secret) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, 1, sim.New(1, sim.Options{}))
			h.startWith(supervisor.ChildSpec{ID: "careless", New: func() supervisor.Actor { return careless{crash} }})
			h.sim.Advance(time.Minute)
			if !strings.Contains(h.b.Tree().String(), secret) || !h.has(access.KindActorRestarted) || !h.has(access.KindActorFailed) {
				t.Fatalf("it did not fail: this test proves nothing\n%v", h.b.Tree())
			}
			for _, e := range append(h.all(access.KindActorRestarted), h.all(access.KindActorFailed)...) {
				if !strings.HasPrefix(e.Detail, actors.Root+"/edge/careless: "+name+": ") || strings.Contains(e.Detail, "4711") {
					t.Errorf("an event says %q", e.Detail)
				}
			}
			if got := h.b.Health().Degraded; !slices.Equal(got, []string{actors.Root + "/edge/careless failed: " + name}) {
				t.Errorf("health says %q", got)
			}
			h.stopClean()
		})
	}
}

// careless ends each of its lives.
type careless struct{ crash func() error }

func (careless) Start(c *supervisor.Context) error {
	c.After("crash", time.Millisecond)
	return nil
}

func (a careless) Receive(*supervisor.Context, any) error { return a.crash() }
