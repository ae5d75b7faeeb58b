package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"

	"gatehouse/access"
)

const schema = 2

// Buckets of store.db beside the tables of people. A record is the CRC32C of
// bucket, key and value, then the value: JSON, but for the sums.
const (
	bucketMeta    = "meta" // one record, "meta"
	bucketRules   = "rules"
	bucketDoors   = "doors"
	bucketPending = "pending"
	bucketSums    = "sums"
	bucketLog     = "log"
)

var (
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
	smallBuckets = []string{bucketRules, bucketDoors, bucketPending}
)

// meta says whose store it is and how much is in it. The counts and sums tell
// when a record is missing or out of date.
type meta struct {
	Schema   int
	Building string
	Revision uint64 // raised by every transaction
	Version  uint64 // raised by every change of rules or people
	People   uint64 // the version that last changed people
	Changes  uint64 // described so far
	Boots    uint64
	Rules    int
	Doors    int
	Pending  int
	Small    uint32 // CRC32C of the rows of the three
	Tables   [tableCount]tableMeta
}

// large reports whether there are too many people to hold them in memory.
func (m *meta) large(limit int) bool {
	return m.Tables[tableCards].Rows > limit || m.Tables[tableHolders].Rows > limit
}

// table is the records of a bucket, as JSON.
type table struct {
	rows map[string][]byte
	keys []string // in order; nil when they must be sorted again
}

// set puts a row; nil removes it.
func (t *table) set(key string, value []byte) {
	_, found := t.rows[key]
	if found != (value != nil) {
		t.keys = nil
	}
	if value == nil {
		delete(t.rows, key)
		return
	}
	if t.rows == nil {
		t.rows = map[string][]byte{}
	}
	t.rows[key] = value
}

func (t *table) sorted() []string {
	if t.keys == nil {
		t.keys = slices.Sorted(maps.Keys(t.rows))
	}
	return t.keys
}

// contents is what a store holds but for the people. Rows are never changed, only
// replaced.
type contents struct {
	meta    meta
	rules   table // at most one row
	doors   table
	pending table // changes that the journal does not have yet
	sums    [tableCount]sums
}

func (c *contents) table(bucket string) *table {
	switch bucket {
	case bucketRules:
		return &c.rules
	case bucketDoors:
		return &c.doors
	case bucketPending:
		return &c.pending
	}
	return nil
}

// with is c after the changes, under the meta record m.
func (c *contents) with(changes []change, m meta) contents {
	next := *c
	next.meta = m
	cloned := map[*table]bool{}
	for _, ch := range changes {
		t := next.table(ch.bucket)
		if t == nil {
			continue
		}
		if !cloned[t] {
			cloned[t], t.rows = true, maps.Clone(t.rows)
		}
		t.set(ch.key, ch.value)
	}
	next.count()
	return next
}

// count writes the numbers of rows, and their sum, into the meta record.
func (c *contents) count() {
	c.meta.Rules, c.meta.Doors, c.meta.Pending = len(c.rules.rows), len(c.doors.rows), len(c.pending.rows)
	c.meta.Small = 0
	for _, bucket := range smallBuckets {
		t := c.table(bucket)
		for _, key := range t.sorted() {
			c.meta.Small = crc32.Update(c.meta.Small, castagnoli, []byte(bucket+key))
			c.meta.Small = crc32.Update(c.meta.Small, castagnoli, t.rows[key])
		}
	}
}

func seal(bucket, key string, value []byte) []byte {
	record := append(make([]byte, 4, 4+len(value)), value...)
	le.PutUint32(record, recordSum(bucket, key, value))
	return record
}

func recordSum(bucket, key string, value []byte) uint32 {
	sum := crc32.Checksum([]byte(bucket+"\x00"+key+"\x00"), castagnoli)
	return crc32.Update(sum, castagnoli, value)
}

