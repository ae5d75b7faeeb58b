package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"time"

	"gatehouse/access"
)

const (
	eventVersion = 1

	frameHead  = 36
	maxFrame   = frameHead + maxPayload
	trailerLen = frameHead + sha256.Size

	// Kinds from reservedKinds on are frames of the journal's own.
	reservedKinds = 0xFF00
	footerKind    = 0xFFFB // the last frame of a sealed segment, or of a sidecar
	gapsKind      = 0xFFFC // quarantined spans; in sidecars only
	indexKind     = 0xFFFD // sparse index
	marksKind     = 0xFFFE // what tells repeats
	trailerKind   = 0xFFFF // the end of a batch

	// MaxBatch is the greatest number of events of one Commit.
	MaxBatch = 4096
)

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// frame is one frame; payload is a part of the buffer that it was read from.
type frame struct {
	seq     uint64
	wall    int64
	mono    int64
	kind    uint16
	version uint16
	payload []byte
}

func (f *frame) isTrailer() bool { return f.kind == trailerKind }

// isEvent reports whether the frame is no frame of the journal's own.
func (f *frame) isEvent() bool { return f.kind < reservedKinds }

// event decodes the frame of an event.
func (f *frame) event() (access.Event, error) { return f.eventWith(nil) }

func (f *frame) eventWith(t texts) (access.Event, error) {
	if f.version > eventVersion {
		return access.Event{}, ErrVersion
	}
	e, err := t.decode(f.payload)
	if err != nil {
		return access.Event{}, err
	}
	e.Seq, e.Kind = f.seq, access.Kind(f.kind)
	e.Time, e.Mono = fromWall(f.wall), time.Duration(f.mono)
	return e, nil
}

// seal fills in the 36 bytes that were left free before the payload: b is the
// whole frame.
func seal(b []byte, seq uint64, wall, mono int64, kind uint16) {
	le.PutUint32(b, uint32(len(b)-frameHead))
	le.PutUint64(b[8:], seq)
	le.PutUint64(b[16:], uint64(wall))
	le.PutUint64(b[24:], uint64(mono))
	le.PutUint16(b[32:], kind)
	le.PutUint16(b[34:], eventVersion)
	le.PutUint32(b[4:], checksum(b))
}

// checksum covers all of a frame but its own four bytes.
func checksum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:4], castagnoli), castagnoli, b[8:])
}

// appendEventFrame appends e as a frame with the sequence seq.
func appendEventFrame(b []byte, e *access.Event, seq uint64) (_ []byte, cut int) {
	at := len(b)
	b, cut = appendEvent(append(b, make([]byte, frameHead)...), e)
	seal(b[at:], seq, toWall(e.Time), int64(e.Mono), uint16(e.Kind))
	return b, cut
}

// appendTrailer ends a batch of count events, the last of which is seq.
func appendTrailer(b []byte, seq uint64, wall int64, count int, chain []byte) []byte {
	at := len(b)
	b = append(append(b, make([]byte, frameHead)...), chain...)
	seal(b[at:], seq, wall, int64(count), trailerKind)
	return b
}

// payloadLen reads a frame's payload length from its first 36 bytes. ok is false
// when no frame can have it.
func payloadLen(head []byte) (n int, ok bool) {
	length := le.Uint32(head)
	switch le.Uint16(head[32:]) {
	case trailerKind:
		return sha256.Size, length == sha256.Size
	case footerKind:
		return footerSize, length == footerSize
	}
	return int(length), length <= maxPayload
}

// parseFrame reads a whole frame; ok is false when its checksum does not match.
func parseFrame(raw []byte) (f frame, ok bool) {
	if le.Uint32(raw[4:]) != checksum(raw) {
		return frame{}, false
	}
	return frame{
		seq:     le.Uint64(raw[8:]),
		wall:    int64(le.Uint64(raw[16:])),
		mono:    int64(le.Uint64(raw[24:])),
		kind:    le.Uint16(raw[32:]),
		version: le.Uint16(raw[34:]),
		payload: raw[frameHead:],
	}, true
}

func allZero(b []byte) bool {
	for len(b) >= len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}

var zeros [512]byte
