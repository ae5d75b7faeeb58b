package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
)

func imported(t *testing.T, s *Store, text string) Report {
	t.Helper()
	report, err := s.Import(t.Context(), strings.NewReader(text), ImportOptions{Author: author})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// Small stores and large ones take an import in the same way.
func TestImport(t *testing.T) {
	for _, inMemory := range []int{0, 1} {
		dir := t.TempDir()
		s, err := Open(Options{Dir: dir, Random: random(), inMemory: inMemory})
		if err != nil {
			t.Fatal(err)
		}
		take(t, s)
		report := imported(t, s, "\ufeffcredential_id,id,name,levels,valid_from,valid_until,suspended,card_facility,card_number,credential_suspended,credential_valid_until\n"+
			"c9,p9,\"Nine, with comma\",staff; staff,2026-07-01,2026-07-02T08:00:00+02:00,,1,9,,\n"+ // Berlin's summer
			"c10,p9,,,,,,,10,true,2027-01-01\n"+
			",p8,,,,,true,,,,\n"+ // nobody's card
			"c3,p2,,,,,,1,2,,\n"+ // the card of c2, which goes
			"c1,p1,Ada again,,,,,4,44,,\n") // another card for c1, and no level any more
		want := Report{Lines: 5, HoldersAdded: 2, HoldersChanged: 1, CredentialsAdded: 3, CredentialsChanged: 1, CredentialsRemoved: 1, Version: 2}
		if diff := cmp.Diff(want, report); diff != "" {
			t.Error(diff)
		}
		check := func() {
			t.Helper()
			for card, want := range map[access.Card]access.Person{
				{Facility: 1, Number: 9}: {
					Credential: access.Credential{ID: "c9", Holder: "p9", Card: access.Card{Facility: 1, Number: 9}},
					Cardholder: access.Cardholder{
						ID: "p9", Name: "Nine, with comma", Levels: []access.LevelID{"staff", "staff"},
						ValidFrom: time.Date(2026, 6, 30, 22, 0, 0, 0, time.UTC), ValidUntil: time.Date(2026, 7, 2, 6, 0, 0, 0, time.UTC),
					},
				},
				{Facility: 1, Number: 2}: {Credential: access.Credential{ID: "c3", Holder: "p2", Card: creds[1].Card}, Cardholder: holders[1]},
				{Facility: 4, Number: 44}: {
					Credential: access.Credential{ID: "c1", Holder: "p1", Card: access.Card{Facility: 4, Number: 44}},
					Cardholder: access.Cardholder{ID: "p1", Name: "Ada again"},
				},
			} {
				if p, ok, err := s.Lookup(card); !ok || err != nil || cmp.Diff(want, p) != "" {
					t.Errorf("card %v: %v, %v: %s", card, ok, err, cmp.Diff(want, p))
				}
			}
			if p, ok, err := s.Lookup(creds[0].Card); ok || err != nil {
				t.Errorf("the old card of c1: %+v, %v", p, err)
			}
		}
		check()
		if again := imported(t, s, "id,credential_id,card_number\np9,c10,10\n"); again.CredentialsChanged != 1 {
			t.Errorf("%+v", again) // no longer suspended
		}
		if same := imported(t, s, "id,credential_id,card_number\np9,c10,10\np8,,\n"); same.Changed() || same.Version != 3 {
			t.Errorf("%+v", same)
		}
		if report, err := s.Import(t.Context(), strings.NewReader("id\n"), ImportOptions{Author: author}); err != nil || report.Changed() {
			t.Errorf("an empty file: %+v, %v", report, err)
		}
		_ = s.Close()
		if s, err = Open(Options{Dir: dir, inMemory: inMemory}); err != nil {
			t.Fatal(err)
		}
		check()
		_ = s.Close()
		if err := Check(dir); err != nil {
			t.Error(err)
		}
	}
}

// An import with mistakes changes nothing, names each with line and column, and
// shows no name and no card number.
func TestImportMistakes(t *testing.T) {
	s := open(t, t.TempDir())
	take(t, s)
	before, changed := all(t, s), s.all.meta
	const head = "id,name,levels,suspended,valid_from,valid_until,credential_id,card_facility,card_number\n"
	tests := map[string]string{
		"":                              "line 1, column 1: there is no header line",
		"\n":                            "line 1, column 1: there is no header line",
		"name\nx\n":                     "line 1, column 1: the column id is missing",
		"id;name\n":                     "line 1, column 1: the column \"id;name\" is unknown",
		"id,id\n":                       "line 1, column 4: the column id stands twice",
		head + ",x\n":                   "line 2, column 1: there are 2 columns instead of 9",
		head + ",x,,,,,,,\n":            "line 2, column 1: id: expected text",
		head + "p,x,staff;none,,,,,,\n": "line 2, column 5: levels: there is no access level \"none\"",
		head + "p,x,,perhaps,,,,,\n":    "line 2, column 6: suspended: expected true or false",
		head + "p,x,,,1.2.2026,,,,\n":   "line 2, column 7: valid_from: expected a date",
		head + "p,x,,,2026-01-02,2026-01-02,,,\n": "line 2, column 18: valid_until: is not after valid_from",
		head + "p,x,,,,,,,1234567\n":              "line 2, column 9: credential_id: expected text",
		head + "p,x,,,,,c,4294967296,1234567\n":   "line 2, column 11: card_facility: expected a whole number from 0 to 4294967295",
		head + "p,x,,,,,c,,0\n":                   "line 2, column 12: card_number: expected a whole number from 1 to 18446744073709551615",
		head + "p,\"x\n\n\n":                      "nothing is read beyond it",
		head + "p,x,,,,,c,,5\nq,y,,,,,c,,6\n":     "line 3, column 9: the credential id stands twice, first in line 2",
		head + "p,x,,,,,c,,5\nq,y,,,,,d,,5\n":     "line 3, column 12: the card stands twice, first in line 2",
		head + "p,x,,,,,c,,5\np,y,,,,,d,,6\n":     "line 3, column 1: what is said of this cardholder differs from line 2",
		head + "p,\xff,,,,,,,\n":                  "line 2, column 3: name: expected",
	}
	for text, want := range tests {
		_, err := s.Import(t.Context(), strings.NewReader(text), ImportOptions{Author: author})
		mistakes, ok := errors.AsType[*Mistakes](err)
		if !ok || !strings.Contains(mistakes.Error(), want) || len(mistakes.List) != 1 {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
		if ok && strings.Contains(mistakes.Error(), "1234567") {
			t.Errorf("a card number is shown: %v", mistakes)
		}
	}
	_, err := s.Import(t.Context(), strings.NewReader("id,suspended\n"+strings.Repeat("p,x\n", 500)), ImportOptions{Author: author})
	if mistakes, ok := errors.AsType[*Mistakes](err); !ok || len(mistakes.List) != maxMistakes || mistakes.More != 400 || !strings.Contains(err.Error(), "and 400 more") {
		t.Errorf("%v", err)
	}
	if _, err := s.Import(t.Context(), io.MultiReader(strings.NewReader("id,name\np,\""), endless{}), ImportOptions{Author: author}); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a quote that is never closed: %v", err)
	}
	if _, err := s.Import(t.Context(), io.MultiReader(strings.NewReader("id\np\n"), brokenReader{}), ImportOptions{Author: author}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a file that cannot be read on: %v", err)
	}
	if diff := cmp.Diff(before, all(t, s)); diff != "" || s.all.meta != changed {
		t.Errorf("something was changed: %s", diff)
	}
	for name := range files(t, s.o.Dir) {
		if name != FileName && name != ImageName {
			t.Errorf("%s is left", name)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("x"), len(p))), nil }

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrNoProgress }

