package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gatehouse/actors"
	"gatehouse/actors/nightly"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/persistence/archive"
	"gatehouse/persistence/journal"
)

// segments is what the chores need of a journal.
type segments interface {
	Segments() []journal.Segment
	Drop(through uint64) (int, error)
}

// liveArchive archives a journal's sealed segments, each epoch's into a directory
// of its own. It opens the archive when it is first used, and again after a failed
// write of its manifest.
type liveArchive struct {
	conf     site.Archive
	building string
	journal  *liveJournal
	bucket   archive.Bucket
	now      func() time.Time
	await    func(ctx context.Context, d time.Duration) error

	using sync.Mutex // held through Open and Add; guards open
	open  *archive.Archive

	taken atomic.Pointer[mark] // nil: not known yet
	bytes atomic.Uint64
}

// mark is how far the archive has got: all epochs before this one, and of this one
// all up to an event. A restored journal can give numbers a second time.
type mark struct{ epoch, last uint64 }

func (m *mark) has(s journal.Segment) bool {
	return m != nil && (s.Epoch < m.epoch || s.Epoch == m.epoch && s.Last <= m.last)
}

// waits says whether a segment is still to be archived: one whose file is gone
// cannot be.
func (m *mark) waits(s journal.Segment) bool { return s.Sealed && s.Bytes > 0 && !m.has(s) }

var errHangs = errors.New("an earlier call to it still hangs; look at its disk or share")

// Open finds out how far the archive has got.
func (l *liveArchive) Open(ctx context.Context) error {
	return l.use(func() error {
		_, _, err := l.next()
		return err
	})
}

// Add archives the oldest segment that is not archived.
func (l *liveArchive) Add(ctx context.Context) error {
	return l.use(func() error {
		if err := l.holds(l.journal.Segments()); err != nil {
			return err
		}
		s, ok, err := l.next()
		if err != nil || !ok {
			return err
		}
		err = l.add(ctx, s)
		l.taken.Store(&mark{l.taken.Load().epoch, l.open.Taken()})
		if errors.Is(err, archive.ErrBroken) {
			return errors.Join(err, l.close())
		}
		return err
	})
}

// add archives a segment. One that the disk cannot read in full holds up no other: its
// damage is set aside first, so that the journal says what is lost.
func (l *liveArchive) add(ctx context.Context, s archive.Segment) error {
	err := l.open.Add(ctx, s)
	if !errors.Is(err, archive.ErrUnreadable) || !errors.Is(err, syscall.EIO) || s.Damaged {
		return err
	}
	if aside := l.journal.setAside(s.Path, err); aside != nil {
		return errors.Join(err, aside)
	}
	s.Damaged = true
	return l.open.Add(ctx, s)
}

// use keeps a second caller away; it never waits for the first.
func (l *liveArchive) use(do func() error) error {
	if !l.using.TryLock() {
		return errHangs
	}
	defer l.using.Unlock()
	return do()
}

// next finds the oldest segment that is not archived, with the archive of its epoch
// open.
func (l *liveArchive) next() (s archive.Segment, ok bool, err error) {
	list := l.journal.Segments()
	for _, from := range list {
		if !l.taken.Load().waits(from) {
			continue
		}
		if err := l.openFor(list, from.Epoch); err != nil {
			return s, false, err
		}
		if taken := l.taken.Load(); taken.waits(from) {
			s = archived(from)
			s.AfterGap = from.First > taken.last+1
			return s, true, nil
		}
	}
	if l.open == nil && len(list) > 0 {
		return s, false, l.openFor(list, list[len(list)-1].Epoch)
	}
	return s, false, nil
}

// openFor opens the archive of an epoch, unless it is open.
func (l *liveArchive) openFor(list []journal.Segment, epoch uint64) error {
	if l.open != nil && l.taken.Load().epoch == epoch {
		return nil
	}
	if err := l.close(); err != nil {
		return err
	}
	sealing, err := l.sealing()
	if err != nil {
		return err
	}
	l.open, err = archive.Open(archive.Options{
		Dir: filepath.Join(l.conf.Dir, fmt.Sprintf("epoch-%d", epoch)), Building: l.building, Epoch: epoch, Life: lifeOf(list, epoch), Sealing: sealing,
	})
	if err != nil {
		return err
	}
	l.taken.Store(&mark{epoch, l.open.Taken()})
	return l.holds(list)
}

