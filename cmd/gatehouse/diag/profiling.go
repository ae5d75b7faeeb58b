package diag

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"gatehouse/access"
	"gatehouse/edge/httpapi"
	"gatehouse/supervisor"
)

// Profiling is the switch of pprof. It outlives its actor, whose timer switches it
// off, and is off when the daemon starts.
type Profiling struct {
	// note is told each change, who made it, if anybody did, and more in words.
	note func(on bool, by access.OperatorID, detail string)
	now  func() time.Time

	actor atomic.Pointer[supervisor.Ref]
	until atomic.Pointer[time.Time] // nil: it is off
}

// NewProfiling makes a switch; Spec is its place in the tree.
func NewProfiling(now func() time.Time, note func(on bool, by access.OperatorID, detail string)) *Profiling {
	return &Profiling{note: note, now: now}
}

// Spec is the actor.
func (p *Profiling) Spec() supervisor.ChildSpec {
	return supervisor.ChildSpec{ID: "profiling", New: func() supervisor.Actor { return switcher{p} }}
}

// Status says whether it is on. It is off at its time, also if its actor is down.
func (p *Profiling) Status() httpapi.ProfilingStatus {
	until := p.until.Load()
	if until == nil || !p.now().Before(*until) {
		return httpapi.ProfilingStatus{}
	}
	return httpapi.ProfilingStatus{On: true, Until: until.UTC()}
}

// change is asked of the actor; d is 0 for off.
type change struct {
	d  time.Duration
	by access.OperatorID
}

// askLimit is how long somebody waits for the switch.
const askLimit = 5 * time.Second

// On switches it on, or lets it be on for another while from now on.
func (p *Profiling) On(d time.Duration, by access.OperatorID) error { return p.ask(change{d, by}) }

// Off switches it off.
func (p *Profiling) Off(by access.OperatorID) error { return p.ask(change{0, by}) }

func (p *Profiling) ask(c change) error {
	actor := p.actor.Load()
	if actor == nil {
		return errors.New("the building is not up yet")
	}
	_, err := actor.Ask(c, askLimit)
	return err
}

// switcher is one life of the switch.
type switcher struct{ *Profiling }

const offTimer = "off"

// Start arms the timer of an earlier life again.
func (s switcher) Start(c *supervisor.Context) error {
	self := c.Self()
	s.actor.Store(&self)
	if until := s.until.Load(); until != nil {
		c.After(offTimer, until.Sub(c.Now()))
	}
	return nil
}

// Receive switches.
func (s switcher) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case supervisor.Tick:
		s.off("", "its time is over")
	case change:
		if m.d > 0 {
			s.on(c, m)
		} else {
			c.CancelTimer(offTimer)
			s.off(m.by, "")
		}
		c.Reply(nil)
	default:
		return fmt.Errorf("nobody sends the switch of profiling a %T", m)
	}
	return nil
}

func (s switcher) on(c *supervisor.Context, m change) {
	until := c.Now().Add(m.d)
	s.until.Store(&until)
	c.After(offTimer, m.d)
	s.note(true, m.by, "until "+until.UTC().Format(time.RFC3339))
}

func (s switcher) off(by access.OperatorID, detail string) {
	if s.until.Swap(nil) != nil {
		s.note(false, by, detail)
	}
}
