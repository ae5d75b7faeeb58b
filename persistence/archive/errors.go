package archive

import (
	"errors"
	"fmt"
)

var (
	// ErrDamaged: an archive, its manifest or a backup is not what was written.
	ErrDamaged = errors.New("archive is damaged")
	// ErrForeign: it belongs to another building or epoch, or to no archive.
	ErrForeign = errors.New("not of this archive")
	// ErrKey: no identity at hand opens it, or a key is none.
	ErrKey = errors.New("wrong key")
	// ErrSegment: the segment cannot be archived as it was offered.
	ErrSegment = errors.New("segment cannot be archived")
	// ErrUnreadable: the disk does not give all bytes of the segment.
	ErrUnreadable = errors.New("the disk cannot read the segment")
	// ErrBroken: the manifest's state on disk is not known; open again.
	ErrBroken = errors.New("archive takes no more segments")
	// ErrVersion: written by a newer gatehouse.
	ErrVersion = errors.New("archive has a newer format")
	// ErrMembers: a backup's members, or the directory they are for, are refused.
	ErrMembers = errors.New("backup is refused")
)

func damaged(path, why string) error {
	return fmt.Errorf("%w: %s: %s; it was left as it is: get it from another copy", ErrDamaged, path, why)
}

func diskError(what, path string, err error) error {
	return fmt.Errorf("cannot %s %s: %w; check the disk, its free space and its rights", what, path, err)
}
