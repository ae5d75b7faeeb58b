package persistence

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
)

// Step is told what comes next with a file ("create", "write", "sync", "rename",
// "syncdir") and may make it fail: so tests crash. nil on a real disk.
type Step func(op string) error

func (s Step) before(op string) error {
	if s == nil {
		return nil
	}
	return s(op)
}

// ReplaceFile puts b in the place of path's contents: at every moment the file is
// either the old one, or none, or the whole new one, which is durable on return.
// After an error path+".tmp" may be left.
func ReplaceFile(path string, b []byte, step Step) error {
	temp := path + ".tmp"
	if err := WriteSynced(temp, bytes.NewReader(b), step); err != nil {
		return err
	}
	return Publish(temp, path, step)
}

const copyBytes = 256 << 10

// WriteSynced writes a file, in the place of one that is there, and syncs it. Its
// name is not durable yet.
func WriteSynced(path string, from io.Reader, step Step) (err error) {
	if err := step.before("create"); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if closing := f.Close(); err == nil {
			err = closing
		}
	}()
	if err := step.before("write"); err != nil {
		return err
	}
	if _, err := io.CopyBuffer(plainWriter{f}, plainReader{from}, make([]byte, copyBytes)); err != nil {
		return err
	}
	if err := step.before("sync"); err != nil {
		return err
	}
	return f.Sync()
}

// plainReader and plainWriter hide what would let the kernel copy or share the
// bytes: what is read is what the program was given.
type (
	plainReader struct{ io.Reader }
	plainWriter struct{ io.Writer }
)

// Publish gives a synced file its name, in the place of an older one, durably.
func Publish(temp, path string, step Step) error {
	if err := step.before("rename"); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	if err := step.before("syncdir"); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // opened for reading
	return d.Sync()
}
