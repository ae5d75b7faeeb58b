package daemon_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/devices"
	"gatehouse/persistence"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
)

// damages are what can be wrong with a data directory that has a boot image.
var damages = []struct {
	name           string
	store, journal bool
	do             func(*house)
}{
	{"store", true, false, (*house).ruinStore},
	{"journal", false, true, (*house).loseJournal},
	{"both", true, true, func(h *house) { h.ruinStore(); h.loseJournal() }},
	{"store locked", true, false, func(h *house) {
		unlock, err := persistence.Lock(h.path(storeFile))
		if err != nil {
			h.t.Fatal(err)
		}
		h.t.Cleanup(func() { _ = unlock() })
	}},
}

// A dead disk is not a dead building (design rule 12).
func TestDegradedOnTheBootImage(t *testing.T) {
	for _, c := range damages {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			h.start()
			h.stop()
			c.do(h)
			before := h.files()
			h.start()
			wantDegraded(t, h, c.store, c.journal)

			h.card("front", 1)
			if e := h.newest(access.KindDenied); e.Reason != access.ReasonUnknownCard {
				t.Errorf("an unknown card: %v", e.Reason)
			}
			h.card("front", knownCard)
			if c.journal { // a record is waited for, but not for long
				h.wantReleased("front", false)
				h.sim.Advance(150 * time.Millisecond)
				h.newest(access.KindRecordLate)
			}
			h.wantReleased("front", true)

			if saved := h.command(access.Command{Mode: access.LockedDown}, "front", "back"); saved == c.store {
				t.Errorf("the lockdown is saved: %v", saved)
			}
			h.wantReleased("front", false)
			h.card("front", knownCard)
			if e := h.newest(access.KindDenied); e.Reason != access.ReasonLockdown {
				t.Errorf("a card during a lockdown: %v", e.Reason)
			}
			h.stop()
			if c.store {
				h.wantSame(before, storeFile, imageFile)
			}
			if c.journal {
				h.wantSame(before, "journal")
			}
		})
	}
}

// Damage in the journal costs what it hit: the daemon sets it aside, says so in
// the journal once, and records. A strict start refuses and changes nothing.
func TestADamagedJournalGoesOn(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.stop()
	h.damageJournal()
	before := h.files()
	h.change = func(o *daemon.Options) { o.Strict = true }
	if err := h.open(); !errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("a strict start: %v", err)
	}
	h.wantSame(before)
	if err := os.Remove(h.path(imageFile)); err != nil { // none is needed
		t.Fatal(err)
	}
	h.change = nil
	records := 0
	for life := range 2 {
		h.start()
		health := h.d.Building.Health()
		if err := h.d.Degraded(); err != nil || health.Ready != (life > 0) || strings.Contains(strings.Join(health.Degraded, "\n"), "damage was set aside") != (life == 0) {
			t.Errorf("life %d: degraded: %v, %+v; the alarm is of the life that set it aside", life, err, health)
		}
		h.card("front", knownCard)
		h.wantReleased("front", true)
		all, err := h.d.Journal.Read(0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		gaps := 0
		for _, e := range all {
			if e.Kind == access.KindGap && e.Count > 0 && !e.Time.IsZero() && strings.Contains(e.Detail, "0000000000000001.seg") {
				gaps++
			}
		}
		if life == 0 {
			records = gaps
		}
		if gaps == 0 || gaps != records || all[len(all)-1].Kind == access.KindGap {
			t.Errorf("life %d: %d gap records in %d events, %d before", life, gaps, len(all), records)
		}
		h.stop()
		h.wantSame(before, segment)
	}
}

// Damage that a read meets while the building runs is set aside then, and is an
// alarm from then on.
func TestTheJournalIsDamagedMeanwhile(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.card("front", knownCard)
	if health := h.d.Building.Health(); !health.Ready {
		t.Fatalf("%+v", health)
	}
	h.damageJournal()
	if _, err := h.d.Journal.Read(0, 1000); err != nil {
		t.Fatal(err)
	}
	if health := h.d.Building.Health(); health.Ready || len(health.Degraded) != 1 || !strings.Contains(health.Degraded[0], "damage was set aside") {
		t.Errorf("%+v", health)
	}
	h.stop()
}

