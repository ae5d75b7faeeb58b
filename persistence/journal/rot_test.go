package journal

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
)

// manySegments is a journal of eight segments that was closed in order, as files
// in memory, and its events.
func manySegments(t testing.TB) (map[string][]byte, []access.Event) {
	t.Helper()
	return segmentsOf(t, 1200)
}

// segmentsOf is manySegments, each of so many bytes, the newest nearly, too.
func segmentsOf(t testing.TB, bytes int64) (map[string][]byte, []access.Event) {
	t.Helper()
	d := newDisk(1)
	j, err := Open(Options{Dir: "j", Building: "b", SegmentBytes: bytes, fs: d})
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var all []access.Event
	for len(j.Segments()) < 8 || j.view().active.end < bytes-2*page {
		batch := make([]access.Event, 1+rnd.IntN(6))
		for i := range batch {
			batch[i] = grant(uint64(len(all) + i + 1))
			batch[i].Detail = strings.Repeat("x", rnd.IntN(100))
		}
		if err := j.Commit(batch); err != nil {
			t.Fatal(err)
		}
		all = append(all, batch...)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for name, in := range d.names {
		files[name] = in.seen
	}
	return files, all
}

func diskOf(files map[string][]byte) *disk {
	d := newDisk(0)
	for name, b := range files {
		d.names[name] = &inode{seen: slices.Clone(b), platter: slices.Clone(b)}
	}
	d.durable = maps.Clone(d.names)
	return d
}

// rot damages one place of a journal and says how.
func rot(d *disk, rnd *rand.Rand) string {
	names := slices.Sorted(maps.Keys(d.names))
	name := names[rnd.IntN(len(names))]
	in := d.names[name]
	n := len(in.seen)
	a := rnd.IntN(n)
	b := a + 1 + rnd.IntN(min(n-a, 400))
	c := rnd.IntN(n)
	switch kind := rnd.IntN(8); kind {
	case 0, 1:
		in.seen[a] ^= 1 << rnd.IntN(8)
		return fmt.Sprintf("%s: bit of byte %d", name, a)
	case 2:
		in.seen = slices.Delete(in.seen, a, b)
		return fmt.Sprintf("%s: bytes %d to %d deleted", name, a, b)
	case 3:
		in.seen = in.seen[:a]
		return fmt.Sprintf("%s: cut to %d bytes", name, a)
	case 4:
		part := slices.Clone(in.seen[a:b])
		in.seen = slices.Delete(in.seen, a, b)
		in.seen = slices.Insert(in.seen, min(c, len(in.seen)), part...)
		return fmt.Sprintf("%s: bytes %d to %d moved to %d", name, a, b, c)
	case 5:
		clear(in.seen[a:b])
		return fmt.Sprintf("%s: bytes %d to %d zeroed", name, a, b)
	case 6:
		other := names[rnd.IntN(len(names))]
		d.names[name], d.names[other] = d.names[other], in
		return name + " swapped with " + other
	default:
		delete(d.names, name)
		return name + " deleted"
	}
}

// checked opens a damaged journal, reads all of it and reports whether the damage
// was found; every event read must be the one that was written.
func checked(o Options, want []access.Event) (found bool, err error) {
	j, err := Open(o)
	if errors.Is(err, ErrCorrupt) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	next, err := compare(j, want)
	if errors.Is(err, ErrCorrupt) {
		return true, nil
	}
	if err == nil && next != uint64(len(want)) {
		err = fmt.Errorf("%d of %d events, without a word", next, len(want))
	}
	return false, err
}

// compare reads all events, none of which may be wrong or out of order, and
// returns the last.
func compare(j *Journal, want []access.Event) (last uint64, err error) {
	return last, j.Scan(func(e access.Event) error {
		if e.Seq <= last || e.Seq <= uint64(len(want)) && e != want[e.Seq-1] {
			return fmt.Errorf("a wrong answer: %s", cmp.Diff(want[min(int(e.Seq), len(want))-1], e))
		}
		last = e.Seq
		return nil
	})
}

// mended opens a damaged journal as the daemon does, and wants every event that is
// no longer there in a gap, damaged files untouched, and a journal that goes on.
func mended(d *disk, o Options, want []access.Event) error {
	before := map[string]string{}
	for name, in := range d.names {
		before[name] = string(in.seen)
	}
	o.Quarantine = true
	j, err := Open(o)
	if err != nil {
		return fmt.Errorf("open with quarantine: %w", err)
	}
	report, err := verify(d, o.Dir, o.Building) // what Open did not look at
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("verify: %w", err)
	}
	for _, damage := range report.Faults {
		if _, err := j.Quarantine(damage); err != nil {
			return fmt.Errorf("quarantine of %v: %w", damage, err)
		}
	}
	last, err := compare(j, want)
	if err != nil {
		return fmt.Errorf("after the quarantine: %w", err)
	}
	if last > uint64(len(want)) {
		return fmt.Errorf("event %d was never written", last)
	}
	return errors.Join(covered(j, want), goesOn(j, o, want), untouched(d, before))
}

