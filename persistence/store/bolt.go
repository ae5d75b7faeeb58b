package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterr "go.etcd.io/bbolt/errors"

	"gatehouse/persistence"
)

// lockTimeout is how long bbolt waits for a store that another process holds.
const lockTimeout = time.Second

// change is one record to write; value nil removes it.
type change struct {
	bucket, key string
	value       []byte
}

// database is bbolt with its file in our hands. After a panic bbolt may hold its
// own locks for ever (dead): it is not called again, not even to close it.
type database struct {
	db   *bolt.DB
	file *os.File
	dead bool
}

// guard turns a panic of bbolt, and a page that vanished under its map, into an
// error.
func (d *database) guard(path string, f func() error) (err error) {
	before := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(before)
	defer func() {
		if p := recover(); p != nil {
			d.dead = true
			err = corrupt(path, "bbolt: %v", p)
		}
	}()
	return f()
}

// close also frees the file, and with it its lock, of a dead database; its map
// stays until the process ends.
func (d *database) close() error {
	if d.dead {
		return errors.Join(persistence.Unlock(d.file), d.file.Close())
	}
	return d.guard(d.file.Name(), d.db.Close)
}

// inspected is a store that was read and found sound, as far as it was read.
type inspected struct {
	contents *contents
	tables   *tables
	people   *crowd // nil if they are too many
}

// inspect reads and checks the store at path without changing it. Nobody may hold
// it meanwhile: a reader beside a writer would see damage that is none. Of a file
// larger than o.walkBytes it does not read the people.
func inspect(path string, o *Options) (*inspected, error) {
	unlock, err := persistence.Lock(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unlock() }() // opened for reading
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the store: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read the store: %w", err)
	}
	i, err := inspectFile(f, info.Size(), o)
	switch {
	case errors.Is(err, ErrVersion):
		return nil, fmt.Errorf("%s: %w; run the gatehouse that wrote it", path, err)
	case errors.Is(err, errOlder):
		return nil, fmt.Errorf("%s: %w; start the building once, or open it by a command that changes it", path, err)
	case err != nil:
		return nil, corrupt(path, "%v", err)
	}
	return i, nil
}

func inspectFile(r io.ReaderAt, size int64, o *Options) (*inspected, error) {
	c, t, err := readContents(r, size, o.walkBytes)
	if err != nil {
		return nil, err
	}
	i := &inspected{contents: c, tables: t}
	switch {
	case !c.meta.large(o.inMemory):
		i.people, err = t.load()
	case size <= o.walkBytes:
		err = t.verify()
	}
	return i, err
}

// openDatabase opens a file that inspect found sound, or an absent one.
func openDatabase(path string) (*database, error) {
	d := &database{}
	err := d.guard(path, func() (err error) {
		d.db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout: lockTimeout,
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				d.file, err = os.OpenFile(name, flag, mode)
				return d.file, err
			},
		})
		return err
	})
	if errors.Is(err, bolterr.ErrTimeout) {
		return nil, fmt.Errorf("%s is %w; stop that process or name another data directory", path, persistence.ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the store: %w", err)
	}
	return d, nil
}

// write makes the changes in one transaction. failed tells a commit that failed,
// or a panic, from changes that bbolt refused: those left nothing behind.
func (d *database) write(changes []change) (failed bool, err error) {
	committing := false
	err = d.guard(d.file.Name(), func() error {
		tx, err := d.db.Begin(true)
		if err != nil {
			return err
		}
		if err := fill(tx, changes); err != nil {
			_ = tx.Rollback() // the first error says more
			return err
		}
		committing = true
		return tx.Commit()
	})
	return err != nil && (committing || d.dead), err
}

func fill(tx *bolt.Tx, changes []change) error {
	for _, c := range changes {
		b, err := tx.CreateBucketIfNotExists([]byte(c.bucket))
		if err != nil {
			return err
		}
		if _, people := tableOf(c.bucket); people {
			b.FillPercent = 0.9 // written in order, seldom changed
		}
		if c.value == nil {
			err = b.Delete([]byte(c.key))
		} else {
			err = b.Put([]byte(c.key), seal(c.bucket, c.key, c.value))
		}
		if err != nil {
			return fmt.Errorf("record %q in %q: %w", c.key, c.bucket, err)
		}
	}
	return nil
}
