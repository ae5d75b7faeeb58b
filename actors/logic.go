package actors

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// logic is a door: it asks the directory and the areas, lets access.Decide and
// access.Step decide, and carries out the actions in order.
type logic struct {
	b     *Building
	p     *place
	run   uint64
	state access.DoorState
	known bool // the contact's level is known
	open  bool
	asks  map[uint64]question
	asked uint64
}

// question is a card that waits for an answer: of the directory (lookup), or of the
// areas; life is its reader's.
type question struct {
	request access.Request
	from    access.ReaderID
	life    uint64
	lookup  bool
}

// Start takes the mode from the building's book, never from a zero value. A
// command that an earlier life did not come to is carried out now.
func (l *logic) Start(c *supervisor.Context) error {
	l.run = c.Incarnation()
	l.p.life.Store(l.run)
	l.asks, l.asked = map[uint64]question{}, l.run<<32 // no answer to an earlier life is taken for ours
	owed, number, ok := l.b.book.owed(l.p.door.ID)
	memory := l.b.book.get(l.p.door.ID)
	l.state = access.Restore(memory.Mode, memory.Fire)
	l.step(c, access.Begin{Contact: l.contact()})
	if l.b.book.fireActive() {
		l.step(c, access.FireInput{Active: true})
	}
	if ok {
		l.told(c, toDoor{owed, number})
	}
	return nil
}

func (l *logic) contact() access.Contact {
	if l.p.wiring.Contact == nil {
		return access.ContactUnknown
	}
	open, err := l.p.wiring.Contact.Level()
	if err != nil {
		return access.ContactUnknown
	}
	l.known, l.open = true, open
	if open {
		return access.ContactOpen
	}
	return access.ContactClosed
}

// Stop cancels a release that still waits, and denies the cards about which nothing
// is decided yet: none goes without a record.
func (l *logic) Stop(c *supervisor.Context, why supervisor.Reason) {
	reason := access.ReasonRestart
	if why.Kind == supervisor.ExitShutdown {
		reason = access.ReasonStop
	}
	for _, id := range slices.Sorted(maps.Keys(l.asks)) {
		l.step(c, access.Decided{Decision: l.asks[id].request.Denied(reason)})
	}
	l.step(c, access.Ending{Reason: reason})
}

// Receive turns messages into inputs of access.Step.
func (l *logic) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case presented:
		l.presented(c, m)
	case found:
		l.found(c, m)
	case reserved:
		l.reserved(c, m)
	case recorded:
		if m.run == l.run {
			l.step(c, access.Recorded{Number: m.number})
		}
	case toDoor:
		l.told(c, m)
	case lockLate:
		l.step(c, access.LockLate{})
	case fireLevel:
		l.step(c, access.FireInput{Active: m.active})
	case moved:
		l.moved(c, m)
	case supervisor.Tick:
		l.tick(c, m.Key)
	}
	return nil
}

func (l *logic) moved(c *supervisor.Context, m moved) {
	switch m.what {
	case contactPart:
		if l.known && l.open == m.active {
			return
		}
		l.known, l.open = true, m.active
		l.step(c, access.ContactMoved{Open: m.active})
	case rexPart:
		if m.active {
			l.step(c, access.REXPressed{})
		}
	case tamperPart:
		if l.p.tampered.Swap(m.active) == m.active {
			return
		}
		l.step(c, access.TamperChanged{Active: m.active, Detail: partNames[m.what]})
	}
}

// told carries a command out, unless that was done already.
func (l *logic) told(c *supervisor.Context, m toDoor) {
	if m.number > 0 && !l.b.book.claim(l.p.door.ID, m.number) {
		return
	}
	if _, ok := m.input.(access.FireReset); ok { // what the door knows may be older
		l.step(c, access.FireInput{Active: l.b.book.fireActive()})
	}
	l.step(c, m.input)
}

func (l *logic) presented(c *supervisor.Context, m presented) {
	reader, ok := l.b.cfg.Rules.Reader(l.p.door.ID, m.reader)
	if !ok {
		return
	}
	q := question{from: m.reader, life: m.life, request: access.Request{
		Deadline: m.until, Origin: m.origin, Door: l.p.door, Reader: reader, Unreadable: m.unreadable,
	}}
	if !m.unreadable {
		person, known, ok := l.b.cfg.Directory.Recall(m.card)
		if !ok {
			l.lookUp(c, q, m.card)
			return
		}
		q.request.Person, q.request.Known = person, known
	}
	l.decide(c, q)
}

// decide finishes a question, or asks the areas first. The mode may have changed
// while they were asked, and the time may be up.
func (l *logic) decide(c *supervisor.Context, q question) {
	memory := l.b.book.get(l.p.door.ID)
	q.request.Now, q.request.Mode, q.request.Fire = c.Now(), memory.Mode, memory.Fire
	d := access.Decide(q.request, l.b.cfg.Rules)
	if d.NeedsArea && !q.request.Area.Asked {
		l.ask(c, q)
		return
	}
	l.step(c, access.Decided{Decision: d})
	c.Send(l.p.readers[q.from], taken{q.life})
}

