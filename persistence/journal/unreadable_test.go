package journal

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gatehouse/access"
)

// Any one page of the journal that the disk cannot read is damage like any other:
// refused with a word at a strict opening, set aside by the daemon; it costs the
// events that stand there and no other.
func TestAPageThatCannotBeRead(t *testing.T) {
	files, want := segmentsOf(t, 3*page)
	t.Run("closed", func(t *testing.T) { badPages(t, files, want) })
	delete(files, filepath.Join("j", boundsName))
	t.Run("killed", func(t *testing.T) { badPages(t, files, want) })
}

func badPages(t *testing.T, files map[string][]byte, want []access.Event) {
	t.Helper()
	newest := slices.Max(slices.Collect(maps.Keys(files)))
	pages := 0
	for name, b := range files {
		for bad := range int64(len(b)+page-1) / page {
			pages++
			d := diskOf(files)
			d.names[name].bad = func(p int64) bool { return p == bad }
			o := Options{Dir: "j", Building: "b", SegmentBytes: 3 * page, fs: d}
			_, verr := verify(d, "j", "b")
			if !errors.Is(verr, ErrCorrupt) || !strings.Contains(verr.Error(), "the disk cannot read") && !strings.Contains(verr.Error(), "is missing") {
				t.Fatalf("%s, page %d: verify: %v", name, bad, verr)
			}
			if seen, err := checked(o, want); err != nil || !seen && name == newest {
				t.Fatalf("%s, page %d: %v, found %v", name, bad, err, seen)
			}
			if err := mended(d, o, want); err != nil {
				t.Fatalf("%s, page %d: %v", name, bad, err)
			}
			if lost := lostOf(t, o); lost > 2*page/36 {
				t.Errorf("%s, page %d: %d events are lost", name, bad, lost)
			}
		}
	}
	if pages < 20 {
		t.Errorf("%d pages", pages)
	}
}

func lostOf(t *testing.T, o Options) (count uint64) {
	t.Helper()
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range j.Gaps() {
		count += g.Count
	}
	return count
}

// A disk that reads nothing is broken, not its files damaged: nothing is set aside.
func TestADiskThatReadsNothing(t *testing.T) {
	d := newDisk(1)
	j, err := Open(Options{Dir: "j", Building: "b", fs: d})
	if err != nil {
		t.Fatal(err)
	}
	events := make([]access.Event, 2*maxUnreadable)
	for i := range events {
		events[i].Detail = strings.Repeat("x", maxPayload)
	}
	commit(t, j, events)
	for _, in := range d.names {
		in.bad = func(int64) bool { return true }
	}
	_, err = Open(Options{Dir: "j", Building: "b", fs: d, Quarantine: true})
	if !errors.Is(err, syscall.EIO) || errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	for name := range d.names {
		if strings.Contains(name, gapSuffix) {
			t.Errorf("%s was made", name)
		}
	}
}

// What the disk cannot read once and can read then is no damage.
func TestAReadThatFailsOnce(t *testing.T) {
	files, want := segmentsOf(t, 3*page)
	for name := range files {
		if !strings.HasSuffix(name, segmentSuffix) {
			continue
		}
		d := diskOf(files)
		j, err := Open(Options{Dir: "j", Building: "b", SegmentBytes: 3 * page, fs: d})
		if err != nil {
			t.Fatal(err)
		}
		d.names[name].bad = func(int64) bool { return true }
		_, err = j.Read(0, len(want))
		damage, ok := errors.AsType[*CorruptError](err)
		if !ok {
			t.Fatalf("%s: %v", name, err)
		}
		d.names[name].bad = nil
		if gaps, err := j.Quarantine(damage); err != nil || len(gaps) > 0 {
			t.Errorf("%s: set aside: %v, %v", name, gaps, err)
		}
		if last, err := compare(j, want); err != nil || last != uint64(len(want)) {
			t.Errorf("%s: %d events of %d, %v", name, last, len(want), err)
		}
	}
}
