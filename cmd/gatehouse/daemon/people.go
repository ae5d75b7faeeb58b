package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"gatehouse/access"
	"gatehouse/persistence/store"
)

// What lies in a data directory for a while and holds names in the clear: the copy of
// the store that a backup seals, and the file of an import.
const (
	SnapshotDir = "backup.tmp"
	UploadFile  = "people.upload"
)

// ClearLeftovers removes what a process that was killed left of a backup or an import.
// The data directory is the caller's own, and neither is under way.
func ClearLeftovers(data string) error {
	return errors.Join(os.RemoveAll(filepath.Join(data, SnapshotDir)), os.RemoveAll(filepath.Join(data, UploadFile)))
}

// ImportPeople takes the people of a CSV file, from its beginning, all or none; the
// doors decide by them at once. Errors: those of store.Import, and a store that is not
// open.
func (d *Daemon) ImportPeople(ctx context.Context, file io.ReadSeeker, o store.ImportOptions) (report store.Report, err error) {
	err = d.changeInReserve(func(s *store.Store) (err error) {
		if _, err = file.Seek(0, io.SeekStart); err == nil {
			report, err = s.Import(ctx, file, o)
		}
		return err
	})
	return report, err
}

// ErasePerson removes a person with all credentials. Errors: those of store.Erase, and
// a store that is not open.
func (d *Daemon) ErasePerson(ctx context.Context, id access.CardholderID, by store.Author) (credentials int, err error) {
	err = d.changeInReserve(func(s *store.Store) (err error) {
		credentials, err = s.Erase(ctx, id, by)
		return err
	})
	return credentials, err
}

// changeInReserve makes a change, on a full disk in the room that the reserve leaves:
// a store of up to 16 MiB fits.
func (d *Daemon) changeInReserve(change func(*store.Store) error) error {
	err := d.changePeople(change)
	if d.store != nil && errors.Is(err, syscall.ENOSPC) && d.store.reserve.give() {
		err = d.changePeople(change)
		d.store.reserve.take()
	}
	return err
}

func (d *Daemon) changePeople(change func(*store.Store) error) error {
	if d.store == nil {
		return absent{d.storeErr}.err()
	}
	err := d.store.change(change)
	if err == nil {
		d.store.reserve.resize()
	}
	return err
}

// RecordOwed tells the journal of the changes that it was not yet told. It blocks on
// the disk; one call at a time.
func (d *Daemon) RecordOwed() error {
	if d.store == nil {
		return nil // whatever it owes, the next start with a store finds
	}
	var events []access.Event
	err := d.store.change(func(s *store.Store) (err error) {
		events, err = d.recordOwed(s)
		return err
	})
	if len(events) > 0 {
		d.Building.Grown()
	}
	if d.opts.OnEvent != nil {
		for _, e := range events {
			d.opts.OnEvent(e)
		}
	}
	return err
}

func (d *Daemon) recordOwed(s *store.Store) ([]access.Event, error) {
	if d.journal != nil {
		return RecordChanges(s, d.journal.Commit, d.clock())
	}
	if owed, err := s.Pending(); err != nil || len(owed) == 0 {
		return nil, err
	}
	return nil, fmt.Errorf("changes of rules or people wait for the journal: %w", absent{d.journalErr}.err())
}
