package journal

import (
	"errors"
	"path/filepath"
	"testing"

	"gatehouse/access"
)

// meanwhile has something done when a directory was listed, before its files are
// read, or when the bounds were opened.
type meanwhile struct {
	files
	bounds bool
	lists  int
	do     func()
}

func (m *meanwhile) List(dir string) ([]string, error) {
	names, err := m.files.List(dir)
	if m.lists++; !m.bounds {
		m.do()
	}
	return names, err
}

func (m *meanwhile) Open(path string, write bool) (file, error) {
	f, err := m.files.Open(path, write)
	if m.bounds && filepath.Base(path) == boundsName {
		m.do()
	}
	return f, err
}

// What a running daemon does to its segments while they are verified is no fault.
func TestVerifyBesideADaemon(t *testing.T) {
	number := uint64(0)
	for name, change := range map[string]func(j *Journal) error{
		"segments are begun": func(j *Journal) error {
			for range 3 {
				number++
				if err := j.Commit([]access.Event{grant(number)}); err != nil {
					return err
				}
			}
			return nil
		},
		"segments are dropped": func(j *Journal) error {
			_, err := j.Drop(j.Segments()[1].Last)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(1)
			j, err := Open(Options{Dir: "j", Building: "b", SegmentBytes: 1, fs: d})
			if err != nil {
				t.Fatal(err)
			}
			for range 20 {
				number++
				commit(t, j, []access.Event{grant(number)})
			}
			m := &meanwhile{files: d, bounds: name == "segments are dropped"}
			m.do = func() {
				if err := change(j); err != nil {
					t.Error(err)
				}
			}
			if _, err := verifyOnce(m, "j", "b"); err == nil {
				t.Fatal("one look is no look beside a daemon: this proves nothing")
			}
			m.do, m.lists = func() {
				if m.lists <= 6 {
					if err := change(j); err != nil {
						t.Error(err)
					}
				}
			}, 0
			if r, err := verify(m, "j", "b"); err != nil || r.Last != j.Last() {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// A journal that never comes to rest ends the looks.
func TestVerifyEnds(t *testing.T) {
	d := newDisk(1)
	j, err := Open(Options{Dir: "j", Building: "b", SegmentBytes: 1, fs: d})
	if err != nil {
		t.Fatal(err)
	}
	number := uint64(1)
	commit(t, j, []access.Event{grant(number)})
	m := &meanwhile{files: d}
	m.do = func() {
		for range 2 {
			number++
			if err := j.Commit([]access.Event{grant(number)}); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := verify(m, "j", "b"); !errors.Is(err, ErrCorrupt) || m.lists > 3*maxLooks {
		t.Errorf("%v after %d lists", err, m.lists)
	}
}
