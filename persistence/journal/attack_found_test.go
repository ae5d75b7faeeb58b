package journal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/access"
)

// A file that does not belong to the journal is named, and takes no memory for
// the events that its name claims.
func TestANameIsNotBelieved(t *testing.T) {
	for _, quarantine := range []bool{false, true} {
		dir, _, _ := sample(t)
		_ = os.Remove(filepath.Join(dir, boundsName)) // as after a kill
		if err := os.WriteFile(filepath.Join(dir, "0000300000000000.seg"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Options{Dir: dir, Building: "b", Quarantine: quarantine})
		if err == nil {
			t.Fatal("opened")
		}
		if quarantine && !strings.Contains(err.Error(), "does not belong there; move away") {
			t.Error(err)
		}
		if _, err := Verify(dir, "b"); err == nil {
			t.Error("verified")
		}
	}
}

// The longest names that are kept whole can be read back from a sealed segment.
func TestMarksOfTheLongestNames(t *testing.T) {
	for _, n := range []int{253, 254, maxText} {
		name := strings.Repeat("x", n)
		for what, e := range map[string]access.Event{
			"source": {Kind: access.KindGranted, Source: access.Source{Name: name, Boot: 1, Run: 1}},
			"origin": {Kind: access.KindGranted, Origin: access.Origin{File: name}},
		} {
			o := Options{Dir: t.TempDir(), Building: "b", SegmentBytes: 1000}
			j, err := Open(o)
			for i := uint64(1); err == nil && i <= 20; i++ {
				again := e
				if again.Source.Name != "" {
					again.Source.Number = i
				} else {
					again.Origin.Order = i
				}
				err = j.Commit([]access.Event{again})
			}
			if err != nil {
				t.Fatal(err)
			}
			_ = j.Close()
			if j, err = Open(o); err != nil {
				t.Fatalf("%s of %d bytes: %v", what, n, err)
			}
			_ = j.Close()
		}
	}
}
