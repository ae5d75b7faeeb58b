package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"gatehouse/access"
	"gatehouse/persistence"
)

var (
	rules = access.Rules{
		Location:  "Europe/Berlin",
		Doors:     []access.Door{{ID: "d1", StrikeTime: 5 * time.Second, Readers: []access.Reader{{ID: "in", To: "hall"}}}, {ID: "d2"}},
		Areas:     []access.Area{{ID: "hall", Name: "Hall"}},
		Levels:    []access.Level{{ID: "staff", Entries: []access.LevelEntry{{AllDoors: true, Schedule: access.Always}}}},
		Schedules: []access.Schedule{{ID: "day", Intervals: []access.Interval{{Day: time.Monday, FromMinute: 480, ToMinute: 1080}}}},
	}
	holders = []access.Cardholder{
		{ID: "p1", Name: "Ada <A&O>", Levels: []access.LevelID{"staff"}, ValidFrom: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
		{ID: "p2", Name: "Bö", Suspended: true},
	}
	creds = []access.Credential{
		{ID: "c1", Card: access.Card{Facility: 1, Number: 1 << 60}, Holder: "p1"},
		{ID: "c2", Card: access.Card{Facility: 1, Number: 2}, Holder: "p2"},
	}
	author   = Author{Operator: "tester", Time: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	lockdown = []access.DoorMemory{{Door: "d1", Mode: access.LockedDown}, {Door: "d2", Mode: access.LockedOpen, Fire: true}}
)

func random() *bytes.Reader { return bytes.NewReader([]byte("0123456789abcdef")) }

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(Options{Dir: dir, Random: random()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func take(t *testing.T, s *Store) {
	t.Helper()
	if _, _, err := s.Take(rules, holders, creds, author); err != nil {
		t.Fatal(err)
	}
}

func save(t *testing.T, s *Store, doors ...access.DoorMemory) {
	t.Helper()
	if err := s.SaveDoors(doors); err != nil {
		t.Fatal(err)
	}
}

// all is what the store and what the image say; they must agree.
func all(t *testing.T, s *Store) Image {
	t.Helper()
	held, err := s.all.image(s.people)
	if err != nil {
		t.Fatal(err)
	}
	image, err := ReadImage(s.image)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(held, image); diff != "" {
		t.Fatalf("image and store differ: %s", diff)
	}
	return held
}

func TestEverythingSurvivesReopening(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	take(t, s)
	save(t, s, lockdown...)
	if n, err := s.NextBoot(); n != 1 || err != nil {
		t.Errorf("boot %d, %v", n, err)
	}
	before := all(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	after := all(t, s)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	want := rules
	want.Version = 1
	if diff := cmp.Diff(Image{
		Building: "30313233343536373839616263646566", Revision: 3,
		Rules: want, Holders: holders, Credentials: creds, Doors: lockdown,
	}, after); diff != "" {
		t.Error(diff)
	}
	if n, err := s.NextBoot(); n != 2 || err != nil {
		t.Errorf("boot %d, %v", n, err)
	}
	for _, name := range []string{FileName, ImageName} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestGetters(t *testing.T) {
	s := open(t, t.TempDir())
	if r, err := s.Rules(); err != nil || r.Version != 0 || r.Doors != nil {
		t.Errorf("rules of an empty store: %+v, %v", r, err)
	}
	take(t, s)
	save(t, s, lockdown...)
	if p, ok, err := s.Lookup(creds[0].Card); err != nil || !ok || p.Cardholder.Name != holders[0].Name {
		t.Errorf("looked up %+v, %v", p, err)
	}
	if p, ok, err := s.Lookup(access.Card{Number: 77}); err != nil || ok {
		t.Errorf("looked up %+v, %v", p, err)
	}
	doors, err := s.Doors()
	if err != nil || doors["d2"] != lockdown[1] || len(doors) != 2 {
		t.Errorf("doors %v, %v", doors, err)
	}
	if r, err := s.Rules(); err != nil || r.Version != 1 {
		t.Errorf("%v, %v", r, err)
	}
}

func TestTakeTakesDifferences(t *testing.T) {
	s := open(t, t.TempDir())
	step := func(what string, r access.Rules, h []access.Cardholder, c []access.Credential, version uint64, changed bool) {
		t.Helper()
		v, ch, err := s.Take(r, h, c, author)
		if v != version || ch != changed || err != nil {
			t.Errorf("%s: version %d, changed %v, %v; want %d, %v", what, v, ch, err, version, changed)
		}
	}
	numbered := rules
	numbered.Version = 77
	step("first", rules, holders, creds, 1, true)
	step("again", numbered, holders, creds, 1, false)
	step("nobody named: they stay", rules, nil, nil, 1, false)
	other := rules
	other.Location = "UTC"
	step("other rules", other, nil, nil, 2, true)
	step("a new one", other, []access.Cardholder{{ID: "p3"}}, []access.Credential{{ID: "c3", Card: access.Card{Number: 3}, Holder: "p1"}}, 3, true)
	step("one replaced", other, []access.Cardholder{{ID: "p1", Name: "New"}}, nil, 4, true)
	step("cards swapped", other, nil, []access.Credential{
		{ID: "c1", Card: creds[1].Card, Holder: "p1"},
		{ID: "c2", Card: creds[0].Card, Holder: "p2"},
	}, 5, true)
	step("a card goes to another credential", other, nil, []access.Credential{{ID: "c9", Card: creds[0].Card, Holder: "p2"}}, 6, true)
	got := all(t, s)
	wantHolders := []access.Cardholder{{ID: "p1", Name: "New"}, holders[1], {ID: "p3"}}
	wantCreds := []access.Credential{
		{ID: "c1", Card: creds[1].Card, Holder: "p1"},
		{ID: "c3", Card: access.Card{Number: 3}, Holder: "p1"},
		{ID: "c9", Card: creds[0].Card, Holder: "p2"},
	}
	if diff := cmp.Diff(wantHolders, got.Holders) + cmp.Diff(wantCreds, got.Credentials); diff != "" {
		t.Error(diff)
	}
}

func TestTakeRefusesWhatDoesNotFit(t *testing.T) {
	s := open(t, t.TempDir())
	take(t, s)
	before := all(t, s)
	type people struct {
		h []access.Cardholder
		c []access.Credential
	}
	tests := map[string]people{
		"holder twice":       {h: []access.Cardholder{{ID: "p9"}, {ID: "p9"}}},
		"credential twice":   {c: []access.Credential{{ID: "c9", Holder: "p1"}, {ID: "c9", Holder: "p1"}}},
		"card twice":         {c: []access.Credential{{ID: "c8", Holder: "p1"}, {ID: "c9", Holder: "p1"}}},
		"unknown holder":     {c: []access.Credential{{ID: "c9", Holder: "nobody"}}},
		"no id":              {h: []access.Cardholder{{}}},
		"id too long":        {h: []access.Cardholder{{ID: access.CardholderID(strings.Repeat("x", 256))}}},
		"id is not text":     {h: []access.Cardholder{{ID: "\xff"}}},
		"time beyond year 9": {h: []access.Cardholder{{ID: "p9", ValidUntil: time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC)}}},
	}
	for name, p := range tests {
		if _, changed, err := s.Take(access.Rules{}, p.h, p.c, author); !errors.Is(err, ErrInvalid) || changed {
			t.Errorf("%s: changed %v, %v", name, changed, err)
		}
	}
	if diff := cmp.Diff(before, all(t, s)); diff != "" {
		t.Errorf("something was changed all the same: %s", diff)
	}
	take(t, s) // and it still works
}

func TestSaveDoors(t *testing.T) {
	s := open(t, t.TempDir())
	save(t, s, lockdown...)
	revision := all(t, s).Revision
	save(t, s, lockdown...)
	save(t, s)
	if r := all(t, s).Revision; r != revision {
		t.Errorf("saving the same again is a change: revision %d, before %d", r, revision)
	}
	save(t, s, access.DoorMemory{Door: "d1", Mode: access.Blocked}, access.DoorMemory{Door: "d1", Mode: access.Unlocked})
	if got := all(t, s).Doors[0]; got.Mode != access.Unlocked {
		t.Errorf("the last of two does not count: %+v", got)
	}
	for _, bad := range []access.DoorMemory{
		{Door: "d1", Mode: access.Accessed},
		{Door: "d1", Mode: access.DoubleLocked + 1},
		{Mode: access.Locked},
	} {
		if err := s.SaveDoors([]access.DoorMemory{{Door: "d2"}, bad}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if got := all(t, s).Doors[1]; got != lockdown[1] {
		t.Errorf("a refused change was half made: %+v", got)
	}
}

func TestThousandDoorsAreOneTransaction(t *testing.T) {
	s := open(t, t.TempDir())
	var doors []access.DoorMemory
	for i := range 1000 {
		doors = append(doors, access.DoorMemory{Door: access.DoorID(fmt.Sprintf("door-%d", i)), Mode: access.LockedDown})
	}
	before := s.db.db.Stats()
	save(t, s, doors...)
	after := s.db.db.Stats()
	if n := after.TxStats.GetWrite() - before.TxStats.GetWrite(); n == 0 || all(t, s).Revision != 1 {
		t.Errorf("%d writes, revision %d", n, all(t, s).Revision)
	}
	if got := len(all(t, s).Doors); got != 1000 {
		t.Errorf("%d doors", got)
	}
}

func TestLockedStore(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	before := files(t, dir)
	for what, err := range map[string]error{"open": second(dir), "check": Check(dir)} {
		if !errors.Is(err, persistence.ErrLocked) || !strings.Contains(err.Error(), "stop that process") {
			t.Errorf("%s: %v", what, err)
		}
	}
	_ = s.Close()
	db, err := bolt.Open(filepath.Join(dir, FileName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := second(dir); !errors.Is(err, persistence.ErrLocked) {
		t.Errorf("beside another program: %v", err)
	}
	_ = db.Close()
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Error("files were changed")
	}
}

func second(dir string) error {
	_, err := Open(Options{Dir: dir, Random: random()})
	return err
}

// files is every file in dir with its contents.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, e := range list {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		m[e.Name()] = string(b)
	}
	return m
}

func TestCheckMakesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := Check(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("Check made %v", got)
	}
}

func TestClosedStoreRefusesChanges(t *testing.T) {
	s := open(t, t.TempDir())
	_ = s.Close()
	if err := s.SaveDoors(lockdown); !errors.Is(err, ErrBroken) {
		t.Errorf("%v", err)
	}
	if s.BuildingID() == "" {
		t.Error("reads need no open file")
	}
}

func BenchmarkLockdownOfThousandDoors(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir(), Random: random()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var h []access.Cardholder
	var c []access.Credential
	for i := range 10_000 {
		id := fmt.Sprintf("p-%d", i)
		h = append(h, access.Cardholder{ID: access.CardholderID(id), Name: "A name of usual length", Levels: []access.LevelID{"staff"}})
		c = append(c, access.Credential{ID: access.CredentialID(id), Holder: access.CardholderID(id), Card: access.Card{Number: uint64(i)}})
	}
	if _, _, err := s.Take(rules, h, c, author); err != nil {
		b.Fatal(err)
	}
	doors := make([]access.DoorMemory, 1000)
	modes := []access.Mode{access.LockedDown, access.Locked}
	n := 0
	for b.Loop() {
		n++
		for i := range doors {
			doors[i] = access.DoorMemory{Door: access.DoorID(fmt.Sprintf("door-%d", i)), Mode: modes[n%2]}
		}
		if err := s.SaveDoors(doors); err != nil {
			b.Fatal(err)
		}
	}
}
