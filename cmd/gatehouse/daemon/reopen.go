package daemon

import (
	"errors"
	"slices"
	"sync"
	"syscall"

	"github.com/rs/zerolog"

	"gatehouse/access"
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
// or sync failed is never called durable again until it was read anew. Its calls
// come from one worker at a time.
type liveStore struct {
	open    func(again bool) (*store.Store, error)
	broken  bool
	reserve reserve

	mu sync.RWMutex
	s  *store.Store
}

func (l *liveStore) current() *store.Store {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.s
}

// Lookup finds who a card belongs to.
func (l *liveStore) Lookup(card access.Card) (access.Person, bool, error) {
	return l.current().Lookup(card)
}

// SaveDoors keeps the doors' modes, in a newly opened store if the last write
// failed, and on a full disk in the room that the reserve leaves.
func (l *liveStore) SaveDoors(changes []access.DoorMemory) error {
	err := l.save(changes)
	if errors.Is(err, syscall.ENOSPC) && l.reserve.give() {
		err = l.save(changes)
	}
	l.reserve.take()
	return err
}

func (l *liveStore) save(changes []access.DoorMemory) error {
	if l.broken {
		_ = l.s.Close() // its failure is why there will be a new one
		fresh, err := l.open(true)
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.s, l.broken = fresh, false
		l.mu.Unlock()
	}
	err := l.s.SaveDoors(changes)
	l.broken = errors.Is(err, store.ErrBroken)
	return err
}

// Close closes the store.
func (l *liveStore) Close() error { return l.s.Close() }
