package journal

import (
	"errors"
	"fmt"
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

	writing sync.Mutex // held through a commit; guards the next seven
	file    file       // of the active segment
	stale   error      // why the active segment must not be written any more
	closed  bool
	epoch   uint64 // of the next segment
	life    Life   // of it
	seen    *seen
	batch   Batch // of Commit

	keeping sync.Mutex // one of Drop, Quarantine and Close at a time; guards bounds
	bounds  bounds

	mu     sync.RWMutex // guards what readers see: the acknowledged part
	shown  view
	cut    uint64
	coming place // where Prepare goes on; zero: behind that
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
	j.batch.hold(events)
	return j.commit(&j.batch)
}

func (j *Journal) commit(b *Batch) error {
	for i := range b.events {
		b.events[i].Seq = 0
	}
	if err := j.writable(b.events); err != nil || len(b.events) == 0 {
		return err
	}
	if j.stale != nil || j.shown.active.end >= j.o.SegmentBytes {
		if err := j.begin(); err != nil {
			return j.fail(err)
		}
	}
	at := j.shown.active.place() // only this goroutine changes it
	if !b.fits(at, j.seen) {
		j.seen.revert() // what fits noted
		for i := range b.events {
			b.events[i].Seq = 0
		}
		b.encode(at, j.seen)
		j.mu.Lock()
		j.coming = b.to
		j.mu.Unlock()
	}
	if b.count == 0 {
		return nil
	}
	if err := j.write(b); err != nil {
		j.seen.revert()
		for i := range b.events {
			b.events[i].Seq = 0
		}
		return j.fail(err)
	}
	j.seen.keep()
	j.publish(b)
	b.release()
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

// write is the one write and the one sync of a batch.
func (j *Journal) write(b *Batch) error {
	if _, err := j.file.WriteAt(b.buf, b.from.end); err != nil {
		return err
	}
	return j.file.Sync()
}

// publish lets readers see the batch.
func (j *Journal) publish(b *Batch) {
	j.mu.Lock()
	defer j.mu.Unlock()
	a := &j.shown.active
	if a.count == 0 {
		a.firstWall = b.firstWall
	}
	a.count += b.count
	a.last, a.end, a.bytes, a.chain = b.to.last, b.to.end, b.to.end, b.to.chain
	a.lastWall, a.index = b.lastWall, append(a.index, b.index...)
	j.cut += b.cut
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
