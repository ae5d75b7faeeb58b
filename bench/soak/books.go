package soak

import (
	"context"
	"errors"
	"hash/crc32"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
)

// kept is how many events can be read back.
const kept = 4096

// books is a journal and a store in memory: what is written is counted, and the
// newest can be read back. A month of it would fill the memory.
type books struct {
	seq    uint64
	last   map[access.Source]uint64 // by the source of this life; see forget
	recent []access.Event           // a ring, in order of Seq
	fail   error                    // of every commit and save
}

func newBooks() *books {
	return &books{last: map[access.Source]uint64{}, recent: make([]access.Event, 0, kept)}
}

// Commit counts events, those that came before once only.
func (b *books) Commit(events []access.Event) error {
	if b.fail != nil {
		return b.fail
	}
	for i := range events {
		e := &events[i]
		source := e.Source
		source.Number, source.Run = 0, 0
		if before := b.last[source]; before > order(e.Source) {
			continue
		}
		b.last[source] = order(e.Source) + 1
		b.seq++
		e.Seq = b.seq
		b.keep(*e)
	}
	return nil
}

// order is where an event stands among all of its actor's: by life, then by
// number.
func order(s access.Source) uint64 { return s.Run<<40 | s.Number }

func (b *books) keep(e access.Event) {
	if len(b.recent) < kept {
		b.recent = append(b.recent, e)
		return
	}
	b.recent[(e.Seq-1)%kept] = e
}

// Read returns what is still kept.
func (b *books) Read(after uint64, limit int) (events []access.Event, err error) {
	first := uint64(1)
	if b.seq > kept {
		first = b.seq - kept + 1
	}
	for seq := max(after+1, first); seq <= b.seq && len(events) < limit; seq++ {
		events = append(events, b.recent[(seq-1)%kept])
	}
	return events, nil
}

// Last is the number of the newest event.
func (b *books) Last() uint64 { return b.seq }

// SaveDoors keeps nothing: the building does not start again.
func (b *books) SaveDoors([]access.DoorMemory) error { return b.fail }

// The archive's parts are this large; a part is closed every so many events.
const (
	partEvents = 2000
	partBytes  = 1 << 20
)

var errShare = errors.New("the archive's share does not answer")

// shelf is an archive in memory. A part is copied, checked and dropped: while that
// lasts it holds what the nightly archive holds.
type shelf struct {
	books  *books
	await  func(context.Context, time.Duration) error
	broken bool
	done   uint64 // events archived
	bytes  uint64
	now    func() time.Time
}

// Open finds the archive.
func (s *shelf) Open(context.Context) error { return s.trouble() }

func (s *shelf) trouble() error {
	if s.broken {
		return errShare
	}
	return nil
}

// Add copies one part, which takes half a minute.
func (s *shelf) Add(ctx context.Context) error {
	if s.waiting() == 0 {
		return nil
	}
	part := make([]byte, partBytes)
	for i := range part {
		part[i] = byte(uint64(i) * s.done)
	}
	sum := crc32.ChecksumIEEE(part)
	if err := s.await(ctx, 30*time.Second); err != nil {
		return err
	}
	if crc32.ChecksumIEEE(part) != sum || s.broken {
		return errShare
	}
	s.done += partEvents
	s.bytes += partBytes
	return nil
}

func (s *shelf) waiting() int { return int((s.books.seq - s.done) / partEvents) }

// Status is how far it is.
func (s *shelf) Status() actors.ArchiveStatus {
	return actors.ArchiveStatus{Last: s.done, Waiting: s.waiting(), Since: s.now(), Bytes: s.bytes}
}

// night is the next two o'clock.
func night(after time.Time) (time.Time, bool) {
	t := time.Date(after.Year(), after.Month(), after.Day(), 2, 0, 0, 0, after.Location())
	if !t.After(after) {
		t = t.AddDate(0, 0, 1)
	}
	return t, true
}
