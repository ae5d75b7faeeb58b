package daemon_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/supervisor/sim"
)

// find is all events that match, as the index finds them.
func (h *house) find(f access.Filter) (list []access.Event) {
	h.t.Helper()
	p, err := h.d.Building.Find(h.t.Context(), access.Search{Filter: f, Limit: 10_000})
	if err != nil || p.More {
		h.t.Fatalf("%v, more: %v", err, p.More)
	}
	return p.Events
}

// An event is in the index a second after it was on disk, whatever goes on.
func TestIndexLag(t *testing.T) {
	h := newHouse(t)
	h.start()
	const step = 50 * time.Millisecond
	var onDisk []uint64 // after each step
	for i := range 1200 {
		h.card("front", knownCard+uint64(i%3))
		onDisk = append(onDisk, h.d.Building.LastEvent())
		h.sim.Advance(step)
		indexed := h.d.Building.LastEvent() - h.d.Building.IndexLag()
		if late := i - int(time.Second/step) + 1; late >= 0 && indexed < onDisk[late] {
			t.Fatalf("step %d: %d events are indexed, %d were on disk a second ago", i, indexed, onDisk[late])
		}
	}
	h.sim.Advance(time.Second)
	if lag := h.d.Building.IndexLag(); lag != 0 {
		t.Errorf("%d events behind", lag)
	}
	if n := len(h.find(access.Filter{Kind: access.KindDenied, Door: "front"})); n == 0 {
		t.Error("no event found")
	}
	h.stop()

	h.start() // goes on where the files end
	h.sim.Advance(time.Second)
	if lag := h.d.Building.IndexLag(); lag != 0 {
		t.Errorf("%d events behind after a restart", lag)
	}
	h.stop()
}

// An index that cannot be written slows searches down and nothing else, and
// catches up once it can.
func TestIndexThatCannotBeWritten(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.stop()
	if err := os.WriteFile(daemon.IndexDir(h.dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.card("front", knownCard)
	h.wantReleased("front", true)
	h.sim.Advance(10 * time.Second)
	if len(h.find(access.Filter{Kind: access.KindGranted})) != 1 || h.d.Building.IndexLag() == 0 {
		t.Errorf("%d events behind", h.d.Building.IndexLag())
	}
	if !h.d.Building.Health().Ready {
		t.Error("not ready")
	}
	if err := os.Remove(daemon.IndexDir(h.dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	h.sim.Advance(2 * time.Second)
	if lag := h.d.Building.IndexLag(); lag != 0 {
		t.Errorf("%d events behind", lag)
	}
	h.stop()
}

// The index of a running building is made anew when somebody asks for that: what was
// there goes, searches find all meanwhile, and again it is a second behind at most.
func TestReindexOfARunningBuilding(t *testing.T) {
	h := newHouse(t)
	h.start()
	for range 300 {
		h.card("front", knownCard+1)
		h.sim.Advance(50 * time.Millisecond)
	}
	h.sim.Advance(time.Second)
	denied := len(h.find(access.Filter{Kind: access.KindDenied}))
	rubbish := filepath.Join(daemon.IndexDir(h.dir), "000000000000.idx")
	if err := errors.Join(os.MkdirAll(daemon.IndexDir(h.dir), 0o700), os.WriteFile(rubbish, []byte("rubbish"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := h.d.Building.Reindex(); err != nil {
			t.Fatal(err)
		}
		if h.d.Building.IndexLag() == 0 {
			t.Error("the index did not begin anew")
		}
		if _, err := os.Stat(rubbish); !errors.Is(err, os.ErrNotExist) {
			t.Error("the rubbish is still there")
		}
		if n := len(h.find(access.Filter{Kind: access.KindDenied})); n != denied || n == 0 {
			t.Errorf("%d events found of %d", n, denied)
		}
		h.sim.Advance(time.Second)
		if lag := h.d.Building.IndexLag(); lag != 0 {
			t.Errorf("%d events behind", lag)
		}
	}
	h.stop()
}

// A step that hangs keeps it from beginning anew for as long as somebody waits; it is
// made up for.
func TestReindexBesideAStepThatHangs(t *testing.T) {
	h := newHouse(t)
	hangs := false
	h.hold = func(_, name string) sim.Hold {
		if hangs && name == "advance" {
			return sim.Hold{Start: sim.Forever}
		}
		return sim.Hold{}
	}
	h.start()
	h.sim.Advance(time.Second)
	hangs = true
	h.card("front", knownCard+1)
	h.sim.Advance(time.Second)
	if err := h.d.Building.Reindex(); err == nil {
		t.Error("begun beside a step that hangs")
	}
	hangs = false
	h.sim.ReleaseAll()
	h.sim.Advance(2 * time.Second)
	if lag := h.d.Building.IndexLag(); lag != 0 {
		t.Errorf("%d events behind", lag)
	}
	h.stop()
}
