package journal

import (
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gatehouse/access"
)

// The next segment is there before a footer is written, so a newest segment with a
// footer tells that files vanished, even after a kill.
func TestTheNewestSegmentIsMissed(t *testing.T) {
	o := Options{Dir: t.TempDir(), Building: "b", SegmentBytes: 10_000}
	filled(t, o, 9000)
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	list := j.Segments()
	kill(t, j)
	if err := os.Remove(list[len(list)-1].Path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("open: %v", err)
	}
	if r, err := Verify(o.Dir, "b"); !errors.Is(err, ErrCorrupt) || len(r.Faults) != 1 {
		t.Errorf("verify: %v", err)
	}
	o.Quarantine = true
	if j, err = Open(o); err != nil {
		t.Fatal(err)
	}
	commit(t, j, []access.Event{grant(9001)})
	if gaps := j.Gaps(); len(gaps) != 1 || gaps[0].First != list[len(list)-1].First || epoch(j) != firstEpoch+1 {
		t.Errorf("gaps %+v, epoch %d", gaps, epoch(j))
	}
}

// A crash while dropping, or while making a file, leaves files that the next Open
// removes.
func TestOpenSweepsWhatACrashLeft(t *testing.T) {
	o := Options{Dir: t.TempDir(), Building: "b", SegmentBytes: 10_000}
	filled(t, o, 13_000)
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	first := j.Segments()[0].Path
	raw, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := j.Drop(9000); n != 2 || err != nil {
		t.Fatalf("dropped %d, %v", n, err)
	}
	_ = j.Close()
	temporary := first + tmpSuffix
	for _, path := range []string{first, temporary} {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := Verify(o.Dir, "b"); err != nil || r.Segments[0].Path == first {
		t.Errorf("verify: %v", err)
	}
	j = open(t, o.Dir)
	if list := j.Segments(); list[0].Path == first {
		t.Error("a dropped segment is back")
	}
	for _, path := range []string{first, temporary} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s was left: %v", filepath.Base(path), err)
		}
	}
}

// A large segment's index takes more than one frame.
func TestIndexOverManyFrames(t *testing.T) {
	var index []entry
	for i := range int64(3*perFrame + 7) {
		index = append(index, entry{offset: 1000 * i, wall: i})
	}
	sum := summary{count: 9, last: 9, end: 300}
	raw := appendBlock(make([]byte, 300), 300, 1, sum, nil, newSeen(), index)
	d := newDisk(0)
	d.names["x"] = &inode{seen: raw}
	f, _ := d.Open("x", false)
	foot, err := readFooter(f, int64(len(raw)))
	if err != nil || foot.summary != sum || foot.first != 1 {
		t.Fatalf("%+v, %v", foot, err)
	}
	for slot, want := range index {
		got, err := readEntry(f, int64(len(raw)), foot.indexAt, uint64(slot))
		if err != nil || got != want {
			t.Fatalf("slot %d: %+v, %v", slot, got, err)
		}
	}
	if _, err := readEntry(f, int64(len(raw)), foot.indexAt, uint64(len(index))); !isDamage(err) {
		t.Errorf("a slot behind the last: %v", err)
	}
}

// After a failure the copy that is sealed in a file's place has its events.
func TestAFailedSegmentIsSealedAsACopy(t *testing.T) {
	d := newDisk(1)
	o := Options{Dir: "j", Building: "b", fs: d}
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Commit([]access.Event{grant(1), grant(2)}); err != nil {
		t.Fatal(err)
	}
	d.planned[d.ops+2] = failClean
	batch := []access.Event{grant(3)}
	if err := j.Commit(batch); !errors.Is(err, ErrBroken) {
		t.Fatal(err)
	}
	if err := j.Commit(batch); err != nil {
		t.Fatal(err)
	}
	list := j.Segments()
	if len(list) != 2 || !list[0].Sealed || list[0].Events != 2 || list[1].First != 3 {
		t.Errorf("%+v", list)
	}
	if _, err := verify(d, "j", "b"); err != nil {
		t.Error(err)
	}
}

// A power cut at any operation of setting damage aside costs nothing more: the
// next Open comes to the same end.
func TestPowerCutsWhileSettingAside(t *testing.T) {
	files, want := manySegments(t)
	names := slices.Sorted(maps.Keys(files)) // the segments, then bounds
	for _, name := range []string{names[2], names[len(names)-2]} {
		for at := 1; at <= 16; at++ {
			for seed := range uint64(5) {
				d := diskOf(files)
				d.rnd = rand.New(rand.NewPCG(seed, 4))
				d.names[name].seen[50] ^= 1
				d.names[name].platter[50] ^= 1
				d.planned[at] = fault(seed % 3)
				o := Options{Dir: "j", Building: "b", SegmentBytes: 1200, Quarantine: true, fs: d}
				_, _ = Open(o)
				d.off = true
				d.reboot()
				if err := mended(d, o, want); err != nil {
					t.Fatalf("%s, operation %d, seed %d: %v", name, at, seed, err)
				}
			}
		}
	}
}
