package archive

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/persistence"
)

// What is archived is listed, verified, and comes back byte for byte.
func TestArchiveAndExtract(t *testing.T) {
	k := newKey(t)
	o, segments := filled(t, k)
	if diff := cmp.Diff([]string{
		"0000000000000001.seg.zst.age", "0000000000000101.seg.zst.age", "0000000000000151.seg.zst.age", "MANIFEST",
	}, names(t, o.Dir)); diff != "" {
		t.Fatal(diff)
	}
	sound := []string{"0000000000000001.seg <nil>", "0000000000000101.seg <nil>", "0000000000000151.seg <nil>"}
	for _, ids := range []Identities{nil, k.ids} {
		if diff := cmp.Diff(sound, verify(t, o.Dir, ids)); diff != "" {
			t.Fatal(diff)
		}
	}
	out := t.TempDir()
	for i, e := range entries(t, o.Dir) {
		check1(t, Extract(t.Context(), o.Dir, e, k.ids, out))
		sameFile(t, segments[i].Path, filepath.Join(out, e.Name))
		info, err := os.Stat(filepath.Join(o.Dir, e.File()))
		check1(t, err)
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v", e.File(), info.Mode())
		}
	}
	if got := names(t, out); len(got) != 3 {
		t.Errorf("extracted %v", got)
	}
	err := Extract(t.Context(), o.Dir, entries(t, o.Dir)[0], k.ids, out)
	want(t, err, fs.ErrExist, "move it away")
}

// Taken survives; what is archived is not archived again.
func TestTakenSurvives(t *testing.T) {
	dir, k := t.TempDir(), newKey(t)
	segments := three(t, dir)
	a := open(t, options(dir, k))
	for i, taken := range []uint64{100, 150, 300} {
		add(t, a, segments[i])
		if a.Taken() != taken {
			t.Fatalf("taken %d, want %d", a.Taken(), taken)
		}
	}
	check1(t, a.Close())
	want(t, a.Add(t.Context(), segments[0]), ErrBroken, "closed")

	o := options(dir, k)
	steps := 0
	o.Sealing.disk = func(op, _ string) error {
		if op != "remove" {
			steps++
		}
		return nil
	}
	a = open(t, o)
	add(t, a, segments...)
	if a.Taken() != 300 || steps != 0 {
		t.Errorf("taken %d, want 300; %d steps, want none", a.Taken(), steps)
	}
}

// The steps of one segment, in their order: nothing has a name that is not synced
// and read back, and the manifest comes last.
func TestOrderOfSteps(t *testing.T) {
	dir, k := t.TempDir(), newKey(t)
	o := options(dir, k)
	var got []string
	o.Sealing.disk = func(op, path string) error {
		got = append(got, op+" "+filepath.Base(path))
		return nil
	}
	a := open(t, o)
	got = nil
	add(t, a, segment(t, dir, 1, 10, 1000))
	const file = "0000000000000001.seg.zst.age"
	if diff := cmp.Diff([]string{
		"remove " + file + ".tmp", "create " + file + ".tmp", "sync " + file + ".tmp", "readback " + file + ".tmp",
		"rename " + file, "syncdir archive",
		"remove MANIFEST.tmp", "create MANIFEST.tmp", "sync MANIFEST.tmp", "rename MANIFEST", "syncdir archive",
	}, got); diff != "" {
		t.Error(diff)
	}
}

