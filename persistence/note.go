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
	if err := ReplaceFile(path, text, nil); err != nil {
		_ = os.Remove(path + ".tmp") // there may be none
		return fmt.Errorf("cannot write %s: %w; check the disk and its free space", path, err)
	}
	return nil
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
