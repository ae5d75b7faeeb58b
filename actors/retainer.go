package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// retainer is the actor that removes what is no longer to be kept from the
// journal. It looks once a minute; each look is two tasks, so that what goes for
// want of space is on its way to the journal before it goes.
type retainer struct {
	b     *Building
	em    *emitter
	busy  bool
	going Removal
}

// The tasks and the second timer of the retainer.
const (
	chooseTask  = "choose"
	removeTask  = "remove"
	removeTimer = "remove"
)

// recordFirst is how long a removal waits for the gap record before it; a disk that
// is full takes that only afterwards.
const recordFirst = time.Second

// Start begins to look.
func (r *retainer) Start(c *supervisor.Context) error {
	r.em = r.b.emitter("retention", c.Incarnation())
	c.After(lookTimer, look)
	return nil
}

// Receive looks, and then removes.
func (r *retainer) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case supervisor.Tick:
		if m.Key == removeTimer {
			return r.remove(c)
		}
		c.After(lookTimer, look)
		if r.busy {
			return nil
		}
		now := c.Now()
		r.busy = true
		return c.Task(chooseTask, 0, func(context.Context) (any, error) { return r.b.cfg.Chores.Retention.Choose(now) })
	case supervisor.TaskDone:
		r.busy = false
		if m.Err != nil {
			r.state(fmt.Errorf("the journal cannot be made smaller: %w", m.Err))
			return nil
		}
		if removal, ok := m.Value.(Removal); ok {
			return r.chosen(c, removal)
		}
	}
	return nil
}

func (r *retainer) chosen(c *supervisor.Context, what Removal) error {
	switch {
	case what.Lost > 0:
		r.state(fmt.Errorf("%d events go before their time, because the disk has too little room; give it more", what.Lost))
	case what.Pressed:
		r.state(errors.New("the disk of the journal has too little room, and no more events can go; give it more"))
	default:
		r.state(what.Doubt)
	}
	if what.Through == 0 {
		return nil
	}
	r.busy, r.going = true, what
	if what.Lost > 0 {
		r.b.record(lostEvent(what))
		c.After(removeTimer, recordFirst)
		return nil
	}
	return r.remove(c)
}

func (r *retainer) remove(c *supervisor.Context) error {
	what := r.going
	r.b.cfg.Log.Info().Uint64("through", what.Through).Uint64("before_their_time", what.Lost).Msg("old events are removed")
	return c.Task(removeTask, 0, func(context.Context) (any, error) {
		return nil, r.b.cfg.Chores.Retention.Remove(what)
	})
}

// lostEvent is the gap record of events that go before their time. Its source says
// which, so that the record of a removal that a crash cut short is kept once.
func lostEvent(what Removal) access.Event {
	return access.Event{
		Kind: access.KindGap, Count: what.Lost,
		Detail: fmt.Sprintf("events %d to %d were removed for want of space", what.First, what.Through),
		Source: access.Source{Name: "journal/retention", Boot: what.First, Run: what.Through, Number: 1},
	}
}

func (r *retainer) state(err error) {
	r.b.choreState(r.em, &r.b.health.retention, err, access.KindRetentionDegraded, access.KindRetentionRestored)
}