// holds asks the archive whether it has what the journal still has and takes for
// archived: those very segments, and their files. If not, nothing counts as archived
// until it has; so retention leaves the journal alone.
func (l *liveArchive) holds(list []journal.Segment) error {
	if l.open == nil {
		return nil
	}
	var of []archive.Segment
	taken := l.taken.Load()
	for _, s := range list {
		if s.Epoch == taken.epoch && s.Sealed && s.Bytes > 0 && taken.has(s) {
			of = append(of, archived(s))
		}
	}
	err := l.open.Holds(of)
	if err != nil {
		l.taken.Store(nil)
		return errors.Join(err, l.close())
	}
	return nil
}

// archived is a segment in the archive's words.
func archived(s journal.Segment) archive.Segment {
	a := archive.Segment{Path: s.Path, First: s.First, Last: s.Last, Damaged: s.Aside, Root: hex.EncodeToString(s.Root[:])}
	if s.Prev != ([sha256.Size]byte{}) {
		a.Prev = hex.EncodeToString(s.Prev[:])
	}
	return a
}

// lifeOf is the life of a journal in an epoch, "" if that is not known: the newest,
// since older segments of the same journal may have none.
func lifeOf(list []journal.Segment, epoch uint64) (life string) {
	for _, s := range list {
		if s.Epoch == epoch && s.Life != (journal.Life{}) {
			life = s.Life.String()
		}
	}
	return life
}

func (l *liveArchive) sealing() (s archive.Sealing, err error) {
	s.Pace = l.pace
	if s.Recipients, err = archive.ParseRecipients(l.conf.Recipients); err != nil || l.conf.IdentityFile == "" {
		return s, err
	}
	f, err := os.Open(l.conf.IdentityFile)
	if err != nil {
		return s, fmt.Errorf("the archive's identity file cannot be read: %w; correct archive.identity_file in the site file", err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	s.Identities, err = archive.ReadIdentities(f)
	return s, err
}

// pace keeps the rate. Waits too short for a timer to be worth it add up.
func (l *liveArchive) pace(ctx context.Context, bytes int) error {
	const worthIt = 5 * time.Millisecond
	l.bytes.Add(uint64(bytes))
	if wait := l.bucket.Take(l.now(), bytes); wait >= worthIt {
		return l.await(ctx, wait)
	}
	return nil
}

func (l *liveArchive) close() error {
	if l.open == nil {
		return nil
	}
	open := l.open
	l.open = nil
	return open.Close()
}

// Close gives the archive's directory back.
func (l *liveArchive) Close() error { return l.use(l.close) }

// Status says how far the archive is; it waits for nothing.
func (l *liveArchive) Status() actors.ArchiveStatus {
	taken := l.taken.Load()
	s := actors.ArchiveStatus{Bytes: l.bytes.Load()}
	if taken != nil {
		s.Last = taken.last
	}
	for _, from := range l.journal.Segments() {
		if !taken.waits(from) {
			continue
		}
		if s.Waiting == 0 {
			s.Since = from.Newest
		}
		s.Waiting++
	}
	return s
}

// reached is the last event up to which the archive wants nothing more of a
// journal's segments.
func (l *liveArchive) reached(list []journal.Segment) (last uint64) {
	taken := l.taken.Load()
	for _, s := range list {
		if !s.Sealed || taken.waits(s) {
			break
		}
		last = s.Last
	}
	return last
}

// Night is when a chore runs next by the clock on the wall of a time zone. Errors:
// nightly.ErrExpression, and no such zone.
func Night(at, zone string) (func(after time.Time) (time.Time, bool), error) {
	schedule, err := nightly.Parse(at)
	if err != nil {
		return nil, err
	}
	place, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("time zone: %w", err)
	}
	return func(after time.Time) (time.Time, bool) { return schedule.Next(place, after) }, nil
}
