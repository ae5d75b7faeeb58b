package actors_test

import (
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/devices/virtual"
	"gatehouse/supervisor/sim"
)

const (
	deadline = access.DefaultDecisionDeadline
	lock1    = actors.Root + "/doors/door-1/lock"
	readerIn = actors.Root + "/doors/door-1/io/reader-in"
)

// never is a rule set whose decisions may take as long as they take: the control
// of the tests below.
func never(r *access.Rules) {
	for i := range r.Doors {
		r.Doors[i].DecisionDeadline = time.Hour
	}
}

// A card that waited too long somewhere on its way from the reader to the lock
// opens nothing, and a reason of its own says so. With the deadline far away the
// same wait ends in a release: so it is the deadline that denies.
func TestACardThatWaitedTooLong(t *testing.T) {
	for name, where := range map[string]struct{ path, want string }{
		"in the reader's mailbox": {readerIn, "denied deadline"},
		"in the door's mailbox":   {logic1, "denied deadline"},
		"in the areas' mailbox":   {trackerPath, "denied deadline"},
		"in the lock's mailbox":   {lock1, "granted credential"}, // then taken back
	} {
		t.Run(name, func(t *testing.T) {
			slowAreas := func(r *access.Rules) { r.Doors[0].AreaTimeout = time.Hour }
			wait := func(change ...func(*access.Rules)) *house {
				h, s := stalledHouse(t, 2, sim.Options{}, change...)
				h.start()
				s.path = where.path
				h.card(1, "in", 1)
				h.sim.Advance(deadline)
				s.resume()
				h.sim.Quiesce()
				return h
			}
			h := wait(slowAreas)
			if got := h.last("p-1"); got != where.want || h.lock(1).Moves() != 0 {
				t.Errorf("%s, %d moves: %v", got, h.lock(1).Moves(), h.kinds(1))
			}
			if where.path == lock1 && !h.endedBy(access.KindNoPassage, access.ReasonDeadline) {
				t.Errorf("the grant has no end: %v", h.kinds(1))
			}
			h.card(2, "in", 1) // no reservation is left at door 1
			h.sim.Quiesce()
			if got := h.last("p-1"); got != "granted credential" {
				t.Errorf("at door 2: %s", got)
			}
			h.sim.Advance(time.Minute)
			h.stopClean()

			control := wait(slowAreas, never)
			if got := control.last("p-1"); got != "granted credential" || !control.lock(1).Released() {
				t.Errorf("without a deadline: %s", got)
			}
			control.sim.Advance(time.Hour)
			control.stopClean()
		})
	}
}

func (h *house) endedBy(kind access.Kind, why access.Reason) bool {
	for _, e := range h.all(kind) {
		if e.Reason == why {
			return true
		}
	}
	return false
}

// A directory that is slow has no more time than there is: a card that waited at
// its reader, because the one before it was not found in time, is denied at its own
// deadline, and what is found later opens nothing.
func TestASlowDirectoryHasOnlyWhatIsLeft(t *testing.T) {
	h, d := largeHouse(t, 1)
	d.disk = func() { h.sim.Sleep(time.Second) }
	began := h.sim.Now()
	h.card(1, "in", 1)
	h.card(1, "in", 2)
	h.sim.Advance(5 * time.Second)
	h.wantDenied("door-1", access.ReasonDirectoryFailed, began.Add(lookupLimit))
	h.wantDenied("door-1", access.ReasonDeadline, began.Add(deadline))
	if h.lock(1).Moves() != 0 {
		t.Errorf("%d moves: %v", h.lock(1).Moves(), h.kinds(1))
	}
	d.disk = nil
	h.card(1, "in", 3)
	h.sim.Advance(time.Second)
	if !h.lock(1).Released() {
		t.Errorf("not back to normal: %v", h.kinds(1))
	}
	h.sim.Advance(time.Minute)
	h.stopClean()
}

// Areas that say nothing use up the time only to the deadline, whatever they are
// allowed; and their verdict does not count then.
func TestAreasThatAreSilentBeyondTheDeadline(t *testing.T) {
	h, s := stalledHouse(t, 1, sim.Options{}, func(r *access.Rules) {
		r.Doors[0].AreaTimeout, r.Doors[0].AreaVerdict = time.Hour, access.Granted
	})
	h.start()
	s.path = trackerPath
	h.card(1, "in", 1)
	h.sim.Advance(deadline - 1)
	if got := h.last("p-1"); got != "nothing" {
		t.Fatalf("decided before the deadline: %s", got)
	}
	h.sim.Advance(1)
	if got := h.last("p-1"); got != "denied deadline" || h.lock(1).Moves() != 0 {
		t.Errorf("%s, %d moves", got, h.lock(1).Moves())
	}
	s.resume()
	h.sim.Advance(time.Minute)
	h.stopClean()
}

// The areas reserved in time and the door heard of it too late: what they
// reserved is given back at once, not when it is over by itself.
func TestALateReservationIsGivenBack(t *testing.T) {
	h, s := stalledHouse(t, 2, sim.Options{}, func(r *access.Rules) { r.Doors[0].AreaTimeout = time.Hour })
	h.start()
	s.path = trackerPath
	h.card(1, "in", 1)
	h.sim.Quiesce()
	s.path = logic1 // while the areas answer
	for _, turn := range s.kept {
		s.Sim.Turn(turn)
	}
	s.kept = nil
	h.sim.Quiesce()
	h.card(2, "in", 1)
	h.sim.Quiesce()
	if got := h.last("p-1"); got != "denied reserved" {
		t.Fatalf("at door 2: %s: nothing was reserved, so this test proves nothing", got)
	}
	h.sim.Advance(deadline)
	s.resume()
	if got := h.last("p-1"); got != "denied deadline" || h.lock(1).Moves() != 0 {
		t.Errorf("at door 1: %s, %d moves", got, h.lock(1).Moves())
	}
	h.card(2, "in", 1)
	h.sim.Quiesce()
	if got := h.last("p-1"); got != "granted credential" {
		t.Errorf("at door 2: %s", got)
	}
	h.sim.Advance(time.Minute)
	h.stopClean()
}

