package daemon_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
	"gatehouse/persistence/store"
)

// firstDrive is what the first Drive of a lock asked for, and what it found.
type firstDrive struct {
	Release bool
	Made    []string // files in the data directory; of a first life only
	Open    []string // files there that this process holds open
}

// witness has every lock report its first Drive of each life.
type witness struct {
	h     *house
	fresh bool
	held  []string              // open before the life begins: the test's own
	first map[string]firstDrive // by door
}

type watchedLock struct {
	devices.Lock
	drive func(release bool)
}

func (l watchedLock) Drive(release bool) error {
	l.drive(release)
	return l.Lock.Drive(release)
}

// watch puts a witness between the daemon and the rig.
func watch(h *house) *witness {
	w := &witness{h: h}
	h.change = func(o *daemon.Options) {
		w.first, w.fresh, w.held = map[string]firstDrive{}, h.files() == nil, nil
		w.held = w.open()
		driver := o.Drivers[0]
		o.Drivers = []devices.Driver{{Name: driver.Name, Open: func(c devices.Config) (devices.Bundle, error) {
			b, err := driver.Open(c)
			b.Locks = maps.Clone(b.Locks) // the rig keeps its own
			for name, lock := range b.Locks {
				b.Locks[name] = watchedLock{lock, func(release bool) { w.note(c.ID, release) }}
			}
			return b, err
		}}}
	}
	return w
}

func (w *witness) note(door string, release bool) {
	if _, ok := w.first[door]; ok {
		return
	}
	d := firstDrive{Release: release, Open: w.open()}
	if w.fresh {
		d.Made = slices.DeleteFunc(slices.Sorted(maps.Keys(w.h.files())), func(name string) bool { return name == "." })
	}
	w.first[door] = d
}

// open asks the kernel; on a machine that does not tell, it sees nothing.
func (w *witness) open() (names []string) {
	list, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range list {
		to, _ := os.Readlink(filepath.Join("/proc/self/fd", fd.Name()))
		if name, inside := strings.CutPrefix(to, w.h.dir+"/"); inside && !slices.Contains(w.held, name) {
			names = append(names, name)
		}
	}
	return names
}

func (w *witness) want(front, back bool) {
	w.h.t.Helper()
	want := map[string]firstDrive{"front": {Release: front}, "back": {Release: back}}
	if diff := cmp.Diff(want, w.first, cmpopts.EquateEmpty()); diff != "" {
		w.h.t.Errorf("the first act at boot (-want +got):\n%s", diff)
	}
}

// The first act at boot is to put the outputs where they belong: before any
// database is opened or made (design rule 6).
func TestOutputsComeFirst(t *testing.T) {
	h := newHouse(t)
	w := watch(h)
	h.start()
	w.want(false, false)
	if open := w.open(); len(open) == 0 {
		t.Log("this machine does not tell which files are open")
	}
	h.stop()

	h.start()
	w.want(false, false)
	h.command(access.Command{Mode: access.LockedOpen}, "front")
	h.command(access.Command{Mode: access.Unlocked}, "back")
	h.stop()
	h.wantReleased("front", true) // LockedOpen keeps its output through a stop
	h.wantReleased("back", false) // an unlocked door is at rest

	h.start()
	w.want(true, false)
	h.wantReleased("front", true)
	h.wantReleased("back", false) // no start releases
	if e := h.newest(access.KindModeChanged); e.Door != "back" || e.Mode != access.Locked || e.Reason != access.ReasonRestart {
		t.Errorf("back fell back by %+v", e)
	}
	h.stop()
}

// A start says that it started, and emits nothing that did not happen.
func TestAStartEmitsNothingElse(t *testing.T) {
	h := newHouse(t)
	h.start()
	if diff := cmp.Diff([]string{"rules_changed", "people_changed", "started"}, h.kinds()); diff != "" {
		t.Errorf("a first start (-want +got):\n%s", diff)
	}
	h.command(access.Command{Mode: access.LockedOpen}, "front")
	h.command(access.Command{Mode: access.LockedDown}, "back")
	h.rig.Door("front").Force()
	h.sim.Quiesce()
	h.stop()
	if last := h.events[len(h.events)-1]; last.Kind != access.KindStopped {
		t.Errorf("the last event of a life is %v", last.Kind)
	}
	h.start()
	if diff := cmp.Diff([]string{"started"}, h.kinds()); diff != "" {
		t.Errorf("a start with doors in modes (-want +got):\n%s", diff)
	}
	h.stop()
}

