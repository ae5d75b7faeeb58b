package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gatehouse/persistence"
)

// doubtName is an empty file: a commit failed since the store was last written
// whole. It need not outlive a power cut, since the page cache does not either.
const doubtName = "store.doubt"

// doubtful reports whether what is read may stand in the page cache only. Of a
// small store nobody has to know: it is always written again.
func doubtful(o *Options) (bool, error) {
	info, err := os.Stat(filepath.Join(o.Dir, FileName))
	if err != nil || info.Size() <= o.walkBytes || o.Rewrite {
		return true, err
	}
	_, err = os.Lstat(filepath.Join(o.Dir, doubtName))
	return !errors.Is(err, fs.ErrNotExist), nil
}

// renew writes the store again under another name, checks that, and gives it the
// store's name. What counts is what the new file holds: the kernel may have
// dropped pages of the old one since it was checked.
func renew(o *Options) (*inspected, error) {
	path := filepath.Join(o.Dir, FileName)
	unlock, err := persistence.Lock(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unlock() }() // opened for reading
	temp := path + ".tmp"
	i, err := rewrite(o, path, temp)
	if err == nil {
		err = persistence.Publish(temp, path, o.step)
	}
	if err != nil {
		_ = os.Remove(temp)
	}
	if err != nil && !errors.Is(err, ErrCorrupt) {
		err = fmt.Errorf("the store cannot be written again, and what an earlier failure left may not be on disk: %w; check the disk and its free space, it takes as much as the store", err)
	}
	return i, err
}

func rewrite(o *Options, path, temp string) (*inspected, error) {
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	from, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = from.Close() }() // opened for reading
	if err := persistence.WriteSynced(temp, from, o.step); err != nil {
		return nil, err
	}
	return check(o, temp)
}

// doubt notes that a commit failed, for a process that opens the store after this
// one died.
func (s *Store) doubt() {
	_ = os.WriteFile(filepath.Join(s.o.Dir, doubtName), nil, 0o600) // the disk may take nothing any more
}
