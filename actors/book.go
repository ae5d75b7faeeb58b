package actors

import (
	"slices"
	"strings"
	"sync"

	"gatehouse/access"
)

// book is what the building knows of its doors' modes and fire latches. It
// outlives every actor: a door's logic that crashed during a lockdown whose
// record is still on its way to a slow disk must come back locked down.
type book struct {
	mu     sync.Mutex
	doors  map[access.DoorID]*page
	fire   bool // the fire input is active
	saving bool // a save is under way, perhaps of a life that is over
}

// page is one door's. A command that secures is in the memory before the door
// hears of it; until then nothing that the door persists touches its mode.
type page struct {
	memory  access.DoorMemory
	dirty   bool           // not on disk
	command access.Command // the newest that secures,
	given   uint64         // its number,
	heard   uint64         // and that of the newest which was carried out
}

func newBook(doors []*access.Door, memory map[access.DoorID]access.DoorMemory) *book {
	b := &book{doors: map[access.DoorID]*page{}}
	for _, d := range doors {
		m := memory[d.ID]
		m.Door = d.ID
		b.doors[d.ID] = &page{memory: m}
	}
	return b
}

func (p *page) change(m access.DoorMemory) (changed bool) {
	if p.memory == m {
		return false
	}
	p.memory, p.dirty = m, true
	return true
}

func (b *book) get(id access.DoorID) access.DoorMemory {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.doors[id].memory
}

// persist notes what a door says of itself; it reports whether that is a change.
func (b *book) persist(m access.DoorMemory) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.doors[m.Door]
	if p.given != p.heard {
		m.Mode = p.memory.Mode
	}
	return p.change(m)
}

// secure notes a command that secures a door, and gives its number.
func (b *book) secure(id access.DoorID, cmd access.Command) (number uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.doors[id]
	m := p.memory
	m.Mode = target(cmd)
	p.change(m)
	p.given++
	p.command = cmd
	return p.given
}

// target is the mode that a command leads to.
func target(cmd access.Command) access.Mode {
	if cmd.Clear {
		return access.Locked
	}
	return cmd.Mode
}

// claim says who carries a command out: whoever comes first.
func (b *book) claim(id access.DoorID, number uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.doors[id]
	if number <= p.heard {
		return false
	}
	p.heard = number
	return true
}

// owed is the newest command that secures a door, if nobody carried it out yet.
func (b *book) owed(id access.DoorID) (cmd access.Command, number uint64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.doors[id]
	return p.command, p.given, p.given != p.heard
}

// given is the number of the door's newest command that secures.
func (b *book) given(id access.DoorID) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.doors[id].given
}

// latchFire notes a fire release of a door whose actors are not there; it
// reports whether that is a change.
func (b *book) latchFire(id access.DoorID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.doors[id]
	m := p.memory
	m.Fire = true
	return p.change(m)
}

// take hands out what is to be saved, in order of the doors' ids. It is nothing
// while an earlier save is under way: two saves must never run at once.
func (b *book) take() (list []access.DoorMemory) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.saving {
		return nil
	}
	for _, p := range b.doors {
		if p.dirty {
			list = append(list, p.memory)
		}
	}
	slices.SortFunc(list, func(x, y access.DoorMemory) int { return strings.Compare(string(x.Door), string(y.Door)) })
	b.saving = len(list) > 0
	return list
}

// giveBack ends a save. What is on disk now is clean, unless it changed
// meanwhile.
func (b *book) giveBack(list []access.DoorMemory, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.saving = false
	for _, m := range list {
		if p := b.doors[m.Door]; err == nil && p.memory == m {
			p.dirty = false
		}
	}
}

func (b *book) dirty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.doors {
		if p.dirty {
			return true
		}
	}
	return false
}

// wanted is what an operator waits for at a door: that a mode, or the end of a
// fire release, is on disk, or that a newer command took its place there.
type wanted struct {
	door  access.DoorID
	mode  access.Mode
	reset bool
	given uint64 // the door's newest command that secures, this one included
}

func (b *book) settled(w wanted) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.doors[w.door]
	switch {
	case p.dirty:
		return false
	case w.reset:
		return !p.memory.Fire
	}
	return p.memory.Mode == w.mode || p.given > w.given
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
