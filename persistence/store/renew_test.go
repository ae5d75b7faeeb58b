package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// renewed opens the store and says whether its file and its image are new ones
// with the same bytes.
func renewed(t *testing.T, o Options) (db, image bool) {
	t.Helper()
	look := func(name string) (os.FileInfo, []byte) {
		path := filepath.Join(o.Dir, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return info, b
	}
	dbBefore, dbBytes := look(FileName)
	imageBefore, imageBytes := look(ImageName)
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	dbAfter, nowDB := look(FileName)
	imageAfter, nowImage := look(ImageName)
	if !slices.Equal(dbBytes, nowDB) || !slices.Equal(imageBytes, nowImage) {
		t.Error("an opening changed what is in the files")
	}
	return !os.SameFile(dbBefore, dbAfter), !os.SameFile(imageBefore, imageAfter)
}

// Nothing that is read at an opening may stand in the page cache only. A small
// store is always written again, a large one after a commit that failed, in this
// process or in one that is dead; the image always.
func TestOpeningWritesAgain(t *testing.T) {
	large := Options{walkBytes: 1}
	for _, c := range []struct {
		name     string
		o        Options
		fail, db bool
	}{
		{"small", Options{}, false, true},
		{"large", large, false, false},
		{"large, as this process saw a failure", Options{walkBytes: 1, Rewrite: true}, false, true},
		{"large, a process that died saw a failure", large, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Dir, c.o.Random = t.TempDir(), random()
			s := open(t, c.o.Dir)
			take(t, s)
			save(t, s, lockdown...)
			if c.fail {
				_ = s.fail(errStep)
			}
			_ = s.Close()
			if db, image := renewed(t, c.o); db != c.db || !image {
				t.Errorf("written again: store %v, want %v; image %v, want true", db, c.db, image)
			}
			if db, _ := renewed(t, c.o); db != (c.o.walkBytes == 0 || c.o.Rewrite) {
				t.Errorf("at the next opening: %v", db)
			}
		})
	}
}

// Whichever step of it fails, nothing is open, nothing is lost, and the doubt
// stays.
func TestOpeningThatCannotWriteAgain(t *testing.T) {
	order := []string{"create", "write", "sync", "rename", "syncdir"}
	order = append(order, order...) // the store, then the image
	for n := 1; n <= len(order); n++ {
		dir := t.TempDir()
		s := open(t, dir)
		take(t, s)
		before := all(t, s)
		_ = s.fail(errStep)
		_ = s.Close()
		f := &failAt{n: n}
		if _, err := Open(Options{Dir: dir, step: f.step}); !errors.Is(err, errStep) {
			t.Fatalf("step %d: %v", n, err)
		}
		if diff := cmp.Diff(order[:n], f.seen); diff != "" {
			t.Error(diff)
		}
		if _, err := os.Stat(filepath.Join(dir, doubtName)); err != nil {
			t.Errorf("step %d: %v", n, err)
		}
		if diff := cmp.Diff(before, all(t, open(t, dir))); diff != "" {
			t.Errorf("step %d: %s", n, diff)
		}
		for _, name := range []string{doubtName, FileName + ".tmp"} {
			if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("step %d: %s is left", n, name)
			}
		}
	}
}
