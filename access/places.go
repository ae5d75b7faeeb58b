package access

import (
	"hash/maphash"
	"iter"
	"math"
	"slices"
)

// Place is where a person's last passage led, and the Seq of its event.
type Place struct {
	Area AreaID
	Seq  uint64
}

// Places is where people's last passages led. A million of them take some 30 MB: a
// map of strings would take four times that, and the collector would follow each.
// The zero value has nobody. It is not safe for concurrent use.
type Places struct {
	ids   []byte   // one behind the other
	ends  []uint32 // where each id ends; at most 4 GiB of them
	areas []uint32 // number of each one's area, or nowhere
	seqs  []uint64
	here  int // who are somewhere

	names []AreaID
	index map[AreaID]uint32

	seed  maphash.Seed
	slots []uint32 // 1 + number of a person, by the hash of the id; 0 is free
}

const nowhere = math.MaxUint32

// Len is how many people are somewhere.
func (p *Places) Len() int { return p.here }

// Get is where somebody is; false if nothing is known.
func (p *Places) Get(who CardholderID) (Place, bool) {
	n, ok := p.find(who)
	if !ok || p.areas[n] == nowhere {
		return Place{}, false
	}
	return Place{p.names[p.areas[n]], p.seqs[n]}, true
}

// Set moves somebody.
func (p *Places) Set(who CardholderID, to Place) {
	n, ok := p.find(who)
	if !ok {
		n = p.add(who)
	}
	if p.areas[n] == nowhere {
		p.here++
	}
	p.areas[n], p.seqs[n] = p.area(to.Area), to.Seq
}

// ForgetBefore forgets all whose last passage has a smaller Seq.
func (p *Places) ForgetBefore(seq uint64) {
	for n, at := range p.seqs {
		if at < seq && p.areas[n] != nowhere {
			p.areas[n] = nowhere
			p.here--
		}
	}
}

// All is everybody who is somewhere, always in the same order.
func (p *Places) All() iter.Seq2[CardholderID, Place] {
	return func(yield func(CardholderID, Place) bool) {
		for n, area := range p.areas {
			if area != nowhere && !yield(CardholderID(p.id(n)), Place{p.names[area], p.seqs[n]}) {
				return
			}
		}
	}
}

// Grow makes room for so many people more, with so many bytes of ids.
func (p *Places) Grow(people, bytes int) {
	p.ids = slices.Grow(p.ids, bytes)
	p.ends, p.areas, p.seqs = slices.Grow(p.ends, people), slices.Grow(p.areas, people), slices.Grow(p.seqs, people)
	p.room(len(p.ends) + people)
}

// counts is how many people are in each area.
func (p *Places) counts() map[AreaID]int {
	by := make([]int, len(p.names))
	for _, area := range p.areas {
		if area != nowhere {
			by[area]++
		}
	}
	m := make(map[AreaID]int, len(by))
	for area, n := range by {
		if n > 0 {
			m[p.names[area]] = n
		}
	}
	return m
}

func (p *Places) id(n int) []byte {
	from := uint32(0)
	if n > 0 {
		from = p.ends[n-1]
	}
	return p.ids[from:p.ends[n]]
}

func (p *Places) area(id AreaID) uint32 {
	n, ok := p.index[id]
	if !ok {
		if p.index == nil {
			p.index = map[AreaID]uint32{}
		}
		n = uint32(len(p.names))
		p.names = append(p.names, id)
		p.index[id] = n
	}
	return n
}

// find is the number of somebody who was ever here.
func (p *Places) find(who CardholderID) (n int, ok bool) {
	if len(p.slots) == 0 {
		return 0, false
	}
	for at := p.home(string(who)); p.slots[at] != 0; at = (at + 1) & (len(p.slots) - 1) {
		if n = int(p.slots[at] - 1); string(p.id(n)) == string(who) {
			return n, true
		}
	}
	return 0, false
}

func (p *Places) home(who string) int {
	return int(maphash.String(p.seed, who) & uint64(len(p.slots)-1))
}

func (p *Places) add(who CardholderID) (n int) {
	n = len(p.ends)
	p.room(n + 1)
	p.ids = append(p.ids, who...)
	p.ends = append(p.ends, uint32(len(p.ids)))
	p.areas, p.seqs = append(p.areas, nowhere), append(p.seqs, 0)
	p.put(n)
	return n
}

func (p *Places) put(n int) {
	at := p.home(string(p.id(n)))
	for p.slots[at] != 0 {
		at = (at + 1) & (len(p.slots) - 1)
	}
	p.slots[at] = uint32(n) + 1
}

// room keeps a quarter of the slots free.
func (p *Places) room(people int) {
	if people*4 <= len(p.slots)*3 {
		return
	}
	size := max(16, len(p.slots))
	for people*4 > size*3 {
		size *= 2
	}
	if len(p.slots) == 0 {
		p.seed = maphash.MakeSeed()
	}
	p.slots = make([]uint32, size)
	for n := range p.ends {
		p.put(n)
	}
}
