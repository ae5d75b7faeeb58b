package store

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// storeV1 makes a data directory as schema 1 left it.
func storeV1(t *testing.T, dir string) {
	t.Helper()
	var changes []change
	put := func(bucket, key string, v any) {
		row, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, change{bucket, key, row})
	}
	put(bucketRules, bucketRules, rules)
	for _, h := range holders {
		put("holders", string(h.ID), h)
	}
	for _, c := range creds {
		put("credentials", string(c.ID), c)
	}
	for _, d := range lockdown {
		put(bucketDoors, string(d.Door), d)
	}
	m := metaV1{Schema: 1, Building: "30313233343536373839616263646566", Revision: 12, Version: 5, Boots: 3, Rules: 1, Holders: 2, Credentials: 2, Doors: 2}
	put(bucketMeta, bucketMeta, m)
	db, err := openDatabase(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.write(changes); err != nil {
		t.Fatal(err)
	}
	if err := db.close(); err != nil {
		t.Fatal(err)
	}
}

// A store of schema 1 becomes one of today, whatever step a crash came at, and the
// old file stays as it was under another name.
func TestMigration(t *testing.T) {
	want := rules
	want.Version = 5
	for n := 1; ; n++ {
		dir := t.TempDir()
		storeV1(t, dir)
		old := string(contentOf(t, dir))
		if err := Check(dir); err != nil {
			t.Errorf("Check: %v", err)
		}
		f := &failAt{n: n}
		s, err := Open(Options{Dir: dir, step: f.step})
		if len(f.seen) >= n {
			if !errors.Is(err, errStep) {
				t.Fatalf("step %d: %v", n, err)
			}
			if s, err = Open(Options{Dir: dir}); err != nil {
				t.Fatalf("after step %d: %v", n, err)
			}
		} else if err != nil || n == 1 {
			t.Fatalf("%v", err)
		}
		if diff := cmp.Diff(Image{
			Building: "30313233343536373839616263646566", Revision: 12,
			Rules: want, Holders: holders, Credentials: creds, Doors: lockdown,
		}, all(t, s)); diff != "" {
			t.Error(diff)
		}
		if files(t, dir)[FileName+".v1-backup"] != old {
			t.Errorf("step %d: the old file is not kept", n)
		}
		done := len(f.seen) < n
		s.step = nil
		if boot, err := s.NextBoot(); boot != 4 || err != nil {
			t.Errorf("boot %d, %v", boot, err)
		}
		_ = s.Close()
		if done {
			return
		}
	}
}

func TestADamagedOldStoreIsNotMigrated(t *testing.T) {
	dir := t.TempDir()
	storeV1(t, dir)
	b := contentOf(t, dir)
	b[strings.Index(string(b), "Ada")] ^= 1
	put(t, dir, b)
	before := files(t, dir)
	if err := second(dir); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%v", err)
	}
	if err := Check(dir); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Check: %v", err)
	}
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Error("files were changed")
	}
}

// damaged flips a bit of the meta record, which every opening reads.
func damaged(t *testing.T, dir string) (before string) {
	t.Helper()
	b := contentOf(t, dir)
	text := strings.ReplaceAll(string(b), `"Building":"3`, `"Building":"2`)
	if text == string(b) {
		t.Fatal("nothing to damage")
	}
	put(t, dir, []byte(text))
	return text
}

// A damaged store is set aside as it is and made anew, if that undoes nothing.
func TestRecover(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	take(t, s)
	save(t, s, lockdown...)
	want := all(t, s)
	_ = s.Close()
	was := damaged(t, dir)
	if err := second(dir); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("without leave: %v", err)
	}
	s, err := Open(Options{Dir: dir, Recover: &Recover{Now: noon}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, all(t, s)); diff != "" {
		t.Error(diff)
	}
	if files(t, dir)[FileName+".bad-20261123T120000Z"] != was {
		t.Error("the damaged file is not kept")
	}
	if err := s.Recovered(); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "store.db.bad-20261123T120000Z, and a new one was made from boot.image") {
		t.Errorf("%v", err)
	}
	_ = s.Close()
	if s = open(t, dir); s.Recovered() != nil {
		t.Errorf("said twice: %v", s.Recovered())
	}
	_ = s.Close()
	damaged(t, dir)
	if err := os.Remove(s.image); err != nil {
		t.Fatal(err)
	}
	before := files(t, dir)
	if _, err := Open(Options{Dir: dir, Recover: &Recover{Now: noon.Add(time.Hour)}}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("without an image: %v", err)
	}
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Error("files were changed")
	}
}