// FuzzImport: no file makes an import panic, and what it took can be looked up.
func FuzzImport(f *testing.F) {
	f.Add([]byte("id,credential_id,card_number,levels\np,c,5,staff\n"))
	f.Add([]byte("id,name\np,\"a\nb\"\n"))
	dir := f.TempDir()
	s, err := Open(Options{Dir: dir, Random: random()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	if _, _, err := s.Take(rules, nil, nil, author); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b := newBuild(t.Context(), t.TempDir(), nil)
		defer b.discard()
		if err := b.read(&s.all, bytes.NewReader(text)); err != nil {
			return
		}
		if b.report.Lines > bytes.Count(text, []byte("\n"))+bytes.Count(text, []byte("\r"))+1 {
			t.Errorf("%d lines", b.report.Lines)
		}
	})
}

// Erasing removes the values from every byte of the file, the log included, keeps
// ids and events, and leaves everybody else.
func TestErase(t *testing.T) {
	for _, inMemory := range []int{0, 1} {
		dir := t.TempDir()
		s, err := Open(Options{Dir: dir, Random: random(), inMemory: inMemory})
		if err != nil {
			t.Fatal(err)
		}
		take(t, s)
		for _, name := range []string{"Hildegard Zwölf", "Hildegard Dreizehn"} { // the older value lies in the log, and in free pages
			imported(t, s, "id,name,levels,credential_id,card_number\nerased,"+name+",staff,x1,77\nerased,,,x2,78\n")
		}
		if !bytes.Contains(contentOf(t, dir), []byte("Hildegard")) {
			t.Fatal("the name is not in the file before")
		}
		if _, err := s.Erase(t.Context(), "nobody", author); !errors.Is(err, ErrUnknown) {
			t.Errorf("nobody: %v", err)
		}
		if n, err := s.Erase(t.Context(), "erased", author); n != 2 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		for name, text := range files(t, dir) {
			if strings.Contains(text, "Hildegard") {
				t.Errorf("%s still holds the name", name)
			}
		}
		for _, number := range []uint64{77, 78} {
			if p, ok, err := s.Lookup(access.Card{Number: number}); ok || err != nil {
				t.Errorf("card %d: %+v, %v", number, p, err)
			}
		}
		if p, ok, err := s.Lookup(creds[0].Card); !ok || err != nil || p.Cardholder.Name != holders[0].Name {
			t.Errorf("somebody else: %+v, %v", p, err)
		}
		pending, err := s.Pending()
		if err != nil {
			t.Fatal(err)
		}
		last := pending[len(pending)-1]
		if diff := cmp.Diff(Change{
			Number: 5, Kind: access.KindPersonErased, Author: author, Version: 4, IDs: []string{"erased", "x1", "x2"}, Count: 3,
			Before: pending[len(pending)-2].After, After: s.all.fingerprint(),
		}, last); diff != "" {
			t.Error(diff)
		}
		log, err := s.log()
		if err != nil || len(log) != 5 {
			t.Fatalf("%+v, %v", log, err)
		}
		if l := log[2]; !l.Erased || len(l.Values) != 0 || l.Count == 0 {
			t.Errorf("the log keeps %+v", l)
		}
		if l := log[1]; l.Erased || len(l.Values) == 0 || !strings.Contains(fmt.Sprintf("%s", l.Values), "Ada") {
			t.Errorf("the log lost what concerns others: %+v", l)
		}
		_ = s.Close()
		if err := Check(dir); err != nil {
			t.Error(err)
		}
	}
}