// covered wants every event either read or in a gap.
func covered(j *Journal, want []access.Event) error {
	lost := map[uint64]bool{}
	for _, g := range j.Gaps() {
		for seq := g.First; seq < g.First+g.Count; seq++ {
			lost[seq] = true
		}
	}
	next := uint64(1)
	err := j.Scan(func(e access.Event) error {
		for ; next < e.Seq; next++ {
			if !lost[next] {
				return fmt.Errorf("event %d is neither there nor in a gap", next)
			}
		}
		next++
		return nil
	})
	for ; err == nil && next <= uint64(len(want)) && epoch(j) == firstEpoch; next++ {
		if !lost[next] {
			return fmt.Errorf("event %d at the end is neither there nor in a gap", next)
		}
	}
	return err
}

// epoch of the events to come: a greater one tells that the journal's end was lost,
// and how much of it cannot be known.
func epoch(j *Journal) uint64 {
	list := j.Segments()
	return list[len(list)-1].Epoch
}

func goesOn(j *Journal, o Options, want []access.Event) error {
	e := grant(uint64(len(want) + 1))
	var records []access.Event
	for _, g := range j.Gaps() {
		records = append(records, g.Event())
	}
	if err := j.Commit(append(records, e)); err != nil {
		return err
	}
	if j.Last() <= uint64(len(want)) && epoch(j) == firstEpoch {
		return fmt.Errorf("number %d was given twice", j.Last())
	}
	if err := j.Close(); err != nil {
		return err
	}
	o.Quarantine = false
	again, err := Open(o)
	if err != nil {
		return fmt.Errorf("open after the quarantine: %w", err)
	}
	got, err := again.ReadBefore(0, 1)
	if err != nil || len(got) != 1 || got[0].Source != e.Source {
		return fmt.Errorf("the new event: %v, %w", got, err)
	}
	if r, err := verify(o.fs, o.Dir, o.Building); err != nil {
		return fmt.Errorf("verify after the quarantine: %w (%d gaps)", err, len(r.Gaps))
	}
	return nil
}

// untouched: a segment with a sidecar is as it was found.
func untouched(d *disk, before map[string]string) error {
	for name := range d.names {
		damaged, ok := strings.CutSuffix(name, gapSuffix)
		if in := d.names[damaged]; ok && in != nil && string(in.seen) != before[damaged] {
			return fmt.Errorf("%s was changed", damaged)
		}
	}
	return nil
}

// Whatever one damage does to a journal at rest, it is found or changes no answer;
// set aside, it costs what its gaps say and nothing else. ROT=10000 tries more.
func TestSweepRot(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("ROT"))
	if err != nil {
		rounds = rotRounds
	}
	files, want := manySegments(t)
	found := 0
	for seed := range uint64(rounds) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		d := diskOf(files)
		what := rot(d, rnd)
		_, verr := verify(d, "j", "b")
		if verr != nil && !errors.Is(verr, ErrCorrupt) {
			t.Fatalf("seed %d, %s: verify: %v", seed, what, verr)
		}
		o := Options{Dir: "j", Building: "b", SegmentBytes: 1200, fs: clone(d)}
		seen, err := checked(o, want)
		if err != nil || seen && verr == nil {
			t.Fatalf("seed %d, %s: %v (found %v, verify %v)", seed, what, err, seen, verr)
		}
		if verr != nil {
			found++
		}
		o.fs = d
		if err := mended(d, o, want); err != nil {
			t.Fatalf("seed %d, %s: %v", seed, what, err)
		}
	}
	t.Logf("%d of %d damages found, the others changed no answer; wrong answers: 0", found, rounds)
	if found < rounds*8/10 {
		t.Error("too few: the test damages nothing")
	}
}

func clone(d *disk) *disk {
	files := map[string][]byte{}
	for name, in := range d.names {
		files[name] = in.seen
	}
	return diskOf(files)
}