func wantDegraded(t *testing.T, h *house, store, journal bool) {
	t.Helper()
	if got := h.has(access.KindStoreDegraded); got != store {
		t.Errorf("alarm for the store: %v, want %v", got, store)
	}
	if got := h.has(access.KindJournalDegraded); got != journal {
		t.Errorf("alarm for the journal: %v, want %v", got, journal)
	}
	health := h.d.Building.Health()
	if health.Ready {
		t.Error("ready")
	}
	wrong := strings.Join(health.Degraded, "\n")
	for line := range strings.SplitSeq(h.d.Degraded().Error(), "\n") {
		if !strings.Contains(wrong, line) {
			t.Errorf("health does not say %q, but\n%s", line, wrong)
		}
	}
	if store && h.newest(access.KindStoreDegraded).Detail == "" {
		t.Error("the alarm does not say what is wrong with the store")
	}
}

// What an earlier life saved holds in a degraded one, and what the degraded one
// did to a sound store in the next.
func TestModesThroughADegradedLife(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.command(access.Command{Mode: access.LockedDown}, "back")
	h.stop()
	h.ruinStore()
	h.start()
	if got := h.status("back").Standing; got != access.LockedDown {
		t.Errorf("on the boot image back is %v", got)
	}
	h.stop()

	// As the error says: the file is moved away, and made again from the image.
	if err := os.Rename(h.path(storeFile), h.path("damaged.db")); err != nil {
		t.Fatal(err)
	}
	h.start()
	if err := h.d.Degraded(); err != nil {
		t.Error(err)
	}
	if got := h.status("back").Standing; got != access.LockedDown {
		t.Errorf("after the repair back is %v", got)
	}
	h.stop()
}

// A damaged store is set aside and made anew of the boot image, which has every
// acknowledged change: nothing is lost, and an alarm says so.
func TestDamagedStoreIsMadeAnew(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.command(access.Command{Mode: access.LockedDown}, "back")
	h.stop()
	h.damageStore()
	damaged := h.files()[storeFile]
	h.start()
	if err := h.d.Degraded(); err != nil || !h.d.Building.Health().Ready {
		t.Errorf("not ready: %v", err)
	}
	if got := h.status("back").Standing; got != access.LockedDown {
		t.Errorf("back is %v", got)
	}
	alarm := h.newest(access.KindStoreDegraded)
	if !strings.Contains(alarm.Detail, "checksum") || !strings.Contains(alarm.Detail, "a new one was made from boot.image") {
		t.Errorf("the alarm says %q", alarm.Detail)
	}
	h.newest(access.KindStoreRestored)
	h.card("front", knownCard)
	h.wantReleased("front", true)
	kept := ""
	for name, text := range h.files() {
		if strings.HasPrefix(name, storeFile+".bad-") {
			kept = text
		}
	}
	if kept != damaged {
		t.Error("the damaged store is not kept")
	}
	h.stop()
	h.start()
	if diff := cmp.Diff([]string{"started"}, h.kinds()); diff != "" {
		t.Errorf("the start after (-want +got):\n%s", diff)
	}
	h.stop()
}

// Without a boot image, and for a replay always, the start is refused and has
// changed nothing.
func TestRefused(t *testing.T) {
	for _, c := range damages {
		for _, strict := range []bool{false, true} {
			t.Run(c.name+map[bool]string{true: ", strict"}[strict], func(t *testing.T) {
				h := newHouse(t)
				h.start()
				h.stop()
				c.do(h)
				h.site.Rules.Levels[0].Name = "Changed" // so that a start would write
				if !strict {
					if err := os.Remove(h.path(imageFile)); err != nil {
						t.Fatal(err)
					}
				}
				h.change = func(o *daemon.Options) { o.Strict = strict }
				before := h.files()
				err := h.open()
				if err == nil {
					t.Fatal("started")
				}
				for _, known := range []error{store.ErrCorrupt, persistence.ErrLocked, syscall.ENOTDIR} {
					if errors.Is(err, known) {
						h.wantSame(before)
						return
					}
				}
				t.Errorf("an error of no kind: %v", err)
			})
		}
	}
}

