package daemon_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/persistence/disktest"
	"gatehouse/persistence/store"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

func TestMain(m *testing.M) {
	disktest.Main()
	os.Exit(m.Run())
}

// onDisk is a house whose data directory is on a disk that can be broken.
func onDisk(t *testing.T) (*house, *disktest.Disk) {
	t.Helper()
	d, h := disktest.Mount(t), newHouse(t)
	h.dir = filepath.Join(d.Dir(), "data")
	return h, d
}

// ring is how many events wait in memory at most (actors.intakeLimit).
const ring = 10_000

// denials holds an unknown card to a reader n times.
func (h *house) denials(n int) {
	h.t.Helper()
	for range n {
		h.card("front", 1)
	}
}

// account fails unless every event of this life is in the journal once, or one of
// those that its gap records count.
func (h *house) account(wantLost int) {
	h.t.Helper()
	times, last := map[access.Source]int{}, uint64(0)
	gaps := uint64(0)
	for {
		list, err := h.d.Building.Events(last, 1000)
		if err != nil {
			h.t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, e := range list {
			last = e.Seq
			times[e.Source]++
			if e.Kind == access.KindGap {
				gaps += e.Count
			}
		}
	}
	lost := 0
	for _, e := range h.events {
		switch times[e.Source] {
		case 0:
			lost++
		case 1:
		default:
			h.t.Errorf("%v %v is there %d times", e.Kind, e.Source, times[e.Source])
		}
	}
	if uint64(lost) != gaps || lost != wantLost {
		h.t.Errorf("%d events are lost, want %d; the gap records say %d", lost, wantLost, gaps)
	}
}

// breakages are the ways in which a disk fails in the middle of the work.
var breakages = map[string]disktest.Faults{
	"writes fail": {Change: syscall.EIO},
	"syncs fail":  {Sync: syscall.EIO},
	"read-only":   {Change: syscall.EROFS},
	"full":        {Change: syscall.ENOSPC},
}

// A disk that breaks in the middle: doors go on, nothing is called durable that is
// not, alarms say so, and once the disk works again all is back to normal, with a
// gap record for exactly what memory could not hold.
func TestBrokenDisk(t *testing.T) {
	for name, fault := range breakages {
		t.Run(name, func(t *testing.T) {
			h, d := onDisk(t)
			h.start()
			h.card("front", knownCard)
			h.wantReleased("front", true)
			h.sim.Advance(time.Minute)
			durable := h.d.Building.LastEvent()

			d.Set(fault)
			h.card("front", knownCard)
			h.wantReleased("front", false)
			h.sim.Advance(149 * time.Millisecond)
			h.wantReleased("front", false)
			h.sim.Advance(time.Millisecond)
			h.wantReleased("front", true)
			h.newest(access.KindRecordLate)
			h.newest(access.KindJournalDegraded)
			if h.command(access.Command{Mode: access.LockedDown}, "back") {
				t.Error("a lockdown is called saved")
			}
			h.newest(access.KindStoreDegraded)
			h.card("back", knownCard)
			if e := h.newest(access.KindDenied); e.Reason != access.ReasonLockdown {
				t.Errorf("a card during the lockdown: %v", e.Reason)
			}
			h.sim.Advance(time.Minute)
			if h.d.Building.LastEvent() != durable {
				t.Error("something is called durable")
			}
			lost := 0
			if name == "writes fail" { // the ring takes its time
				lost = 50
				h.denials(ring - h.d.Building.Health().Waiting + lost)
			}
			if health := h.d.Building.Health(); health.Ready || lost > 0 && health.Waiting != ring || len(health.Degraded) != 2 {
				t.Errorf("health: %+v", health)
			}

			d.Set(disktest.Faults{})
			h.sim.Advance(10 * time.Second)
			h.newest(access.KindJournalRestored)
			h.newest(access.KindStoreRestored)
			h.wantReady()
			h.account(lost)

			d.CutAt(0)
			h.afterCut(d)
		})
	}
}

// afterCut: what was acknowledged before the power went is there.
func (h *house) afterCut(d *disktest.Disk) {
	h.t.Helper()
	last := h.d.Building.LastEvent()
	_ = h.d.Close() // the power is off; nothing runs that would write
	d.Reboot(1)
	h.lives++
	h.start()
	if err := h.d.Degraded(); err != nil {
		h.t.Errorf("after a power cut: %v", err)
	}
	if got := h.status("back").Standing; got != access.LockedDown {
		h.t.Errorf("after a power cut back is %v", got)
	}
	if got := h.d.Building.LastEvent(); got < last {
		h.t.Errorf("after a power cut the journal ends at %d, %d were acknowledged", got, last)
	}
	h.stop()
}

// A store or journal that cannot be read at the start: the building runs on the
// boot image. When the disk is back, so is everything.
func TestUnreadableAtTheStart(t *testing.T) {
	for _, c := range []struct {
		name           string
		store, journal bool
	}{{"store", true, false}, {"0", false, true}, {"", true, true}} {
		t.Run(fmt.Sprintf("%q", c.name), func(t *testing.T) {
			h, d := onDisk(t)
			h.start()
			h.command(access.Command{Mode: access.LockedDown}, "back")
			h.stop()
			image, err := os.ReadFile(h.path(store.ImageName))
			if err != nil {
				t.Fatal(err)
			}
			d.Reboot(1) // the kernel forgets what it read
			if c.name == "" {
				t.Log("nothing at all can be read, the boot image neither: refused")
				d.Set(disktest.Faults{Read: syscall.EIO})
				if err := h.open(); err == nil || !strings.Contains(err.Error(), "input/output error") {
					t.Errorf("started: %v", err)
				}
				d.Set(disktest.Faults{})
				h.start()
				h.stop()
				return
			}
			d.Set(disktest.Faults{Name: c.name, Read: syscall.EIO})
			h.start()
			wantDegraded(t, h, c.store, c.journal)
			if got := h.status("back").Standing; got != access.LockedDown {
				t.Errorf("back is %v", got)
			}
			h.card("front", knownCard)
			h.sim.Advance(150 * time.Millisecond)
			h.wantReleased("front", true)
			h.stop()
			d.Set(disktest.Faults{})
			if now, err := os.ReadFile(h.path(store.ImageName)); c.store && (err != nil || string(now) != string(image)) {
				t.Errorf("the boot image was changed: %v", err)
			}
			h.start()
			if err := h.d.Degraded(); err != nil {
				t.Error(err)
			}
			h.wantReady()
			h.stop()
		})
	}
}

// A disk that hangs for five seconds, on virtual time: every decision is made at
// the very instant of its card, the door opens at the limit to the millisecond,
// what secures does not wait, and the alarm comes and goes.
func TestFrozenDiskOnVirtualTime(t *testing.T) {
	h, frozen := newHouse(t), false
	h.hold = func(_, name string) sim.Hold {
		switch {
		case frozen && name == "commit":
			return sim.Hold{Start: 5 * time.Second}
		case frozen && name == "save":
			return sim.Hold{Start: time.Minute}
		}
		return sim.Hold{}
	}
	h.start()
	h.sim.Advance(time.Minute)
	frozen = true
	durable := h.d.Building.LastEvent()
	for i, door := range []string{"front", "back"} {
		at := h.sim.Now()
		h.card(door, knownCard)
		if e := h.newest(access.KindGranted); !e.Time.Equal(at) || string(e.Door) != door {
			t.Errorf("card %d: at %v, granted %s at %v", i, at, e.Door, e.Time)
		}
		h.sim.Advance(149 * time.Millisecond)
		h.wantReleased(door, false)
		h.sim.Advance(time.Millisecond)
		h.wantReleased(door, true)
		if e := h.newest(access.KindRecordLate); string(e.Door) != door {
			t.Errorf("late is %s", e.Door)
		}
	}
	h.sim.Advance(time.Second)
	if e := h.newest(access.KindJournalDegraded); e.Detail != "the disk has not answered for 1s" {
		t.Errorf("alarm: %q", e.Detail)
	}
	if health := h.d.Building.Health(); health.Ready || health.Waiting == 0 || h.d.Building.LastEvent() != durable {
		t.Errorf("health: %+v, durable %d", health, h.d.Building.LastEvent())
	}
	at := h.sim.Now()
	if h.command(access.Command{Mode: access.LockedDown}, "front") {
		t.Error("a lockdown is called saved")
	}
	if e := h.newest(access.KindModeChanged); !e.Time.Equal(at) {
		t.Errorf("locked down at %v, told at %v", e.Time, at)
	}
	frozen = false
	h.sim.Advance(2 * time.Minute)
	h.newest(access.KindJournalRestored)
	h.wantReady()
	h.account(0)
	h.stop()
}

// The same on real time, with a disk that does hang: the syncs under way wait in
// the kernel while all decisions are made. How long they take beside those before
// is measured; RATIO asserts it.
func TestFrozenDiskOnRealTime(t *testing.T) {
	h, d := onDisk(t)
	real, events := supervisor.NewReal(1), make(chan access.Event, 4096)
	h.change = func(o *daemon.Options) {
		o.Executor, o.OnEvent = real, func(e access.Event) { events <- e }
	}
	if err := h.open(); err != nil {
		t.Fatal(err)
	}
	if err := h.d.Start(); err != nil {
		t.Fatal(err)
	}
	await := func(k access.Kind) {
		t.Helper()
		for !h.has(k) {
			h.events = append(h.events, <-events)
		}
	}
	decisions := func() time.Duration {
		took := make([]time.Duration, 301)
		for i := range took {
			begin, before := real.Now(), len(h.events)
			h.present("front", 1)
			for len(h.events) == before || h.events[len(h.events)-1].Kind != access.KindDenied {
				h.events = append(h.events, <-events)
			}
			took[i] = real.Now().Sub(begin)
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	await(access.KindStarted)
	sound := decisions()

	d.Set(disktest.Faults{Frozen: true})
	h.present("back", knownCard)
	await(access.KindGranted)
	for d.Stuck() == 0 {
	}
	frozen := decisions()
	await(access.KindRecordLate)
	await(access.KindJournalDegraded)
	if health := h.d.Building.Health(); d.Stuck() == 0 || health.Ready {
		t.Errorf("%d syncs hang, health: %+v", d.Stuck(), health)
	}
	if os.Getenv("RATIO") != "" {
		real.Wait(nil, 5*time.Second)
	}
	d.Set(disktest.Faults{})
	await(access.KindJournalRestored)
	supervisortest.Eventually(t, real, "all is on disk", func() bool { return h.d.Building.Health().Waiting == 0 })
	h.account(0)
	if report, err := h.d.Stop(); err != nil {
		t.Fatalf("%v: %+v", err, report)
	}
	ratio := float64(frozen) / float64(sound)
	t.Logf("a decision takes %v (p50), %v with a frozen disk: %.2fx", sound, frozen, ratio)
	if os.Getenv("RATIO") != "" && ratio > 1.5 {
		t.Error("more than 1.5x")
	}
}

// small mounts a disk of so many bytes, in memory, until the test ends.
func small(t *testing.T, bytes int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", bytes)); err != nil {
		_, _ = os.Stderr.WriteString("\n*** " + t.Name() + " IS SKIPPED: no full disk is tried. It needs root. ***\n\n")
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillDisk leaves not one byte of room.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// A disk full of something else: doors go on, events wait in memory, what was
// acknowledged stays, modes are still saved in the room of the reserve, as often
// as one likes, and once there is room again everything is written. The control
// has no reserve.
func TestDiskFull(t *testing.T) {
	for _, reserve := range []bool{true, false} {
		t.Run(fmt.Sprint("reserve ", reserve), func(t *testing.T) {
			h, disk := newHouse(t), small(t, 4<<20)
			h.dir = filepath.Join(disk, "data")
			h.start()
			h.card("front", knownCard)
			h.sim.Advance(time.Minute)
			if !reserve {
				if err := os.Remove(h.path("reserve")); err != nil {
					t.Fatal(err)
				}
			}
			fillDisk(t, filepath.Join(disk, "filler"))
			for !h.has(access.KindJournalDegraded) { // a started page has room still
				h.denials(1)
			}
			durable := h.d.Building.LastEvent()

			h.card("front", knownCard)
			h.sim.Advance(150 * time.Millisecond)
			h.wantReleased("front", true)
			h.newest(access.KindRecordLate)
			if e := h.newest(access.KindJournalDegraded); !strings.Contains(e.Detail, "no space left") {
				t.Errorf("alarm: %q", e.Detail)
			}
			for n := range 50 {
				mode := []access.Mode{access.LockedDown, access.Blocked}[n%2]
				saved := h.command(access.Command{Mode: mode}, "back")
				h.command(access.Command{Clear: true}, "back")
				if saved != reserve {
					t.Fatalf("mode %d: saved %v", n, saved)
				}
				h.sim.Advance(time.Second)
			}
			if h.command(access.Command{Mode: access.LockedDown}, "back") != reserve {
				t.Error("the lockdown: saved is not ", reserve)
			}
			if h.d.Building.LastEvent() != durable {
				t.Error("an event is called durable")
			}
			image, err := store.ReadImage(h.path(store.ImageName))
			if err != nil || reserve && (len(image.Doors) == 0 || image.Doors[0].Mode != access.LockedDown) {
				t.Errorf("the boot image: %v, %v", image.Doors, err)
			}

			if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
				t.Fatal(err)
			}
			h.sim.Advance(10 * time.Second)
			h.newest(access.KindJournalRestored)
			h.wantReady()
			h.account(0)
			h.stop()
			h.start()
			if got := h.status("back").Standing; got != access.LockedDown {
				t.Errorf("back is %v", got)
			}
			h.stop()
		})
	}
}

// Somebody can be erased or suspended on a full disk, too: the reserve is room for the
// new store. The control has no reserve, and nothing is changed.
func TestPeopleOnAFullDisk(t *testing.T) {
	changes := map[string]func(*house) error{
		"erased": func(h *house) error {
			_, err := h.d.ErasePerson(t.Context(), "p-1", store.Author{Operator: "tester", Time: h.now})
			return err
		},
		"suspended": func(h *house) error {
			file := strings.NewReader("id,suspended\np-1,yes\n")
			_, err := h.d.ImportPeople(t.Context(), file, store.ImportOptions{Author: store.Author{Operator: "tester", Time: h.now}})
			return err
		},
	}
	for name, change := range changes {
		for _, reserve := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", reserve ", reserve), func(t *testing.T) { onFullDisk(t, reserve, change) })
		}
	}
}

