package actors_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

const journalPath = actors.Root + "/store/journal"

// once fails unless every event is in the journal once and no number of a source
// is missing.
func (h *house) once() {
	h.t.Helper()
	last := map[access.Source]uint64{}
	for _, e := range h.journal.events {
		s := e.Source
		s.Number = 0
		if e.Source.Number != last[s]+1 {
			h.t.Errorf("%v: number %d after %d", s, e.Source.Number, last[s])
		}
		last[s] = e.Source.Number
	}
}

// A crash of the journal's actor with a commit under way, before or after it
// reached the disk: all is recorded once, and the door hears of it.
func TestACrashOfTheJournalLosesNothing(t *testing.T) {
	for name, hold := range map[string]sim.Hold{
		"before the disk": {Start: 50 * time.Millisecond}, "after the disk": {Result: 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			slow := false
			h := newHouse(t, 2, sim.New(1, sim.Options{Hold: func(_, name string) sim.Hold {
				if slow && name == "commit" {
					return hold
				}
				return sim.Hold{}
			}}))
			h.probed()
			h.start()
			slow = true
			h.card(1, "in", 1)
			h.card(2, "in", 2)
			h.sim.Advance(10 * time.Millisecond)
			slow = false
			h.panics(journalPath, "", 1)
			h.b.Poke(journalPath)
			h.sim.Advance(100 * time.Millisecond)
			if got := h.releases(2); got != [3]bool{true, true} || h.has(access.KindRecordLate) {
				t.Errorf("released %v by the record, %v", got, h.kinds(1))
			}
			h.sim.Advance(time.Minute)
			h.stopClean()
			h.once()
		})
	}
}

// A commit that hangs outlives its actor's life; the next life must not begin
// another one beside it.
func TestTwoCommitsNeverRunAtOnce(t *testing.T) {
	freeze := false
	h := newHouse(t, 1, sim.New(1, sim.Options{Hold: func(_, name string) sim.Hold {
		if freeze && name == "commit" {
			freeze = false // only the first one
			return sim.Hold{Start: sim.Forever}
		}
		return sim.Hold{}
	}}))
	h.probed()
	h.start()
	freeze = true
	h.card(1, "in", 1)
	h.sim.Advance(10 * time.Millisecond)
	h.panics(journalPath, "", 1)
	h.b.Poke(journalPath)
	h.sim.Advance(time.Minute)
	if h.b.Ledger().Zombies != 1 {
		t.Fatal("no commit outlived its actor: this test proves nothing")
	}
	if n := len(h.all(access.KindGranted)); n != 0 {
		t.Error("a second commit ran beside the one that hangs")
	}
	if !h.sim.Release(journalPath, "commit") {
		t.Fatal("nothing hung")
	}
	h.sim.Advance(time.Minute)
	if n := len(h.all(access.KindGranted)); n != 1 || h.b.Health().Waiting != 0 {
		t.Errorf("%d grants are recorded after the disk is back, %d events wait", n, h.b.Health().Waiting)
	}
	h.stopClean()
	h.once()
}

// The same for the store.
func TestTwoSavesNeverRunAtOnce(t *testing.T) {
	frozen := true
	h := newHouse(t, 1, sim.New(1, sim.Options{Hold: func(_, name string) sim.Hold {
		if frozen && name == "save" {
			frozen = false
			return sim.Hold{Start: sim.Forever}
		}
		return sim.Hold{}
	}}))
	h.probed()
	h.start()
	h.b.Tell(lockdown(), "door-1")
	h.sim.Advance(time.Second)
	h.panics(modesPath, "", 1)
	h.b.Poke(modesPath)
	h.sim.Advance(time.Minute)
	if h.b.Ledger().Zombies != 1 || h.store.saves != 0 {
		t.Errorf("%d zombies, %d saves beside the one that hangs", h.b.Ledger().Zombies, h.store.saves)
	}
	h.b.Tell(access.Command{Clear: true}, "door-1")
	h.b.Tell(access.Command{Mode: access.Blocked}, "door-1")
	h.sim.Advance(time.Minute)
	h.sim.Release(modesPath, "save")
	h.sim.Advance(time.Minute)
	if h.store.doors["door-1"].Mode != access.Blocked {
		t.Error("not saved after the disk is back")
	}
	h.stopClean()
}

// A stop writes what failed before: modes, events and the gap.
func TestAStopWritesWhatIsOwed(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	h.config.Retry = time.Hour
	h.start()
	h.store.fail = errDisk
	h.journal.setFail(errDisk)
	h.b.Tell(lockdown(), "door-1")
	h.sim.Advance(time.Second)
	for range actors.IntakeLimit + 10 {
		h.card(1, "in", 99)
		h.sim.Quiesce()
	}
	h.store.fail = nil
	h.journal.setFail(nil)
	h.stopClean()
	if h.store.doors["door-1"].Mode != access.LockedDown {
		t.Error("the lockdown is not saved")
	}
	gap := uint64(0)
	for _, e := range h.all(access.KindGap) {
		gap += e.Count
	}
	denied := uint64(len(h.all(access.KindDenied)))
	if gap == 0 || denied+gap < actors.IntakeLimit+10 {
		t.Errorf("%d denied, gap %d", denied, gap)
	}
	if last := h.journal.events[len(h.journal.events)-1]; last.Kind != access.KindStopped {
		t.Errorf("the last event is %v", last.Kind)
	}
}

