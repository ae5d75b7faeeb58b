package actors_test

import (
	"slices"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/supervisor/sim"
)

// disk holds commits back: the frozen or slow disk of a simulation.
type disk struct{ start, result time.Duration }

func (d *disk) hold(_, name string) sim.Hold {
	if name == "commit" {
		return sim.Hold{Start: d.start, Result: d.result}
	}
	return sim.Hold{}
}

func (h *house) has(kind access.Kind) bool {
	return slices.ContainsFunc(h.journal.events, func(e access.Event) bool { return e.Kind == kind })
}

func TestARecordGoesBeforeARelease(t *testing.T) {
	d := &disk{}
	h := simHouse(t, 1, 1, sim.Options{Hold: d.hold})
	d.result = 100 * time.Millisecond // the sync takes that long
	h.card(1, "in", 1)
	h.sim.Advance(99 * time.Millisecond)
	if h.lock(1).Moves() != 0 {
		t.Fatal("the lock moved before the record was on disk")
	}
	h.sim.Advance(time.Millisecond)
	if !h.lock(1).Released() || h.has(access.KindRecordLate) {
		t.Fatalf("not released by its record: %v", h.kinds(1))
	}
	d.result = 0
	h.sim.Advance(10 * time.Second)
	h.stopClean()
}

func TestAFrozenDiskStrandsNobody(t *testing.T) {
	d := &disk{}
	h := simHouse(t, 1, 1, sim.Options{Hold: d.hold})
	d.start = 5 * time.Second
	h.card(1, "in", 1)
	h.sim.Advance(149 * time.Millisecond)
	if h.lock(1).Released() {
		t.Fatal("released before its record and before the limit")
	}
	h.sim.Advance(time.Millisecond)
	if !h.lock(1).Released() {
		t.Fatal("not released at the limit of 150 ms")
	}
	if h.has(access.KindGranted) {
		t.Fatal("the disk was not frozen: this test proves nothing")
	}
	d.start = 0
	h.sim.Advance(30 * time.Second)
	for _, k := range []access.Kind{access.KindGranted, access.KindRecordLate} {
		if !h.has(k) {
			t.Errorf("%v is not in the journal afterwards: %v", k, h.kinds(1))
		}
	}
	h.stopClean()
}

func TestALockdownCancelsARelease(t *testing.T) {
	d := &disk{}
	h := simHouse(t, 1, 1, sim.Options{Hold: d.hold})
	d.start = 5 * time.Second
	h.card(1, "in", 1)
	h.sim.Advance(50 * time.Millisecond)
	if _, err := h.b.Command(access.Command{Mode: access.LockedDown, Operator: "guard"}, "door-1"); err != nil {
		t.Fatal(err)
	}
	h.sim.Advance(10 * time.Second)
	if h.lock(1).Moves() != 0 {
		t.Error("the lock moved although a lockdown came first")
	}
	if !h.has(access.KindReleaseCancelled) {
		t.Errorf("no event says that the release was cancelled: %v", h.kinds(1))
	}
	h.stopClean()
}

// A stop while a release waits for its record cancels it, and that is an event.
func TestAStopCancelsARelease(t *testing.T) {
	d := &disk{}
	h := simHouse(t, 1, 1, sim.Options{Hold: d.hold})
	d.start = 2 * time.Second
	h.card(1, "in", 1)
	h.sim.Advance(50 * time.Millisecond)
	h.stopClean()
	if h.lock(1).Moves() != 0 || !h.has(access.KindReleaseCancelled) {
		t.Errorf("moves %d, journal %v", h.lock(1).Moves(), h.kinds(1))
	}
}

// REX and fire wait for nothing: not for a disk, a lockdown or an area.
func TestPeopleGetOut(t *testing.T) {
	ways := map[string]func(h *house){
		"rex":  func(h *house) { h.rig.Input("door-1/rex").Set(true) },
		"fire": func(h *house) { h.rig.Input("fire/fire").Set(true) },
	}
	for name, out := range ways {
		t.Run(name, func(t *testing.T) {
			d := &disk{}
			hold := func(owner, name string) sim.Hold {
				if name == "rebuild" || name == "save" {
					return sim.Hold{Start: 10 * time.Second} // the areas do not answer, the store hangs
				}
				return d.hold(owner, name)
			}
			h := simHouse(t, 1, 1, sim.Options{Hold: hold})
			d.start = 10 * time.Second
			if _, err := h.b.Command(access.Command{Mode: access.LockedDown}, "door-1"); err != nil {
				t.Fatal(err)
			}
			out(h)
			h.sim.Quiesce() // the clock stands still
			if !h.lock(1).Released() {
				t.Errorf("not released at once: %v", h.kinds(1))
			}
			d.start = 0
			h.sim.Advance(20 * time.Second)
			h.stopClean()
		})
	}
}

// A lockdown survives the crash of the door's logic even when its record and
// its save are still on the way to a frozen disk.
func TestALockdownSurvivesACrashWithAFrozenDisk(t *testing.T) {
	frozen := func(_, name string) sim.Hold {
		if name == "save" || name == "commit" {
			return sim.Hold{Start: time.Minute}
		}
		return sim.Hold{}
	}
	h := newHouse(t, 1, sim.New(1, sim.Options{Hold: frozen}))
	armed := false
	h.config.Probe = func(path string, _ any) {
		if armed && path == actors.DoorPath("door-1")+"/logic" {
			armed = false
			panic("injected")
		}
	}
	h.start()
	if _, err := h.b.Command(access.Command{Mode: access.LockedDown}, "door-1"); err != nil {
		t.Fatal(err)
	}
	armed = true
	h.b.Poke(actors.DoorPath("door-1") + "/logic")
	h.sim.Advance(time.Second)
	h.card(1, "in", 1)
	h.sim.Advance(time.Second)
	status, err := h.b.Door("door-1")
	if err != nil || status.Mode != access.LockedDown || h.lock(1).Moves() != 0 {
		t.Errorf("%+v %v, moves %d", status, err, h.lock(1).Moves())
	}
}

