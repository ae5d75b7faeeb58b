package persistence

import (
	"errors"
	"fmt"
	"os"
)

// ErrLocked: another process owns the path.
var ErrLocked = errors.New("in use by another process")

var errHeld = errors.New("held")

// Lock makes the caller the only owner of path, a directory (or a file) that
// exists, until unlock is called or the process ends, however it ends. It
// creates and changes nothing: the lock sits on the path's own descriptor, so a
// refused start leaves a data directory byte-identical. It does not wait: a path
// that another owner holds, in this process too, is ErrLocked.
func Lock(path string) (unlock func() error, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s to lock it: %w; create it or name another one", path, err)
	}
	if err := flock(f); err != nil {
		_ = f.Close() // opened for reading, nothing can be lost
		if errors.Is(err, errHeld) {
			return nil, fmt.Errorf("%s is %w; stop that process or name another data directory", path, ErrLocked)
		}
		return nil, fmt.Errorf("cannot lock %s: %w; put the data directory on a local file system", path, err)
	}
	return f.Close, nil
}

// Unlock gives up whatever lock f's own descriptor holds. Closing a file does
// not, as long as it is mapped into memory.
func Unlock(f *os.File) error { return funlock(f) }
