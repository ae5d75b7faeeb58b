package actors_test

import (
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/devices"
	"gatehouse/supervisor/sim"
)

// A lock that did not take "secure" is driven again until it does: one alarm,
// and its end.
func TestALockThatFailsIsDrivenAgain(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	h.probed()
	h.start()
	h.card(1, "in", 1)
	h.sim.Quiesce()
	h.lock(1).Fail(errDisk)
	h.sim.Advance(20 * time.Second) // the strike time is over
	if !h.lock(1).Released() || len(h.all(access.KindLockFault)) != 1 {
		t.Fatalf("released %v, faults %d", h.lock(1).Released(), len(h.all(access.KindLockFault)))
	}
	if s, health := h.status("door-1"), h.b.Health(); !s.LockFault || health.Ready {
		t.Errorf("nobody is told: %+v %+v", s, health)
	}
	lock := actors.DoorPath("door-1") + "/lock"
	h.panics(lock, "", 1) // the fault is known already
	h.b.Poke(lock)
	h.sim.Advance(10 * time.Second)
	if n := len(h.all(access.KindLockFault)); n != 1 {
		t.Errorf("%d alarms for one fault", n)
	}
	h.lock(1).Fail(nil)
	h.sim.Advance(time.Second)
	if h.lock(1).Released() {
		t.Error("not secured within a second after the repair")
	}
	if n := len(h.all(access.KindLockFaultEnded)); n != 1 {
		t.Errorf("the alarm ended %d times", n)
	}
	if s, health := h.status("door-1"), h.b.Health(); s.LockFault || !health.Ready {
		t.Errorf("the alarm stays: %+v %+v", s, health)
	}
	h.sim.Advance(time.Minute)
	if l := h.b.Ledger(); l.Timers != 0 {
		t.Errorf("%d timers are left", l.Timers)
	}
	h.answers(1)
	h.stopClean()
}

// A lock that fails with every Drive does not keep the door's logic from its
// work.
func TestADoorGoesOnWithoutItsLock(t *testing.T) {
	h := simHouse(t, 2, 1, sim.Options{})
	h.lock(1).Fail(errDisk)
	for range 3 {
		h.card(1, "in", 1)
		h.sim.Advance(10 * time.Second)
	}
	if n := len(h.all(access.KindGranted)); n != 3 {
		t.Errorf("%d grants, want 3: %v", n, h.kinds(1))
	}
	if n := len(h.all(access.KindLockFault)); n != 1 {
		t.Errorf("%d alarms, want 1", n)
	}
	h.answers(2)
	h.lock(1).Fail(nil)
	h.sim.Advance(2 * time.Second)
	h.stopClean()
}

// Where the boot image and the store differ, the store wins once it is open.
func TestTheStoreWinsOverTheImage(t *testing.T) {
	image := map[access.DoorID]access.DoorMemory{
		"door-1": {Door: "door-1", Mode: access.LockedOpen},
		"door-3": {Door: "door-3", Fire: true},
	}
	stored := map[access.DoorID]access.DoorMemory{
		"door-1": {Door: "door-1", Mode: access.LockedDown},
		"door-2": {Door: "door-2", Mode: access.LockedOpen},
	}
	h := newHouse(t, 3, sim.New(1, sim.Options{}))
	doors := []access.Door{testDoor(1), testDoor(2), testDoor(3)}
	if failed := actors.Boot(doors, image, h.config.Wiring, false); failed != nil {
		t.Fatal(failed)
	}
	if got := h.releases(3); got != [3]bool{true, false, true} {
		t.Fatalf("after the boot act: %v", got)
	}
	h.config.Memory = stored
	h.start()
	if got := h.releases(3); got != [3]bool{false, true, false} {
		t.Errorf("after the start: %v", got)
	}
	if s := h.status("door-1"); s.Mode != access.LockedDown {
		t.Errorf("door 1: %+v", s)
	}
	h.stopClean()
}

func (h *house) releases(n int) (list [3]bool) {
	for i := range n {
		list[i] = h.lock(i + 1).Released()
	}
	return list
}

// meddled is a lock whose next Drive is preceded by something else.
type meddled struct {
	devices.Lock
	before func()
}

func (l *meddled) Drive(release bool) error {
	if f := l.before; f != nil {
		l.before = nil
		f()
	}
	return l.Lock.Drive(release)
}

// A fire begins at the very moment at which a lock is put to rest: whoever comes
// last must not secure it.
func TestAFireAtTheMomentOfARest(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	h.probed()
	lock := &meddled{Lock: h.lock(1)}
	w := h.config.Wiring["door-1"]
	w.Lock = lock
	h.config.Wiring["door-1"] = w
	h.start()
	lock.before = func() {
		h.b.SetFire(true)
		if err := h.lock(1).Drive(true); err != nil { // as the fire's actor does
			t.Error(err)
		}
	}
	path := actors.DoorPath("door-1") + "/lock"
	h.panics(path, "", 1)
	h.b.Poke(path)
	h.sim.Round()
	for i := 0; lock.before != nil && i < 100; i++ {
		h.sim.Round()
	}
	if !h.lock(1).Released() {
		t.Error("secured although it burns")
	}
	h.b.SetFire(false)
	h.sim.Advance(time.Second)
	h.stopClean()
}

// A door that is down because its lock's driver hangs does not keep the fire
// from the others: a door behind it is released, also when it is down.
func TestADriverThatHangsDoesNotHoldUpTheFire(t *testing.T) {
	h := newHouse(t, 3, sim.New(1, sim.Options{Hold: func(_, name string) sim.Hold {
		if name == "rest/door-1" {
			return sim.Hold{Start: sim.Forever} // the driver hangs
		}
		return sim.Hold{}
	}}))
	h.probed()
	h.start()
	h.down("door-1")
	h.down("door-3")
	h.rig.Input("fire/fire").Set(true)
	h.sim.Quiesce()
	if got := h.releases(3); got != [3]bool{false, true, true} {
		t.Errorf("released: %v", got)
	}
	h.rig.Input("fire/fire").Set(false) // its actor lives
	h.sim.Quiesce()
	if report, err := h.b.ResetFire("chief", "door-2"); err != nil || !report.Results[0].Accepted || h.lock(2).Released() {
		t.Errorf("%+v %v", report, err)
	}
	h.sim.Release(actors.Root+"/buses/fire", "rest/door-1")
	h.sim.Advance(time.Minute)
	if !h.lock(1).Released() {
		t.Error("door 1 is not released once its driver works")
	}
	h.stopClean()
}