// A segment that is not the next one is refused, and a gap has to be told.
func TestSegmentsThatAreRefused(t *testing.T) {
	dir, k := t.TempDir(), newKey(t)
	a := open(t, options(dir, k))
	add(t, a, segment(t, dir, 11, 20, 100))
	empty := segment(t, dir, 31, 40, 10)
	check1(t, os.Remove(empty.Path))
	check1(t, os.Mkdir(empty.Path, 0o700))
	for _, c := range []struct {
		s    Segment
		text string
	}{
		{Segment{Path: "0000000000000000.seg", First: 0, Last: 5}, "the sequences 0 to 5 are none"},
		{Segment{Path: segmentName(30), First: 30, Last: 29}, "are none"},
		{Segment{Path: segmentName(22), First: 21, Last: 29}, "its name is to be 0000000000000021.seg"},
		{Segment{Path: segmentName(15), First: 15, Last: 29}, "events up to 20 are archived already"},
		{Segment{Path: segmentName(31), First: 31, Last: 40}, "the events 21 to 30 come first"},
		{Segment{Path: filepath.Join(dir, segmentName(21)), First: 21, Last: 40}, "no such file"},
		{Segment{Path: empty.Path, First: 31, Last: 40, AfterGap: true}, "no regular file"},
	} {
		err := a.Add(t.Context(), c.s)
		if err == nil {
			t.Fatalf("%+v was taken", c.s)
		}
		if !errors.Is(err, ErrSegment) {
			want(t, err, err, c.text)
			continue
		}
		want(t, err, ErrSegment, c.text)
	}
	s := segment(t, dir, 51, 60, 100)
	s.AfterGap = true
	add(t, a, s)
	s = segment(t, dir, 61, 70, 100)
	s.AfterGap = true // says so, but there is none
	add(t, a, s)
	var gaps []bool
	for _, e := range entries(t, a.opts.Dir) {
		gaps = append(gaps, e.AfterGap)
	}
	if diff := cmp.Diff([]bool{false, true, false}, gaps); diff != "" {
		t.Error(diff)
	}
	if a.Taken() != 70 {
		t.Errorf("taken %d", a.Taken())
	}
}

// A directory has one owner, one building and one epoch.
func TestWhoseDirectory(t *testing.T) {
	k := newKey(t)
	o, _ := filled(t, k)
	a := open(t, o)
	_, err := Open(o)
	want(t, err, persistence.ErrLocked, "stop that process")
	check1(t, a.Close())

	other := o
	other.Building = "barn"
	_, err = Open(other)
	want(t, err, ErrForeign, `building "house", epoch 1, this is "barn", epoch 1; name another directory`)
	other = o
	other.Epoch = 2
	_, err = Open(other)
	want(t, err, ErrForeign, "epoch 2")
	other.Epoch = 0
	_, err = Open(other)
	want(t, err, ErrForeign, "epoch 0")
	other = o
	other.Sealing.Recipients = nil
	_, err = Open(other)
	want(t, err, ErrKey, "keygen")

	check1(t, os.Remove(filepath.Join(o.Dir, manifestName)))
	_, err = Open(o)
	want(t, err, ErrDamaged, "holds 3 archives and no MANIFEST")
	_, err = List(o.Dir, nil)
	want(t, err, fs.ErrNotExist, "name the directory epoch-N")
	_, err = Verify(t.Context(), filepath.Join(o.Dir, "missing"), nil, nil, nil)
	want(t, err, fs.ErrNotExist, "is no archive")
}

// An archive can be ended at every block, leaves nothing behind, and goes on.
func TestCancelledAtEveryBlock(t *testing.T) {
	dir, k := t.TempDir(), newKey(t)
	s := segment(t, dir, 1, 10, 200_000)
	o := options(dir, k)
	stop := func() {}
	at, blocks := -1, 0
	o.Sealing.Pace = func(context.Context, int) error {
		if blocks++; blocks == at {
			stop()
		}
		return nil
	}
	a := open(t, o)
	for at = 1; ; at++ {
		ctx, cancel := context.WithCancel(t.Context())
		stop, blocks = cancel, 0
		err := a.Add(ctx, s)
		cancel()
		if err == nil {
			break
		}
		want(t, err, context.Canceled, "")
		if got := names(t, o.Dir); !slices.Equal(got, []string{manifestName}) || a.Taken() != 0 {
			t.Fatalf("at block %d: taken %d, left %v", at, a.Taken(), got)
		}
	}
	if at < 10 {
		t.Errorf("only %d blocks; the test needs more", at)
	}
}

// The rate sees every byte, in and back, in blocks; its error is the result.
func TestPaceSeesEveryByte(t *testing.T) {
	dir, k := t.TempDir(), newKey(t)
	o := options(dir, k)
	sum, most := int64(0), 0
	refused := errors.New("not tonight")
	var refuse error
	o.Sealing.Pace = func(_ context.Context, n int) error {
		sum, most = sum+int64(n), max(most, n)
		return refuse
	}
	a := open(t, o)
	add(t, a, segment(t, dir, 1, 10, 300_000))
	e := entries(t, o.Dir)[0]
	if sum != e.Bytes+e.SealedBytes || most > maxBlock {
		t.Errorf("paced %d bytes, want %d + %d; the greatest block %d", sum, e.Bytes, e.SealedBytes, most)
	}
	refuse = refused
	want(t, a.Add(t.Context(), segment(t, dir, 11, 20, 10)), refused, "")
}
