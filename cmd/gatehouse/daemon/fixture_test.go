package daemon_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
	"gatehouse/supervisor/sim"
)

const (
	knownCard = 31415926535 // of c-1, who may everywhere
	storeFile = "store.db"
	imageFile = "boot.image"
	segment   = "journal/0000000000000001.seg"
)

// house is a data directory and a rig that outlive any number of daemons, which
// run on virtual time.
type house struct {
	t      testing.TB
	dir    string // the data directory; does not exist before the first life
	site   *site.Site
	rig    *virtual.Rig
	now    time.Time
	lives  uint64
	change func(*daemon.Options) // of every life to come
	hold   func(owner, name string) sim.Hold

	sim    *sim.Sim
	d      *daemon.Daemon
	events []access.Event // of this life
}

// newHouse has the doors front (fire releases it) and back (fail safe).
func newHouse(t testing.TB) *house {
	t.Helper()
	s, err := site.Load(filepath.Join("..", "testdata", "site.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return &house{t: t, dir: filepath.Join(t.TempDir(), "data"), site: s, rig: virtual.New(virtual.Options{}), now: sim.Epoch}
}

// open opens a new life.
func (h *house) open() error {
	h.lives++
	h.sim, h.events = sim.New(h.lives, sim.Options{Start: h.now, Hold: h.hold}), nil
	o := daemon.Options{
		Site: h.site, Data: h.dir, Executor: h.sim, Drivers: []devices.Driver{h.rig.Driver()}, Log: zerolog.Nop(),
		Clock: access.ClockVirtual, Boot: h.lives, OnEvent: func(e access.Event) { h.events = append(h.events, e) },
	}
	if h.change != nil {
		h.change(&o)
	}
	d, err := daemon.Open(o)
	h.d = d
	return err
}

func (h *house) start() {
	h.t.Helper()
	if err := h.open(); err != nil {
		h.t.Fatal(err)
	}
	if err := h.d.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.sim.Quiesce()
}

func (h *house) stop() {
	h.t.Helper()
	if report, err := h.d.Stop(); err != nil {
		h.t.Fatalf("%v: %+v", err, report)
	}
	h.now = h.sim.Now().Add(time.Minute)
}

// card holds a card to the reader in at a door and waits for what comes of it.
func (h *house) card(door string, number uint64) {
	h.t.Helper()
	h.present(door, number)
	h.sim.Quiesce()
}

func (h *house) present(door string, number uint64) {
	h.t.Helper()
	format, err := access.ParseFormat("H10302")
	if err != nil {
		h.t.Fatal(err)
	}
	bits, raw, err := format.Encode(access.Card{Number: number})
	if err != nil {
		h.t.Fatal(err)
	}
	h.rig.Present(door+"/in", devices.CardRead{Bits: bits, Raw: raw})
}

func (h *house) released(door string) bool { return h.rig.Lock(door + "/lock").Released() }

func (h *house) wantReleased(door string, want bool) {
	h.t.Helper()
	if got := h.released(door); got != want {
		h.t.Errorf("door %s: released is %v, want %v", door, got, want)
	}
}

// command gives a command and wants it taken; saved says whether it is on disk.
func (h *house) command(cmd access.Command, doors ...access.DoorID) (saved bool) {
	h.t.Helper()
	report, err := h.d.Building.Command(cmd, doors...)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, r := range report.Results {
		if !r.Accepted {
			h.t.Fatalf("%+v was refused: %+v", cmd, r)
		}
	}
	h.sim.Quiesce()
	return report.Saved
}

func (h *house) status(door access.DoorID) actors.DoorStatus {
	h.t.Helper()
	s, err := h.d.Building.Door(door)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// newest is this life's newest event of a kind.
func (h *house) newest(k access.Kind) access.Event {
	h.t.Helper()
	for _, e := range slices.Backward(h.events) {
		if e.Kind == k {
			return e
		}
	}
	h.t.Fatalf("no event %v, but %v", k, h.kinds())
	return access.Event{}
}

// kinds are this life's events.
func (h *house) kinds() (list []string) {
	for _, e := range h.events {
		list = append(list, e.Kind.String())
	}
	return list
}

func (h *house) has(k access.Kind) bool { return slices.Contains(h.kinds(), k.String()) }

func (h *house) path(name string) string { return filepath.Join(h.dir, filepath.FromSlash(name)) }

// damage flips a bit wherever a file holds the text.
func (h *house) damage(name, text string) {
	h.t.Helper()
	before, err := os.ReadFile(h.path(name))
	if err != nil {
		h.t.Fatal(err)
	}
	after := bytes.ReplaceAll(before, []byte(text), []byte(string(text[0]^1)+text[1:]))
	if bytes.Equal(before, after) {
		h.t.Fatalf("%s does not hold %q", name, text)
	}
	if err := os.WriteFile(h.path(name), after, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// ruinStore leaves something in the store's place that cannot even be set aside.
func (h *house) ruinStore() {
	h.t.Helper()
	if err := os.Remove(h.path(storeFile)); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Mkdir(h.path(storeFile), 0o700); err != nil {
		h.t.Fatal(err)
	}
}

// damageStore and damageJournal damage what was acknowledged.
func (h *house) damageStore()   { h.t.Helper(); h.damage(storeFile, "front") }
func (h *house) damageJournal() { h.t.Helper(); h.damage(segment, "building") }

// loseJournal puts a file where the journal's directory should be.
func (h *house) loseJournal() {
	h.t.Helper()
	if err := errors.Join(os.RemoveAll(h.path("journal")), os.WriteFile(h.path("journal"), []byte("no directory"), 0o600)); err != nil {
		h.t.Fatal(err)
	}
}

// files are the contents of the data directory, by name; nil if there is none.
func (h *house) files() (all map[string]string) {
	h.t.Helper()
	err := fs.WalkDir(os.DirFS(h.dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var text []byte
		if d.Type().IsRegular() {
			text, err = os.ReadFile(h.path(name))
		}
		if all == nil {
			all = map[string]string{}
		}
		all[name] = string(text)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		h.t.Fatal(err)
	}
	return all
}

// wantSame fails unless the named files, or all, are as they were before.
func (h *house) wantSame(before map[string]string, names ...string) {
	h.t.Helper()
	after := h.files()
	if len(names) == 0 {
		if diff := cmp.Diff(before, after); diff != "" {
			h.t.Errorf("the data directory was changed (-before +after):\n%s", diff)
		}
	}
	for _, name := range names {
		if before[name] != after[name] {
			h.t.Errorf("%s was changed", name)
		}
	}
}
