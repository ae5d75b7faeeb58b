package actors_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/supervisor/sim"
)

const (
	modesPath = actors.Root + "/store/modes"
	guard     = access.OperatorID("guard")
)

// freeze holds the named tasks back for good.
func freeze(names ...string) sim.Options {
	return sim.Options{Hold: func(_, name string) sim.Hold {
		for _, n := range names {
			if n == name {
				return sim.Hold{Start: sim.Forever}
			}
		}
		return sim.Hold{}
	}}
}

func lockdown() access.Command { return access.Command{Mode: access.LockedDown, Operator: guard} }

func doorIDs(n int) (ids []access.DoorID) {
	for i := range n {
		ids = append(ids, access.DoorID(fmt.Sprintf("door-%d", i+1)))
	}
	return ids
}

// A lockdown of a thousand doors is one transaction, and all are secured before
// the disk is touched.
func TestALockdownOfAThousandDoorsIsOneTransaction(t *testing.T) {
	const n = 1000
	frozen := false
	h := newHouse(t, n, sim.New(1, sim.Options{Hold: func(_, name string) sim.Hold {
		if frozen && (name == "save" || name == "commit") {
			return sim.Hold{Start: sim.Forever}
		}
		return sim.Hold{}
	}}))
	h.start()
	h.command(access.Command{Mode: access.Unlocked, Operator: guard}, doorIDs(n)...)
	h.sim.Advance(time.Second)
	released := func() (count int) {
		for i := range n {
			if h.lock(i + 1).Released() {
				count++
			}
		}
		return count
	}
	if released() != n {
		t.Fatalf("%d doors are unlocked", released())
	}
	frozen = true
	saves, begin := h.store.saves, h.sim.Now()
	h.b.Tell(lockdown(), doorIDs(n)...)
	h.sim.Quiesce() // the clock stands still
	if left := released(); left != 0 || h.store.saves != saves {
		t.Errorf("%d doors are still released, %d saves", left, h.store.saves-saves)
	}
	frozen = false
	if !h.sim.Release(modesPath, "save") || !h.sim.Release(actors.Root+"/store/journal", "commit") {
		t.Fatal("nothing was frozen: this test proves nothing")
	}
	h.sim.Advance(time.Second)
	if h.store.saves != saves+1 {
		t.Errorf("%d transactions, want one", h.store.saves-saves)
	}
	for _, id := range doorIDs(n) {
		if h.store.doors[id].Mode != access.LockedDown {
			t.Fatalf("door %s is saved as %v", id, h.store.doors[id].Mode)
		}
	}
	t.Logf("secured %v after the command", h.sim.Now().Sub(begin)-time.Second)
	h.stopClean()
}

// A door that is too busy to take a lockdown takes it as soon as it can.
func TestALockdownReachesABusyDoor(t *testing.T) {
	h, s := stalledHouse(t, 1, sim.Options{})
	h.start()
	h.command(access.Command{Mode: access.Unlocked, Operator: guard}, "door-1")
	h.sim.Advance(time.Second)
	s.path = logic1
	h.fill(logic1)
	report := h.command(lockdown(), "door-1")
	if !report.Results[0].Accepted {
		t.Errorf("%+v", report)
	}
	s.resume()
	h.sim.Advance(50 * time.Millisecond)
	if h.lock(1).Released() || h.status("door-1").Mode != access.LockedDown {
		t.Errorf("released %v, %+v", h.lock(1).Released(), h.status("door-1"))
	}
	h.wantChange(access.LockedDown, 1)
	h.sim.Advance(time.Minute)
	if l := h.b.Ledger(); l.Timers != 0 {
		t.Errorf("%d timers are left", l.Timers)
	}
	h.stopClean()
}

// wantChange wants so many records of the guard's change to a mode.
func (h *house) wantChange(mode access.Mode, want int) {
	h.t.Helper()
	n := 0
	for _, e := range h.all(access.KindModeChanged) {
		if e.Mode == mode && e.Operator == guard {
			n++
		}
	}
	if n != want {
		h.t.Errorf("%d records of the change to %v, want %d: %v", n, mode, want, h.kinds(1))
	}
}

