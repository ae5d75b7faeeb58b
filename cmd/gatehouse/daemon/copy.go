package daemon

import (
	"time"
)

// CopyStore writes a snapshot of the store to a new file at path, beside whatever
// goes on (see store.CopyTo).
func (d *Daemon) CopyStore(path string, now time.Time) error {
	if d.store == nil {
		return absent{d.storeErr}.err()
	}
	return d.store.current().CopyTo(path, now)
}

// Reached is the journal's epoch and the sequence of its last event.
func (d *Daemon) Reached() (epoch, last uint64, err error) {
	if d.journal == nil {
		return 0, 0, absent{d.journalErr}.err()
	}
	list := d.journal.Segments()
	return list[len(list)-1].Epoch, d.journal.Last(), nil
}

// OldestRead is when the oldest copy of the store that goes on began; false if
// there is none.
func (d *Daemon) OldestRead() (begun time.Time, ok bool) {
	if d.store == nil {
		return time.Time{}, false
	}
	return d.store.current().OldestRead()
}
