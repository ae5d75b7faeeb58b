package journal

import (
	"errors"
	"fmt"
	"hash"
	"sync"

	"gatehouse/access"
)

// keepBuffer is how much of the write buffer stays after a large batch.
const keepBuffer = 1 << 20

// Journal is an open journal. Commit is for one caller at a time (a second one
// waits); everything else is safe beside it and beside each other.
type Journal struct {
	o        Options
	readOnly bool
	torn     int64

	writing sync.Mutex // held through a commit; guards the next eight
	file    file       // of the active segment
	stale   error      // why the active segment must not be written any more
	closed  bool
	epoch   uint64 // of the next segment
	life    Life   // of it
	seen    *seen
	hash    hash.Hash
	buf     []byte
	sum     []byte

	keeping sync.Mutex // one of Drop, Quarantine and Close at a time; guards bounds
	bounds  bounds

	mu    sync.RWMutex // guards what readers see: the acknowledged part
	shown view
	cut   uint64
}

// view is what readers see. older is replaced, never changed.
type view struct {
	older  []*segment
	active segment
}

func (v *view) last() uint64 {
	if v.active.first > 0 {
		return v.active.last
	}
	if n := len(v.older); n > 0 {
		return v.older[n-1].last
	}
	return 0
}

func (j *Journal) view() view {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.shown
}

// Commit writes the events durably, in order, as one batch; when it returns nil
// all of them are on disk. It sets Seq of each event that it kept; a repeat is
// not written and its Seq is 0: its Source number is not greater than the last of
// Source{Name, Boot, Run}, or its Origin's Order is not greater than the last of
// (File, Kind). Number 0 and Order 0 are never repeats. On an error no event is
// kept and every Seq is 0; the same batch may be committed again, and the next
// commit then begins a new segment, because a file is never called durable again
// after its write or sync failed. Errors: ErrBroken, ErrBatch, ErrReadOnly.
func (j *Journal) Commit(events []access.Event) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	for i := range events {
		events[i].Seq = 0
	}
	if err := j.writable(events); err != nil || len(events) == 0 {
		return err
	}
	if j.stale != nil || j.shown.active.end >= j.o.SegmentBytes {
		if err := j.begin(); err != nil {
			return j.fail(err)
		}
	}
	next, cut := j.encode(events)
	if len(j.buf) == 0 {
		return nil
	}
	if err := j.write(); err != nil {
		j.seen.revert()
		for i := range events {
			events[i].Seq = 0
		}
		return j.fail(err)
	}
	j.seen.keep()
	j.publish(&next, cut)
	return nil
}

// fail makes the next commit begin a new segment.
func (j *Journal) fail(err error) error {
	j.stale = fmt.Errorf("%w: %w; it is tried again in a new segment; check the disk and its free space", ErrBroken, err)
	return j.stale
}

func (j *Journal) writable(events []access.Event) error {
	switch {
	case j.readOnly:
		return fmt.Errorf("%s: %w", j.o.Dir, ErrReadOnly)
	case j.closed:
		return fmt.Errorf("%w: it was closed", ErrBroken)
	case len(events) > MaxBatch:
		return fmt.Errorf("%w: %d events, at most %d; commit them in parts", ErrBatch, len(events), MaxBatch)
	}
	for i := range events {
		if events[i].Kind >= reservedKinds {
			return fmt.Errorf("%w: event kind %d is reserved", ErrBatch, events[i].Kind)
		}
	}
	return nil
}

// growth is what a batch adds to the active segment.
type growth struct {
	count               uint64
	firstWall, lastWall int64
	end                 int64
	index               []entry
}

// encode puts the batch into buf, empty if there is nothing to keep. What holds
// once it is durable is the result.
func (j *Journal) encode(events []access.Event) (next growth, cut uint64) {
	a := &j.shown.active // only this goroutine changes it
	next = growth{index: a.index}
	j.buf = j.buf[:0]
	for i := range events {
		e := &events[i]
		if j.seen.repeat(e) {
			continue
		}
		seq := a.last + next.count + 1
		next.lastWall = toWall(e.Time)
		if next.count++; next.count == 1 {
			next.firstWall = next.lastWall
		}
		if (seq-a.first)%indexEvery == 0 {
			next.index = append(next.index, entry{a.end + int64(len(j.buf)), next.lastWall})
		}
		var n int
		if j.buf, n = appendEventFrame(j.buf, e, seq); n > 0 {
			cut++
		}
		e.Seq = seq
		j.seen.note(e, seq)
	}
	if len(j.buf) > 0 {
		j.hash.Reset()
		j.hash.Write(a.chain[:])
		j.hash.Write(j.buf)
		j.sum = j.hash.Sum(j.sum[:0])
		j.buf = appendTrailer(j.buf, a.last+next.count, next.lastWall, int(next.count), j.sum)
	}
	next.end = a.end + int64(len(j.buf))
	return next, cut
}

// write is the one write and the one sync of a batch.
func (j *Journal) write() error {
	if _, err := j.file.WriteAt(j.buf, j.shown.active.end); err != nil {
		return err
	}
	return j.file.Sync()
}

// publish lets readers see the batch.
func (j *Journal) publish(next *growth, cut uint64) {
	j.mu.Lock()
	a := &j.shown.active
	if a.count == 0 {
		a.firstWall = next.firstWall
	}
	a.count += next.count
	a.last += next.count
	a.lastWall, a.end, a.bytes, a.index = next.lastWall, next.end, next.end, next.index
	copy(a.chain[:], j.sum)
	j.cut += cut
	j.mu.Unlock()
	if cap(j.buf) > keepBuffer {
		j.buf = nil
	}
}

// Last is the sequence of the last acknowledged event, 0 if there is none.
func (j *Journal) Last() uint64 {
	v := j.view()
	return v.last()
}

// Torn is how many bytes of an unacknowledged batch were found at opening.
func (j *Journal) Torn() int64 { return j.torn }

// Cut is how many events since opening lost a part of their texts because they
// were too long (255 bytes for an id, 4 KiB for a whole event). Each is marked in
// its Detail.
func (j *Journal) Cut() uint64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.cut
}

// Close closes the journal, after a commit that is under way. It notes how far the
// journal reached, so that the next Open misses what vanishes meanwhile.
func (j *Journal) Close() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	j.keeping.Lock()
	defer j.keeping.Unlock()
	if j.closed || j.readOnly {
		j.closed = true
		return nil
	}
	j.closed = true
	var err error
	if j.stale == nil {
		err = j.note(j.bounds.begin)
	}
	return errors.Join(err, j.file.Close())
}

// note writes the bounds, if they changed.
func (j *Journal) note(begin uint64) error {
	v := j.view()
	b := bounds{begin, v.last(), v.active.epoch}
	if b == j.bounds {
		return nil
	}
	err := b.write(j.o.fs, j.o.Dir)
	if err == nil {
		j.bounds = b
	}
	return err
}
