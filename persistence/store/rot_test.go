package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	bolt "go.etcd.io/bbolt"

	"gatehouse/access"
)

// rotPeople are several thousand, too many for memory by the options here, so that
// what is looked up comes out of the damaged file.
const rotPeople = 2500

func rotOptions(dir string) Options {
	return Options{Dir: dir, Random: random(), inMemory: 100, walkBytes: 1}
}

// rotStore has seen changes of people, so that its file has pages that are free
// and hold what was true before.
func rotStore(t *testing.T) (dir string, whole []byte, truth map[access.Card]access.Person) {
	t.Helper()
	dir = t.TempDir()
	s, err := Open(rotOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	take(t, s)
	if _, err := s.Import(t.Context(), newCrowdCSV(rotPeople), ImportOptions{Author: author}); err != nil {
		t.Fatal(err)
	}
	for i := range 40 { // suspended after all
		h := access.Cardholder{ID: access.CardholderID(fmt.Sprintf("p-%07d", i*13)), Name: "Changed", Suspended: true}
		if _, _, err := s.Take(rules, []access.Cardholder{h}, nil, author); err != nil {
			t.Fatal(err)
		}
	}
	save(t, s, lockdown...)
	truth = map[access.Card]access.Person{}
	for i := range rotPeople {
		for facility := range uint32(3) { // nobody has 6, everybody 7, some 8
			card := access.Card{Facility: 6 + facility, Number: uint64(i + 1)}
			p, ok, err := s.Lookup(card)
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				truth[card] = p
			}
		}
	}
	if len(truth) != rotPeople*6/5 {
		t.Fatalf("%d known cards", len(truth))
	}
	_ = s.Close()
	whole, err = os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	return dir, whole[:highWater(whole)], truth
}

// damageFile changes a copy of the file in one random way.
func damageFile(r *rand.Rand, b []byte) (what string, damaged []byte) {
	pages := len(b) / 4096
	switch n := r.IntN(100); {
	case n < 80:
		at := r.IntN(len(b) * 8)
		b[at/8] ^= 1 << (at % 8)
		return fmt.Sprintf("bit %d", at), b
	case n < 85:
		cut := r.IntN(len(b))
		return fmt.Sprintf("cut at %d", cut), b[:cut]
	case n < 90:
		p := r.IntN(pages) * 4096
		clear(b[p : p+4096])
		return fmt.Sprintf("page %d zeroed", p/4096), b
	case n < 95: // as it is, headers included
		p, q := r.IntN(pages)*4096, r.IntN(pages)*4096
		swapPages(b, p, q)
		return fmt.Sprintf("pages %d and %d swapped", p/4096, q/4096), b
	default: // with the ids that bbolt looks at
		p, q := r.IntN(pages)*4096, r.IntN(pages)*4096
		swapPages(b, p, q)
		ne.PutUint64(b[p:], uint64(p/4096))
		ne.PutUint64(b[q:], uint64(q/4096))
		return fmt.Sprintf("pages %d and %d swapped with their ids", p/4096, q/4096), b
	}
}

func swapPages(b []byte, p, q int) {
	kept := slices.Clone(b[p : p+4096])
	copy(b[p:p+4096], b[q:q+4096])
	copy(b[q:q+4096], kept)
}

// answers counts what lookups in a damaged file gave.
type answers struct{ right, refused, wrong int }

func (a *answers) note(p access.Person, ok bool, err error, want access.Person, known bool) {
	switch {
	case err != nil:
		a.refused++
	case ok != known || p.Cardholder.Name != want.Cardholder.Name || p.Cardholder.Suspended != want.Cardholder.Suspended ||
		p.Cardholder.ID != want.Cardholder.ID || p.Credential != want.Credential:
		a.wrong++
	default:
		a.right++
	}
}

