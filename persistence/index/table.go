package index

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"sort"
	"time"

	"gatehouse/access"
)

const (
	blockEvents = 1024
	groupBlocks = 64

	tableHead = 36
	entrySize = 8
	// From this many places on a bitmap is smaller than a list.
	listLimit  = 64
	bitmapSize = blockEvents / 8
)

var le = binary.LittleEndian

// mask is a set of places in a block.
type mask [blockEvents / 64]uint64

func (m *mask) set(place int) { m[place/64] |= 1 << (place % 64) }

// fill puts in all places from first to last.
func (m *mask) fill(first, last int) {
	for i := first; i <= last; i++ {
		m.set(i)
	}
}

func (m *mask) keep(other *mask) {
	for i := range m {
		m[i] &= other[i]
	}
}

// ends are the lowest and the highest place; ok is false for none.
func (m *mask) ends() (low, high int, ok bool) {
	low = -1
	for i, w := range m {
		if w == 0 {
			continue
		}
		if low < 0 {
			low = 64*i + bits.TrailingZeros64(w)
		}
		high = 64*i + 63 - bits.LeadingZeros64(w)
	}
	return low, high, low >= 0
}

// span is the wall times of some events, in ns since 1970.
type span struct{ min, max int64 }

func (s span) overlaps(f *access.Filter) bool {
	if !f.From.IsZero() && s.max < wall(f.From) {
		return false
	}
	return f.Until.IsZero() || s.min <= wall(f.Until) // no time at all is the least
}

// wall is t in ns since 1970, or the end of the range that it lies behind.
func wall(t time.Time) int64 {
	switch y := t.Year(); {
	case y < 1678:
		return math.MinInt64
	case y > 2261:
		return math.MaxInt64
	}
	return t.UnixNano()
}

// builder collects the terms of one block.
type builder struct {
	places []uint64 // term << 32 | place
	times  span
	last   uint64 // sequence
	mark   uint64 // of the last event
}

func (b *builder) reset() {
	*b = builder{places: b.places[:0], times: span{math.MaxInt64, math.MinInt64}}
}

func (b *builder) add(e *access.Event) {
	place := e.Seq % blockEvents
	for t := range termsOf(e) {
		b.places = append(b.places, uint64(t)<<32|place)
	}
	b.times = span{min(b.times.min, wall(e.Time)), max(b.times.max, wall(e.Time))}
	b.last, b.mark = e.Seq, markOf(e)
}

// table of a block:
//
//	 0  earliest and latest wall time, i64 each
//	16  last sequence u64, mark of that event u64
//	32  number of entries u32
//	36  entries, by term: term u32, where its places stand u16 (in 2 bytes, behind
//	    the entries), how many there are u16
//	    places: a list of u16, or from 64 on a bitmap of 128 bytes
func (b *builder) table() []byte {
	slices.Sort(b.places)
	b.places = slices.Compact(b.places)
	out := make([]byte, tableHead, tableHead+4*len(b.places))
	le.PutUint64(out, uint64(b.times.min))
	le.PutUint64(out[8:], uint64(b.times.max))
	le.PutUint64(out[16:], b.last)
	le.PutUint64(out[24:], b.mark)
	var places []byte
	count := 0
	for rest := b.places; len(rest) > 0; count++ {
		term := rest[0] >> 32
		n, _ := slices.BinarySearch(rest, (term+1)<<32)
		out = le.AppendUint32(out, uint32(term))
		out = le.AppendUint16(out, uint16(len(places)/2))
		out = le.AppendUint16(out, uint16(n))
		places = appendPlaces(places, rest[:n])
		rest = rest[n:]
	}
	le.PutUint32(out[32:], uint32(count))
	return append(out, places...)
}

func appendPlaces(out []byte, list []uint64) []byte {
	if len(list) < listLimit {
		for _, p := range list {
			out = le.AppendUint16(out, uint16(p))
		}
		return out
	}
	var m mask
	for _, p := range list {
		m.set(int(uint16(p)))
	}
	for _, w := range m {
		out = le.AppendUint64(out, w)
	}
	return out
}

// table is what a builder made, behind its checksum.
type table []byte

func (t table) times() span  { return span{int64(le.Uint64(t)), int64(le.Uint64(t[8:]))} }
func (t table) last() uint64 { return le.Uint64(t[16:]) }
func (t table) mark() uint64 { return le.Uint64(t[24:]) }
func (t table) count() int   { return int(le.Uint32(t[32:])) }

func (t table) term(i int) uint32 { return le.Uint32(t[tableHead+entrySize*i:]) }

// find returns the places of a term.
func (t table) find(term uint32) (m mask) {
	n := t.count()
	i := sort.Search(n, func(i int) bool { return t.term(i) >= term })
	if i == n || t.term(i) != term {
		return m
	}
	e := t[tableHead+entrySize*i:]
	places := t[tableHead+entrySize*n+2*int(le.Uint16(e[4:])):]
	count := int(le.Uint16(e[6:]))
	if count < listLimit {
		for k := range count {
			m.set(int(le.Uint16(places[2*k:])))
		}
		return m
	}
	for k := range m {
		m[k] = le.Uint64(places[8*k:])
	}
	return m
}

// A table of a group has the earliest and latest wall time of all its blocks, i64
// each, and by term: term u32, blocks u64.
const (
	groupHead  = 16
	groupEntry = 12
	groupParts = 16 // tables of a group, by the highest bits of the term
)

func partOf(term uint32) int { return int(term >> 28) }

// groupTables makes a group's tables of those of its blocks.
func groupTables(blocks []table) (parts [groupParts][]byte) {
	times := span{math.MaxInt64, math.MinInt64}
	var all []uint64
	for k, t := range blocks {
		times = span{min(times.min, t.times().min), max(times.max, t.times().max)}
		for i := range t.count() {
			all = append(all, uint64(t.term(i))<<32|uint64(k))
		}
	}
	slices.Sort(all)
	for p := range parts {
		parts[p] = le.AppendUint64(le.AppendUint64(nil, uint64(times.min)), uint64(times.max))
	}
	for len(all) > 0 {
		term := uint32(all[0] >> 32)
		set := uint64(0)
		for ; len(all) > 0 && uint32(all[0]>>32) == term; all = all[1:] {
			set |= 1 << uint8(all[0])
		}
		part := &parts[partOf(term)]
		*part = le.AppendUint64(le.AppendUint32(*part, term), set)
	}
	return parts
}

func groupTimes(t []byte) span { return span{int64(le.Uint64(t)), int64(le.Uint64(t[8:]))} }

// groupFind returns the blocks of a group where a term occurs.
func groupFind(t []byte, term uint32) uint64 {
	entries := t[groupHead:]
	i, ok := sort.Find(len(entries)/groupEntry, func(i int) int {
		return cmp.Compare(term, le.Uint32(entries[groupEntry*i:]))
	})
	if !ok {
		return 0
	}
	return le.Uint64(entries[groupEntry*i+4:])
}