// The end of an older command must not take the lockdown out of the book that
// comes after it: the door crashes between the two.
func TestALockdownBehindAnOlderCommandSurvivesACrash(t *testing.T) {
	h, s := stalledHouse(t, 1, sim.Options{})
	h.start()
	h.command(access.Command{Mode: access.Blocked, Operator: guard}, "door-1")
	h.sim.Advance(time.Second)
	s.path = logic1
	h.b.Tell(access.Command{Clear: true, Operator: guard}, "door-1")
	h.b.Tell(lockdown(), "door-1")
	h.quiet()
	saved := len(h.store.wrote)
	commands := 0
	h.probe = func(path, msg string) {
		if path == logic1 && msg == "actors.toDoor" {
			if commands++; commands == 2 {
				panic("injected")
			}
		}
	}
	s.resume()
	h.sim.Advance(time.Second)
	if got := h.status("door-1").Mode; got != access.LockedDown || commands < 2 {
		t.Errorf("the door came back %v, after %d commands", got, commands)
	}
	if got := h.store.doors["door-1"].Mode; got != access.LockedDown {
		t.Errorf("saved as %v", got)
	}
	for _, m := range h.store.wrote[saved:] {
		if m.Mode != access.LockedDown {
			t.Errorf("for a moment %v was on disk", m.Mode)
		}
	}
	h.wantChange(access.LockedDown, 1) // although the crash ate it
	h.stopClean()
}

// A command to a door that is down is recorded at once, and holds when the door
// is back.
func TestACommandToAFailedDoor(t *testing.T) {
	h := newHouse(t, 2, sim.New(1, sim.Options{}))
	h.probed()
	h.start()
	h.down("door-1")
	report := h.command(lockdown(), "door-1", "door-2")
	if r := report.Results[0]; !r.Accepted || !r.Down || !report.Saved {
		t.Errorf("%+v", report)
	}
	h.quiet()
	h.wantChange(access.LockedDown, 2) // one for each door
	if r := h.command(access.Command{Mode: access.Unlocked, Operator: guard}, "door-1").Results[0]; r.Refused != access.ReasonLockdown {
		t.Errorf("%+v", r)
	}
	h.quiet()
	if refused := h.all(access.KindCommandRefused); len(refused) != 1 || refused[0].Door != "door-1" || refused[0].Operator != guard {
		t.Errorf("%+v", refused)
	}
	h.sim.Advance(40 * time.Second)
	if s := h.status("door-1"); s.Mode != access.LockedDown || s.Actor != "running" {
		t.Errorf("%+v", s)
	}
	h.wantChange(access.LockedDown, 2)
	h.stopClean()
}

// A release is told to be impossible at a door that is down.
func TestAReleaseOfAFailedDoorIsReported(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	h.probed()
	h.start()
	h.down("door-1")
	report := h.command(access.Command{Mode: access.LockedOpen, Operator: guard}, "door-1")
	if r := report.Results[0]; r.Accepted || !r.Down {
		t.Errorf("%+v", report)
	}
	h.sim.Advance(time.Minute)
	if h.lock(1).Moves() != 0 {
		t.Error("the lock moved")
	}
	h.stopClean()
}

// An operator's release is on disk before the lock moves; a frozen disk holds it
// up for 150 ms.
func TestAnOperatorsReleaseWaitsForItsRecord(t *testing.T) {
	for name, want := range map[string]time.Duration{"slow": 100 * time.Millisecond, "frozen": 150 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			d := &disk{}
			h := simHouse(t, 1, 1, sim.Options{Hold: d.hold})
			if d.result = 100 * time.Millisecond; name == "frozen" {
				d.result = time.Hour
			}
			h.b.Tell(access.Command{Mode: access.LockedOpen, Operator: guard}, "door-1")
			h.sim.Advance(want - time.Millisecond)
			if h.lock(1).Moves() != 0 {
				t.Fatal("the lock moved too early")
			}
			h.sim.Advance(time.Millisecond)
			if !h.lock(1).Released() {
				t.Error("not released")
			}
			d.result = 0
			h.sim.Advance(time.Hour)
			if late := h.has(access.KindRecordLate); late != (name == "frozen") {
				t.Errorf("an alarm says that the record is late: %v", late)
			}
			h.stopClean()
		})
	}
}

// Operators are answered within the limit, also when others come after them.
func TestOperatorsAreAnsweredInTime(t *testing.T) {
	h := simHouse(t, 1, 1, freeze("save"))
	begin := h.sim.Now()
	h.sim.AfterFunc(49*time.Second/10, func() { h.b.Tell(lockdown(), "door-1") })
	report, err := h.b.Command(access.Command{Mode: access.Blocked, Operator: guard}, "door-1")
	if took := h.sim.Now().Sub(begin); err != nil || took > actors.CommandLimit || report.Saved {
		t.Errorf("%+v %v after %v", report, err, took)
	}
}