func contentOf(t *testing.T, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What was told to the journal is told once; what a crash left is told again.
func TestPendingChanges(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	take(t, s)
	want, err := s.Pending()
	if err != nil || len(want) != 2 || want[0].Kind != access.KindRulesChanged || want[1].Kind != access.KindPeopleChanged {
		t.Fatalf("%+v, %v", want, err)
	}
	if want[0].Before == want[0].After || want[1].Count != 4 || len(want[1].IDs) != 4 || want[1].Version != 1 {
		t.Errorf("%+v", want)
	}
	take(t, s) // nothing differs
	_ = s.Close()
	s = open(t, dir)
	after, err := s.Pending()
	if diff := cmp.Diff(want, after); diff != "" || err != nil {
		t.Errorf("after opening again: %v %s", err, diff)
	}
	if err := s.Settled(1); err != nil {
		t.Fatal(err)
	}
	if left, _ := s.Pending(); len(left) != 1 || left[0].Number != 2 {
		t.Errorf("%+v", left)
	}
	if err := errors.Join(s.Settled(2), s.Settled(2)); err != nil {
		t.Fatal(err)
	}
	all(t, s)
	_ = s.Close()
	if left, _ := open(t, dir).Pending(); len(left) != 0 {
		t.Errorf("%+v", left)
	}
}

// A change that was made without its boot image is completed by trying it again: else
// the image would keep the values of somebody who is erased.
func TestTryingAgainMakesTheImage(t *testing.T) {
	const text = "id,name\np7,Hildegard\n"
	dir := t.TempDir()
	s := open(t, dir)
	take(t, s)
	inImage := func() bool {
		image, err := os.ReadFile(s.image)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(image, []byte("Hildegard"))
	}
	for _, c := range []struct {
		change func() error
		again  error
	}{
		{func() error {
			_, err := s.Import(t.Context(), strings.NewReader(text), ImportOptions{Author: author})
			return err
		}, nil},
		{func() error { _, err := s.Erase(t.Context(), "p7", author); return err }, ErrUnknown},
	} {
		was := inImage()
		s.step = (&failAt{n: 6}).step // the sync of the image
		for range 2 {
			if err := c.change(); !errors.Is(err, errStep) || inImage() != was {
				t.Fatalf("%v, in the image: %v", err, inImage())
			}
			s.step = (&failAt{n: 1}).step // nothing but the image is to be made
		}
		s.step = nil
		if err := c.change(); !errors.Is(err, c.again) || inImage() == was {
			t.Errorf("again: %v, in the image: %v", err, inImage())
		}
	}
	_ = s.Close()
}

// Whichever step of an import fails, the store is the old one or the new one, and
// says which.
func TestImportIsAtomic(t *testing.T) {
	const text = "id,name,credential_id,card_number\np7,Seven,c7,7\n"
	for n := 1; ; n++ {
		dir := t.TempDir()
		s := open(t, dir)
		take(t, s)
		old := all(t, s)
		f := &failAt{n: n}
		s.step = f.step
		_, err := s.Import(t.Context(), strings.NewReader(text), ImportOptions{Author: author})
		if len(f.seen) < n {
			if want := []string{"create", "rename", "syncdir", "create", "write", "sync", "rename", "syncdir"}; cmp.Diff(want, f.seen) != "" || err != nil {
				t.Errorf("%v, %v", f.seen, err)
			}
			return
		}
		if !errors.Is(err, errStep) {
			t.Fatalf("step %d: acknowledged: %v", n, err)
		}
		_, ok, lookupErr := s.Lookup(access.Card{Number: 7})
		if visible := n > 3; ok != visible || lookupErr != nil {
			t.Errorf("step %d: %v, %v", n, ok, lookupErr)
		}
		s.step = nil
		if saved := s.SaveDoors(lockdown); (saved != nil) != (n == 3) {
			t.Errorf("step %d: and then %v", n, saved)
		}
		_ = s.Close()
		s = open(t, dir)
		if now := all(t, s); (len(now.Holders) == len(old.Holders)) != (n <= 2) {
			t.Errorf("step %d: %d holders", n, len(now.Holders))
		}
		_ = s.Close()
	}
}
