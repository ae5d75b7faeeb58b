package access

// passage is the way that a reader leads.
type passage struct{ from, to AreaID }

// LeadsSomewhere reports whether the reader leads from one known area to
// another. The others need no answer of the areas.
func (c *Compiled) LeadsSomewhere(r *Reader) bool {
	return r.From != "" && r.To != "" && r.From != r.To
}

// Accepts are the areas in which a person may be held to be without the passage
// contradicting: From, and also To when the reader is an entrance of an area
// without exit readers, since that area can be left unseen. It is empty for a
// reader that leads nowhere.
//
// A reader to an area that lies within To is no exit of To, and one from there
// is no entrance: badging into a vault does not leave the building round it.
func (c *Compiled) Accepts(r *Reader) []AreaID {
	if !c.LeadsSomewhere(r) {
		return nil
	}
	if c.unseen[passage{r.From, r.To}] {
		return []AreaID{r.From, r.To}
	}
	return []AreaID{r.From}
}

// areaMap is what the readers of a building say about its areas.
type areaMap struct {
	ways    []passage
	within  map[AreaID]map[AreaID]bool // by the outer area: the areas that lie within it
	hasExit map[AreaID]bool
}

// unseenEntrances are the ways of those readers that also accept people held to
// be in the area that they lead to.
func unseenEntrances(doors []Door) map[passage]bool {
	m := mapAreas(doors)
	unseen := map[passage]bool{}
	for _, w := range m.ways {
		if !m.hasExit[w.to] && !m.within[w.to][w.from] {
			unseen[w] = true
		}
	}
	return unseen
}

func mapAreas(doors []Door) areaMap {
	m := areaMap{within: map[AreaID]map[AreaID]bool{}, hasExit: map[AreaID]bool{}}
	for _, d := range doors {
		for _, r := range d.Readers {
			if r.From != "" && r.To != "" && r.From != r.To {
				m.ways = append(m.ways, passage{r.From, r.To})
			}
		}
	}
	all := m.linked("")
	for _, w := range m.ways {
		for _, outer := range []AreaID{w.from, w.to} {
			if outer != Outside && m.within[outer] == nil {
				m.within[outer] = missing(all, m.linked(outer), outer)
			}
		}
	}
	for _, w := range m.ways {
		if !m.within[w.from][w.to] {
			m.hasExit[w.from] = true
		}
	}
	return m
}

// linked are the areas that readers connect to the outside, in either direction,
// without going through one of them ("" for none).
func (m areaMap) linked(without AreaID) map[AreaID]bool {
	seen := map[AreaID]bool{Outside: true}
	for grown := true; grown; {
		grown = false
		for _, w := range m.ways {
			if w.from == without || w.to == without || seen[w.from] == seen[w.to] {
				continue
			}
			seen[w.from], seen[w.to], grown = true, true, true
		}
	}
	return seen
}

// missing are the areas of all that are not in some, but for one.
func missing(all, some map[AreaID]bool, but AreaID) map[AreaID]bool {
	gone := map[AreaID]bool{}
	for a := range all {
		if !some[a] && a != but {
			gone[a] = true
		}
	}
	return gone
}