// A stop with a disk that hangs ends, says who hangs and that events are lost,
// and leaves the locks at rest; the disk hangs before or only at the last write.
func TestAStopWithAFrozenDiskEnds(t *testing.T) {
	for name, task := range map[string]string{"before": "commit", "at the last write": "flush"} {
		t.Run(name, func(t *testing.T) {
			frozen := false
			s := sim.New(1, sim.Options{Hold: func(_, name string) sim.Hold {
				if frozen && name == task {
					return sim.Hold{Start: sim.Forever}
				}
				return sim.Hold{}
			}})
			h := newHouse(t, 1, s)
			var log bytes.Buffer
			h.config.Log = zerolog.New(&log)
			h.start()
			h.card(1, "in", 1)
			h.sim.Quiesce()
			frozen = true
			begin := h.sim.Now()
			report := h.b.Stop()
			if took := h.sim.Now().Sub(begin); took > 21*time.Second {
				t.Errorf("the stop took %v", took)
			}
			if report.Zombies != 1 || len(report.Abandoned) == 0 {
				t.Errorf("nobody says what hangs: %+v", report)
			}
			if h.lock(1).Released() {
				t.Error("the lock is not at rest")
			}
			if !strings.Contains(log.String(), "events lost") {
				t.Errorf("nobody says that events are lost: %s", log.String())
			}
		})
	}
}

// A second Stop changes nothing.
func TestStopTwice(t *testing.T) {
	h := simHouse(t, 1, 1, sim.Options{})
	h.stopClean()
	n := len(h.journal.events)
	h.stopClean()
	if len(h.journal.events) != n || n == 0 {
		t.Errorf("%d events, then %d", n, len(h.journal.events))
	}
}

// The facade has an answer before the start and after the stop.
func TestTheFacadeWithoutATree(t *testing.T) {
	h := newHouse(t, 2, sim.New(1, sim.Options{}))
	b, err := actors.New(h.config)
	if err != nil {
		t.Fatal(err)
	}
	use := func(when string, want string) {
		t.Helper()
		doors := b.Doors()
		if one, err := b.Door("door-1"); err != nil || len(doors) != 2 || one.Actor != want || doors[1].Actor != want {
			t.Errorf("%s: %+v %v", when, doors, err)
		}
		if b.Health().Ready {
			t.Errorf("%s: ready", when)
		}
		tree, l := b.Tree(), b.Ledger()
		if tree.ID != actors.Root || l.Actors != 0 {
			t.Errorf("%s: %v %+v", when, tree, l)
		}
		if _, err := b.Command(lockdown(), "door-1"); err == nil {
			t.Errorf("%s: a command is taken", when)
		}
		_ = b.Reason()
		_ = b.Down()
		_, _ = b.Counts()
	}
	use("before", "stopped")
	if report := b.Stop(); !report.Complete {
		t.Errorf("a stop before the start: %+v", report)
	}
	h.start()
	b = h.b
	h.stopClean()
	use("after", "stopped")
	<-b.Down()
}

// An edge that asks while the building is still starting gets an answer.
func TestTheEdgeMayAskDuringTheStart(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	asked := false
	h.startWith(supervisor.ChildSpec{ID: "curious", New: func() supervisor.Actor { return &curious{h, &asked} }})
	if !asked {
		t.Error("it did not ask")
	}
	h.stopClean()
}

type curious struct {
	h     *house
	asked *bool
}

func (a *curious) Start(*supervisor.Context) error {
	a.h.b.Doors()
	a.h.b.Health()
	*a.asked = true
	return nil
}

func (*curious) Receive(*supervisor.Context, any) error { return nil }

// One seed, one trace: turns and events of two runs are the same.
func TestOneSeedGivesOneTrace(t *testing.T) {
	run := func() (trace []string) {
		h := simHouse(t, 3, 5, sim.Options{OnTurn: func(path string) { trace = append(trace, path) }})
		for i := range 200 {
			h.card(1+i%3, []string{"in", "out"}[i%2], uint64(i%25))
			h.sim.Round()
			h.contact(1 + i%3).Set(i%4 == 0)
			if i%10 == 0 {
				h.b.Tell(access.Command{Mode: access.Mode(i / 10 % 2), Operator: guard}, doorIDs(3)...)
				h.sim.Advance(3 * time.Second)
			}
		}
		h.stopClean()
		for _, e := range h.journal.events {
			trace = append(trace, e.Kind.String()+" "+string(e.Door)+" "+e.Time.String())
		}
		return trace
	}
	first := run()
	for range 4 {
		second := run()
		if len(first) != len(second) {
			t.Fatalf("%d and %d steps", len(first), len(second))
		}
		for i := range first {
			if first[i] != second[i] {
				t.Fatalf("step %d: %q and %q", i, first[i], second[i])
			}
		}
	}
}
