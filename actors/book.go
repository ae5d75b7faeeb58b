package actors

import (
	"slices"
	"sync"

	"gatehouse/access"
)

// book is what the building knows of its doors' modes and fire latches. It
// outlives every actor: a door's logic that crashed during a lockdown whose
// record is still on its way to a slow disk must come back locked down.
type book struct {
	mu    sync.Mutex
	doors map[access.DoorID]access.DoorMemory
	dirty map[access.DoorID]bool
	fire  bool // the fire input is active
}

func newBook(doors []*access.Door, memory map[access.DoorID]access.DoorMemory) *book {
	b := &book{doors: map[access.DoorID]access.DoorMemory{}, dirty: map[access.DoorID]bool{}}
	for _, d := range doors {
		m := memory[d.ID]
		m.Door = d.ID
		b.doors[d.ID] = m
	}
	return b
}

func (b *book) get(id access.DoorID) access.DoorMemory {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.doors[id]
}

// set notes a change; it reports whether it is one.
func (b *book) set(m access.DoorMemory) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.doors[m.Door] == m {
		return false
	}
	b.doors[m.Door] = m
	b.dirty[m.Door] = true
	return true
}

// changes are the doors to be saved, in order of their id.
func (b *book) changes() (list []access.DoorMemory) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.dirty {
		list = append(list, b.doors[id])
	}
	slices.SortFunc(list, func(x, y access.DoorMemory) int {
		if x.Door < y.Door {
			return -1
		}
		return 1
	})
	return list
}

// saved marks what is on disk now as clean, unless it changed meanwhile.
func (b *book) saved(list []access.DoorMemory) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range list {
		if b.doors[m.Door] == m {
			delete(b.dirty, m.Door)
		}
	}
}

func (b *book) clean(id access.DoorID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.dirty[id]
}

func (b *book) setFire(active bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fire = active
}

func (b *book) fireActive() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fire
}
