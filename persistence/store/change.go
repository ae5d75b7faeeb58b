package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/access"
)

const (
	// maxNamed is how many ids a change names, maxValues how many values the log
	// keeps of one; beyond them it counts.
	maxNamed  = 20
	maxValues = 100
	// keepChanges is how many changes the log keeps.
	keepChanges = 1000
	// maxPending is how many changes may wait for the journal.
	maxPending = 1000
)

// Author is who changes something, and when.
type Author struct {
	Operator access.OperatorID
	Time     time.Time
}

// Change says that rules or people were changed, in opaque ids: what the journal
// is to be told. The values are in the store's change log only.
type Change struct {
	Number  uint64 // from 1, without gaps
	Kind    access.Kind
	Author  Author
	Version uint64   // of rules and people since then
	IDs     []string // of cardholders and credentials, the first 20
	Count   int      // of all cardholders and credentials concerned
	Before  string   // fingerprints of all rules and people, 32 hex digits
	After   string
}

// value is what one row was and is; nil where there is none.
type value struct {
	Holder        access.CardholderID // whose it is
	Before, After json.RawMessage     `json:",omitempty"`
}

// logged is an entry of the change log.
type logged struct {
	Change
	Values []value
	Erased bool `json:",omitempty"` // values of a person were taken out of it
}

// draft collects what a change concerns.
type draft struct {
	ids    []string
	count  int
	values []value
	err    error
}

func (d *draft) add(id string, v value) {
	d.count++
	if len(d.ids) < maxNamed {
		d.ids = append(d.ids, id)
	}
	if len(d.values) < maxValues {
		d.values = append(d.values, v)
	}
}

func (d *draft) holder(id, before, after []byte) {
	if len(d.values) == maxValues {
		d.add(string(id), value{})
		return
	}
	v := value{Holder: access.CardholderID(id)}
	for dst, row := range map[*json.RawMessage][]byte{&v.Before: before, &v.After: after} {
		if row != nil {
			h, err := parseHolder(id, row)
			d.note(dst, h, err)
		}
	}
	d.add(string(id), v)
}

// credential notes one; of one that got another card the card noted is the new
// one.
func (d *draft) credential(card, before, after []byte) {
	var v value
	var id access.CredentialID
	for _, side := range []struct {
		dst *json.RawMessage
		row []byte
	}{{&v.Before, before}, {&v.After, after}} {
		if side.row == nil {
			continue
		}
		c, err := parseCredential(card, side.row)
		v.Holder, id = c.Holder, c.ID
		if len(d.values) < maxValues {
			d.note(side.dst, c, err)
		}
	}
	d.add(string(id), v)
}

func (d *draft) note(dst *json.RawMessage, v any, err error) {
	if err == nil {
		*dst, err = json.Marshal(v)
	}
	d.err = errors.Join(d.err, err)
}

func changeKey(number uint64) string { return fmt.Sprintf("%016d", number) }

// describe numbers a change in m and gives its records: for the journal and for
// the log.
func (d *draft) describe(m *meta, c Change) ([]change, error) {
	m.Changes++
	c.Number, c.Version, c.IDs, c.Count = m.Changes, m.Version, d.ids, d.count
	pending, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	entry, err := json.Marshal(logged{Change: c, Values: d.values})
	if err = errors.Join(err, d.err); err != nil {
		return nil, fmt.Errorf("%w: the change cannot be described: %w", ErrInvalid, err)
	}
	list := []change{{bucketPending, changeKey(c.Number), pending}, {bucketLog, changeKey(c.Number), entry}}
	if c.Number > keepChanges {
		list = append(list, change{bucketLog, changeKey(c.Number - keepChanges), nil})
	}
	return list, nil
}

// mayChange refuses a change while too many wait for the journal.
func (s *Store) mayChange() error {
	if s.broken != nil {
		return s.broken
	}
	if n := len(s.all.pending.rows); n >= maxPending {
		return fmt.Errorf("%w: %d changes wait for the journal; make the journal work first", ErrInvalid, n)
	}
	return nil
}

// Pending are the changes that the journal was not yet told, oldest first. Each is
// to be committed to it once, and then Settled; a change that a crash left here is
// committed at the next start.
func (s *Store) Pending() ([]Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return rows[Change](&s.all.pending)
}

// Settled says that the journal has all changes up to and with number.
func (s *Store) Settled(number uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var done []change
	for _, key := range s.all.pending.sorted() {
		if key <= changeKey(number) {
			done = append(done, change{bucketPending, key, nil})
		}
	}
	if len(done) == 0 {
		return nil
	}
	return s.commit(done, s.all.meta, nil)
}

// log reads the change log.
func (s *Store) log() (list []logged, err error) {
	info, err := s.db.file.Stat()
	if err != nil {
		return nil, err
	}
	want := func(bucket string) bool { return bucket == bucketLog }
	_, err = walkPages(s.db.file, info.Size(), want, func(bucket, key, record []byte) error {
		if string(bucket) != bucketLog {
			return nil
		}
		row, err := unseal(bucketLog, string(key), record)
		if err != nil {
			return err
		}
		var l logged
		err = json.Unmarshal(row, &l)
		list = append(list, l)
		return err
	})
	return list, err
}

// without takes a person's values out of an entry of the log, also those of a
// credential that was theirs before or after; the rest stays.
func (l logged) without(id access.CardholderID) logged {
	n := len(l.Values)
	l.Values = slices.DeleteFunc(l.Values, func(v value) bool {
		return v.Holder == id || concerns(v.Before, id) || concerns(v.After, id)
	})
	l.Erased = l.Erased || len(l.Values) < n
	return l
}

// concerns reports whether a row of the log is of a credential of somebody. What
// cannot be read is taken for theirs.
func concerns(row json.RawMessage, id access.CardholderID) bool {
	var c struct{ Holder access.CardholderID }
	return len(row) > 0 && json.Unmarshal(row, &c) != nil || c.Holder == id
}
