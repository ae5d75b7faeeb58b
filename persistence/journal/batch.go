package journal

import (
	"crypto/sha256"
	"hash"

	"gatehouse/access"
)

// Batch is a group of events that was got ready to be committed (Prepare). Its room
// is used again for the next group. The zero value is ready to use.
type Batch struct {
	events []access.Event
	from   place // where it begins
	to     place // and ends, once it is written
	growth
	cut  uint64
	buf  []byte
	hash hash.Hash
}

// place is a point of the active segment between two batches.
type place struct {
	first uint64 // of the segment
	last  uint64
	end   int64
	chain [sha256.Size]byte
}

func (s *segment) place() place { return place{s.first, s.last, s.end, s.chain} }

// growth is what a batch adds to the active segment.
type growth struct {
	count               uint64
	firstWall, lastWall int64
	index               []entry // that it adds
}

// Prepare encodes and hashes a group of events, which the caller leaves alone until
// CommitPrepared, while the group before it is being written: so a writer with a
// queue keeps the disk and the processor busy at once. It only saves time: a group
// that cannot go where it was meant to, because the one before failed, held repeats
// or ended a segment, is encoded anew. Nobody else uses the Batch until it is
// committed; another one may be prepared or committed meanwhile.
func (j *Journal) Prepare(b *Batch, events []access.Event) {
	if b.hold(events); len(events) > MaxBatch {
		return
	}
	const tries = 2 // what is under way may turn out to end elsewhere
	for range tries {
		at := j.next()
		if b.encode(at, nil); j.comes(at, b.to) {
			return
		}
	}
}

// next is the place behind all that is under way or prepared.
func (j *Journal) next() place {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.coming == (place{}) {
		return j.shown.active.place()
	}
	return j.coming
}

// comes notes that what was to begin at from will end at to; false: another place
// is known meanwhile.
func (j *Journal) comes(from, to place) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.coming != from && j.coming != (place{}) {
		return false
	}
	j.coming = to
	return true
}

// CommitPrepared is Commit of a group that was prepared.
func (j *Journal) CommitPrepared(b *Batch) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	return j.commit(b)
}

// hold takes events that are not encoded yet.
func (b *Batch) hold(events []access.Event) { b.events, b.count = events, 0 }

// encode encodes the events that are to go to at, or those that seen does not know,
// if it is not nil: their Seq is set and they are noted. Without an event to keep
// buf is empty.
func (b *Batch) encode(at place, seen *seen) {
	b.from, b.cut, b.buf, b.growth = at, 0, b.buf[:0], growth{index: b.index[:0]}
	for i := range b.events {
		e := &b.events[i]
		if seen != nil && seen.repeat(e) {
			continue
		}
		seq := at.last + b.count + 1
		b.lastWall = toWall(e.Time)
		if b.count++; b.count == 1 {
			b.firstWall = b.lastWall
		}
		if (seq-at.first)%indexEvery == 0 {
			b.index = append(b.index, entry{at.end + int64(len(b.buf)), b.lastWall})
		}
		var n int
		if b.buf, n = appendEventFrame(b.buf, e, seq); n > 0 {
			b.cut++
		}
		if seen != nil {
			e.Seq = seq
			seen.note(e, seq)
		}
	}
	b.trail()
}

// trail appends the trailer.
func (b *Batch) trail() {
	b.to = b.from
	if b.count == 0 {
		return
	}
	if b.hash == nil {
		b.hash = sha256.New()
	}
	b.hash.Reset()
	b.hash.Write(b.from.chain[:])
	b.hash.Write(b.buf)
	b.to.last += b.count
	b.hash.Sum(b.to.chain[:0])
	b.buf = appendTrailer(b.buf, b.to.last, b.lastWall, int(b.count), b.to.chain[:])
	b.to.end += int64(len(b.buf))
}

// fits says whether the batch stands as it is: all of its events are new, and they
// were encoded for this place. It sets their Seq and notes them.
func (b *Batch) fits(at place, seen *seen) bool {
	if b.from != at || b.count != uint64(len(b.events)) {
		return false
	}
	for i := range b.events {
		e := &b.events[i]
		if seen.repeat(e) {
			return false
		}
		e.Seq = at.last + uint64(i) + 1
		seen.note(e, e.Seq)
	}
	return true
}

// release forgets the events, and the room if that is unusually much.
func (b *Batch) release() {
	b.hold(nil)
	if cap(b.buf) > keepBuffer {
		b.buf = nil
	}
}