// A lockdown is carried out and answered however many operators wait already.
func TestALockdownIsNotRefusedToACrowd(t *testing.T) {
	h := simHouse(t, 1, 1, freeze("save"))
	for range 200 {
		h.b.Tell(access.Command{Mode: access.Blocked, Operator: guard}, "door-1")
		h.sim.Quiesce()
	}
	report, err := h.b.Command(lockdown(), "door-1")
	if err != nil || !report.Results[0].Accepted || report.Saved || h.status("door-1").Mode != access.LockedDown {
		t.Errorf("%+v %v, %+v", report, err, h.status("door-1"))
	}
}

// When the modes' actor crashes, who waits is told at once what holds.
func TestAnOperatorIsToldOfACrash(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{Hold: func(_, name string) sim.Hold {
		if name == "save" {
			return sim.Hold{Start: 2 * time.Second}
		}
		return sim.Hold{}
	}}))
	h.probed()
	h.start()
	begin := h.sim.Now()
	h.sim.AfterFunc(time.Second, func() {
		h.panics(modesPath, "", 1)
		h.b.Poke(modesPath)
	})
	report, err := h.b.Command(lockdown(), "door-1")
	if took := h.sim.Now().Sub(begin); err != nil || took != time.Second || !report.Results[0].Accepted || report.Saved {
		t.Errorf("%+v %v after %v", report, err, took)
	}
	h.sim.Advance(5 * time.Second)
	if h.store.doors["door-1"].Mode != access.LockedDown {
		t.Error("not saved by the next life")
	}
	h.stopClean()
}

// Of two commands the newer one holds, and both operators are answered.
func TestTheNewerCommandHolds(t *testing.T) {
	h := simHouse(t, 1, 1, sim.Options{Hold: func(_, name string) sim.Hold {
		if name == "save" {
			return sim.Hold{Start: time.Second}
		}
		return sim.Hold{}
	}})
	begin := h.sim.Now()
	h.sim.AfterFunc(time.Millisecond, func() { h.b.Tell(access.Command{Clear: true, Operator: guard}, "door-1") })
	report, err := h.b.Command(lockdown(), "door-1")
	if took := h.sim.Now().Sub(begin); err != nil || !report.Saved || took > 3*time.Second {
		t.Errorf("%+v %v after %v", report, err, took)
	}
	h.sim.Advance(10 * time.Second)
	if s := h.status("door-1"); s.Mode != access.Locked || h.store.doors["door-1"].Mode != access.Locked {
		t.Errorf("%+v, saved %+v", s, h.store.doors["door-1"])
	}
	h.stopClean()
}

// What cannot be commanded is an error, not a silent nothing.
func TestAccessedCannotBeCommanded(t *testing.T) {
	h := simHouse(t, 1, 1, sim.Options{})
	if _, err := h.b.Command(access.Command{Mode: access.Accessed}, "door-1"); !errors.Is(err, actors.ErrBadMode) {
		t.Errorf("%v", err)
	}
	if _, err := h.b.Command(lockdown(), "door-1", "nowhere"); !errors.Is(err, actors.ErrUnknownDoor) {
		t.Errorf("%v", err)
	}
	if s := h.status("door-1"); s.Mode != access.Locked {
		t.Errorf("an unknown door did not refuse the whole command: %+v", s)
	}
	h.stopClean()
}

// A reset while the fire lasts is refused, and that is an event; the door does
// not even twitch.
func TestAFireResetIsRefusedWhileItBurns(t *testing.T) {
	h, s := stalledHouse(t, 1, sim.Options{})
	h.start()
	h.rig.Input("fire/fire").Set(true)
	h.quiet()
	moves := h.lock(1).Moves()
	s.path = logic1
	h.rig.Input("fire/fire").Set(false)
	h.quiet()
	h.rig.Input("fire/fire").Set(true)
	h.quiet()
	report, err := h.b.ResetFire("chief", "door-1")
	if err != nil || report.Results[0].Accepted || report.Results[0].Refused != access.ReasonFire {
		t.Errorf("%+v %v", report, err)
	}
	s.resume()
	h.sim.Advance(time.Second)
	if !h.lock(1).Released() || h.lock(1).Moves() != moves || len(h.all(access.KindCommandRefused)) != 1 {
		t.Errorf("released %v, %d moves, %v", h.lock(1).Released(), h.lock(1).Moves()-moves, h.kinds(1))
	}
	h.rig.Input("fire/fire").Set(false)
	h.quiet()
	report, err = h.b.ResetFire("chief", "door-1")
	if err != nil || !report.Results[0].Accepted || !report.Saved || h.lock(1).Released() {
		t.Errorf("%+v %v", report, err)
	}
	h.stopClean()
}

