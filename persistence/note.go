package persistence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ErrDamaged: a note's checksum is not that of what it says.
var ErrDamaged = errors.New("is damaged")

// noteBytes is the largest note.
const noteBytes = 64 << 10

// WriteNote replaces the small file at path by what v is in JSON and, on a line of
// its own, the SHA-256 of that in hex (mode 0600). After a power cut there is the
// old note or the new one. One caller for a path at a time.
func WriteNote(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	text = fmt.Appendf(text, "%s\n", sumOf(text))
	if len(text) > noteBytes {
		return fmt.Errorf("%s would have %d bytes, at most %d", path, len(text), noteBytes)
	}
	tmp := path + ".tmp"
	err = writeSynced(tmp, text)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp) // there may be none
		return fmt.Errorf("cannot write %s: %w; check the disk and its free space", path, err)
	}
	return syncDir(filepath.Dir(path))
}

// ReadNote reads into v what WriteNote wrote. The errors are the system's
// (fs.ErrNotExist, wrapped) and ErrDamaged.
func ReadNote(path string, v any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // opened for reading
	text, err := io.ReadAll(io.LimitReader(f, noteBytes+1))
	if err != nil {
		return err
	}
	end := bytes.LastIndexByte(bytes.TrimSuffix(text, []byte("\n")), '\n') + 1
	if string(text[end:]) != sumOf(text[:end])+"\n" || json.Unmarshal(text[:end], v) != nil {
		return fmt.Errorf("%s %w", path, ErrDamaged)
	}
	return nil
}

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
