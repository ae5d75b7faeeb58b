package store

import (
	"errors"
	"fmt"
)

var (
	// ErrCorrupt: store.db is damaged, or older than its boot image.
	ErrCorrupt = errors.New("store is damaged")
	// ErrBroken: a commit failed; no more changes until opened again.
	ErrBroken = errors.New("store takes no more changes")
	// ErrVersion: written by a newer gatehouse.
	ErrVersion = errors.New("store has a newer format")
	// errOlder: written by an older gatehouse, to be migrated.
	errOlder = errors.New("store has an older format")
	// ErrInvalid: what was given cannot be stored; nothing was changed.
	ErrInvalid = errors.New("cannot be stored")
	// ErrUnknown: nobody has this id.
	ErrUnknown = errors.New("unknown cardholder")
	// ErrNoImage: there is no boot image.
	ErrNoImage = errors.New("no boot image")
	// ErrBadImage: there is a boot image, but not a sound one.
	ErrBadImage = errors.New("boot image is damaged")
)

func corrupt(path, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s; restore a backup, or move the file away: a new one is made from the boot image if that is there, and is empty otherwise",
		ErrCorrupt, path, fmt.Sprintf(format, args...))
}