// unseal returns a record's value.
func unseal(bucket, key string, record []byte) ([]byte, error) {
	if len(record) < 4 || le.Uint32(record) != recordSum(bucket, key, record[4:]) {
		return nil, fmt.Errorf("the checksum of the record %q in %q does not match", key, bucket)
	}
	return slices.Clone(record[4:]), nil
}

// isSmall names the buckets that every opening reads.
func isSmall(bucket string) bool {
	return slices.Contains(smallBuckets, bucket) || bucket == bucketMeta || bucket == bucketSums
}

// readContents reads a store.db without bbolt and checks every byte that bbolt
// would trust: of a file larger than walkBytes, only what is not people.
func readContents(r io.ReaderAt, size, walkBytes int64) (*contents, *tables, error) {
	c, pieces := &contents{}, map[string][]byte{}
	want := isSmall
	if size <= walkBytes {
		want = nil
	}
	find, err := walkPages(r, size, want, func(bucket, key, record []byte) error {
		name := string(bucket)
		if _, people := tableOf(name); people {
			return nil // read later, by their own checksums
		}
		if isV1(name) {
			return nil // the meta record tells
		}
		value, err := unseal(name, string(key), record)
		if err != nil {
			return err
		}
		if name == bucketSums {
			pieces[string(key)] = value
			return nil
		}
		return c.take(name, string(key), value)
	})
	if err != nil {
		return nil, nil, err
	}
	if err := c.complete(); err != nil {
		return nil, nil, err
	}
	if c.sums, err = takeSums(c.meta, pieces); err != nil {
		return nil, nil, err
	}
	return c, &tables{find: find, meta: c.meta.Tables, sums: c.sums}, nil
}

func (c *contents) take(bucket, key string, value []byte) error {
	switch t := c.table(bucket); {
	case bucket == bucketMeta:
		return json.Unmarshal(value, &c.meta)
	case bucket == bucketLog:
		return nil
	case t == nil:
		return fmt.Errorf("there is an unknown bucket %q", bucket)
	default:
		t.set(key, value)
		return nil
	}
}

func (c *contents) complete() error {
	switch {
	case c.meta.Schema > schema:
		return ErrVersion
	case c.meta.Schema == 1:
		return errOlder
	}
	want := c.meta
	c.count()
	if c.meta != want || want.Building == "" || want.Schema != schema {
		return errors.New("records are missing")
	}
	_, err := c.decode()
	return err
}

// decode gives the contents in the words of access.
func (c *contents) decode() (Image, error) {
	m := Image{Building: c.meta.Building, Revision: c.meta.Revision}
	for _, row := range c.rules.rows {
		if err := json.Unmarshal(row, &m.Rules); err != nil {
			return Image{}, err
		}
	}
	m.Rules.Version = c.meta.Version
	var err error
	m.Doors, err = rows[access.DoorMemory](&c.doors)
	return m, err
}

// fingerprint tells one state of rules and people from another, in 32 hex digits.
// It is made of their checksums: it finds what was lost, not a forger.
func (c *contents) fingerprint() string {
	h := sha256.New()
	for _, key := range c.rules.sorted() {
		h.Write(c.rules.rows[key])
	}
	for _, s := range c.sums {
		for from := 0; from < len(s); from += sumPiece {
			h.Write(s.bytes(from))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// everything is all of c as changes to an empty store.
func (c *contents) everything() (list []change) {
	for _, bucket := range smallBuckets {
		t := c.table(bucket)
		for _, key := range t.sorted() {
			list = append(list, change{bucket, key, t.rows[key]})
		}
	}
	return append(list, c.meta.change())
}

func (m meta) change() change {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return change{bucketMeta, bucketMeta, b}
}

// rows decodes a table in the order of its keys.
func rows[T any](t *table) ([]T, error) {
	list := make([]T, len(t.rows))
	for i, key := range t.sorted() {
		if err := json.Unmarshal(t.rows[key], &list[i]); err != nil {
			return nil, fmt.Errorf("record %q: %w", key, err)
		}
	}
	return list, nil
}
