package journal

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"

	"gatehouse/access"
)

const (
	footerSize = 96
	footerLen  = frameHead + footerSize

	// indexEvery is how many sequences lie between two entries of the sparse index.
	indexEvery = 1024
	entryLen   = 16
	perFrame   = maxPayload / entryLen // entries in an index frame

	spanLen = 32
)

// summary is what is known of a segment's events.
type summary struct {
	count               uint64 // events that can be read
	last                uint64 // first-1 if there is none
	firstWall, lastWall int64
	end                 int64 // of the last batch
	chain               [sha256.Size]byte
}

// entry says where the first event stands whose sequence is not less than that
// of its slot.
type entry struct {
	offset int64
	wall   int64
}

// span is a quarantined part of a file, and the events that it cost.
type span struct {
	from, to     int64
	first, count uint64
}

// footer is the last frame of a block.
type footer struct {
	summary
	first            uint64
	marksAt, indexAt int64 // offsets in the file that holds the block
}

// appendBlock appends the frames that close a segment, or make its sidecar. at is
// where they will stand in their file.
func appendBlock(b []byte, at int64, first uint64, sum summary, gaps []span, marks *seen, index []entry) []byte {
	w := blockWriter{b: b, seq: sum.last}
	at -= int64(len(b))
	f := footer{summary: sum, first: first}
	for _, g := range gaps {
		w.record(gapsKind, g.append(nil))
	}
	w.flush()
	f.marksAt = at + int64(len(w.b))
	marks.each(func(record []byte) { w.record(marksKind, record) })
	w.flush()
	f.indexAt = at + int64(len(w.b))
	for _, e := range index {
		w.record(indexKind, le.AppendUint64(le.AppendUint64(nil, uint64(e.offset)), uint64(e.wall)))
	}
	w.flush()
	w.record(footerKind, f.append(nil))
	w.flush()
	return w.b
}

// blockWriter fills frames with records, none of which is cut in two.
type blockWriter struct {
	b       []byte
	seq     uint64
	kind    uint16
	payload []byte
	frames  int64
}

func (w *blockWriter) record(kind uint16, record []byte) {
	if len(w.payload)+len(record) > maxPayload {
		w.flush()
	}
	w.kind, w.payload = kind, append(w.payload, record...)
}

func (w *blockWriter) flush() {
	if len(w.payload) == 0 {
		return
	}
	at := len(w.b)
	w.b = append(append(w.b, make([]byte, frameHead)...), w.payload...)
	seal(w.b[at:], w.seq, noTime, w.frames, w.kind)
	w.payload = w.payload[:0]
	w.frames++
}

func (g span) append(b []byte) []byte {
	b = le.AppendUint64(le.AppendUint64(b, uint64(g.from)), uint64(g.to))
	return le.AppendUint64(le.AppendUint64(b, g.first), g.count)
}

func (f *footer) append(b []byte) []byte {
	for _, v := range []uint64{
		f.count, f.first, f.last, uint64(f.firstWall), uint64(f.lastWall),
		uint64(f.end), uint64(f.marksAt), uint64(f.indexAt),
	} {
		b = le.AppendUint64(b, v)
	}
	return append(b, f.chain[:]...)
}

// each gives every mark as a record, the oldest first.
//
//	source  0, length of the name, name, boot u64, run u64, number u64, sequence u64
//	origin  1, length of the file, file, kind u64, number u64, sequence u64
func (s *seen) each(take func(record []byte)) {
	for _, k := range byAge(s.sources.marks) {
		b := append([]byte{0, byte(len(k.name))}, k.name...)
		take(appendMark(le.AppendUint64(le.AppendUint64(b, k.boot), k.run), s.sources.marks[k]))
	}
	for _, k := range byAge(s.origins.marks) {
		b := append([]byte{1, byte(len(k.file))}, k.file...)
		take(appendMark(le.AppendUint64(b, uint64(k.kind)), s.origins.marks[k]))
	}
}

