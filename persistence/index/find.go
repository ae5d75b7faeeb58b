package index

import (
	"context"
	"errors"
	"math/bits"
	"os"

	"gatehouse/access"
)

// Bounds of one page: what is looked at costs one for an event, and askCost for a
// table.
const (
	maxCost = 50_000
	askCost = 16
)

// Find returns the next page of the events that match. It is complete whatever
// the state of the index; with a poor one it costs more pages. It ends early, with
// what it has, when ctx ends. Errors are those of the journal.
func (x *Index) Find(ctx context.Context, s access.Search) (access.Found, error) {
	q, err := x.query(s)
	if err != nil {
		return access.Found{}, err
	}
	defer q.close()
	for !q.ended() && len(q.found) < s.Limit && q.cost < maxCost && ctx.Err() == nil {
		if err := q.step(); err != nil {
			return access.Found{}, err
		}
	}
	return q.page(), nil
}

// query is a search on its way through the journal.
type query struct {
	*access.Search
	x     *Index
	shown shown
	terms []uint32

	first, last uint64 // of the journal; last < first: it is empty
	at          uint64 // the next event to look at
	cost        int
	found       []access.Event

	group  uint64 // blocks are the blocks of this one that may match
	blocks uint64
	asked  bool

	shelf  uint64 // file is this one's, nil if it cannot be used
	file   *os.File
	opened bool
	buf    []byte
}

func (x *Index) query(s access.Search) (*query, error) {
	x.mu.Lock()
	q := &query{Search: &s, x: x, shown: x.shown, terms: wanted(&s.Filter)}
	x.mu.Unlock()
	q.last = x.journal.Last() // after shown: never less than it
	first, err := x.journal.Read(0, 1)
	if err != nil {
		return nil, err
	}
	q.first = q.last + 1
	if len(first) > 0 {
		q.first = first[0].Seq
	}
	switch {
	case s.Newest:
		q.at = min(q.last, max(s.At, 1)-1)
	case s.At < q.last:
		q.at = max(q.first, s.At+1)
	default:
		q.at = q.last + 1
	}
	return q, nil
}

func (q *query) close() {
	if q.file != nil {
		_ = q.file.Close() // opened for reading
	}
}

func (q *query) ended() bool { return q.at < q.first || q.at > q.last }

// plain reports whether every event matches.
func (q *query) plain() bool { return len(q.terms) == 0 && !q.Timed() }

func (q *query) page() access.Found {
	p := access.Found{Events: q.found, More: !q.ended()}
	switch {
	case !q.Newest:
		p.Next = max(q.At, min(q.at, q.last+1)-1)
	case p.More:
		p.Next = q.at + 1
	default:
		p.Next = min(q.At, 1)
	}
	return p
}

// step looks at one block, or passes those of a group that cannot match.
func (q *query) step() error {
	block := q.at / blockEvents
	if next, ok := q.candidate(block); !ok || next != block {
		q.move(next, ok)
		return nil
	}
	places, known := q.places(block)
	low, high := block*blockEvents, block*blockEvents+blockEvents-1
	if q.Newest {
		places.cut(0, int(q.at-low))
	} else {
		places.cut(int(q.at-low), blockEvents-1)
	}
	from, to, ok := places.ends()
	if !ok {
		q.pass(low, high)
		return nil
	}
	return q.read(max(q.first, low+uint64(from)), min(q.last, low+uint64(to)), known)
}

// cut leaves only the places from low to high.
func (m *mask) cut(low, high int) {
	var keep mask
	keep.fill(low, high)
	m.keep(&keep)
}

// pass goes on behind the events from low to high.
func (q *query) pass(low, high uint64) {
	if q.Newest {
		q.at = max(low, 1) - 1
		return
	}
	q.at = high + 1
}

// candidate is the next block that may match, from block on in the direction of
// the search. ok is false when there is none in block's group, next then is
// another block of that group.
func (q *query) candidate(block uint64) (next uint64, ok bool) {
	group := block / groupBlocks
	if !q.asked || q.group != group {
		q.group, q.asked, q.blocks = group, true, q.askGroup(group)
	}
	at := int(block % groupBlocks)
	if q.Newest {
		set := q.blocks << (groupBlocks - 1 - at)
		return block - uint64(bits.LeadingZeros64(set)), set != 0
	}
	set := q.blocks >> at
	return block + uint64(bits.TrailingZeros64(set)), set != 0
}

// move goes on at the next block, or behind the group.
func (q *query) move(next uint64, ok bool) {
	switch low := q.group * groupBlocks * blockEvents; {
	case !ok:
		q.pass(low, low+groupBlocks*blockEvents-1)
	case q.Newest:
		q.at = next*blockEvents + blockEvents - 1
	default:
		q.at = next * blockEvents
	}
}

