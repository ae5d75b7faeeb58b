package demo

import (
	"slices"

	"gatehouse/access"
)

// way is a door in one direction, and by what means it lets people through.
type way struct {
	door     *leaf
	from, to access.AreaID
	reader   access.ReaderID // "": there is none on this side
	rex      bool            // a button lets people out here
	handle   bool            // a mechanical handle does
	back     *way            // of a room: the way out again
}

// town is every way there is, as people see it who know the building.
type town struct {
	ways   []*way
	rooms  []*way                          // doors within the office that lead to no area
	inward map[access.AreaID]access.AreaID // the area that one is entered from
}

func survey(doors []*leaf) town {
	t := town{inward: map[access.AreaID]access.AreaID{}}
	for _, d := range doors {
		in, out := sides(d)
		switch {
		case in != nil && in.from == "":
			out.from, out.to = office, office
			in.from, in.to, in.back = office, office, out
			t.rooms = append(t.rooms, in)
			continue
		case in != nil:
			t.ways = append(t.ways, in)
		}
		if out.reader != "" || out.rex || out.handle {
			t.ways = append(t.ways, out)
		}
	}
	t.explore()
	return t
}

// sides are a door's way in, nil when there is none, and its way out.
func sides(d *leaf) (in, out *way) {
	out = &way{door: d, rex: d.HasREX, handle: d.Egress == access.EgressMechanical}
	for _, r := range d.Readers {
		if r.Side == access.SideIn {
			in = &way{door: d, from: r.From, to: r.To, reader: r.ID}
			out.from, out.to = r.To, r.From
		} else {
			out.from, out.to, out.reader = r.From, r.To, r.ID
		}
	}
	return in, out
}

// explore finds, going in from outside, where each area is entered from.
func (t *town) explore() {
	found := []access.AreaID{access.Outside}
	for i := 0; i < len(found); i++ {
		for _, w := range t.ways {
			if w.from == found[i] && !slices.Contains(found, w.to) {
				t.inward[w.to] = w.from
				found = append(found, w.to)
			}
		}
	}
}

// within are the areas that are entered from this one.
func (t *town) within(area access.AreaID) (inner []access.AreaID) {
	for _, w := range t.ways {
		if w.from == area && t.inward[w.to] == area && !slices.Contains(inner, w.to) {
			inner = append(inner, w.to)
		}
	}
	return inner
}

func (t *town) between(from, to access.AreaID) (ways []*way) {
	for _, w := range t.ways {
		if w.from == from && w.to == to {
			ways = append(ways, w)
		}
	}
	return ways
}
