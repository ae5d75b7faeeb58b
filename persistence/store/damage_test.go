package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"gatehouse/access"
	"gatehouse/persistence"
)

// sample makes a store with people enough for branch pages, several changes and
// free pages, and returns its file.
func sample(t *testing.T, people int) (dir string, whole []byte) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, dir)
	take(t, s)
	var h []access.Cardholder
	for i := range people {
		h = append(h, access.Cardholder{ID: access.CardholderID(fmt.Sprintf("p-%05d", i)), Name: "Somebody"})
	}
	if _, _, err := s.Take(rules, h, nil, author); err != nil {
		t.Fatal(err)
	}
	save(t, s, lockdown...)
	save(t, s, access.DoorMemory{Door: "d1", Mode: access.Blocked})
	_ = s.Close()
	whole, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	return dir, whole
}

func limits() *Options {
	o := &Options{}
	o.fill()
	return o
}

// decoded reads a file without bbolt: its revision, and all that it says in one
// piece.
func decoded(b []byte) (revision uint64, all string, err error) {
	i, err := inspectFile(bytes.NewReader(b), int64(len(b)), limits())
	if err != nil {
		return 0, "", err
	}
	image, err := appendImage(nil, i.contents, i.people)
	return i.contents.meta.Revision, string(image), err
}

// A flipped bit is found, or harmless, or undoes the last change: which the image
// tells. Never is anything else read, and never does anything panic.
func TestFlippedBits(t *testing.T) {
	for _, people := range []int{0, 300} {
		dir, whole := sample(t, people)
		f := flipper{t: t, dir: dir, whole: whole, bent: slices.Clone(whole), counts: map[string]int{}}
		var err error
		if f.revision, f.all, err = decoded(whole); err != nil {
			t.Fatal(err)
		}
		stride := flipStride * (1 + people/8)
		for i := 0; i < highWater(whole); i += stride {
			if allZero(whole[i/64*64:i/64*64+64]) && i%64 != 0 {
				continue // nobody's bytes: one of a row is enough
			}
			f.flip(i, 1<<(i/stride%8))
			f.flip(i, 0xFF)
		}
		t.Logf("%d people, %d bytes: %v", people, len(whole), f.counts)
		if f.counts["found"] == 0 || people == 0 && f.counts["undone"] == 0 {
			t.Error("the flips do not reach everything")
		}
	}
}

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

type flipper struct {
	t        *testing.T
	dir      string
	whole    []byte
	bent     []byte
	revision uint64
	all      string
	counts   map[string]int
}

func (f *flipper) flip(at int, mask byte) {
	f.t.Helper()
	f.bent[at] ^= mask
	defer func() { f.bent[at] = f.whole[at] }()
	revision, all, err := decoded(f.bent)
	switch {
	case err != nil:
		f.counts["found"]++
	case revision < f.revision:
		f.counts["undone"]++
		put(f.t, f.dir, f.bent)
		if err := Check(f.dir); !errors.Is(err, ErrCorrupt) {
			f.t.Fatalf("byte %d: the last change is undone and nobody says so: %v", at, err)
		}
	case all != f.all:
		f.t.Fatalf("byte %d: read as something else", at)
	default:
		f.counts["harmless"]++
	}
}

func put(t *testing.T, dir string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, FileName), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What Open refuses, it leaves byte-identical.
func TestDamagedStoreIsLeftAlone(t *testing.T) {
	dir, whole := sample(t, 400)
	zeroed := func(from, to int) []byte {
		b := slices.Clone(whole)
		clear(b[from:to])
		return b
	}
	tests := map[string][]byte{
		"empty":            {},
		"one byte":         whole[:1],
		"one page":         whole[:4096],
		"only metas":       whole[:8192],
		"half":             whole[:highWater(whole)/2],
		"a page short":     whole[:highWater(whole)-4096],
		"a byte short":     whole[:highWater(whole)-1],
		"text":             []byte(strings.Repeat("not a database ", 2000)),
		"zeros":            make([]byte, len(whole)),
		"both metas":       zeroed(0, 8192),
		"everything after": zeroed(8192, len(whole)),
		"a journal":        append([]byte("GATEJRNL"), make([]byte, 9000)...),
	}
	for name, b := range tests {
		put(t, dir, b)
		before := files(t, dir)
		err := second(dir)
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "restore a backup") {
			t.Errorf("%s: %v", name, err)
		}
		if !cmp.Equal(before, files(t, dir)) {
			t.Errorf("%s: files were changed", name)
		}
	}
	put(t, dir, whole)
	open(t, dir)
}

