package daemon

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"gatehouse/persistence/store"
)

// reserveName is a file of zeros in the data directory.
const reserveName = "reserve"

// reserveBytes is what a change needs for a moment besides a new boot image: new
// pages of the store, before the old ones are free. A small store is also written
// again when it is opened, as after a change that failed; one that is larger than
// reserveStore needs room that is free.
const (
	reserveBytes = 1 << 20
	reserveStore = 16 << 20
)

// reserve is room on a full disk for changes to the store: it is given up for the
// moment of a change and taken again. A change replaces what it writes, so next
// to nothing of it is used up.
type reserve struct {
	data string

	mu    sync.Mutex // guards the file, too
	whole bool
}

func (r *reserve) path() string { return filepath.Join(r.data, reserveName) }

// take takes the room, or as much of it as there is.
func (r *reserve) take() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.whole {
		return
	}
	size := int64(reserveBytes)
	if image, err := os.Stat(filepath.Join(r.data, store.ImageName)); err == nil {
		size += image.Size()
	}
	if db, err := os.Stat(filepath.Join(r.data, store.FileName)); err == nil && db.Size() <= reserveStore {
		size += db.Size()
	}
	f, err := os.OpenFile(r.path(), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return // the next change tries again
	}
	r.whole = fillUp(f, size) == nil
}

// fillUp appends zeros, durably, until f has that size; holes would take no room.
func fillUp(f *os.File, size int64) error {
	at, err := f.Seek(0, io.SeekEnd)
	for err == nil && at < size {
		var n int
		n, err = f.Write(make([]byte, min(size-at, 64<<10)))
		at += int64(n)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// give gives the room up; false: there was none.
func (r *reserve) give() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.whole = false
	return os.Remove(r.path()) == nil
}

// resize takes the room that a store of another size needs.
func (r *reserve) resize() {
	r.mu.Lock()
	r.whole = false
	r.mu.Unlock()
	r.take()
}