// A fire releases a door whose actors are down, too, and the latch holds when
// they are back.
func TestFireReleasesADoorThatIsDown(t *testing.T) {
	h := newHouse(t, 2, sim.New(1, sim.Options{}), func(r *access.Rules) { r.Doors[1].FireRelease = false })
	h.probed()
	h.start()
	h.down("door-1")
	h.down("door-2")
	h.rig.Input("fire/fire").Set(true)
	h.sim.Quiesce()
	if !h.lock(1).Released() || h.lock(2).Released() {
		t.Errorf("released: %v", h.releases(2))
	}
	h.rig.Input("fire/fire").Set(false)
	h.sim.Advance(2 * time.Minute)
	if s := h.status("door-1"); !h.lock(1).Released() || !s.Fire || s.Actor != "running" || h.lock(1).Moves() != 1 {
		t.Errorf("the latch is gone: %+v, %d moves", s, h.lock(1).Moves())
	}
	if n := len(h.all(access.KindFireReleased)); n != 1 || !h.store.doors["door-1"].Fire {
		t.Errorf("%d records, saved %+v", n, h.store.doors["door-1"])
	}
	h.stopClean()
}

// A fire input that cannot be read any more keeps its last level and is an
// alarm; one that can be read again is looked at again.
func TestAFireInputThatFails(t *testing.T) {
	h := simHouse(t, 1, 1, sim.Options{})
	in := h.rig.Input("fire/fire")
	in.Set(true)
	h.sim.Quiesce()
	in.Fail(errDisk)
	h.b.Poke(actors.Root + "/buses/fire") // looks again
	h.sim.Advance(2 * time.Second)
	if report, err := h.b.ResetFire("chief", "door-1"); err != nil || report.Results[0].Refused != access.ReasonFire {
		t.Errorf("a broken wire ended the fire: %+v %v", report, err)
	}
	in.Fail(nil)
	in.Set(false)
	h.sim.Advance(2 * time.Second)
	if report, err := h.b.ResetFire("chief", "door-1"); err != nil || !report.Results[0].Accepted {
		t.Errorf("%+v %v", report, err)
	}
	h.stopClean()
}

// A fire input that cannot be read at the start is an alarm, and is read once it
// can be.
func TestAFireInputThatCannotBeReadAtTheStart(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	in := h.rig.Input("fire/fire")
	in.Fail(errDisk)
	h.start()
	if health := h.b.Health(); health.Ready {
		t.Error("no alarm")
	}
	in.Fail(nil)
	h.sim.Advance(2 * time.Second)
	if health := h.b.Health(); !health.Ready {
		t.Errorf("the alarm stays: %v", health.Degraded)
	}
	if l := h.b.Ledger(); l.Timers != 0 {
		t.Errorf("%d timers are left", l.Timers)
	}
	h.stopClean()
}

// A lockdown secures a door at once that is down and was held open.
func TestALockdownOfAFailedDoorThatIsHeldOpen(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	h.probed()
	h.start()
	h.command(access.Command{Mode: access.LockedOpen, Operator: guard}, "door-1")
	h.sim.Advance(time.Second)
	h.down("door-1")
	if !h.lock(1).Released() {
		t.Fatal("LockedOpen did not survive the crash")
	}
	h.command(lockdown(), "door-1")
	h.sim.Quiesce()
	if h.lock(1).Released() {
		t.Error("still released")
	}
	h.sim.Advance(time.Minute)
	if s := h.status("door-1"); s.Mode != access.LockedDown || h.lock(1).Released() {
		t.Errorf("%+v", s)
	}
	h.stopClean()
}

// A lockdown that waits in a door's mailbox and is told once more, because the
// modes' actor restarted, is carried out and recorded once.
func TestALockdownToldTwiceIsCarriedOutOnce(t *testing.T) {
	h, s := stalledHouse(t, 1, sim.Options{})
	h.start()
	s.path = logic1
	h.b.Tell(lockdown(), "door-1")
	h.quiet()
	h.panics(modesPath, "", 1)
	h.b.Poke(modesPath)
	h.sim.Advance(time.Second)
	if n := h.find(logic1).Queued; n < 2 {
		t.Fatalf("%d messages wait: told once", n)
	}
	s.resume()
	h.wantChange(access.LockedDown, 1)
	h.stopClean()
}
