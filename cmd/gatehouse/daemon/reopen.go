package daemon

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
)

// liveJournal is a journal that sets damage aside when a read meets it, and goes
// on. After a failed write it begins a new segment by itself.
type liveJournal struct {
	*journal.Journal
	strict bool // damage stays an error
	stamp  func(*access.Event)
	log    zerolog.Logger

	spare atomic.Pointer[journal.Batch] // that nobody uses

	mu     sync.Mutex
	damage error           // that was set aside in this life
	tell   func(why error) // of it; nil: nobody yet
}

// alarm tells of damage that was set aside, also of what was before tell was there.
func (l *liveJournal) alarm(tell func(why error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tell = tell; l.damage != nil {
		tell(l.damage)
	}
}

func (l *liveJournal) note(damage error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.damage = damage; l.tell != nil {
		l.tell(damage)
	}
}

var _ actors.Preparer = (*liveJournal)(nil)

// Prepare gets the batch behind the one under way ready. Whoever has a batch has it
// alone until it is committed, also beside a task of a life that is over and begins
// late.
func (l *liveJournal) Prepare(events []access.Event) (commit func() error) {
	b := l.spare.Swap(nil)
	if b == nil {
		b = &journal.Batch{}
	}
	l.Journal.Prepare(b, events)
	return func() error {
		defer l.spare.Store(b)
		return l.CommitPrepared(b)
	}
}

// Read reads events from disk.
func (l *liveJournal) Read(after uint64, limit int) (events []access.Event, err error) {
	err = l.mending(func() error {
		events, err = l.Journal.Read(after, limit)
		return err
	})
	return events, err
}

// Scan visits every event on disk once, in order.
func (l *liveJournal) Scan(visit func(access.Event) error) error {
	var last uint64
	return l.mending(func() error {
		return l.Journal.Scan(func(e access.Event) error {
			if e.Seq <= last {
				return nil // visited before the damage was met
			}
			last = e.Seq
			return visit(e)
		})
	})
}

// mending tries again behind damage, as often as a segment can be new.
func (l *liveJournal) mending(read func() error) error {
	const most = 100
	for range most {
		err := read()
		damage, ok := errors.AsType[*journal.CorruptError](err)
		if !ok || l.strict {
			return err
		}
		gaps, asideErr := l.Quarantine(damage)
		if asideErr != nil {
			return errors.Join(err, asideErr)
		}
		if err := l.record(damage, gaps); err != nil {
			return err
		}
	}
	return read()
}

// setAside sets aside what the disk cannot read of a segment, wherever in it that is.
func (l *liveJournal) setAside(path string, why error) error {
	damage := &journal.CorruptError{Path: path, Why: why.Error()}
	if l.strict {
		return damage
	}
	gaps, err := l.Quarantine(damage)
	if err != nil {
		return err
	}
	return l.record(damage, gaps)
}

// record says in the log and in the journal what was set aside; what the journal
// says already is a repeat.
func (l *liveJournal) record(damage error, gaps []journal.Gap) error {
	if damage != nil {
		l.log.Error().Err(damage).Int("gaps", len(gaps)).Msg("journal damage set aside; it goes on")
		l.note(damage)
	}
	for part := range slices.Chunk(gaps, journal.MaxBatch) {
		events := make([]access.Event, len(part))
		for i, g := range part {
			events[i] = g.Event()
			l.stamp(&events[i])
		}
		if err := l.Commit(events); err != nil {
			return err
		}
	}
	return nil
}

// liveStore is a store that is opened again after a failure: a file whose write
// or sync failed is never called durable again until it was read anew. Lookups go on
// in the one before until then. Doors are saved by one worker at a time, people
// changed by another.
type liveStore struct {
	open    func(again bool) (*store.Store, error)
	reserve *reserve

	mending sync.Mutex   // one opening at a time; guards broken
	broken  *store.Store // takes no more changes

	mu sync.RWMutex
	s  *store.Store
}

func (l *liveStore) current() *store.Store {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.s
}

// Recall finds who a card belongs to, if all people are in memory.
func (l *liveStore) Recall(card access.Card) (person access.Person, known, ok bool) {
	return l.current().Recall(card)
}

// Lookup finds who a card belongs to. One that meets the end of a store that broke
// reads the next one.
func (l *liveStore) Lookup(card access.Card) (access.Person, bool, error) {
	for {
		s := l.current()
		person, known, err := s.Lookup(card)
		if err == nil || l.current() == s {
			return person, known, err
		}
	}
}

// SaveDoors keeps the doors' modes, in a newly opened store if the last write
// failed, and on a full disk in the room that the reserve leaves.
func (l *liveStore) SaveDoors(changes []access.DoorMemory) error {
	save := func(s *store.Store) error { return s.SaveDoors(changes) }
	err := l.change(save)
	if errors.Is(err, syscall.ENOSPC) && l.reserve.give() {
		err = l.change(save)
	}
	l.reserve.take()
	return err
}

// change makes a change in a store that takes it.
func (l *liveStore) change(do func(*store.Store) error) error {
	s, err := l.sound()
	if err != nil {
		return err
	}
	err = do(s)
	if errors.Is(err, store.ErrBroken) {
		l.mending.Lock()
		l.broken = s
		l.mending.Unlock()
	}
	return err
}

// sound is the store, opened again if it broke.
func (l *liveStore) sound() (*store.Store, error) {
	l.mending.Lock()
	defer l.mending.Unlock()
	before := l.current()
	if l.broken != before {
		return before, nil
	}
	_ = before.Retire() // its failure is why there will be a new one
	fresh, err := l.open(true)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.s = fresh
	l.mu.Unlock()
	_ = before.Close()
	return fresh, nil
}

// Close closes the store.
func (l *liveStore) Close() error { return l.current().Close() }
