package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"gatehouse/access"
	"gatehouse/persistence"
)

// What schema 1 was: holders and credentials as JSON in buckets of those names,
// keyed by id, all read at every opening; its boot image was one JSON text.

// metaV1 is the meta record of schema 1.
type metaV1 struct {
	Schema      int
	Building    string
	Revision    uint64
	Version     uint64
	Boots       uint64
	Rules       int
	Holders     int
	Credentials int
	Doors       int
}

// oldStore collects the records of schema 1.
type oldStore struct {
	meta metaV1
	now  contents
	crowd
}

func (o *oldStore) take(bucket, key string, value []byte) error {
	switch bucket {
	case bucketMeta:
		return json.Unmarshal(value, &o.meta)
	case bucketRules, bucketDoors:
		o.now.table(bucket).set(key, value)
		return nil
	case "holders":
		var h access.Cardholder
		err := json.Unmarshal(value, &h)
		o.holders = append(o.holders, h)
		return err
	case "credentials":
		var c access.Credential
		err := json.Unmarshal(value, &c)
		o.credentials = append(o.credentials, c)
		return err
	}
	return fmt.Errorf("there is an unknown bucket %q", bucket)
}

// finish gives what schema 2 makes of it, but for the tables.
func (o *oldStore) finish() (*contents, *crowd, error) {
	m := o.meta
	if m.Schema != 1 || m.Building == "" || m.Rules != len(o.now.rules.rows) || m.Doors != len(o.now.doors.rows) ||
		m.Holders != len(o.holders) || m.Credentials != len(o.credentials) {
		return nil, nil, errors.New("records are missing")
	}
	o.now.meta = meta{
		Schema: schema, Building: m.Building, Revision: m.Revision, Version: m.Version, People: m.Version, Boots: m.Boots,
	}
	o.now.count()
	if _, err := o.now.decode(); err != nil {
		return nil, nil, err
	}
	return &o.now, &o.crowd, o.crowd.finish()
}

func readContentsV1(r io.ReaderAt, size int64) (*contents, *crowd, error) {
	o := &oldStore{}
	_, err := walkPages(r, size, nil, func(bucket, key, record []byte) error {
		value, err := unseal(string(bucket), string(key), record)
		if err != nil {
			return err
		}
		return o.take(string(bucket), string(key), value)
	})
	if err != nil {
		return nil, nil, err
	}
	return o.finish()
}

func parseImageV1(b []byte) (*contents, *crowd, error) {
	var p struct {
		Meta                               json.RawMessage
		Rules, Holders, Credentials, Doors map[string]json.RawMessage
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, nil, err
	}
	o := &oldStore{}
	if err := json.Unmarshal(p.Meta, &o.meta); err != nil {
		return nil, nil, err
	}
	for bucket, rows := range map[string]map[string]json.RawMessage{
		bucketRules: p.Rules, "holders": p.Holders, "credentials": p.Credentials, bucketDoors: p.Doors,
	} {
		for key, row := range rows {
			if err := o.take(bucket, key, row); err != nil {
				return nil, nil, err
			}
		}
	}
	return o.finish()
}

// isV1 names the buckets that only schema 1 had.
func isV1(bucket string) bool { return bucket == "credentials" }

// inspectV1 reads a store of schema 1.
func inspectV1(path string) (*contents, *crowd, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the store: %w", err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the store: %w", err)
	}
	c, people, err := readContentsV1(f, info.Size())
	if err != nil {
		return nil, nil, corrupt(path, "%v", err)
	}
	return c, people, nil
}

// migrate turns a store of schema 1 into one of today. The file as it was stays
// beside it under a name of its own, durably, before anything is replaced.
func migrate(o *Options, path string) error {
	c, people, err := inspectV1(path)
	if err != nil {
		return err
	}
	whole, err := os.ReadFile(path)
	if err == nil {
		err = persistence.ReplaceFile(path+".v1-backup", whole, o.step)
	}
	if err != nil {
		return fmt.Errorf("the store cannot be brought to its new format: no copy of the old file: %w; check the disk and its free space", err)
	}
	if err := makeStore(o, path, c, people); err != nil {
		return fmt.Errorf("the store cannot be brought to its new format: %w; the old file is unchanged; check the disk and its free space", err)
	}
	return nil
}