func (l *logic) ask(c *supervisor.Context, q question) {
	l.asked++
	sent := c.Send(l.b.tracker, reserve{c.Self(), access.PassageRequest{
		Cardholder: q.request.Person.Cardholder.ID, Door: l.p.door.ID, Reader: q.from,
	}, l.asked, q.request.Deadline})
	if !sent.OK() {
		q.request.Area = access.AreaAnswer{Asked: true, Unavailable: true}
		l.decide(c, q)
		return
	}
	l.asks[l.asked] = q
	c.After(askKey(l.asked), l.patience(c, q, l.p.door.AreaTimeout))
}

// patience is how long a question may wait: for most, and for no longer than there
// is to decide. Fire knows no deadline.
func (l *logic) patience(c *supervisor.Context, q question, most time.Duration) time.Duration {
	if l.state.Fire {
		return most
	}
	return min(most, q.request.Deadline.Sub(c.Now()))
}

func askKey(id uint64) string { return "ask/" + strconv.FormatUint(id, 10) }

func (l *logic) reserved(c *supervisor.Context, m reserved) {
	q, ok := l.asks[m.id]
	if !ok { // too late
		if m.answer.Reservation != 0 {
			c.Send(l.b.tracker, cancel{m.answer.Reservation})
		}
		return
	}
	delete(l.asks, m.id)
	c.CancelTimer(askKey(m.id))
	q.request.Area = m.answer
	l.decide(c, q)
}

func (l *logic) tick(c *supervisor.Context, key string) {
	if timer, err := access.ParseTimer(key); err == nil {
		l.step(c, access.TimerFired{Timer: timer})
		return
	}
	for id, q := range l.asks {
		if askKey(id) == key {
			delete(l.asks, id)
			if q.lookup {
				q.request.Failed = true
			} else {
				q.request.Area = access.AreaAnswer{Asked: true, Unavailable: true}
			}
			l.decide(c, q)
			return
		}
	}
}

// step lets the door's rules answer an input and carries out what they say.
func (l *logic) step(c *supervisor.Context, in access.Input) {
	state, actions := access.Step(l.p.door, l.state, in, c.Now())
	l.state = state
	for _, a := range actions {
		l.carryOut(c, a)
	}
	l.publish(c.Now())
}

func (l *logic) carryOut(c *supervisor.Context, action access.Action) {
	if l.p.life.Load() != l.run {
		return // this life was given up; its successor has the door
	}
	switch a := action.(type) {
	case access.Record:
		a.Event.Source.Name, a.Event.Source.Boot, a.Event.Source.Run = l.p.source, l.b.cfg.Boot, l.run
		l.b.record(a.Event)
		if a.Event.Kind == access.KindPassage {
			c.Send(l.b.tracker, passed{a.Event})
		}
	case access.Drive:
		c.Send(l.p.lock, drive{a})
	case access.Arm:
		c.After(a.Timer.String(), a.After)
	case access.Disarm:
		c.CancelTimer(a.Timer.String())
	case access.Indicate:
		l.indicate(c, a)
	case access.ConfirmPassage:
		c.Send(l.b.tracker, confirm{a.Reservation})
	case access.CancelPassage:
		c.Send(l.b.tracker, cancel{a.Reservation})
	case access.Persist:
		if l.b.book.persist(access.DoorMemory{Door: l.p.door.ID, Mode: a.Mode, Fire: a.Fire}) {
			c.Send(l.b.modes, wake{})
		}
	}
}

func (l *logic) indicate(c *supervisor.Context, a access.Indicate) {
	for i := range l.p.door.Readers {
		if id := l.p.door.Readers[i].ID; a.Reader == "" || a.Reader == id {
			c.Send(l.p.readers[id], indicate{a.Signal})
		}
	}
}

// publish shows the door's state, if it is another one.
func (l *logic) publish(now time.Time) {
	before := l.p.status.Load()
	s := DoorStatus{
		ID: l.p.door.ID, Name: l.p.door.Name,
		Mode: l.state.Shown(l.p.door), Standing: l.state.Mode,
		Fire: l.state.Fire, Releasing: l.state.Releasing(), Released: l.state.Released(),
		Alarm: alarm(l.state.Alarm), ContactKnown: l.known, Open: l.open, Since: before.Since,
	}
	if s != *before || s.Since.IsZero() {
		s.Since = now.UTC()
		l.p.status.Store(&s)
	}
}

func alarm(k access.Kind) string {
	if k == access.KindNone {
		return ""
	}
	return k.String()
}
