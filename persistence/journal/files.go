package journal

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

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

func (diskFiles) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // opened for reading
	return d.Sync()
}

type diskFile struct{ *os.File }

func (f diskFile) Sync() error { return datasync(f.File) }

func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// createSegment makes the first segment: at every moment there is either none or
// a whole one.
func createSegment(fs files, dir string, h header) error {
	if err := fs.MkdirAll(dir); err != nil {
		return fmt.Errorf("cannot make the journal's directory: %w", err)
	}
	path := filepath.Join(dir, segmentName)
	if err := writeNew(fs, path+".tmp", h.encode()); err != nil {
		return fmt.Errorf("cannot write a new journal: %w", err)
	}
	if err := fs.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("cannot name a new journal: %w", err)
	}
	if err := fs.SyncDir(dir); err != nil {
		return fmt.Errorf("cannot sync the journal's directory: %w", err)
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
