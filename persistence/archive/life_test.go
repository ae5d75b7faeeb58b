package archive

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func root(digit string) string { return strings.Repeat(digit, 64) }

// rooted is an archive of two segments with roots, of a journal with a life.
func rooted(t *testing.T) (a *Archive, o Options, list []Segment) {
	t.Helper()
	dir := t.TempDir()
	list = []Segment{segment(t, dir, 1, 10, 3000), segment(t, dir, 11, 20, 2000)}
	list[0].Root, list[1].Prev, list[1].Root = root("a"), root("a"), root("b")
	o = options(dir, newKey(t))
	o.Life = "first"
	a = open(t, o)
	add(t, a, list...)
	return a, o, list
}

// Numbers do not make a segment archived, its root does.
func TestAnotherSegmentUnderTheSameNumbers(t *testing.T) {
	a, o, list := rooted(t)
	check1(t, a.Holds(list))
	add(t, a, list...) // is nothing
	for _, c := range []struct {
		what   string
		change func(s *Segment)
	}{
		{"another root", func(s *Segment) { s.Root = root("c") }},
		{"another last event", func(s *Segment) { s.Last = 9 }},
		{"another first event", func(s *Segment) { s.First, s.Path = 2, filepath.Join(filepath.Dir(s.Path), segmentName(2)) }},
	} {
		other := list[0]
		c.change(&other)
		want(t, a.Holds([]Segment{other, list[1]}), ErrForeign, "a backup was restored twice")
		want(t, a.Add(t.Context(), other), ErrForeign, "a backup was restored twice")
	}
	next := segment(t, filepath.Dir(o.Dir), 21, 30, 100)
	next.Prev, next.Root = root("c"), root("d")
	want(t, a.Add(t.Context(), next), ErrForeign, "a backup was restored twice")
	next.Prev = root("b")
	add(t, a, next)
}

// A journal with another life does not get to see the archive at all.
func TestAnotherLife(t *testing.T) {
	a, o, list := rooted(t)
	check1(t, a.Close())
	o.Life = "second"
	_, err := Open(o)
	want(t, err, ErrForeign, "life first, this one's is second")
	o.Life = "first"
	check1(t, open(t, o).Holds(list))
}

// What lies in the directory is looked at, not only what is written about it.
func TestAManifestIsNotBelieved(t *testing.T) {
	a, o, list := rooted(t)
	path := filepath.Join(o.Dir, segmentName(11)+suffix)
	check1(t, os.Truncate(path, 10))
	want(t, a.Holds(list), ErrDamaged, "has 10 bytes and should have")
	check1(t, a.Holds(list[:1]))
	check1(t, os.Remove(path))
	want(t, a.Holds(list), ErrDamaged, "it is missing")
}

// An archive from before roots and lives were known is compared byte by byte, and
// goes on in the newer format.
func TestAnOlderArchiveGoesOn(t *testing.T) {
	dir, k := t.TempDir(), newKey(t)
	o := options(dir, k)
	old := segment(t, dir, 1, 10, 3000)
	a := open(t, o)
	add(t, a, old)
	check1(t, a.Close())
	manifest := filepath.Join(o.Dir, manifestName)
	b, err := appendLine(nil, Header{Format: 1, Building: "house", Epoch: 1, Segments: 1})
	check1(t, err)
	e := entries(t, o.Dir)[0]
	b, err = appendLine(b, e)
	check1(t, err)
	if strings.Contains(string(b), "root") || strings.Contains(string(b), "life") {
		t.Fatalf("not of the old format: %s", b)
	}
	check1(t, os.WriteFile(manifest, b, 0o600))
	o.Life = "first"
	a = open(t, o)
	old.Root = root("a")
	check1(t, a.Holds([]Segment{old}))
	next := segment(t, dir, 11, 20, 100)
	next.Prev, next.Root = root("a"), root("b")
	add(t, a, next)
	h, err := List(o.Dir, func(Entry) error { return nil })
	check1(t, err)
	if h.Format != format || h.Life != "first" || h.Segments != 2 {
		t.Errorf("%+v", h)
	}
	check1(t, os.WriteFile(old.Path, []byte("other events"), 0o600))
	want(t, a.Holds([]Segment{old}), ErrForeign, "holds other events")
}
