package journal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
)

const (
	magic         = "GATEJRNL"
	formatVersion = 3
	firstEpoch    = 1

	headerLenV1 = 128
	headerLen   = headerLenV1 + sha256.Size + 4
	maxBuilding = 64
	lifeAt      = 104
)

// Life tells journals apart that have the same building, epoch and numbers: it is
// drawn at random when a journal is begun, so each restore of one backup has
// another. The zero value is that of segments from before it was known.
type Life [16]byte

// String is the life in hex, "" if it is not known.
func (l Life) String() string {
	if l == (Life{}) {
		return ""
	}
	return hex.EncodeToString(l[:])
}

// or is l, or a new one if it is not known.
func (l Life) or() Life {
	if l == (Life{}) {
		_, _ = rand.Read(l[:]) // cannot fail
	}
	return l
}

// header is the beginning of a segment.
type header struct {
	version  uint16
	building string
	epoch    uint64
	boot     uint64
	first    uint64
	life     Life              // from version 3 on
	prev     [sha256.Size]byte // the chain at the end of the segment before; version 1 has none
}

// size is how many bytes the header takes.
func (h *header) size() int64 {
	if h.version == 1 {
		return headerLenV1
	}
	return headerLen
}

// encode writes the newest version. Its first 128 bytes are those of version 1,
// so that an older gatehouse can tell that they are newer.
func (h *header) encode() []byte {
	b := make([]byte, headerLen)
	copy(b, magic)
	le.PutUint16(b[8:], formatVersion)
	le.PutUint16(b[10:], uint16(len(h.building)))
	le.PutUint64(b[16:], h.epoch)
	le.PutUint64(b[24:], h.boot)
	le.PutUint64(b[32:], h.first)
	copy(b[40:40+maxBuilding], h.building)
	copy(b[lifeAt:], h.life[:])
	le.PutUint32(b[124:], crc32.Checksum(b[:124], castagnoli))
	copy(b[headerLenV1:], h.prev[:])
	le.PutUint32(b[headerLen-4:], crc32.Checksum(b[:headerLen-4], castagnoli))
	return b
}

// decodeHeader reads a header from a file's first bytes, at least headerLen of
// them if the file has so many. It returns what is wrong with b as a reason, or
// ErrVersion.
func decodeHeader(b []byte) (header, error) {
	switch {
	case len(b) < headerLenV1:
		return header{}, fmt.Errorf("the header is incomplete (%d bytes)", len(b))
	case string(b[:8]) != magic:
		return header{}, fmt.Errorf("this is no journal segment, or its first bytes are overwritten")
	case le.Uint32(b[124:]) != crc32.Checksum(b[:124], castagnoli):
		return header{}, fmt.Errorf("the header's checksum does not match")
	}
	h := header{
		version: le.Uint16(b[8:]),
		epoch:   le.Uint64(b[16:]),
		boot:    le.Uint64(b[24:]),
		first:   le.Uint64(b[32:]),
	}
	n := le.Uint16(b[10:])
	switch {
	case h.version < 1 || h.version > formatVersion:
		return header{}, ErrVersion
	case n > maxBuilding:
		return header{}, fmt.Errorf("the header's building id is too long")
	case h.first == 0:
		return header{}, fmt.Errorf("the header's first event has no number")
	}
	h.building = string(b[40 : 40+n])
	if h.version == 1 {
		return h, nil
	}
	if len(b) < headerLen || le.Uint32(b[headerLen-4:]) != crc32.Checksum(b[:headerLen-4], castagnoli) {
		return header{}, fmt.Errorf("the second part of the header is incomplete or its checksum does not match")
	}
	copy(h.prev[:], b[headerLenV1:])
	if h.version > 2 {
		copy(h.life[:], b[lifeAt:])
	}
	return h, nil
}
