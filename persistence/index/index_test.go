package index

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/access"
)

// The model makes many files: fewer runs of it than rapid's default.
func init() {
	if err := flag.Set("rapid.checks", "40"); err != nil {
		panic(err)
	}
}

// TestModel: whatever happens to journal and index, an answer is that of looking
// at everything.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		m, dir := &memory{}, filepath.Join(t.TempDir(), "index")
		defer func() { _ = os.RemoveAll(dir) }()
		x := New(dir, m)
		if rapid.Bool().Draw(rt, "late") {
			m.grow(r, 1, rapid.Uint64Range(0, 3_000_000).Draw(rt, "first"))
		}
		rt.Repeat(map[string]func(*rapid.T){
			"grow": func(rt *rapid.T) {
				if len(m.events) < 6000 {
					m.grow(r, rapid.IntRange(0, 2000).Draw(rt, "n"), 0)
				}
			},
			"gap": func(rt *rapid.T) {
				m.grow(r, 1, rapid.Uint64Range(0, 5000).Draw(rt, "gap"))
			},
			"advance": func(rt *rapid.T) {
				if _, err := x.Advance(t.Context(), rapid.IntRange(0, 200_000).Draw(rt, "limit")); err != nil {
					rt.Fatal(err)
				}
			},
			"open again": func(*rapid.T) { x = New(dir, m) },
			"rebuild": func(rt *rapid.T) {
				if err := x.Rebuild(t.Context(), func(uint64) {}); err != nil {
					rt.Fatal(err)
				}
			},
			"clear": func(rt *rapid.T) {
				if err := x.Clear(); err != nil {
					rt.Fatal(err)
				}
			},
			"drop": func(rt *rapid.T) {
				m.events = m.events[len(m.events)*rapid.IntRange(0, 100).Draw(rt, "percent")/100/10:]
			},
			"quarantine": func(rt *rapid.T) {
				if n := len(m.events); n > 3000 {
					from := rapid.IntRange(0, n-3000).Draw(rt, "from")
					m.events = append(m.events[:from:from], m.events[from+rapid.IntRange(1, 2500).Draw(rt, "n"):]...)
				}
			},
			"": func(*rapid.T) { same(rt, x, m, search(r, m.Last())) },
		})
	})
}

// TestGroups does the same with more events than one group has, and a gap that
// leaves a group incomplete.
func TestGroups(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	m, dir := &memory{}, t.TempDir()
	m.grow(r, 70_000, 0)
	m.grow(r, 10_000, 9_000)
	m.grow(r, 60_000, 1)
	x := New(dir, m)
	advance(t, x)
	for range 40 {
		same(t, x, m, search(r, m.Last()))
	}
	m.reads = 0
	if got, pages := all(t, x, access.Search{Limit: 10, Filter: access.Filter{Cardholder: "nobody"}}); len(got) > 0 || pages > 1 || m.reads > 10 {
		t.Errorf("%d pages and %d events read for nothing", pages, m.reads)
	}
}

// TestAnotherJournal: the files of a journal that is not there any more are not
// believed.
func TestAnotherJournal(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	dir := filepath.Join(t.TempDir(), "index")
	first := &memory{}
	first.grow(r, 10_000, 0)
	advance(t, New(dir, first))
	for _, n := range []int{0, 500, 9_999, 10_000, 30_000} {
		second := &memory{}
		second.grow(rand.New(rand.NewPCG(2, uint64(n))), n, 0)
		for i := range second.events {
			second.events[i].Source.Boot = 2
		}
		x := New(dir, second)
		for _, s := range []access.Search{{Limit: 100}, {Limit: 100, Filter: access.Filter{Door: "door-3"}}, search(r, 30_000)} {
			same(t, x, second, s)
			advance(t, x)
			same(t, x, second, s)
		}
		if lag := x.Lag(); lag != 0 {
			t.Errorf("%d events behind", lag)
		}
	}
}

// TestDroppedShelves: what the journal has no events of any more takes no room.
func TestDroppedShelves(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	m, dir := &memory{}, t.TempDir()
	m.grow(r, 2000, shelfBlocks*blockEvents-1000)
	x := New(dir, m)
	advance(t, x)
	m.events = m.events[1500:]
	m.grow(r, 2000, shelfBlocks*blockEvents)
	advance(t, x)
	if list, err := shelves(dir); err != nil || len(list) != 2 || list[0] != 1 {
		t.Errorf("%v, %v", list, err)
	}
	same(t, x, m, access.Search{Limit: 1000, Newest: true, At: 1 << 63})
}

// TestLeavesOtherFiles alone that stand in its directory.
func TestLeavesOtherFiles(t *testing.T) {
	m, dir := &memory{}, t.TempDir()
	m.grow(rand.New(rand.NewPCG(1, 1)), 3000, 0)
	for _, name := range []string{"a.txt", "x.idx", "12.idx", "000000000001.idx", "000000001024.idx.old"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	x := New(dir, m)
	advance(t, x)
	if err := x.Rebuild(t.Context(), func(uint64) {}); err != nil {
		t.Fatal(err)
	}
	if list, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(list) != 6 {
		t.Errorf("%v, %v", list, err)
	}
}
