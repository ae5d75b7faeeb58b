package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
)

var errStep = errors.New("disk on strike")

// failAt makes the nth step fail; steps are kept.
type failAt struct {
	n    int
	seen []string
}

func (f *failAt) step(name string) error {
	f.seen = append(f.seen, name)
	if len(f.seen) == f.n {
		return errStep
	}
	return nil
}

func TestNoImageAndBadImage(t *testing.T) {
	path := filepath.Join(t.TempDir(), ImageName)
	if _, err := ReadImage(path); !errors.Is(err, ErrNoImage) {
		t.Errorf("missing: %v", err)
	}
	s := open(t, t.TempDir())
	take(t, s)
	save(t, s, lockdown...)
	whole, err := os.ReadFile(s.image)
	if err != nil {
		t.Fatal(err)
	}
	requireBad := func(what string, at int, b []byte) {
		t.Helper()
		if c, _, err := parseImage(b); err == nil {
			t.Fatalf("%s at byte %d: read as %+v", what, at, c.meta)
		}
	}
	for i := range whole {
		requireBad("cut", i, whole[:i])
		for bit := range 8 {
			bent := slices.Clone(whole)
			bent[i] ^= 1 << bit
			requireBad("bit flipped", i, bent)
		}
	}
	requireBad("longer", len(whole), append(slices.Clone(whole), 0))
	if err := os.WriteFile(path, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadImage(path); !errors.Is(err, ErrBadImage) || !strings.Contains(err.Error(), path) {
		t.Errorf("half an image: %v", err)
	}
}

// Whichever step of the replacement fails, the image is the old one or the new
// one, the change is in the store, and trying again completes it.
func TestImageIsReplacedAtomically(t *testing.T) {
	order := []string{"create", "write", "sync", "rename", "syncdir"}
	for n := 1; n <= len(order); n++ {
		s := open(t, t.TempDir())
		take(t, s)
		old := all(t, s)
		f := &failAt{n: n}
		s.step = f.step
		if err := s.SaveDoors(lockdown); !errors.Is(err, errStep) {
			t.Fatalf("step %d: acknowledged without its image: %v", n, err)
		}
		if diff := cmp.Diff(order[:n], f.seen); diff != "" {
			t.Error(diff)
		}
		image, err := ReadImage(s.image)
		if err != nil {
			t.Fatalf("step %d: %v", n, err)
		}
		if wantNew := n == len(order); wantNew != (len(image.Doors) == 2) || !wantNew && !cmp.Equal(old, image) {
			t.Errorf("step %d: image %+v", n, image.Doors)
		}
		save(t, s, lockdown...) // nothing differs, the image is still owed
		if got := all(t, s); len(got.Doors) != 2 {
			t.Errorf("step %d: %+v", n, got.Doors)
		}
	}
}

// A power cut between the transaction and the image: the store wins.
func TestOpenMakesTheImageAgain(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	take(t, s)
	older, _ := os.ReadFile(s.image)
	save(t, s, lockdown...)
	_ = s.Close()
	for what, b := range map[string][]byte{"missing": nil, "older": older, "damaged": []byte("GATEIMG1 and no more")} {
		_ = os.Remove(s.image)
		if b != nil {
			if err := os.WriteFile(s.image, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := open(t, dir)
		if got := all(t, s); len(got.Doors) != 2 {
			t.Errorf("%s: %+v", what, got.Doors)
		}
		_ = s.Close()
	}
}

// A store that is older than its image has lost acknowledged changes.
func TestStoreOlderThanItsImage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	take(t, s)
	_ = s.Close()
	old, _ := os.ReadFile(filepath.Join(dir, FileName))
	s = open(t, dir)
	save(t, s, lockdown...)
	_ = s.Close()
	if err := os.WriteFile(filepath.Join(dir, FileName), old, 0o600); err != nil {
		t.Fatal(err)
	}
	before := files(t, dir)
	if err := second(dir); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "delete boot.image") {
		t.Errorf("%v", err)
	}
	if !cmp.Equal(before, files(t, dir)) {
		t.Error("files were changed")
	}
	_ = os.Remove(s.image) // a restored backup: the operator's word
	if got := all(t, open(t, dir)); len(got.Doors) != 0 {
		t.Errorf("%+v", got.Doors)
	}
}

// The way out of a damaged store: move it away, and the image makes a new one.
func TestNewStoreFromTheImage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	take(t, s)
	save(t, s, lockdown...)
	want := all(t, s)
	_ = s.Close()
	_ = os.Remove(filepath.Join(dir, FileName))
	s = open(t, dir)
	if diff := cmp.Diff(want, all(t, s)); diff != "" {
		t.Error(diff)
	}
	save(t, s, access.DoorMemory{Door: "d1"})
	_ = s.Close()
	_ = os.Remove(filepath.Join(dir, FileName))
	if err := os.WriteFile(s.image, []byte("no image"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := files(t, dir)
	if err := second(dir); !errors.Is(err, ErrCorrupt) || !errors.Is(err, ErrBadImage) {
		t.Errorf("neither store nor image: %v", err)
	}
	if !cmp.Equal(before, files(t, dir)) {
		t.Error("files were changed")
	}
}

// An image of another building does not count.
func TestImageOfAnotherBuilding(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	s := open(t, a)
	take(t, s)
	save(t, s, lockdown...)
	_ = s.Close()
	other, err := Open(Options{Dir: b, Random: strings.NewReader("another building")})
	if err != nil {
		t.Fatal(err)
	}
	_ = other.Close()
	foreign, _ := os.ReadFile(s.image)
	if err := os.WriteFile(other.image, foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := all(t, open(t, b)); len(got.Doors) != 0 || got.Building == "30313233343536373839616263646566" {
		t.Errorf("%+v", got)
	}
}
