package actors_test

import (
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/supervisor/sim"
)

// manyPeople is a directory of people who are too many for memory.
type manyPeople struct {
	*access.People
	disk   func()       // what a lookup waits for
	inline func()       // a control: the door's actor waits for it
	fail   func() error // nil: never
	calls  int          // lookups that were begun
	under  int          // of them, under way
	most   int          // of them at once
}

func (d *manyPeople) Recall(c access.Card) (access.Person, bool, bool) {
	if d.inline == nil {
		return access.Person{}, false, false
	}
	d.inline()
	return d.People.Recall(c)
}

func (d *manyPeople) Lookup(c access.Card) (access.Person, bool, error) {
	d.calls++
	d.under++
	d.most = max(d.most, d.under)
	if d.disk != nil {
		d.disk()
	}
	d.under--
	if d.fail != nil {
		if err := d.fail(); err != nil {
			return access.Person{}, false, err
		}
	}
	return d.People.Lookup(c)
}

const peoplePath = actors.Root + "/store/people"

// lookupLimit is how long a card waits to be looked up.
const lookupLimit = 200 * time.Millisecond

func largeHouse(t *testing.T, doors int) (*house, *manyPeople) {
	t.Helper()
	h := newHouse(t, doors, sim.New(1, sim.Options{}))
	d := &manyPeople{People: testPeople(t)}
	h.config.Directory = d
	h.start()
	return h, d
}

func (h *house) wantDenied(door access.DoorID, why access.Reason, at time.Time) {
	h.t.Helper()
	for _, e := range h.all(access.KindDenied) {
		if e.Door == door && e.Reason == why && e.Time.Equal(at) {
			return
		}
	}
	h.t.Errorf("%s has not denied by %v at %v: %v", door, why, at, h.all(access.KindDenied))
}

// A card that is looked up in time is decided by what was found.
func TestACardIsLookedUp(t *testing.T) {
	h, d := largeHouse(t, 1)
	d.disk = func() { h.sim.Sleep(lookupLimit - time.Millisecond) }
	h.card(1, "in", 1)
	h.sim.Advance(lookupLimit - 2*time.Millisecond)
	if h.lock(1).Moves() != 0 {
		t.Error("decided before the answer")
	}
	h.sim.Advance(time.Millisecond)
	if !h.lock(1).Released() {
		t.Errorf("not released by the answer: %v", h.kinds(1))
	}
	h.sim.Advance(10 * time.Second)
	began := h.sim.Now()
	h.card(1, "in", 999)
	h.sim.Advance(time.Second)
	h.wantDenied("door-1", access.ReasonUnknownCard, began.Add(lookupLimit-time.Millisecond))
	d.fail = func() error { return errDisk }
	began = h.sim.Now()
	h.card(1, "in", 1)
	h.sim.Advance(time.Second)
	h.wantDenied("door-1", access.ReasonDirectoryFailed, began.Add(lookupLimit-time.Millisecond))
	if h.b.Health().Ready {
		t.Error("nobody is told that cards cannot be looked up")
	}
	d.fail = nil
	h.card(1, "in", 1)
	h.sim.Advance(time.Second)
	if !h.lock(1).Released() || !h.b.Health().Ready {
		t.Errorf("not back to normal: %v, %v", h.kinds(1), h.b.Health())
	}
	h.sim.Advance(10 * time.Second)
	h.stopClean()
}

// outlives reports what a door does at once, without a moment of time, while a
// lookup of its own hangs: a request to exit, a command, its contact, fire.
func (h *house) outlives() (rex, command, contact, fire bool) {
	h.rig.Move("door-1/rex", true)
	h.quiet()
	rex = h.lock(1).Released()
	h.contact(1).Set(true)
	h.quiet()
	contact = h.status("door-1").Open
	h.b.Tell(access.Command{Mode: access.LockedDown, Operator: "guard"}, "door-1")
	h.quiet()
	command = h.hasMode("door-1", access.LockedDown)
	h.rig.Move("fire/fire", true)
	h.quiet()
	fire = h.status("door-1").Fire && h.lock(1).Released()
	return rex, command, contact, fire
}

func (h *house) hasMode(door access.DoorID, mode access.Mode) bool {
	for _, e := range h.all(access.KindModeChanged) {
		if e.Door == door && e.Mode == mode {
			return true
		}
	}
	return false
}

