package daemon

import (
	"errors"
	"sync"

	"gatehouse/access"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
)

// A store or a journal whose write or sync failed never calls that file durable
// again until it was opened anew, which reads it and cuts off what is not whole.
// The two types here do that at the next call after a failure. Calls that write
// come from one worker at a time.

// liveJournal is a journal that is opened again after a failure.
type liveJournal struct {
	open func() (*journal.Journal, error)

	mu     sync.RWMutex
	j      *journal.Journal
	broken bool
}

func (l *liveJournal) current() *journal.Journal {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.j
}

// Commit writes events, on a newly opened journal if the last write failed.
func (l *liveJournal) Commit(events []access.Event) error {
	if err := l.mend(); err != nil {
		return err
	}
	err := l.current().Commit(events)
	l.broken = errors.Is(err, journal.ErrBroken)
	return err
}

func (l *liveJournal) mend() error {
	if !l.broken {
		return nil
	}
	fresh, err := l.open()
	if err != nil {
		return err
	}
	l.mu.Lock()
	old := l.j
	l.j = fresh
	l.mu.Unlock()
	l.broken = false
	_ = old.Close() // its failure is why there is a new one
	return nil
}

// Read reads events from disk. One that meets the moment of opening again gets
// an error, and its caller asks once more.
func (l *liveJournal) Read(after uint64, limit int) ([]access.Event, error) {
	return l.current().Read(after, limit)
}

// Scan visits every event on disk.
func (l *liveJournal) Scan(visit func(access.Event) error) error { return l.current().Scan(visit) }

// Last is the newest event on disk.
func (l *liveJournal) Last() uint64 { return l.current().Last() }

// Close closes the journal.
func (l *liveJournal) Close() error { return l.current().Close() }

// liveStore is a store that is opened again after a failure.
type liveStore struct {
	open   func() (*store.Store, error)
	broken bool

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
// failed.
func (l *liveStore) SaveDoors(changes []access.DoorMemory) error {
	if l.broken {
		_ = l.s.Close() // its failure is why there will be a new one
		fresh, err := l.open()
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