const allBlocks = 1<<64 - 1

// askGroup is the blocks of a group that may match.
func (q *query) askGroup(group uint64) uint64 {
	if !q.shown.sound || (group+1)*groupBlocks > q.shown.open || q.plain() {
		return allBlocks
	}
	blocks := uint64(allBlocks)
	parts := []int{0}
	if len(q.terms) > 0 {
		parts = parts[:0]
	}
	for _, t := range q.terms {
		parts = append(parts, partOf(t))
	}
	for i, part := range parts {
		t, err := q.table(group*groupBlocks, groupSlot(group, part))
		if err != nil {
			q.x.suspectGroup(group, err)
			continue
		}
		if !groupTimes(t).overlaps(&q.Filter) {
			return 0
		}
		if len(q.terms) > 0 {
			blocks &= groupFind(t, q.terms[i])
		}
	}
	return blocks
}

// places are those of a block that may match; known is false when its table is
// missing that should be there.
func (q *query) places(block uint64) (m mask, known bool) {
	m.fill(0, blockEvents-1)
	if !q.shown.sound || block > q.shown.open || q.plain() {
		return m, true
	}
	var t table
	if block == q.shown.open {
		if t = q.shown.table; t == nil {
			return m, true
		}
	} else {
		var err error
		if t, err = q.table(block, blockSlot(block)); err != nil {
			return m, false
		}
	}
	if m = q.match(t); block == q.shown.open { // what came later is not in the table
		m.fill(int(q.shown.through%blockEvents)+1, blockEvents-1)
	}
	return m, true
}

func (q *query) match(t table) (m mask) {
	if !t.times().overlaps(&q.Filter) {
		return m
	}
	m.fill(0, blockEvents-1)
	for _, term := range q.terms {
		found := t.find(term)
		m.keep(&found)
	}
	return m
}

// table reads a slot of the shelf that a block belongs to. It holds until the
// next one.
func (q *query) table(block, slot uint64) (table, error) {
	q.cost += askCost
	if shelf := block / shelfBlocks; !q.opened || q.shelf != shelf {
		q.close()
		f, err := openShelf(q.x.dir, shelf)
		if err != nil {
			f = nil
		}
		q.file, q.shelf, q.opened = f, shelf, true
	}
	if q.file == nil {
		return nil, errUnknown
	}
	t, err := readTable(q.file, slot, q.buf)
	q.buf = t
	return t, err
}

// read looks at the events from first to last, as far as the bound goes. Those of
// a block without its table tell that it has to be made again, unless the journal
// has a gap there.
func (q *query) read(first, last uint64, known bool) error {
	if !known {
		probe, err := q.fetch(first, first)
		if err != nil {
			return err
		}
		if len(probe) == 0 || probe[0].Seq > last {
			q.pass(first, last)
			return nil
		}
		q.x.suspect(first / blockEvents)
	}
	room := uint64(max(1, maxCost-q.cost))
	if q.plain() {
		room = min(room, uint64(q.Limit-len(q.found)))
	}
	if n := last - first + 1; n > room && q.Newest {
		first = last - room + 1
	} else if n > room {
		last = first + room - 1
	}
	events, err := q.fetch(first, last)
	if err != nil {
		return err
	}
	if !q.Newest && len(events) > 0 && events[0].Seq > last { // a gap
		last = min(q.last, events[0].Seq-1)
	}
	q.sift(events, first, last)
	return nil
}

// fetch reads as many events as there are numbers from first to last. With a gap
// some of them are behind last.
func (q *query) fetch(first, last uint64) ([]access.Event, error) {
	events, err := q.x.journal.Read(first-1, int(last-first)+1)
	q.cost += max(1, len(events))
	return events, err
}

// sift takes what matches from first to last, until the page is full.
func (q *query) sift(events []access.Event, first, last uint64) {
	for i := range events {
		e := &events[i]
		if q.Newest {
			e = &events[len(events)-1-i]
		}
		if e.Seq > last {
			continue
		}
		if len(q.found) == q.Limit {
			return
		}
		q.pass(e.Seq, e.Seq)
		if q.Matches(e) {
			q.found = append(q.found, *e)
		}
	}
	if len(q.found) < q.Limit {
		q.pass(first, last)
	}
}

// suspectGroup notes a group whose table is damaged. One that was never made is
// none: it has a gap, or the journal begins in it.
func (x *Index) suspectGroup(group uint64, err error) {
	if errors.Is(err, errDamaged) {
		x.suspect(group * groupBlocks)
	}
}