// Whatever rots in a file of people: every answer is right or an error, and a lost
// change is told by the image. With lookups that check no group the same damage
// gives wrong answers, so the test can see them.
func TestRot(t *testing.T) {
	rounds := 60
	if n, err := strconv.Atoi(os.Getenv("FLIPS")); err == nil {
		rounds = n
	}
	dir, whole, truth := rotStore(t)
	r := rand.New(rand.NewPCG(4, 2026))
	o := rotOptions(dir)
	o.fill()
	opened, trusting := map[string]int{}, answers{}
	var all answers
	for range rounds {
		what, b := damageFile(r, slices.Clone(whole))
		believe(b, r, truth, &trusting)
		c, tables, err := readContents(bytes.NewReader(b), int64(len(b)), o.walkBytes)
		if err != nil {
			opened["refused"]++
			continue
		}
		if m, _, err := readImage(filepath.Join(dir, ImageName)); err != nil || m.meta.Revision > c.meta.Revision {
			opened["older than the image"]++
			continue
		}
		opened["opened"]++
		before := all.wrong
		for i := 0; i < rotPeople; i += flipStride {
			for facility := range uint32(3) {
				card := access.Card{Facility: 6 + facility, Number: uint64(i + 1)}
				want, known := truth[card]
				if !known && i%16 > 0 {
					continue // some unknown ones are enough
				}
				p, ok, err := tables.lookup(card)
				all.note(p, ok, err, want, known)
			}
		}
		if all.wrong > before {
			t.Fatalf("%s: %d wrong answers", what, all.wrong-before)
		}
	}
	t.Logf("%d damages: %v; answers %+v; of trusting lookups %+v", rounds, opened, all, trusting)
	if all.refused == 0 || opened["refused"] == 0 || trusting.wrong == 0 {
		t.Error("the damage does not reach everything")
	}
}

// believe is the control: it looks cards up in the same tables, but believes every
// group that can be read, and that a missing one means an unknown card.
func believe(b []byte, r *rand.Rand, truth map[access.Card]access.Person, a *answers) {
	o := rotOptions("")
	_, t, err := readContents(bytes.NewReader(b), int64(len(b)), o.walkBytes)
	if err != nil {
		return
	}
	from := r.IntN(rotPeople)
	for k := range 500 {
		card := access.Card{Facility: 7, Number: uint64((from+k)%rotPeople + 1)}
		p, ok := believeLookup(t, card)
		want, known := truth[card]
		a.note(p, ok, nil, want, known)
	}
}

func believeLookup(t *tables, card access.Card) (p access.Person, ok bool) {
	get := func(table int, key []byte) []byte {
		record, _ := t.find.get(tableBuckets[table], groupKey(groupOf(hash(key), t.meta[table].Groups)))
		if len(record) < 4 {
			return nil
		}
		rows, _ := parseGroup(record[4:])
		value, _ := find(rows, key)
		return value
	}
	value := get(tableCards, cardKey(card))
	if value == nil {
		return p, false
	}
	p.Credential, _ = parseCredential(cardKey(card), value)
	p.Cardholder, _ = parseHolder([]byte(p.Credential.Holder), get(tableHolders, []byte(p.Credential.Holder)))
	return p, true
}

// A group that is sound in itself but from before a change is damage, too: it
// would let in who was suspended since.
func TestAnOldGroupIsDamage(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(rotOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	take(t, s)
	if _, err := s.Import(t.Context(), newCrowdCSV(rotPeople), ImportOptions{Author: author}); err != nil {
		t.Fatal(err)
	}
	id := access.CardholderID("p-0000003")
	card := access.Card{Facility: 7, Number: 4}
	g := groupKey(groupOf(hash([]byte(id)), s.all.meta.Tables[tableHolders].Groups))
	old, err := s.view.find.get("holders", g)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Take(rules, []access.Cardholder{{ID: id, Name: "Gone", Suspended: true}}, nil, author); err != nil {
		t.Fatal(err)
	}
	if p, ok, err := s.Lookup(card); !ok || err != nil || !p.Cardholder.Suspended {
		t.Fatalf("%+v, %v, %v", p, ok, err)
	}
	_ = s.Close()
	db, err := bolt.Open(filepath.Join(dir, FileName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("holders")).Put(g, old) })
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s, err = Open(rotOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if p, _, err := s.Lookup(card); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%+v, %v", p, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Check(dir); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Check: %v", err)
	}
}

// A disk that does not answer is an error, never an unknown card.
func TestADiskThatFailsIsNoUnknownCard(t *testing.T) {
	dir, _, truth := rotStore(t)
	s, err := Open(rotOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	s.view.find.r = brokenDisk{}
	for card := range truth {
		if _, ok, err := s.Lookup(card); ok || !errors.Is(err, io.ErrNoProgress) {
			t.Fatalf("%v, %v", ok, err)
		}
	}
}

type brokenDisk struct{}

func (brokenDisk) ReadAt([]byte, int64) (int, error) { return 0, io.ErrNoProgress }
