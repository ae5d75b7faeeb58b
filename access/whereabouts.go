package access

import "time"

// PassageRequest asks the areas whether a person may pass a reader.
type PassageRequest struct {
	Cardholder CardholderID
	Door       DoorID
	Reader     ReaderID
}

// Whereabouts is where every person is held to be, one place at a time, and who
// is being admitted where. A person of whom nothing is known contradicts nothing.
// There is at most one reservation a person. It has one owner: it is not safe
// for concurrent use.
type Whereabouts struct {
	rules    *Compiled
	places   *Places
	count    map[AreaID]int
	reserved map[CardholderID]reservation
	holder   map[uint64]CardholderID // by reservation
	last     uint64
}

type reservation struct {
	id       uint64
	ask      PassageRequest
	from, to AreaID
	deadline time.Time // the first instant at which it is over
}

// NewWhereabouts knows of nobody yet.
func NewWhereabouts(rules *Compiled) *Whereabouts {
	return &Whereabouts{
		rules:    rules,
		places:   &Places{},
		count:    map[AreaID]int{},
		reserved: map[CardholderID]reservation{},
		holder:   map[uint64]CardholderID{},
	}
}

// NumberFrom makes reservations begin at first (1 without it). A new life must
// not give numbers of its former one, which doors may still hold: pass it
// something like its incarnation shifted left by 32.
func (w *Whereabouts) NumberFrom(first uint64) {
	if first > w.last {
		w.last = first - 1
	}
}

// Reserve answers a door that is about to admit a person, and keeps the passage
// until deadline. An earlier reservation at the same door is replaced by a new
// number; one at another door that still lives makes the answer Reserved. Held
// is set when the passage contradicts; under hard anti-passback nothing is
// reserved then. An unknown door or reader makes the answer Unavailable.
func (w *Whereabouts) Reserve(ask PassageRequest, now, deadline time.Time) AreaAnswer {
	door, _ := w.rules.Door(ask.Door)
	reader, ok := w.rules.Reader(ask.Door, ask.Reader)
	if !ok || ask.Cardholder == "" {
		return AreaAnswer{Asked: true, Unavailable: true}
	}
	if r, ok := w.reserved[ask.Cardholder]; ok && now.Before(r.deadline) && r.ask.Door != ask.Door {
		return AreaAnswer{Asked: true, Reserved: true}
	}
	answer := AreaAnswer{Asked: true, Held: w.contradiction(ask.Cardholder, reader)}
	if answer.Held != "" && w.rules.Effective(door, reader) == AntiPassbackHard {
		return answer
	}
	w.forget(ask.Cardholder)
	w.last++
	w.reserved[ask.Cardholder] = reservation{w.last, ask, reader.From, reader.To, deadline}
	w.holder[w.last] = ask.Cardholder
	answer.Reservation = w.last
	return answer
}

// contradiction is where the person is held to be if the reader does not accept
// that, or "".
func (w *Whereabouts) contradiction(who CardholderID, r *Reader) AreaID {
	place, known := w.places.Get(who)
	if !known || !w.rules.LeadsSomewhere(r) {
		return ""
	}
	for _, area := range w.rules.Accepts(r) {
		if area == place.Area {
			return ""
		}
	}
	return place.Area
}

// Confirm says that the passage was made: the person is moved. ok is false when
// the reservation is unknown, replaced or over at now; then Apply of the door's
// KindPassage event still moves the person.
func (w *Whereabouts) Confirm(id uint64, now time.Time) (who CardholderID, from, to AreaID, ok bool) {
	who, ok = w.holder[id]
	if !ok {
		return "", "", "", false
	}
	r := w.reserved[who]
	w.forget(who)
	if !now.Before(r.deadline) {
		return "", "", "", false
	}
	w.move(who, r.to)
	return who, r.from, r.to, true
}

// Cancel gives a reservation up. A number that is not known any more is ignored.
func (w *Whereabouts) Cancel(id uint64) {
	if who, ok := w.holder[id]; ok {
		w.forget(who)
	}
}

// Expire gives up all reservations that are over at now and says how many.
func (w *Whereabouts) Expire(now time.Time) int {
	expired := 0
	for who, r := range w.reserved {
		if !now.Before(r.deadline) {
			w.forget(who)
			expired++
		}
	}
	return expired
}

// Next is the earliest deadline of a reservation: when to call Expire.
func (w *Whereabouts) Next() (deadline time.Time, ok bool) {
	for _, r := range w.reserved {
		if !ok || r.deadline.Before(deadline) {
			deadline, ok = r.deadline, true
		}
	}
	return deadline, ok
}

// Apply takes an event of the journal: a passage moves the person to where it
// led. Applying one twice in a row changes nothing.
func (w *Whereabouts) Apply(e Event) {
	if e.Kind == KindPassage && e.Cardholder != "" && e.To != "" {
		w.move(e.Cardholder, e.To)
	}
}

// Where is the area a person is held to be in; false when nothing is known.
func (w *Whereabouts) Where(who CardholderID) (AreaID, bool) {
	place, ok := w.places.Get(who)
	return place.Area, ok
}

// Adopt takes places over, which the caller gives up. Those who are not in them stay
// where they are held to be, and so does whoever has moved since they were read.
func (w *Whereabouts) Adopt(p *Places, moved map[CardholderID]bool) {
	for who, at := range w.places.All() {
		if _, known := p.Get(who); moved[who] || !known {
			p.Set(who, at)
		}
	}
	w.places, w.count = p, p.counts()
}

// Occupancy is how many people are held to be in an area.
func (w *Whereabouts) Occupancy(area AreaID) int { return w.count[area] }

// Reservations is how many passages are reserved.
func (w *Whereabouts) Reservations() int { return len(w.reserved) }

func (w *Whereabouts) move(who CardholderID, to AreaID) {
	if to == "" {
		return
	}
	if from, known := w.places.Get(who); known {
		w.count[from.Area]--
		if w.count[from.Area] == 0 {
			delete(w.count, from.Area)
		}
	}
	w.places.Set(who, Place{Area: to})
	w.count[to]++
}

func (w *Whereabouts) forget(who CardholderID) {
	if r, ok := w.reserved[who]; ok {
		delete(w.reserved, who)
		delete(w.holder, r.id)
	}
}