// The data directory of another building is refused, boot image or not, before a
// single output moved by what it says: both have a door of the same id.
func TestRefusedInAnotherBuilding(t *testing.T) {
	for _, image := range []bool{true, false} {
		h := newHouse(t)
		h.start()
		h.command(access.Command{Mode: access.LockedOpen}, "front")
		h.stop()
		if !image {
			if err := os.Remove(h.path(imageFile)); err != nil {
				t.Fatal(err)
			}
		}
		h.rig = newHouse(t).rig
		h.site.Building.ID = "barn"
		before := h.files()
		err := h.open()
		want := `data directory ` + h.dir + ` belongs to the building "house", this site is "barn": name another with --data`
		if !errors.Is(err, daemon.ErrOtherBuilding) || err.Error() != want {
			t.Errorf("boot image %v: got %v", image, err)
		}
		if n := h.rig.Lock("front/lock").Moves(); n > 0 {
			t.Errorf("boot image %v: the lock moved %d times", image, n)
		}
		h.wantSame(before)
	}
}

// A boot image that is damaged is no boot image, and no first start either: not
// even the journal is made.
func TestRefusedWithADamagedImageAlone(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.stop()
	for _, name := range []string{storeFile, "journal"} {
		if err := os.RemoveAll(h.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	h.damage(imageFile, "front")
	before := h.files()
	if err := h.open(); !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "delete boot.image to begin empty") {
		t.Errorf("got %v", err)
	}
	h.wantSame(before)
}

// The port comes before everything: a refusal leaves no directory behind.
func TestRefusedByThePort(t *testing.T) {
	h := newHouse(t)
	busy := errors.New("busy")
	h.change = func(o *daemon.Options) {
		o.Bind = func() error {
			if all := h.files(); all != nil {
				t.Errorf("bound after %v was there", all)
			}
			return busy
		}
	}
	if err := h.open(); !errors.Is(err, busy) {
		t.Errorf("got %v", err)
	}
	h.wantSame(nil)
}

// A refused start leaves the directory to the next one.
func TestRefusalGivesTheDirectoryBack(t *testing.T) {
	h := newHouse(t)
	h.start()
	if err := (&house{t: t, dir: h.dir, site: h.site, rig: newHouse(t).rig}).open(); !errors.Is(err, persistence.ErrLocked) {
		t.Errorf("a second owner: %v", err)
	}
	h.stop()
	h.change = func(o *daemon.Options) { o.Bind = func() error { return errors.New("busy") } }
	if err := h.open(); err == nil {
		t.Fatal("started")
	}
	h.change = nil
	h.start()
	h.stop()
}

// An optional device that is not there is expected to be missing: the building is
// ready, and the log has no error.
func TestMissingOptionalDevice(t *testing.T) {
	h := newHouse(t)
	h.site.Devices[1].Optional = true
	h.site.Devices = append(h.site.Devices, devices.Config{ID: "attic", Driver: "virtual"})
	h.rig.Refuse("back", errors.New("no such bus"))
	var log bytes.Buffer
	h.change = func(o *daemon.Options) { o.Log = zerolog.New(&log) }
	h.start()
	if health := h.d.Building.Health(); !health.Ready || len(health.Degraded) > 0 {
		t.Errorf("health: %+v", health)
	}
	h.card("front", knownCard)
	h.wantReleased("front", true)
	h.stop()
	for _, line := range []string{
		`{"level":"warn","error":"no such bus","device":"back","driver":"virtual","message":"device not open"}`,
		`{"level":"info","devices":2,"message":"devices opened"}`,
		`"message":"optional device missing"}`,
	} {
		if !strings.Contains(log.String(), line+"\n") {
			t.Errorf("the log lacks %s", line)
		}
	}
	if t.Failed() || strings.Contains(log.String(), `"level":"error"`) {
		t.Errorf("log:\n%s", &log)
	}
}

// A device that is not there costs its door only.
func TestMissingDevice(t *testing.T) {
	h := newHouse(t)
	h.rig.Refuse("back", errors.New("no such bus"))
	h.start()
	h.card("front", knownCard)
	h.wantReleased("front", true)
	health := h.d.Building.Health()
	if text := strings.Join(health.Degraded, "\n"); health.Ready || !strings.Contains(text, "door back: lock") || !strings.Contains(text, "no such bus") {
		t.Errorf("health: %+v", health)
	}
	if e := h.newest(access.KindLockFault); e.Door != "back" {
		t.Errorf("lock fault: %+v", e)
	}
	h.stop()
}