// People who are too many for the image come from a backup, but only from one that
// has exactly those people; doors and rules come from the image all the same.
func TestRecoverManyPeople(t *testing.T) {
	dir, backups := t.TempDir(), t.TempDir()
	o := rotOptions(dir)
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	take(t, s)
	if _, err := s.Import(t.Context(), newCrowdCSV(500), ImportOptions{Author: author}); err != nil {
		t.Fatal(err)
	}
	if err := s.CopyTo(filepath.Join(backups, "old.db"), noon); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Erase(t.Context(), "p-0000003", author); err != nil {
		t.Fatal(err)
	}
	save(t, s, lockdown...)
	_ = s.Close()
	damaged(t, dir)
	o.Recover = &Recover{Now: noon, Backups: backups}
	before := files(t, dir)
	if _, err := Open(o); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the erased person came back: %v", err)
	}
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Error("files were changed")
	}

	// The same with a backup from after the last change of people.
	sound := strings.ReplaceAll(string(contentOf(t, dir)), `"Building":"2`, `"Building":"3`)
	put(t, dir, []byte(sound))
	if s, err = Open(o); err != nil {
		t.Fatal(err)
	}
	if err := s.CopyTo(filepath.Join(backups, "new.db"), noon); err != nil {
		t.Fatal(err)
	}
	save(t, s, access.DoorMemory{Door: "d1", Mode: access.Blocked})
	_ = s.Close()
	damaged(t, dir)
	if s, err = Open(o); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Recovered(); err == nil || !strings.Contains(err.Error(), "from new.db and boot.image") {
		t.Errorf("%v", err)
	}
	if p, ok, err := s.Lookup(access.Card{Facility: 7, Number: 4}); ok || err != nil {
		t.Errorf("the erased person: %+v, %v", p, err)
	}
	if p, ok, err := s.Lookup(access.Card{Facility: 7, Number: 5}); !ok || err != nil {
		t.Errorf("another: %+v, %v", p, err)
	}
	if doors, err := s.Doors(); err != nil || doors["d1"].Mode != access.Blocked {
		t.Errorf("%v, %v", doors, err)
	}
}

// A copy is a store of its own; while it is made, that is known, and changes go on.
func TestCopyTo(t *testing.T) {
	dir, to := t.TempDir(), t.TempDir()
	s := open(t, dir)
	take(t, s)
	save(t, s, lockdown...)
	if _, ok := s.OldestRead(); ok {
		t.Error("a read goes on")
	}
	path := filepath.Join(to, FileName)
	if err := s.CopyTo(path, noon); err != nil {
		t.Fatal(err)
	}
	if err := s.CopyTo(path, noon); !errors.Is(err, os.ErrExist) {
		t.Errorf("over an existing file: %v", err)
	}
	s.reads = []time.Time{noon.Add(time.Second), noon}
	if at, ok := s.OldestRead(); !ok || !at.Equal(noon) {
		t.Errorf("%v, %v", at, ok)
	}
	s.reads = nil
	if c := open(t, to); cmp.Diff(all(t, s), all(t, c)) != "" {
		t.Errorf("the copy differs: %s", cmp.Diff(all(t, s), all(t, c)))
	}
	_ = s.Close()
	if err := s.CopyTo(filepath.Join(to, "late.db"), noon); !errors.Is(err, ErrBroken) {
		t.Errorf("of a closed store: %v", err)
	}
	if _, ok := s.OldestRead(); ok {
		t.Error("a read goes on")
	}
}

// Whoever watches over the building is answered while a change hangs in a sync.
func TestOldestReadWaitsForNoChange(t *testing.T) {
	s := &Store{reads: []time.Time{noon}}
	s.mu.Lock() // as a commit does
	defer s.mu.Unlock()
	if begun, ok := s.OldestRead(); !ok || !begun.Equal(noon) {
		t.Errorf("%v, %v", begun, ok)
	}
}