// While a lookup hangs for ever its door does everything else at once, and so do
// the other doors. The card is denied at the limit to the very moment, whatever
// comes of the lookup later.
func TestALookupThatHangsHoldsNothingUp(t *testing.T) {
	h, d := largeHouse(t, 2)
	hangs := true
	d.disk = func() {
		if hangs {
			hangs = false
			h.sim.Block()
		}
	}
	began := h.sim.Now()
	h.card(1, "in", 1)
	h.quiet()
	if h.sim.Sleepers() != 1 {
		t.Fatal("nothing hangs: this test proves nothing")
	}
	rex, command, contact, fire := h.outlives()
	if !rex || !command || !contact || !fire {
		t.Errorf("door 1 waits for its lookup: rex %v, command %v, contact %v, fire %v", rex, command, contact, fire)
	}
	h.card(2, "in", 2)
	h.quiet()
	if !h.lock(2).Released() || !h.sim.Now().Equal(began) {
		t.Error("door 2 waits for a lookup of door 1")
	}
	h.sim.Advance(lookupLimit - time.Millisecond)
	if len(h.all(access.KindDenied)) != 0 {
		t.Error("denied before the limit")
	}
	h.sim.Advance(time.Millisecond)
	h.wantDenied("door-1", access.ReasonDirectoryFailed, began.Add(lookupLimit))
	h.sim.Advance(time.Second)
	if h.b.Health().Ready {
		t.Error("nobody is told that a lookup hangs")
	}
	denied, granted := len(h.all(access.KindDenied)), len(h.all(access.KindGranted))
	h.sim.Unblock(peoplePath)
	h.sim.Advance(time.Minute)
	if len(h.all(access.KindDenied)) != denied || len(h.all(access.KindGranted)) != granted {
		t.Error("the late answer decided once more")
	}
	if h.has(access.KindActorRestarted) {
		t.Error("the late answer crashed the door")
	}
	if !h.b.Health().Ready {
		t.Errorf("still not ready: %v", h.b.Health())
	}
	h.stopClean()
}

// Control: a lookup within the door's actor holds up everything at that door.
func TestALookupWithinTheDoorHoldsItUp(t *testing.T) {
	h, d := largeHouse(t, 2)
	d.inline = func() { h.sim.Block() }
	h.card(1, "in", 1)
	h.quiet()
	if rex, command, contact, _ := h.outlives(); rex || command || contact {
		t.Errorf("it did not: rex %v, command %v, contact %v", rex, command, contact)
	}
	d.inline = nil
	h.sim.ReleaseAll()
	h.sim.Advance(time.Minute)
	h.stopClean()
}

// However many cards come while the disk hangs, a few lookups hang, and each card is
// denied in its time. Once it answers, cards are looked up again: nobody is let in
// for a card of before.
func TestAHungDiskHoldsFewLookups(t *testing.T) {
	const doors, rounds = 12, 20
	h, d := largeHouse(t, doors)
	d.disk = func() { h.sim.Block() }
	for range rounds {
		for door := 1; door <= doors; door++ {
			h.card(door, "in", 1)
			h.card(door, "out", 2)
		}
		h.sim.Advance(lookupLimit)
	}
	if h.sim.Sleepers() != 8 || d.most != 8 {
		t.Errorf("%d lookups hang, %d at most, want 8", h.sim.Sleepers(), d.most)
	}
	h.sim.Advance(10 * time.Second) // what waited at the readers is denied, too
	refused := 0
	for _, e := range h.all(access.KindDenied) {
		if e.Reason != access.ReasonDirectoryFailed {
			t.Fatalf("%+v", e)
		}
		refused++
	}
	if want := doors * rounds * 2; refused != want {
		t.Errorf("%d cards denied, want %d", refused, want)
	}
	d.disk = nil
	h.sim.Unblock(peoplePath)
	h.sim.Advance(time.Second)
	if h.has(access.KindGranted) {
		t.Error("a card of before was let in")
	}
	if d.calls != 8 {
		t.Errorf("%d lookups: some were for cards whose time was over", d.calls)
	}
	h.card(1, "in", 3)
	h.sim.Advance(time.Second)
	if !h.lock(1).Released() {
		t.Error("cards are not looked up again")
	}
	h.sim.Advance(10 * time.Second)
	h.stopClean()
}