// A door that asked and is down when its question comes up can give nothing back:
// nothing is reserved for it once it is too late.
func TestNothingIsReservedForADoorThatIsDown(t *testing.T) {
	h, s := stalledHouse(t, 2, sim.Options{})
	h.start()
	s.path = trackerPath
	h.card(1, "in", 1)
	h.sim.Quiesce()
	h.down("door-1")
	h.sim.Advance(deadline)
	s.resume()
	h.card(2, "in", 1)
	h.sim.Quiesce()
	if got := h.last("p-1"); got != "granted credential" {
		t.Errorf("at door 2: %s", got)
	}
	h.sim.Advance(2 * time.Minute)
	h.stopClean()
}

// A record that is slow is waited for within the deadline of the card: the areas
// took most of it.
func TestASlowDiskAfterSlowAreas(t *testing.T) {
	d := &disk{}
	h, s := stalledHouse(t, 1, sim.Options{Hold: d.hold}, func(r *access.Rules) { r.Doors[0].AreaTimeout = time.Hour })
	h.start()
	s.path = trackerPath
	h.card(1, "in", 1)
	h.sim.Advance(200 * time.Millisecond)
	d.start = 5 * time.Second
	s.resume()
	h.sim.Advance(49 * time.Millisecond)
	if h.lock(1).Moves() != 0 {
		t.Fatal("released before its record and before the limit")
	}
	h.sim.Advance(time.Millisecond)
	if !h.lock(1).Released() {
		t.Fatalf("half of the time that was left is over: %v", h.kinds(1))
	}
	d.start = 0
	h.sim.Advance(time.Minute)
	if !h.has(access.KindRecordLate) {
		t.Error("no alarm")
	}
	h.stopClean()
}

// A record that comes when it is too late releases nothing, and says so.
func TestARecordThatComesTooLate(t *testing.T) {
	d := &disk{}
	h, s := stalledHouse(t, 1, sim.Options{Hold: d.hold})
	h.start()
	d.result = 10 * time.Millisecond
	h.card(1, "in", 1)
	h.sim.Quiesce()
	s.path = logic1 // both the record and the limit wait in its mailbox
	h.sim.Advance(deadline)
	s.resume()
	h.sim.Advance(time.Second)
	if h.lock(1).Moves() != 0 || !h.endedBy(access.KindReleaseCancelled, access.ReasonDeadline) {
		t.Errorf("%d moves: %v", h.lock(1).Moves(), h.kinds(1))
	}
	h.sim.Advance(time.Minute)
	h.stopClean()
}

// A lock that fails is not tried again for a card once it is too late; for REX it
// is.
func TestALockThatFailsBeyondTheDeadline(t *testing.T) {
	for name, row := range map[string]struct {
		do   func(*house)
		want bool
	}{
		"card": {func(h *house) { h.card(1, "in", 1) }, false},
		"rex":  {func(h *house) { h.rig.Input("door-1/rex").Set(true) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := simHouse(t, 1, 1, sim.Options{})
			h.lock(1).Fail(errDisk)
			row.do(h)
			h.sim.Quiesce()
			h.lock(1).Fail(nil)
			h.sim.Advance(2 * time.Second)
			if h.lock(1).Released() != row.want {
				t.Errorf("released %v, want %v: %v", h.lock(1).Released(), row.want, h.kinds(1))
			}
			h.sim.Advance(time.Minute)
			h.stopClean()
		})
	}
}

// slowLock takes its time to release.
type slowLock struct {
	*virtual.Lock
	sim  *sim.Sim
	take time.Duration
}

func (l *slowLock) Drive(release bool) error {
	if release {
		l.sim.Sleep(l.take)
	}
	return l.Lock.Drive(release)
}

// A driver that took too long to release has released nothing that stays: the
// lock is secured at once, and who stood there is denied. REX knows no deadline.
func TestALockThatIsSlow(t *testing.T) {
	for name, row := range map[string]struct {
		do   func(*house)
		take time.Duration
		want bool
	}{
		"card in time": {func(h *house) { h.card(1, "in", 1) }, deadline - 1, true},
		"card":         {func(h *house) { h.card(1, "in", 1) }, deadline, false},
		"rex":          {func(h *house) { h.rig.Input("door-1/rex").Set(true) }, deadline, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := sim.New(1, sim.Options{})
			h := newHouse(t, 1, s)
			w := h.config.Wiring["door-1"]
			w.Lock = &slowLock{h.lock(1), s, row.take}
			h.config.Wiring["door-1"] = w
			h.start()
			row.do(h)
			h.sim.Advance(deadline)
			if h.lock(1).Released() != row.want || h.endedBy(access.KindNoPassage, access.ReasonDeadline) == row.want {
				t.Errorf("released %v, want %v: %v", h.lock(1).Released(), row.want, h.kinds(1))
			}
			h.sim.Advance(time.Minute)
			h.stopClean()
		})
	}
}
