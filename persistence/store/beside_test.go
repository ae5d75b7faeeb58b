package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
)

// large is a store of people who are too many for memory.
func large(t *testing.T, people int) *Store {
	t.Helper()
	s, err := Open(Options{Dir: t.TempDir(), Random: random(), inMemory: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	take(t, s)
	if _, err := s.Import(t.Context(), newCrowdCSV(people), ImportOptions{Author: author}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Store) wantFound(t *testing.T, people int) {
	t.Helper()
	for i := range people {
		p, ok, err := s.Lookup(access.Card{Facility: 7, Number: uint64(i + 1)})
		if err != nil || !ok || p.Cardholder.ID != access.CardholderID(fmt.Sprintf("p-%07d", i)) {
			t.Fatalf("person %d: %+v, %v, %v", i, p, ok, err)
		}
	}
}

// A store that broke finds its people until the one that replaces it is open, also
// after that one changed, in place and by new tables.
func TestARetiredStoreFindsPeople(t *testing.T) {
	const people = 100
	s := large(t, people)
	_ = s.fail(errStep)
	if err := errors.Join(s.Retire(), s.Retire()); err != nil {
		t.Fatal(err)
	}
	s.wantFound(t, people)
	next, err := Open(Options{Dir: s.o.Dir, Rewrite: true, inMemory: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = next.Close() }()
	if _, _, err := next.Take(rules, []access.Cardholder{{ID: "late"}}, nil, author); err != nil {
		t.Fatal(err)
	}
	if _, err := next.Erase(t.Context(), "p-0000003", author); err != nil {
		t.Fatal(err)
	}
	s.wantFound(t, people) // as they were
	if err := s.SaveDoors(lockdown); !errors.Is(err, ErrBroken) {
		t.Errorf("a retired store takes a change: %v", err)
	}
	if _, _, ok := s.Recall(creds[0].Card); ok {
		t.Error("a large store has people in memory")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Lookup(creds[0].Card); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a closed store: %v", err)
	}
}

// A lookup that was overtaken by changes reads what is there now, and never calls
// that damage.
func TestALookupThatWasOvertaken(t *testing.T) {
	const people = 50
	s := large(t, people)
	before := s.view
	for i := range 12 { // pages of before are written over
		id := access.CardholderID(fmt.Sprintf("x-%d", i))
		if _, _, err := s.Take(rules, []access.Cardholder{{ID: id}}, nil, author); err != nil {
			t.Fatal(err)
		}
	}
	failed := 0
	for i := range people {
		if _, _, err := before.lookup(access.Card{Facility: 7, Number: uint64(i + 1)}); err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Fatal("nothing was written over: this test proves nothing")
	}
	now := s.view
	reads := 0
	s.view = before
	before.find.r = readerFunc(func(b []byte, at int64) (int, error) {
		if reads++; reads == 1 {
			s.view = now // two changes end while this one reads
		}
		return s.file.ReadAt(b, at)
	})
	for i := range people {
		s.view, reads = before, 0
		if p, ok, err := s.Lookup(access.Card{Facility: 7, Number: uint64(i + 1)}); err != nil || !ok {
			t.Fatalf("person %d: %+v, %v, %v", i, p, ok, err)
		}
	}
}

type readerFunc func(b []byte, at int64) (int, error)

func (f readerFunc) ReadAt(b []byte, at int64) (int, error) { return f(b, at) }

// Doors are saved while people are imported: the modes wait for no million of
// people. What was saved is in the store afterwards.
func TestDoorsAreSavedDuringAnImport(t *testing.T) {
	s := large(t, 100)
	stages := map[string]bool{}
	_, err := s.Import(t.Context(), newCrowdCSV(200), ImportOptions{Author: author, Progress: func(stage string, _ int) {
		if stages[stage] {
			return
		}
		stages[stage] = true
		save(t, s, access.DoorMemory{Door: access.DoorID("during-" + stage), Mode: access.LockedDown})
		if _, err := s.NextBoot(); err != nil {
			t.Error(err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(stages) != 5 {
		t.Errorf("stages %v", stages)
	}
	if err := s.Settled(1); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	again := open(t, s.o.Dir)
	doors, err := again.Doors()
	if err != nil {
		t.Fatal(err)
	}
	for stage := range stages {
		if doors[access.DoorID("during-"+stage)].Mode != access.LockedDown {
			t.Errorf("what was saved during %s is lost", stage)
		}
	}
	again.wantFound(t, 200)
}

// An import that is broken off at any stage, or whose store breaks then, leaves every
// byte as it was and no file.
func TestAnImportThatIsBrokenOff(t *testing.T) {
	for _, at := range []string{"lines", "credentials", "cards", "holders", "index"} {
		for _, breaks := range []bool{false, true} {
			s := large(t, 60)
			before := contentOf(t, s.o.Dir)
			ctx, cancel := context.WithCancel(t.Context())
			_, err := s.Import(ctx, newCrowdCSV(300), ImportOptions{Author: author, Progress: func(stage string, _ int) {
				if stage != at {
					return
				}
				if breaks {
					s.mu.Lock()
					s.broken = ErrBroken
					s.mu.Unlock()
				} else {
					cancel()
				}
			}})
			cancel()
			if want := map[bool]error{false: context.Canceled, true: ErrBroken}[breaks]; !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", at, err, want)
			}
			if !bytes.Equal(before, contentOf(t, s.o.Dir)) {
				t.Errorf("%s: the store's file is another", at)
			}
			for _, name := range []string{spillDir, FileName + rebuildSuffix} {
				if _, err := os.Stat(filepath.Join(s.o.Dir, name)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: %s is left", at, name)
				}
			}
			s.wantFound(t, 60)
		}
	}
}

// What a killed process left of an import is gone after the next opening.
func TestLeftoversGo(t *testing.T) {
	dir := t.TempDir()
	_ = open(t, dir).Close()
	left := []string{FileName + rebuildSuffix, filepath.Join(spillDir, "holders-01")}
	if err := os.Mkdir(filepath.Join(dir, spillDir), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range left {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("a name in the clear"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_ = open(t, dir).Close()
	for _, name := range left {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left", name)
		}
	}
}

// More than 1,000 lines of one cardholder are one mistake, and little memory.
func TestTooManyLinesOfOne(t *testing.T) {
	s := open(t, t.TempDir())
	take(t, s)
	file := func(lines int) string {
		var b strings.Builder
		b.WriteString("id,credential_id,card_number\n")
		for i := range lines {
			fmt.Fprintf(&b, "one,k-%d,%d\n", i, i+100)
		}
		return b.String()
	}
	_, err := s.Import(t.Context(), strings.NewReader(file(5000)), ImportOptions{Author: author})
	mistakes, ok := errors.AsType[*Mistakes](err)
	if !ok {
		t.Fatal(err)
	}
	want := []Mistake{{1002, 1, "more than 1000 lines have the same cardholder id"}}
	if diff := cmp.Diff(want, mistakes.List); diff != "" || mistakes.More != 0 {
		t.Errorf("%s, %d more", diff, mistakes.More)
	}
	if report := imported(t, s, file(1000)); report.CredentialsAdded != 1000 {
		t.Errorf("%+v", report)
	}
}

// A credential that went from one person to another leaves nothing of the one who
// is erased in the change log, whichever of the two that is.
func TestErasingAfterACredentialPassedOn(t *testing.T) {
	const file = "id,credential_id,card_number,credential_valid_until\n"
	for _, who := range []access.CardholderID{"first", "second"} {
		s := open(t, t.TempDir())
		take(t, s)
		imported(t, s, file+"first,k,5,2031-03-04\n")
		imported(t, s, file+"second,k,5,2032-05-06\n")
		if _, err := s.Erase(t.Context(), who, author); err != nil {
			t.Fatal(err)
		}
		log, err := s.log()
		if err != nil || len(log) != 5 {
			t.Fatalf("%+v, %v", log, err)
		}
		for _, l := range log[2:] {
			for _, v := range l.Values {
				if said := string(v.Before) + string(v.After); strings.Contains(said, fmt.Sprintf("%q", who)) {
					t.Errorf("%s is erased, and the log keeps %s", who, said)
				}
			}
		}
	}
}

// A disk that damages the store again and again is not filled by what is set aside.
func TestFewDamagedStoresStay(t *testing.T) {
	dir := t.TempDir()
	_ = open(t, dir).Close()
	path := filepath.Join(dir, FileName)
	if err := os.WriteFile(path+asideMark+"of-mine", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	said := 0
	for i := range keepBad + 2 {
		if err := os.Truncate(path, 100); err != nil {
			t.Fatal(err)
		}
		s, err := Open(Options{Dir: dir, Recover: &Recover{Now: noon.AddDate(0, 0, i)}})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(s.Recovered().Error(), "1 set aside before were removed, the newest 3 stay") {
			said++
		}
		_ = s.Close()
	}
	list, err := filepath.Glob(path + asideMark + "*")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		path + asideMark + "20261125T120000Z", path + asideMark + "20261126T120000Z", path + asideMark + "20261127T120000Z", path + asideMark + "of-mine",
	}
	if diff := cmp.Diff(want, list); diff != "" || said != 2 {
		t.Errorf("said %d times; %s", said, diff)
	}
}