// Whatever a door was doing, its life ends with the event that it stopped.
func TestAStopIsTheLastEvent(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.card("front", knownCard)
	h.wantReleased("front", true)
	h.stop()
	h.wantReleased("front", false)
	want := []string{"rules_changed", "people_changed", "started", "granted", "no_passage", "stopped"}
	if diff := cmp.Diff(want, h.kinds()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Fire at boot releases, whatever is wrong with the disk, and even when the
// start is refused.
func TestFireAtBoot(t *testing.T) {
	for _, c := range damages {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			w := watch(h)
			h.start()
			h.stop()
			c.do(h)
			h.rig.Move("front/fire", true)
			h.start()
			w.want(true, false)
			h.wantReleased("front", true)
			h.wantReleased("back", false)
			h.newest(access.KindFireReleased)
			if saved := h.command(access.Command{Mode: access.LockedDown}, "front"); saved == c.store {
				t.Errorf("saved: %v", saved)
			}
			h.wantReleased("front", true) // fire comes before a lockdown
			h.stop()
			h.wantReleased("front", true)

			if err := os.Remove(h.path(imageFile)); err != nil {
				t.Fatal(err)
			}
			h.rig = virtual.New(virtual.Options{}) // the power was gone: all is secured
			h.rig.Move("front/fire", true)
			if err := h.open(); err == nil {
				t.Fatal("started without a boot image")
			}
			w.want(true, false)
			h.wantReleased("front", true)
		})
	}
}

// A door that fire released stays so through a restart, though the input is
// quiet by then, until somebody resets it.
func TestFireLatchOutlivesARestart(t *testing.T) {
	h := newHouse(t)
	w := watch(h)
	h.start()
	h.rig.Move("front/fire", true)
	h.sim.Quiesce()
	h.rig.Move("front/fire", false)
	h.sim.Quiesce()
	h.wantReleased("front", true)
	h.stop()
	h.wantReleased("front", true)

	h.start()
	w.want(true, false)
	h.wantReleased("front", true)
	if slices.Contains(h.kinds(), "fire_released") {
		t.Error("the start says that there is a fire")
	}
	if report, err := h.d.Building.ResetFire("warden", "front"); err != nil || !report.Saved {
		t.Fatalf("%+v, %v", report, err)
	}
	h.sim.Quiesce()
	h.wantReleased("front", false)
	h.stop()

	h.start()
	w.want(false, false)
	h.wantReleased("front", false)
	h.stop()
}

// Where boot image and store differ, the store wins once it is open; without an
// image a door goes to rest first.
func TestTheStoreWins(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(h *house, old string)
	}{
		{"an older image", func(h *house, old string) {
			if err := os.WriteFile(h.path(imageFile), []byte(old), 0o600); err != nil {
				h.t.Fatal(err)
			}
		}},
		{"no image", func(h *house, _ string) {
			if err := os.Remove(h.path(imageFile)); err != nil {
				h.t.Fatal(err)
			}
		}},
		{"a damaged image", func(h *house, _ string) { h.damage(imageFile, "front") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			w := watch(h)
			h.start()
			old := h.files()[imageFile]
			h.command(access.Command{Mode: access.LockedOpen}, "front")
			newest := h.files()[imageFile]
			h.stop()
			c.do(h, old)
			h.start()
			w.want(false, false)
			h.wantReleased("front", true)
			if !h.d.Building.Health().Ready {
				t.Error("not ready")
			}
			if got := h.files()[imageFile]; got != newest {
				t.Error("the image was not made again")
			}
			h.stop()
		})
	}
}

// The rules in force are the site file's, the people those of the store.
func TestSiteFileGoesIntoTheStore(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.stop()
	h.site.Rules.Levels[0].Name = "Changed"
	h.site.Holders, h.site.Credentials = nil, nil
	h.start()
	if e := h.newest(access.KindRulesChanged); e.Count != 2 {
		t.Errorf("version %d", e.Count)
	}
	h.card("front", knownCard)
	h.wantReleased("front", true)
	h.stop()
	image, err := store.ReadImage(h.path(imageFile))
	if err != nil || image.Rules.Levels[0].Name != "Changed" || len(image.Holders) != 1 {
		t.Errorf("%+v, %v", image, err)
	}
}

// A grant's record is on disk before the lock moves, a real disk included.
func TestRecordBeforeRelease(t *testing.T) {
	h := newHouse(t)
	h.start()
	var granted []access.Event
	h.rig.OnMove(func(_ string, release bool) {
		if release {
			events, err := h.d.Journal.Read(0, 100)
			if err != nil {
				t.Error(err)
			}
			granted = slices.DeleteFunc(events, func(e access.Event) bool { return e.Kind != access.KindGranted })
		}
	})
	h.card("front", knownCard)
	h.wantReleased("front", true)
	if len(granted) != 1 || granted[0].Credential != "c-1" {
		t.Errorf("on disk when the lock moved: %+v", granted)
	}
	h.sim.Advance(time.Minute)
	h.wantReleased("front", false)
	h.stop()
}

// What a daemon cannot do without: a directory to write to.
func TestADirectoryThatIsNone(t *testing.T) {
	h := newHouse(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.dir = filepath.Join(file, "data")
	if err := h.open(); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
