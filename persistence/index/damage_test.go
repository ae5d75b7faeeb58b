package index

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"gatehouse/access"
)

// TestBitFlips: whatever bits of the index turn over, no answer is wrong, and the
// index is good again afterwards.
func TestBitFlips(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	m, dir := &memory{}, t.TempDir()
	m.grow(r, 70_000, 0)
	x := New(dir, m)
	advance(t, x)
	path := shelfPath(dir, 0)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 16 {
		damaged := append([]byte(nil), sound...)
		for range 1 << r.IntN(11) {
			at := r.IntN(len(damaged))
			if r.IntN(2) == 0 { // half of them where the slots in use stand
				at = r.IntN(shelfHead + 70*slotSize)
			}
			damaged[at] ^= 1 << r.IntN(8)
		}
		switch round % 8 {
		case 0:
			damaged = damaged[:r.IntN(len(damaged))]
		case 1:
			for range 30 {
				from, to := slotAt(r.Uint64N(68)), slotAt(r.Uint64N(68))
				copy(damaged[to:to+slotSize], damaged[from:])
			}
		}
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if round%2 == 0 {
			x = New(dir, m)
			advance(t, x)
		}
		for range 200 {
			notHidden(t, x, m, r)
		}
		same(t, x, m, search(r, m.Last()))
		advance(t, x)
	}
	// What was found is made again: then nothing is read for nobody.
	nobody := access.Search{Limit: 10, Filter: access.Filter{Cardholder: "nobody"}}
	for range 3 {
		same(t, x, m, nobody)
		advance(t, x)
	}
	m.reads = 0
	same(t, x, m, nobody)
	if m.reads > 10 {
		t.Errorf("%d events read", m.reads)
	}
}

// notHidden: whoever asks for all that an event is, from there on, gets it.
func notHidden(t *testing.T, x *Index, m *memory, r *rand.Rand) {
	t.Helper()
	e := &m.events[r.IntN(len(m.events))]
	p, err := x.Find(t.Context(), access.Search{At: e.Seq - 1, Limit: 1, Filter: access.Filter{
		Door: e.Door, Cardholder: e.Cardholder, Kind: e.Kind, Reason: e.Reason, From: e.Time,
	}})
	if err != nil || len(p.Events) != 1 || p.Events[0].Seq != e.Seq {
		t.Fatalf("asked for %+v, got %+v, %v", e, p, err)
	}
}

// TestFileIsGone: a shelf that vanishes under our hands is made again.
func TestFileIsGone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	m, dir := &memory{}, t.TempDir()
	m.grow(r, 20_000, 0)
	x := New(dir, m)
	advance(t, x)
	if err := os.Remove(shelfPath(dir, 0)); err != nil {
		t.Fatal(err)
	}
	s := access.Search{Limit: 10, Filter: access.Filter{Cardholder: "nobody"}}
	same(t, x, m, s)
	advance(t, x)
	m.reads = 0
	same(t, x, m, s)
	if m.reads > 10 {
		t.Errorf("%d events read", m.reads)
	}
}

// TestNewerVersion is thrown away and made again.
func TestNewerVersion(t *testing.T) {
	m, dir := &memory{}, t.TempDir()
	m.grow(rand.New(rand.NewPCG(1, 1)), 5000, 0)
	for _, text := range []string{"GATEINDX\x02\x00\x00\x00....", "", "SQLite format 3"} {
		if err := os.WriteFile(shelfPath(dir, 0), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		x := New(dir, m)
		same(t, x, m, access.Search{Limit: 100})
		advance(t, x)
		if b, err := os.ReadFile(shelfPath(dir, 0)); err != nil || string(b[:9]) != "GATEINDX\x01" {
			t.Errorf("%.20q, %v", b, err)
		}
		if err := wipe(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// TestErrors: a journal that cannot be read is an error, a directory that cannot
// be written is one of Advance alone; both come back.
func TestErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	m, dir := &memory{}, filepath.Join(t.TempDir(), "index")
	m.grow(r, 5000, 0)
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	x := New(dir, m)
	for range 3 {
		if _, err := x.Advance(t.Context(), 10_000); err == nil {
			t.Error("no error")
		}
		same(t, x, m, search(r, 5000))
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	advance(t, x)
	broken := errors.New("broken")
	m.fail = broken
	if _, err := x.Find(t.Context(), access.Search{Limit: 1}); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if _, err := x.Advance(t.Context(), 1); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	m.fail = nil
	m.grow(r, 5000, 0)
	advance(t, x)
	same(t, x, m, search(r, 10_000))
	if x.Lag() != 0 {
		t.Errorf("%d events behind", x.Lag())
	}
}

// TestDirectoryIsGone in the middle: what could not be written is written later.
func TestDirectoryIsGone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	m, dir := &memory{}, filepath.Join(t.TempDir(), "index")
	m.grow(r, 5000, 0)
	x := New(dir, m)
	advance(t, x)
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m.grow(r, 5000, 0)
	if _, err := x.Advance(t.Context(), 10_000); err == nil {
		t.Error("no error")
	}
	same(t, x, m, search(r, 10_000))
	if err := errors.Join(os.Remove(dir), os.Rename(dir+".old", dir)); err != nil {
		t.Fatal(err)
	}
	advance(t, x)
	m.reads = 0
	same(t, x, m, access.Search{Limit: 10, Filter: access.Filter{Cardholder: "nobody"}})
	if m.reads > 10 {
		t.Errorf("%d events read", m.reads)
	}
}

// TestOneWriter: a second one does not wait for a disk that hangs.
func TestOneWriter(t *testing.T) {
	x := New(t.TempDir(), &memory{})
	x.working.Lock()
	defer x.working.Unlock()
	if _, err := x.Advance(t.Context(), 1); !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
	if err := x.Rebuild(t.Context(), nil); !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
}

// TestStopsWhenAsked: a context that has ended ends a step, which says that there
// is more.
func TestStopsWhenAsked(t *testing.T) {
	m := &memory{}
	m.grow(rand.New(rand.NewPCG(1, 1)), 5000, 0)
	x := New(t.TempDir(), m)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if done, err := x.Advance(ctx, 5000); done || err != nil {
		t.Errorf("%v, %v", done, err)
	}
	if p, err := x.Find(ctx, access.Search{Limit: 10}); err != nil || len(p.Events) > 0 || !p.More || p.Next != 0 {
		t.Errorf("%+v, %v", p, err)
	}
}
