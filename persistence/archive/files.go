package archive

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"gatehouse/persistence"
)

// disk is told every step before it is taken and may refuse it, which is how
// tests crash. nil on a real disk.
type disk func(op, path string) error

func (d disk) before(op, path string) error {
	if d == nil {
		return nil
	}
	return d(op, path)
}

// create makes an empty file; what a crash left there goes first, so that no page
// of a failed sync is in it.
func (d disk) create(path string) (*os.File, error) {
	if err := d.remove(path); err != nil {
		return nil, err
	}
	if err := d.before("create", path); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

func (d disk) remove(path string) error {
	if err := d.before("remove", path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// finish makes f's contents durable and closes it.
func (d disk) finish(f *os.File) error {
	err := d.before("sync", f.Name())
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		dropPages(f)
	}
	return errors.Join(err, f.Close())
}

// publish gives a synced file its name, durably, in the place of an older one.
func (d disk) publish(temp, path string) error {
	return persistence.Publish(temp, path, func(op string) error {
		if op == "syncdir" {
			return d.before(op, filepath.Dir(path))
		}
		return d.before(op, path)
	})
}

func (d disk) syncDir(dir string) error {
	if err := d.before("syncdir", dir); err != nil {
		return err
	}
	return persistence.SyncDir(dir)
}
