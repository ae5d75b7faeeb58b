package journal

import (
	"errors"
	"path/filepath"
	"testing"
)

// FuzzSegment: whatever stands in a segment's file, alone or before a sound one,
// opening, verifying, setting aside and reading neither panic nor hang, and what
// is set aside opens.
func FuzzSegment(f *testing.F) {
	files, _ := manySegments(f)
	first := filepath.Join("j", segmentName)
	for _, b := range files {
		f.Add(b)
	}
	f.Add(files[first][:headerLen])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		for _, alone := range []bool{true, false} {
			d := diskOf(files)
			if alone {
				d = newDisk(0)
			}
			d.names[first] = &inode{seen: b, platter: b}
			o := Options{Dir: "j", Building: "b", SegmentBytes: 1200, fs: d}
			_, _ = verify(d, "j", "b")
			o.Quarantine = true
			j, err := Open(o)
			if errors.Is(err, ErrBuilding) || errors.Is(err, ErrVersion) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := compare(j, nil); err != nil && !errors.Is(err, ErrCorrupt) {
				continue // another building's events, or a wrong order: not for this target
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			o.Quarantine = false
			if _, err := Open(o); err != nil {
				t.Fatal(err)
			}
		}
	})
}
