package house

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"time"

	"gatehouse/actors"
	"gatehouse/persistence/archive"
	"gatehouse/persistence/journal"
)

// Archiver is the daemon's archive without its pace and its epochs: what the
// chore of the building hands to package archive.
type Archiver struct {
	dir       string
	recipient string
	journal   *journal.Journal
	open      *archive.Archive
	last      atomic.Uint64
	bytes     atomic.Uint64
}

// NewArchiver archives the closed segments of a journal into a new directory dir.
func NewArchiver(dir string, j *journal.Journal) (*Archiver, error) {
	_, recipient, err := archive.NewKey()
	return &Archiver{dir: dir, recipient: recipient, journal: j}, err
}

// Open opens the archive.
func (a *Archiver) Open(context.Context) error {
	if a.open != nil {
		return nil
	}
	recipients, err := archive.ParseRecipients([]string{a.recipient})
	if err != nil {
		return err
	}
	a.open, err = archive.Open(archive.Options{
		Dir: filepath.Join(a.dir, "archive"), Building: Name, Epoch: 1,
		Sealing: archive.Sealing{Recipients: recipients, Pace: a.count},
	})
	return err
}

func (a *Archiver) count(_ context.Context, bytes int) error {
	a.bytes.Add(uint64(bytes))
	return nil
}

// Add archives the oldest segment that is not.
func (a *Archiver) Add(ctx context.Context) error {
	for _, s := range a.journal.Segments() {
		if !s.Sealed || s.Last <= a.last.Load() {
			continue
		}
		err := a.open.Add(ctx, archive.Segment{Path: s.Path, First: s.First, Last: s.Last})
		a.last.Store(a.open.Taken())
		return err
	}
	return nil
}

// Status says how far it is.
func (a *Archiver) Status() actors.ArchiveStatus {
	status := actors.ArchiveStatus{Last: a.last.Load(), Bytes: a.bytes.Load()}
	for _, s := range a.journal.Segments() {
		if s.Sealed && s.Last > status.Last {
			status.Waiting++
		}
	}
	return status
}

// Close gives the directory back.
func (a *Archiver) Close() error {
	if a.open == nil {
		return nil
	}
	return a.open.Close()
}

// Once is the only night there is.
func Once(at time.Time) func(after time.Time) (time.Time, bool) {
	return func(after time.Time) (time.Time, bool) { return at, after.Before(at) }
}
