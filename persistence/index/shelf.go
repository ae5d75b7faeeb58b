package index

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gatehouse/persistence"
)

const (
	shelfMagic   = "GATEINDX"
	shelfVersion = 1
	shelfSuffix  = ".idx"
	shelfHead    = 16

	shelfBlocks = 1024
	shelfGroups = shelfBlocks / groupBlocks
	shelfSlots  = shelfBlocks + shelfGroups*groupParts
	slotSize    = 16
	shelfTables = shelfHead + shelfSlots*slotSize // where the tables begin
	// maxTable bounds what is read for a slot: that of a group of nothing but
	// different terms.
	maxTable = 8 << 20
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	// errUnknown: there is no table, or none that can be trusted.
	errUnknown = errors.New("no sound table")
	errDamaged = fmt.Errorf("%w: a checksum does not match", errUnknown)
	errShelf   = errors.New("not a shelf of this version")
)

// A slot's number counts through all shelves.
func blockSlot(block uint64) uint64 { return block/shelfBlocks*shelfSlots + block%shelfBlocks }

func groupSlot(group uint64, part int) uint64 {
	return group/shelfGroups*shelfSlots + shelfBlocks + group%shelfGroups*groupParts + uint64(part)
}

func shelfPath(dir string, shelf uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%012d", shelf*shelfBlocks)+shelfSuffix)
}

// shelves lists the shelves in dir, in order. Names that are none are left alone.
func shelves(dir string) (list []uint64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		var block uint64
		digits, ok := strings.CutSuffix(e.Name(), shelfSuffix)
		if _, err := fmt.Sscanf(digits, "%d", &block); ok && err == nil && shelfPath(dir, block/shelfBlocks) == filepath.Join(dir, e.Name()) {
			list = append(list, block/shelfBlocks)
		}
	}
	slices.Sort(list)
	return list, nil
}

// openShelf opens a shelf to read. Errors: errShelf, fs.ErrNotExist, or that of
// the file system.
func openShelf(dir string, shelf uint64) (*os.File, error) {
	f, err := os.Open(shelfPath(dir, shelf))
	if err != nil {
		return nil, err
	}
	return f, closeOn(checkHead(f), f)
}

// makeShelf opens a shelf to write, and makes it if it is missing.
func makeShelf(dir string, shelf uint64) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(shelfPath(dir, shelf), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() == 0 {
		head := le.AppendUint32([]byte(shelfMagic), shelfVersion)
		head = le.AppendUint32(head, crc32.Checksum(head, castagnoli))
		if _, err = f.WriteAt(head, 0); err == nil {
			err = f.Truncate(shelfTables)
		}
	}
	if err == nil {
		err = checkHead(f)
	}
	return f, closeOn(err, f)
}

// closeOn closes f on an error.
func closeOn(err error, f *os.File) error {
	if err != nil {
		_ = f.Close() // the first error says more
	}
	return err
}

func checkHead(f *os.File) error {
	head := make([]byte, shelfHead)
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(head[:8]) != shelfMagic || le.Uint32(head[8:]) != shelfVersion ||
		le.Uint32(head[12:]) != crc32.Checksum(head[:12], castagnoli) {
		return errShelf
	}
	return nil
}

func slotAt(slot uint64) int64 { return shelfHead + slotSize*int64(slot%shelfSlots) }

func slotSum(slot uint64, b []byte) uint32 {
	return crc32.Update(crc32.Checksum(le.AppendUint64(nil, slot), castagnoli), castagnoli, b[:12])
}

// readTable reads a slot's table into buf, which grows. Errors: errUnknown,
// errDamaged, or that of the file system.
func readTable(f *os.File, slot uint64, buf []byte) (table, error) {
	var s [slotSize]byte
	if err := readFull(f, s[:], slotAt(slot)); err != nil {
		return nil, err
	}
	at, size := le.Uint32(s[:]), le.Uint32(s[4:])
	if s == [slotSize]byte{} {
		return nil, errUnknown
	}
	if size > maxTable || le.Uint32(s[12:]) != slotSum(slot, s[:]) {
		return nil, errDamaged
	}
	t := slices.Grow(buf[:0], int(size))[:size]
	if err := readFull(f, t, int64(at)); err != nil {
		return nil, err
	}
	if crc32.Checksum(t, castagnoli) != le.Uint32(s[8:]) {
		return nil, errDamaged
	}
	return t, nil
}

// readFull: what lies behind the end of the file is unknown.
func readFull(f *os.File, b []byte, at int64) error {
	_, err := f.ReadAt(b, at)
	if errors.Is(err, io.EOF) {
		return errUnknown
	}
	return err
}

// writeTable puts a table behind all others, then its slot.
func writeTable(f *os.File, slot uint64, t []byte) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	at := max(info.Size(), shelfTables)
	if at > 1<<32-1-maxTable { // made again and again
		return errShelf
	}
	if _, err := f.WriteAt(t, at); err != nil {
		return err
	}
	s := le.AppendUint32(make([]byte, 0, slotSize), uint32(at))
	s = le.AppendUint32(s, uint32(len(t)))
	s = le.AppendUint32(s, crc32.Checksum(t, castagnoli))
	s = le.AppendUint32(s, slotSum(slot, s))
	_, err = f.WriteAt(s, slotAt(slot))
	return err
}

// wipe removes all shelves, so that they stay removed.
func wipe(dir string) error {
	list, err := shelves(dir)
	if err != nil || len(list) == 0 {
		return err
	}
	for _, shelf := range list {
		if err := os.Remove(shelfPath(dir, shelf)); err != nil {
			return err
		}
	}
	return persistence.SyncDir(dir)
}