func byAge[K comparable](m map[K]mark) []K {
	return slices.SortedFunc(maps.Keys(m), func(a, b K) int { return cmp.Compare(m[a].seq, m[b].seq) })
}

func appendMark(b []byte, m mark) []byte {
	return le.AppendUint64(le.AppendUint64(b, m.number), m.seq)
}

// take reads the records of one payload.
func (s *seen) take(b []byte) error {
	for len(b) > 0 {
		words := 4
		if b[0] == 1 {
			words = 3
		}
		if len(b) < 2 || b[0] > 1 || len(b) < 2+int(b[1])+8*words {
			return errBad
		}
		name, rest := string(b[2:2+int(b[1])]), b[2+int(b[1]):]
		word := func(i int) uint64 { return le.Uint64(rest[8*i:]) }
		m := mark{word(words - 2), word(words - 1)}
		if m.number == 0 {
			return errBad
		}
		if b[0] == 0 {
			s.sources.marks[sourceKey{name, word(0), word(1)}] = m
		} else {
			s.origins.marks[originKey{name, access.Kind(word(0))}] = m
		}
		b = rest[8*words:]
	}
	return nil
}

// readFooter reads the last frame of a file of size bytes. Errors: errShort and
// errBad when it is no footer, or that of reading.
func readFooter(f file, size int64) (footer, error) {
	if size < footerLen {
		return footer{}, errShort
	}
	w := newWindow(f, size, footerLen)
	fr, _, err := w.frame(size - footerLen)
	if err != nil {
		return footer{}, err
	}
	if fr.kind != footerKind {
		return footer{}, errBad
	}
	word := func(i int) uint64 { return le.Uint64(fr.payload[8*i:]) }
	out := footer{
		first: word(1), marksAt: int64(word(6)), indexAt: int64(word(7)),
		summary: summary{
			count: word(0), last: word(2), firstWall: int64(word(3)), lastWall: int64(word(4)),
			end: int64(word(5)), chain: [sha256.Size]byte(fr.payload[64:]),
		},
	}
	if out.marksAt < headerLenV1 || out.marksAt > out.indexAt || out.indexAt > size-footerLen || out.last < out.first-1 {
		return footer{}, errBad
	}
	return out, nil
}

// readBlock gives the payloads of the frames in [from, to), all of that kind.
func readBlock(f file, from, to int64, kind uint16, take func(payload []byte) error) error {
	w := newWindow(f, to, int(min(64<<10, to-from)))
	for from < to {
		fr, n, err := w.frame(from)
		if err == nil && fr.kind != kind {
			err = errBad
		}
		if err == nil {
			err = take(fr.payload)
		}
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

func readSpans(f file, from, to int64) (spans []span, err error) {
	return spans, readBlock(f, from, to, gapsKind, func(b []byte) error {
		for ; len(b) >= spanLen; b = b[spanLen:] {
			spans = append(spans, span{
				int64(le.Uint64(b)), int64(le.Uint64(b[8:])), le.Uint64(b[16:]), le.Uint64(b[24:]),
			})
		}
		return nil
	})
}

// readEntry reads one slot of a sparse index that begins at indexAt.
func readEntry(f file, size, indexAt int64, slot uint64) (entry, error) {
	at := indexAt + int64(slot/perFrame)*maxFrame
	fr, _, err := newWindow(f, size, maxFrame).frame(at)
	if err != nil {
		return entry{}, err
	}
	k := int(slot%perFrame) * entryLen
	if fr.kind != indexKind || k+entryLen > len(fr.payload) {
		return entry{}, errBad
	}
	return entry{int64(le.Uint64(fr.payload[k:])), int64(le.Uint64(fr.payload[k+8:]))}, nil
}

// isDamage tells bytes that are wrong from a disk that cannot be read.
func isDamage(err error) bool {
	return errors.Is(err, errBad) || errors.Is(err, errShort) || errors.Is(err, errPayload)
}