// A door whose directory is down does not wait.
func TestADirectoryThatIsDownDenies(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	h.config.Directory = &manyPeople{People: testPeople(t)}
	h.probed()
	h.start()
	h.panics(peoplePath, "", 1<<30)
	for range 20 {
		h.b.Poke(peoplePath)
		h.quiet()
	}
	began := h.sim.Now()
	h.card(1, "in", 1)
	h.quiet()
	h.wantDenied("door-1", access.ReasonDirectoryFailed, began)
	h.probe = nil
	h.sim.Advance(2 * time.Minute)
	h.card(1, "in", 1)
	h.quiet()
	if !h.lock(1).Released() {
		t.Error("the directory does not come back")
	}
	h.sim.Advance(10 * time.Second)
	h.stopClean()
}

// A card whose owner is being looked up when its door crashes or the building stops
// is denied, with a record. The answer to the life before opens nothing.
func TestADoorThatEndsDuringALookup(t *testing.T) {
	for name, row := range map[string]struct {
		ends func(*house)
		why  access.Reason
	}{
		"a crash": {func(h *house) { h.panics(logic1, "", 1); h.b.Poke(logic1); h.quiet() }, access.ReasonRestart},
		"a stop":  {func(h *house) { h.stopClean() }, access.ReasonStop},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, 1, sim.New(1, sim.Options{}))
			d := &manyPeople{People: testPeople(t), disk: func() { h.sim.Sleep(lookupLimit / 2) }}
			h.config.Directory = d
			h.probed()
			h.start()
			h.card(1, "in", 1)
			h.quiet()
			began := h.sim.Now()
			row.ends(h)
			if row.why == access.ReasonRestart {
				h.wantDenied("door-1", row.why, began)
				h.sim.Advance(time.Second)
				if h.lock(1).Released() || h.has(access.KindGranted) {
					t.Errorf("the late answer let somebody in: %v", h.kinds(1))
				}
				h.stopClean()
			}
			if denied := h.all(access.KindDenied); len(denied) != 1 || denied[0].Reason != row.why || denied[0].Reader == "" {
				t.Errorf("denied: %+v", denied)
			}
		})
	}
}

// A lookup that hangs is an alarm although others work: it has one of the few places.
func TestALookupThatHangsAmongOthers(t *testing.T) {
	h, d := largeHouse(t, 2)
	hangs := true
	d.disk = func() {
		if hangs {
			hangs = false
			h.sim.Block()
		}
	}
	h.card(1, "in", 1)
	for range 30 {
		h.sim.Advance(stallLimit / 10)
		h.card(2, "in", 2)
	}
	h.sim.Advance(stallLimit / 20)
	if h.b.Health().Ready {
		t.Error("nobody is told that a lookup hangs")
	}
	h.sim.Unblock(peoplePath)
	h.sim.Advance(stallLimit / 2)
	if !h.b.Health().Ready {
		t.Errorf("still not ready: %v", h.b.Health())
	}
	h.sim.Advance(time.Minute)
	h.stopClean()
}

// stallLimit is how long a lookup may take before it is an alarm.
const stallLimit = time.Second

// What becomes of the door while a card is looked up counts for the card: a lockdown
// denies it, fire lets it in and the door was released before.
func TestTheDoorChangesDuringALookup(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*house)
		want   string
		moves  bool
	}{
		"lockdown": {func(h *house) { h.b.Tell(access.Command{Mode: access.LockedDown, Operator: "guard"}, "door-1") }, "denied lockdown", false},
		"fire":     {func(h *house) { h.rig.Move("fire/fire", true) }, "granted fire", true},
		"nothing":  {func(*house) {}, "granted credential", true},
	} {
		t.Run(name, func(t *testing.T) {
			h, d := largeHouse(t, 1)
			d.disk = func() { h.sim.Sleep(lookupLimit / 2) }
			h.card(1, "in", 1)
			h.sim.Advance(lookupLimit / 4)
			row.change(h)
			h.sim.Advance(lookupLimit / 2)
			if got := h.last("p-1"); got != row.want || h.lock(1).Released() != row.moves {
				t.Errorf("%s, released %v: %v", got, h.lock(1).Released(), h.kinds(1))
			}
			h.sim.Advance(time.Minute)
			h.stopClean()
		})
	}
}