// A door released by fire stays released through a crash of each of its actors
// and through a restart of the daemon, until an authorised reset.
func TestFireReleaseIsKept(t *testing.T) {
	h := newHouse(t, 2, sim.New(1, sim.Options{}), func(r *access.Rules) { r.Doors[1].FireRelease = false })
	var crash string
	h.config.Probe = func(path string, _ any) {
		if path == crash {
			crash = ""
			panic("injected")
		}
	}
	h.start()
	h.rig.Input("fire/fire").Set(true)
	h.sim.Quiesce()
	h.rig.Input("fire/fire").Set(false) // the latch holds
	h.sim.Quiesce()
	moves := h.lock(1).Moves()
	for _, at := range []string{"/lock", "/logic", "/io/contact", "/io/reader-in"} {
		crash = actors.DoorPath("door-1") + at
		h.b.Poke(crash)
		h.sim.Advance(time.Minute)
		if !h.lock(1).Released() || h.lock(1).Moves() != moves {
			t.Fatalf("the crash of %s moved the lock: released %v, moves %d", at, h.lock(1).Released(), h.lock(1).Moves())
		}
	}
	if h.lock(2).Moves() != 0 {
		t.Error("a door that fire does not release moved")
	}
	h.stopClean()
	if !h.lock(1).Released() {
		t.Fatal("the stop of the daemon took the fire release back")
	}
	// The next life of the daemon.
	h.config.Memory = h.store.doors
	if failed := actors.Boot([]access.Door{testDoor(1)}, h.store.doors, h.config.Wiring, false); failed != nil {
		t.Fatal(failed)
	}
	h.config.Boot++
	h.start()
	if !h.lock(1).Released() || h.lock(1).Moves() != moves {
		t.Fatal("the restart of the daemon moved the lock")
	}
	report, err := h.b.ResetFire("chief", "door-1")
	h.sim.Advance(time.Second)
	if err != nil || !report.Results[0].Accepted || h.lock(1).Released() {
		t.Errorf("reset: %+v %v, released %v", report, err, h.lock(1).Released())
	}
	h.stopClean()
}

// Boot puts outputs by the image and the fire level, and to rest without an
// image.
func TestBootPutsOutputsToRest(t *testing.T) {
	plain, kept := testDoor(1), testDoor(2)
	kept.FireRelease = false
	doors := []access.Door{plain, kept}
	memory := map[access.DoorID]access.DoorMemory{"door-2": {Door: "door-2", Mode: access.LockedOpen}}
	rows := []struct {
		name   string
		memory map[access.DoorID]access.DoorMemory
		fire   bool
		want   [2]bool
	}{
		{"image", memory, false, [2]bool{false, true}},
		{"image and fire", memory, true, [2]bool{true, true}},
		{"no image", nil, false, [2]bool{false, false}},
		{"no image and fire", nil, true, [2]bool{true, false}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			h := newHouse(t, 2, sim.New(1, sim.Options{}))
			for i := 1; i <= 2; i++ { // what the last daemon left
				if err := h.lock(i).Drive(true); err != nil {
					t.Fatal(err)
				}
			}
			if failed := actors.Boot(doors, row.memory, h.config.Wiring, row.fire); failed != nil {
				t.Fatal(failed)
			}
			if got := [2]bool{h.lock(1).Released(), h.lock(2).Released()}; got != row.want {
				t.Errorf("released %v, want %v", got, row.want)
			}
		})
	}
}

// A disk that fails is a state: doors go on at the limit, an alarm says so, and
// everything is recorded once it works again.
func TestABrokenDiskIsAState(t *testing.T) {
	h := simHouse(t, 1, 1, sim.Options{})
	h.journal.setFail(errDisk)
	h.card(1, "in", 1)
	h.sim.Advance(150 * time.Millisecond)
	if !h.lock(1).Released() {
		t.Fatal("not released")
	}
	if health := h.b.Health(); health.Ready || health.Waiting == 0 {
		t.Errorf("health says nothing: %+v", health)
	}
	h.sim.Advance(10 * time.Second)
	h.journal.setFail(nil)
	h.sim.Advance(2 * time.Second)
	for _, k := range []access.Kind{
		access.KindGranted, access.KindRecordLate, access.KindJournalDegraded, access.KindJournalRestored,
	} {
		if !h.has(k) {
			t.Errorf("%v is missing: %v", k, h.kinds(1))
		}
	}
	if health := h.b.Health(); !health.Ready || health.Waiting != 0 {
		t.Errorf("health: %+v", health)
	}
	h.stopClean()
}

// What memory cannot hold leaves a counted gap.
func TestAFullIntakeLeavesAGap(t *testing.T) {
	h := simHouse(t, 1, 1, sim.Options{})
	h.journal.setFail(errDisk)
	offered := 0
	h.sim.Quiesce()
	for offered < actors.IntakeLimit+500 {
		h.card(1, "in", 99) // denied
		h.sim.Quiesce()
		offered++
	}
	h.journal.setFail(nil)
	h.sim.Advance(2 * time.Second)
	denied, gap := 0, uint64(0)
	for _, e := range h.journal.events {
		switch e.Kind {
		case access.KindDenied:
			denied++
		case access.KindGap:
			gap += e.Count
		}
	}
	if gap == 0 || uint64(denied)+gap < uint64(offered) {
		t.Errorf("%d offered, %d recorded, gap of %d", offered, denied, gap)
	}
	h.stopClean()
}
