package actors

import (
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

// Start listens, then tells the level: what moved in between comes after it.
func (i *input) Start(c *supervisor.Context) error {
	self := c.Self()
	i.refused = c.Refused()
	i.cancel = i.device.Listen(func(active bool) { self.Send(moved{i.what, active}) })
	i.tellLevel(c)
	return nil
}

// Receive hands an edge on. After a refusal (a contact that chatters) the level
// is told instead: the last one counts.
func (i *input) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case moved:
		if now := c.Refused(); now != i.refused {
			i.refused = now
			i.tellLevel(c)
			return nil
		}
		i.tell(c, m.active)
	case supervisor.Tick:
		i.tellLevel(c)
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
	if i.what == rexPart {
		return // a request is an edge: a level that was there before asks nothing
	}
	if active, err := i.device.Level(); err == nil {
		i.tell(c, active)
	}
}

func (i *input) tell(c *supervisor.Context, active bool) {
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
	waiting []devices.CardRead
	over    uint64 // refused here, besides the mailbox's own count
	counted uint64 // refusals that are in the journal
	report  bool   // a report of refusals is due
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
	r.counted = c.Refused()
	self := c.Self()
	r.cancel = r.wiring.Reader.Listen(func(read devices.CardRead) { self.Send(heard{read}) })
	return nil
}

// Stop stops listening.
func (r *reader) Stop(*supervisor.Context, supervisor.Reason) {
	if r.cancel != nil {
		r.cancel()
	}
}

// Receive handles cards, the logic's acknowledgements and indications.
func (r *reader) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case heard:
		r.heard(c, m.read)
	case taken:
		r.busy = false
		if len(r.waiting) > 0 {
			next := r.waiting[0]
			r.waiting = append(r.waiting[:0], r.waiting[1:]...)
			r.present(c, next)
		}
	case indicate:
		r.indicate(m.signal)
	case supervisor.Tick:
		r.reportRefusals(c)
	}
	r.noticeRefusals(c)
	return nil
}

func (r *reader) heard(c *supervisor.Context, read devices.CardRead) {
	switch {
	case !r.busy:
		r.present(c, read)
	case len(r.waiting) < maxWaitingReads:
		r.waiting = append(r.waiting, read)
	default:
		r.over++
	}
}

func (r *reader) present(c *supervisor.Context, read devices.CardRead) {
	card, err := r.format.Decode(read.Bits, read.Raw[:])
	sent := c.Send(r.p.logic, presented{
		reader: r.rule.ID, card: card, unreadable: err != nil,
		origin: access.Origin{File: read.Origin.File, Row: read.Origin.Row, Order: read.Origin.Order},
	})
	if r.busy = sent.OK(); !r.busy {
		r.over++
	}
}

// noticeRefusals makes one event of all refusals of a second.
func (r *reader) noticeRefusals(c *supervisor.Context) {
	if c.Refused()+r.over > r.counted && !r.report {
		r.report = true
		c.After("refused", refusalPeriod)
	}
}

func (r *reader) reportRefusals(c *supervisor.Context) {
	total, before := c.Refused()+r.over, r.counted
	r.counted, r.report = total, false
	r.em.emit(access.Event{
		Kind: access.KindReadsRefused, Door: r.p.door.ID, Reader: r.rule.ID, Count: total - before,
	})
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
