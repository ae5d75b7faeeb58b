package journal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"syscall"
)

const (
	boundsName  = "bounds"
	boundsMagic = "GATEBNDS"
	boundsLen   = 8 + 4*8 + 4
)

// bounds says what must be there, so that a segment that vanished from either end
// is missed. It is written when the oldest segments are dropped, at an orderly
// close, and before a journal that does not begin with event 1.
type bounds struct {
	begin   uint64 // the first event that was not dropped
	reached uint64 // events up to here were acknowledged, at least
	epoch   uint64 // of the newest segment then
}

func (b bounds) encode() []byte {
	raw := append(make([]byte, 0, boundsLen), boundsMagic...)
	for _, v := range []uint64{1, b.begin, b.reached, b.epoch} {
		raw = le.AppendUint64(raw, v)
	}
	return le.AppendUint32(raw, crc32.Checksum(raw, castagnoli))
}

// readBounds returns the zero value when there is no file.
func readBounds(files files, dir string) (bounds, error) {
	path := filepath.Join(dir, boundsName)
	f, err := files.Open(path, false)
	if errors.Is(err, fs.ErrNotExist) {
		return bounds{}, nil
	}
	if err != nil {
		return bounds{}, fmt.Errorf("cannot open %s: %w; check the permissions", path, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	size, err := f.Size()
	if err != nil {
		return bounds{}, readError(path, err)
	}
	const body = boundsLen - 4
	raw := make([]byte, boundsLen)
	if size == boundsLen {
		if _, err := f.ReadAt(raw, 0); errors.Is(err, syscall.EIO) {
			return bounds{}, &CorruptError{Path: path, Why: "the disk cannot read it"}
		} else if err != nil {
			return bounds{}, readError(path, err)
		}
	}
	if string(raw[:8]) != boundsMagic || le.Uint32(raw[body:]) != crc32.Checksum(raw[:body], castagnoli) {
		return bounds{}, &CorruptError{Path: path, Why: "its length or its checksum does not match"}
	}
	return bounds{le.Uint64(raw[16:]), le.Uint64(raw[24:]), le.Uint64(raw[32:])}, nil
}

func (b bounds) write(files files, dir string) error {
	return replaceFile(files, filepath.Join(dir, boundsName), b.encode())
}
