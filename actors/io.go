package actors

import (
	"sync/atomic"
	"time"

	"gatehouse/access"
	"gatehouse/devices"
	"gatehouse/supervisor"
)

// input owns one contact of a door and tells the door's logic of its edges.
type input struct {
	b       *Building
	p       *place
	what    part
	device  devices.Input
	cancel  func()
	refused uint64
}

// unreadable is how long an input that cannot be read is left alone.
const unreadable = time.Second

// Start listens, then tells the level: what moved in between comes after it. A
// request to exit is an edge: a level that was there before asks nothing.
func (i *input) Start(c *supervisor.Context) error {
	self := c.Self()
	i.refused = c.Refused()
	i.cancel = i.device.Listen(func(active bool) { self.Send(moved{i.what, active}) })
	if i.what != rexPart {
		i.tellLevel(c)
	}
	return nil
}

// Receive hands an edge on. Refused ones (a contact that chatters) are made good
// by the level, told after all that still waits: the last one counts.
func (i *input) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case moved:
		i.tell(c, m.active)
		if now := c.Refused(); now != i.refused && i.what != rexPart {
			i.refused = now
			c.After("again", 0)
		}
	case supervisor.Tick:
		if i.what == rexPart {
			i.tell(c, true)
		} else {
			i.tellLevel(c)
		}
	}
	return nil
}

// Stop stops listening.
func (i *input) Stop(*supervisor.Context, supervisor.Reason) {
	if i.cancel != nil {
		i.cancel()
	}
}

func (i *input) tellLevel(c *supervisor.Context) {
	active, err := i.device.Level()
	if err != nil {
		c.After("again", unreadable)
		return
	}
	i.tell(c, active)
}

// tell comes again when the door is too busy: with the level, or with the
// request to exit itself.
func (i *input) tell(c *supervisor.Context, active bool) {
	if i.what == rexPart && !active {
		return // the end of a request asks nothing
	}
	if c.Send(i.p.logic, moved{i.what, active}) == supervisor.Refused {
		c.After("again", levelRetry)
	}
}

// reader owns one reader: card formats, flow control towards the door's logic,
// and the indicator. One card is decided at a time; a few more wait; what comes
// beyond that is refused and counted.
type reader struct {
	b       *Building
	p       *place
	rule    *access.Reader
	wiring  ReaderWiring
	format  access.Format
	em      *emitter
	cancel  func()
	busy    bool
	waiting []heard
	tally   *tally
	report  bool // a report of refusals is due
}

// tally is what all lives of a reader refused.
type tally struct {
	over    atomic.Uint64 // refused by the actor, besides the mailbox's own count
	counted atomic.Uint64 // refusals that are in the journal
}

const maxWaitingReads = 4

// Start listens.
func (r *reader) Start(c *supervisor.Context) error {
	format, err := access.ParseFormat(r.rule.Format)
	if err != nil {
		return supervisor.DoNotRestart(err)
	}
	r.format = format
	r.em = r.b.emitter("reader/"+string(r.p.door.ID)+"/"+string(r.rule.ID), c.Incarnation())
	self := c.Self()
	r.cancel = r.wiring.Reader.Listen(func(read devices.CardRead) {
		self.Send(heard{read, r.b.exec.Now().Add(r.p.door.DecisionDeadline)})
	})
	return nil
}

// Stop stops listening, and counts what waits here as refused.
func (r *reader) Stop(c *supervisor.Context, _ supervisor.Reason) {
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.tally.over.Add(uint64(len(r.waiting)))
	r.reportRefusals(c)
}

// Receive handles cards, the logic's acknowledgements and indications.
func (r *reader) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case heard:
		r.heard(c, m)
	case taken:
		if m.life == c.Incarnation() {
			r.taken(c)
		}
	case indicate:
		r.indicate(m.signal)
	case supervisor.Tick:
		r.reportRefusals(c)
	}
	r.noticeRefusals(c)
	return nil
}

// taken: the door is done with the card that was under way.
func (r *reader) taken(c *supervisor.Context) {
	r.busy = false
	if len(r.waiting) > 0 {
		next := r.waiting[0]
		r.waiting = append(r.waiting[:0], r.waiting[1:]...)
		r.present(c, next)
	}
}

func (r *reader) heard(c *supervisor.Context, m heard) {
	switch {
	case !r.busy:
		r.present(c, m)
	case len(r.waiting) < maxWaitingReads:
		r.waiting = append(r.waiting, m)
	default:
		r.tally.over.Add(1)
	}
}

func (r *reader) present(c *supervisor.Context, m heard) {
	read := m.read
	card, err := r.format.Decode(read.Bits, read.Raw[:])
	sent := c.Send(r.p.logic, presented{
		reader: r.rule.ID, life: c.Incarnation(), card: card, unreadable: err != nil,
		origin: access.Origin{File: read.Origin.File, Row: read.Origin.Row, Order: read.Origin.Order},
		until:  m.until,
	})
	if r.busy = sent.OK(); !r.busy {
		// Nobody decides now. A card that waits must not open a door much later,
		// when its owner has gone.
		r.tally.over.Add(1 + uint64(len(r.waiting)))
		r.waiting = nil
	}
}

// noticeRefusals makes one event of all refusals of a second.
func (r *reader) noticeRefusals(c *supervisor.Context) {
	if !r.report && r.refusals(c) > 0 {
		r.report = true
		c.After("refused", refusalPeriod)
	}
}

// refusals are those that are not in the journal yet.
func (r *reader) refusals(c *supervisor.Context) uint64 {
	return c.Refused() + r.tally.over.Load() - r.tally.counted.Load()
}

func (r *reader) reportRefusals(c *supervisor.Context) {
	r.report = false
	n := r.refusals(c)
	if n == 0 {
		return
	}
	r.tally.counted.Add(n)
	r.em.emit(access.Event{Kind: access.KindReadsRefused, Door: r.p.door.ID, Reader: r.rule.ID, Count: n})
}

func (r *reader) indicate(s access.Signal) {
	if r.wiring.Indicator != nil {
		// An indicator that fails is the bus's alarm, and no reason to crash a reader.
		_ = r.wiring.Indicator.Indicate(shows[s])
	}
}

// shows is what a person sees and hears.
var shows = map[access.Signal]devices.Show{
	access.SignalReady:    {Light: devices.Red},
	access.SignalGranted:  {Light: devices.Green, Beeps: 1, Text: "please enter"},
	access.SignalDenied:   {Light: devices.Red, Beeps: 3, Text: "no access"},
	access.SignalReleased: {Light: devices.Green},
	access.SignalLockdown: {Light: devices.Red, Text: "locked down"},
	access.SignalAlarm:    {Light: devices.Amber, Beeps: 5, Text: "close the door"},
}