// highWater is the length that the pages need.
func highWater(whole []byte) int {
	var m boltMeta
	for _, at := range []int{0, 4096} {
		if n, ok := parseMeta(whole[at : at+4096]); ok && n.txid >= m.txid {
			m = n
		}
	}
	return int(m.pages) * int(m.pageSize)
}

func TestTruncationAtEverySector(t *testing.T) {
	_, whole := sample(t, 400)
	for n := 0; n < highWater(whole); n += 512 {
		if _, _, err := decoded(whole[:n]); err == nil {
			t.Fatalf("%d of %d bytes were accepted", n, len(whole))
		}
	}
}

// What the walk accepts, bbolt's own check accepts too, and the other way round
// for a sound file.
func TestWalkAgreesWithBolt(t *testing.T) {
	dir, whole := sample(t, 3000)
	if _, _, err := decoded(whole); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(filepath.Join(dir, FileName), 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	err = db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A record that is sound but stands under another key, and one that is gone.
func TestMovedAndMissingRecords(t *testing.T) {
	edit := map[string]func(tx *bolt.Tx) error{
		"moved": func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(bucketDoors))
			return b.Put([]byte("d2"), slices.Clone(b.Get([]byte("d1"))))
		},
		"missing":        func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketDoors)).Delete([]byte("d1")) },
		"no rules":       func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte(bucketRules)) },
		"no meta":        func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte(bucketMeta)) },
		"short record":   func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketDoors)).Put([]byte("d1"), []byte("x")) },
		"unknown bucket": func(tx *bolt.Tx) error { return fill(tx, []change{{"other", "k", []byte("1")}}) },
		"bucket in bucket": func(tx *bolt.Tx) error {
			_, err := tx.Bucket([]byte(bucketDoors)).CreateBucket([]byte("b"))
			return err
		},
	}
	for name, f := range edit {
		dir, _ := sample(t, 0)
		db, err := bolt.Open(filepath.Join(dir, FileName), 0o600, nil)
		if err == nil {
			err = errors.Join(db.Update(f), db.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(dir); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNewerSchema(t *testing.T) {
	dir, _ := sample(t, 0)
	i, err := inspect(filepath.Join(dir, FileName), limits())
	if err != nil {
		t.Fatal(err)
	}
	c := i.contents
	c.meta.Schema = schema + 1
	db, err := openDatabase(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.write([]change{c.meta.change()}); err != nil {
		t.Fatal(err)
	}
	_ = db.close()
	before := files(t, dir)
	if err := second(dir); !errors.Is(err, ErrVersion) || errors.Is(err, ErrCorrupt) {
		t.Errorf("%v", err)
	}
	if !cmp.Equal(before, files(t, dir)) {
		t.Error("files were changed")
	}
}

// A creation that was cut at any step leaves nothing that the next start trips
// over.
func TestCreationIsAtomic(t *testing.T) {
	for n := 1; n <= 3; n++ {
		dir := t.TempDir()
		f := &failAt{n: n}
		if _, err := Open(Options{Dir: dir, Random: random(), step: f.step}); !errors.Is(err, errStep) {
			t.Fatalf("step %d: %v", n, err)
		}
		take(t, open(t, dir))
	}
	for _, left := range []int{0, 1, 4096, 10000} { // of bbolt's own creation
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, FileName+".tmp"), make([]byte, left), 0o600); err != nil {
			t.Fatal(err)
		}
		take(t, open(t, dir))
	}
}

// The file vanishes under the map: an error, not the end of the process.
func TestFileCutUnderTheMap(t *testing.T) {
	dir, _ := sample(t, 400)
	s := open(t, dir)
	if err := os.Truncate(filepath.Join(dir, FileName), 0); err != nil {
		t.Fatal(err)
	}
	err := s.SaveDoors([]access.DoorMemory{{Door: "d1", Mode: access.LockedDown}})
	again := s.SaveDoors([]access.DoorMemory{{Door: "d2", Mode: access.LockedDown}})
	if err == nil || !errors.Is(again, ErrBroken) {
		t.Errorf("%v; then %v", err, again)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := second(dir); errors.Is(err, persistence.ErrLocked) {
		t.Errorf("the lock is still held: %v", err)
	}
	if d, err := s.Doors(); err != nil || d["d1"].Mode != access.Blocked {
		t.Errorf("what was acknowledged is gone from memory: %v, %v", d, err)
	}
}

func TestFailedCommitIsSticky(t *testing.T) {
	s := open(t, t.TempDir())
	before := all(t, s)
	s.db.db.MaxSize = 1 << 15 // what a full disk would be
	var many []access.DoorMemory
	for i := range 2000 {
		many = append(many, access.DoorMemory{Door: access.DoorID(fmt.Sprint(i))})
	}
	if err := s.SaveDoors(many); !errors.Is(err, ErrBroken) {
		t.Fatalf("a full disk: %v", err)
	}
	if _, changed, err := s.Take(rules, holders, creds, author); !errors.Is(err, ErrBroken) || changed {
		t.Errorf("and then: changed %v, %v", changed, err)
	}
	if diff := cmp.Diff(before, all(t, s)); diff != "" {
		t.Error(diff)
	}
}

// FuzzReadContents: no file makes the walk panic or run away.
func FuzzReadContents(f *testing.F) {
	f.Add([]byte{}, uint16(0), uint32(0))
	f.Add([]byte{1}, uint16(8192), uint32(7))
	f.Fuzz(func(t *testing.T, patch []byte, at uint16, value uint32) {
		b := slices.Clone(tiny)
		copy(b[min(int(at), len(b)-1):], patch)
		if int(at)+4 <= len(b) {
			binary.NativeEndian.PutUint32(b[at:], value)
		}
		_, _ = inspectFile(bytes.NewReader(b), int64(len(b)), limits())
	})
}

// tiny is a small sound store.
var tiny = func() []byte {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := Open(Options{Dir: dir, Random: random()})
	if err != nil {
		panic(err)
	}
	_ = s.SaveDoors(lockdown)
	_ = s.Close()
	b, _ := os.ReadFile(filepath.Join(dir, FileName))
	return b
}()

// Keys out of order are sound records that bbolt would not find.
func TestKeyOrder(t *testing.T) {
	leaf := func(keys ...string) []byte {
		b := make([]byte, pageHead+elementHead*len(keys))
		for i, key := range keys {
			at := pageHead + elementHead*i
			ne.PutUint32(b[at+4:], uint32(len(b)-at))
			ne.PutUint32(b[at+8:], uint32(len(key)))
			b = append(b, key...)
		}
		return b
	}
	tests := []struct {
		low, high string
		keys      []string
		sound     bool
	}{
		{keys: []string{"a", "b", "c"}, sound: true},
		{low: "b", high: "d", keys: []string{"b", "c"}, sound: true},
		{keys: []string{"b", "a"}},
		{keys: []string{"a", "a"}},
		{keys: []string{""}},
		{low: "b", high: "d", keys: []string{"a", "c"}},
		{low: "b", high: "d", keys: []string{"b", "d"}},
	}
	for _, tt := range tests {
		w := walker{visit: func(_, _, _ []byte) error { return nil }}
		in := tree{bucket: []byte("x")}
		if tt.high != "" {
			in.low, in.high = []byte(tt.low), []byte(tt.high)
		}
		if err := w.leaf(in, leaf(tt.keys...), len(tt.keys)); (err == nil) != tt.sound {
			t.Errorf("%q in [%q, %q): %v", tt.keys, tt.low, tt.high, err)
		}
	}
}
