package daemon

import (
	"time"

	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
)

// CopyStore writes a snapshot of the store to a new file at path, beside whatever
// goes on (see store.CopyTo).
func (d *Daemon) CopyStore(path string, now time.Time) error {
	if d.store == nil {
		return absent{d.storeErr}.err()
	}
	return d.store.change(func(s *store.Store) error { return s.CopyTo(path, now) })
}

// Cursors say where the journal is.
type Cursors struct {
	Epoch    uint64
	Life     string // "": not known
	Last     uint64 // sequence of the last event
	Archived uint64 // of the last event that is archived; 0 if none is known to be
}

// CursorsOf says where a journal is.
func CursorsOf(j *journal.Journal) Cursors {
	c := Cursors{Last: j.Last()}
	if list := j.Segments(); len(list) > 0 {
		newest := list[len(list)-1]
		c.Epoch, c.Life = newest.Epoch, newest.Life.String()
	}
	return c
}

// Reached is where the journal is.
func (d *Daemon) Reached() (Cursors, error) {
	if d.journal == nil {
		return Cursors{}, absent{d.journalErr}.err()
	}
	c := CursorsOf(d.journal.Journal)
	if d.archive == nil {
		return c, nil
	}
	if taken := d.archive.taken.Load(); taken != nil {
		c.Archived = taken.last
	}
	return c, nil
}

// OldestRead is when the oldest copy of the store that goes on began; false if
// there is none.
func (d *Daemon) OldestRead() (begun time.Time, ok bool) {
	if d.store == nil {
		return time.Time{}, false
	}
	return d.store.current().OldestRead()
}
