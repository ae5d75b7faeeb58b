package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"

	"gatehouse/access"
)

const schema = 1

// Buckets of store.db. A record is the CRC32C of bucket, key and value, then the
// value as JSON.
const (
	bucketMeta        = "meta" // one record, "meta"
	bucketRules       = "rules"
	bucketHolders     = "holders"
	bucketCredentials = "credentials"
	bucketDoors       = "doors"
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	buckets    = []string{bucketMeta, bucketRules, bucketHolders, bucketCredentials, bucketDoors}
)

// meta says whose store it is and how much is in it. The counts tell when a
// record is missing.
type meta struct {
	Schema      int
	Building    string
	Revision    uint64 // raised by every transaction
	Version     uint64 // raised by every change of rules or people
	Boots       uint64
	Rules       int
	Holders     int
	Credentials int
	Doors       int
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

// contents is all that a store holds. Rows are never changed, only replaced.
type contents struct {
	meta        meta
	rules       table // at most one row
	holders     table
	credentials table
	doors       table
}

func (c *contents) table(bucket string) *table {
	switch bucket {
	case bucketRules:
		return &c.rules
	case bucketHolders:
		return &c.holders
	case bucketCredentials:
		return &c.credentials
	case bucketDoors:
		return &c.doors
	}
	return nil
}

// count writes the numbers of rows into the meta record.
func (c *contents) count() {
	c.meta.Rules, c.meta.Holders = len(c.rules.rows), len(c.holders.rows)
	c.meta.Credentials, c.meta.Doors = len(c.credentials.rows), len(c.doors.rows)
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

// readContents reads a whole store.db without bbolt and checks every byte that
// bbolt would trust.
func readContents(r io.ReaderAt, size int64) (*contents, error) {
	c := &contents{}
	err := walkPages(r, size, func(bucket, key, record []byte) error {
		value, err := unseal(string(bucket), string(key), record)
		if err != nil {
			return err
		}
		return c.take(string(bucket), string(key), value)
	})
	if err != nil {
		return nil, err
	}
	return c, c.complete()
}

func (c *contents) take(bucket, key string, value []byte) error {
	if bucket == bucketMeta {
		return json.Unmarshal(value, &c.meta)
	}
	t := c.table(bucket)
	if t == nil {
		return fmt.Errorf("there is an unknown bucket %q", bucket)
	}
	t.set(key, value)
	return nil
}

func (c *contents) complete() error {
	if c.meta.Schema > schema {
		return ErrVersion
	}
	want := c.meta
	c.count()
	if c.meta != want || want.Building == "" {
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
	m.Holders, err = rows[access.Cardholder](&c.holders, err)
	m.Credentials, err = rows[access.Credential](&c.credentials, err)
	m.Doors, err = rows[access.DoorMemory](&c.doors, err)
	return m, err
}

// rows decodes a table in the order of its keys, unless an error came before.
func rows[T any](t *table, before error) ([]T, error) {
	if before != nil {
		return nil, before
	}
	list := make([]T, len(t.rows))
	for i, key := range t.sorted() {
		if err := json.Unmarshal(t.rows[key], &list[i]); err != nil {
			return nil, fmt.Errorf("record %q: %w", key, err)
		}
	}
	return list, nil
}
