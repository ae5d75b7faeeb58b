package daemon

import (
	"fmt"

	"gatehouse/access"
)

// absent stands for a store or a journal that could not be opened: nothing is
// ever called durable, and nobody is called unknown.
type absent struct{ why error }

func (a absent) err() error { return fmt.Errorf("not open: %w", a.why) }

func (a absent) Commit([]access.Event) error { return a.err() }

// Recall has nobody in memory.
func (a absent) Recall(access.Card) (access.Person, bool, bool) { return access.Person{}, false, false }

// Lookup knows nobody, and says so.
func (a absent) Lookup(access.Card) (access.Person, bool, error) {
	return access.Person{}, false, a.err()
}

func (a absent) Read(uint64, int) ([]access.Event, error) { return nil, a.err() }

func (a absent) Last() uint64 { return 0 }

func (a absent) Scan(func(access.Event) error) error { return a.err() }

func (a absent) SaveDoors([]access.DoorMemory) error { return a.err() }
