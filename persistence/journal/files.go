package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"gatehouse/persistence"
)

// tmpSuffix marks a file that is not yet whole.
const tmpSuffix = ".tmp"

// files are the file operations that the journal needs. Tests put a disk in
// memory here that fails and loses power on command.
type files interface {
	// MkdirAll makes dir, durably.
	MkdirAll(dir string) error
	// Open opens a file that exists (fs.ErrNotExist otherwise).
	Open(path string, write bool) (file, error)
	// Create makes an empty file, or empties one.
	Create(path string) (file, error)
	Rename(from, to string) error
	// Remove removes a file; one that is not there is no error.
	Remove(path string) error
	// List returns the names in dir (fs.ErrNotExist without it).
	List(dir string) ([]string, error)
	// SyncDir makes the names in dir durable.
	SyncDir(dir string) error
}

type file interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	// Sync makes the contents and the length durable.
	Sync() error
	Size() (int64, error)
	Close() error
}

type diskFiles struct{}

func (diskFiles) MkdirAll(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return diskFiles{}.SyncDir(filepath.Dir(dir))
}

func (diskFiles) Open(path string, write bool) (file, error) {
	flag := os.O_RDONLY
	if write {
		flag = os.O_RDWR
	}
	return wrap(os.OpenFile(path, flag, 0))
}

func (diskFiles) Create(path string) (file, error) {
	return wrap(os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600))
}

func wrap(f *os.File, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

func (diskFiles) Rename(from, to string) error { return os.Rename(from, to) }

func (diskFiles) Remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (diskFiles) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (diskFiles) SyncDir(dir string) error { return persistence.SyncDir(dir) }

type diskFile struct{ *os.File }

func (f diskFile) Sync() error { return datasync(f.File) }

func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// replaceFile puts a file with the contents b at path: at every moment there is
// the old one (or none) or the whole new one. When it returns nil it is durable.
func replaceFile(fs files, path string, b []byte) error {
	err := writeNew(fs, path+tmpSuffix, b)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w; check the disk and its free space", path+tmpSuffix, err)
	}
	return adopt(fs, path)
}

// adopt gives the temporary file of path its name, durably.
func adopt(fs files, path string) error {
	if err := fs.Rename(path+tmpSuffix, path); err != nil {
		return fmt.Errorf("cannot name %s: %w; check the disk", path, err)
	}
	return syncDir(fs, path)
}

// syncDir makes the names beside path durable.
func syncDir(fs files, path string) error {
	if err := fs.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("cannot sync the journal's directory: %w; check the disk", err)
	}
	return nil
}

func writeNew(fs files, path string, b []byte) error {
	f, err := fs.Create(path)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}
