package journal

import (
	"errors"
	"fmt"
)

var (
	// ErrCorrupt: acknowledged bytes are damaged. See CorruptError.
	ErrCorrupt = errors.New("journal is damaged")
	// ErrBroken: a write or sync failed, or the journal was closed. Nothing of the
	// batch counts as kept; commit it again.
	ErrBroken = errors.New("journal cannot be written")
	// ErrReadOnly: opened for reading only.
	ErrReadOnly = errors.New("journal is open for reading only")
	// ErrVersion: written by a newer gatehouse.
	ErrVersion = errors.New("journal has a newer format")
	// ErrBuilding: the journal belongs to another building.
	ErrBuilding = errors.New("journal of another building")
	// ErrBatch: Commit was given more than MaxBatch events, or an event of a kind
	// from 65280 on, which are reserved. The same batch will be refused again.
	ErrBatch = errors.New("batch cannot be journaled")
)

// CorruptError says where a journal file is damaged. errors.Is(err, ErrCorrupt).
type CorruptError struct {
	Path   string
	Offset int64  // of the first byte that cannot be trusted: a frame's beginning
	After  uint64 // sequence of the last event before it, 0 if none
	Why    string

	resume    int64 // where to look for the next frame that is whole
	wrongFile bool  // nothing in the file can be trusted
	gone      bool  // a whole segment behind After is missing
	passing   bool  // the disk may read it the next time
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d (after event %d): %s; the file was left as it is, gatehouse serve sets the damage aside and goes on",
		e.Path, e.Offset, e.After, e.Why)
}

func (e *CorruptError) Unwrap() error { return ErrCorrupt }