func onFullDisk(t *testing.T, reserve bool, change func(*house) error) {
	h, disk := newHouse(t), small(t, 4<<20)
	h.dir = filepath.Join(disk, "data")
	h.start()
	if !reserve {
		if err := os.Remove(h.path("reserve")); err != nil {
			t.Fatal(err)
		}
	}
	filler := filepath.Join(disk, "filler")
	fillDisk(t, filler)
	if err := change(h); (err == nil) != reserve {
		t.Errorf("changed: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	h.card("front", knownCard)
	if h.has(access.KindDenied) != reserve {
		t.Errorf("denied is %v", h.has(access.KindDenied))
	}
	h.stop()
}

// A start on a full disk: the site file's changes are taken into the store all the
// same. The control has no reserve, and runs on the boot image.
func TestStartOnAFullDisk(t *testing.T) {
	for _, reserve := range []bool{true, false} {
		h, disk := newHouse(t), small(t, 4<<20)
		h.dir = filepath.Join(disk, "data")
		h.start()
		h.stop()
		if !reserve {
			if err := os.Remove(h.path("reserve")); err != nil {
				t.Fatal(err)
			}
		}
		fillDisk(t, filepath.Join(disk, "filler"))
		h.site.Rules.Levels[0].Name = "Changed"
		h.start()
		image, err := store.ReadImage(h.path(store.ImageName))
		if err != nil {
			t.Fatal(err)
		}
		if taken := image.Rules.Levels[0].Name == "Changed"; taken != reserve || (h.d.Degraded() == nil) != reserve {
			t.Errorf("reserve %v: taken %v, degraded %v", reserve, taken, h.d.Degraded())
		}
		if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
			t.Fatal(err)
		}
		h.sim.Advance(10 * time.Second)
		h.stop()
	}
}

// The power goes at each of the first changes of a new building, the making of its
// data directory included: the next start works, and has what was acknowledged.
func TestSweepPowerCutAtTheFirstStart(t *testing.T) {
	h, d := onDisk(t)
	const lastCut = 150 // most lives are over by then
	survived := 0
	for cut := 1; cut <= lastCut; cut += everyCut {
		d.Format()
		d.CutAt(cut)
		saved, last := h.briefLife(cut)
		if saved {
			survived++
		}
		d.Reboot(uint64(cut))
		h.start()
		if err := h.d.Degraded(); err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
		if got := h.status("back").Standing; saved && got != access.LockedDown || h.d.Building.LastEvent() < last {
			t.Errorf("cut %d: back is %v, saved %v; %d events, acknowledged %d", cut, got, saved, h.d.Building.LastEvent(), last)
		}
		h.stop()
	}
	if lives := lastCut / everyCut; survived == 0 || survived > lives*2/3 {
		t.Errorf("%d of %d lives saved their lockdown: the cuts come at the wrong places", survived, lives)
	}
}

// briefLife goes as far as the power lets it, and says what was acknowledged.
func (h *house) briefLife(cut int) (saved bool, last uint64) {
	h.t.Helper()
	if err := h.open(); err != nil {
		return false, 0 // no power
	}
	if err := h.d.Start(); err != nil {
		h.t.Fatalf("cut %d: %v", cut, err)
	}
	h.sim.Quiesce()
	h.card("front", knownCard)
	saved = h.command(access.Command{Mode: access.LockedDown}, "back")
	last = h.d.Building.LastEvent()
	_ = h.d.Close() // the power is off, or goes now
	return saved, last
}
