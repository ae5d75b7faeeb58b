package actors

import (
	"context"
	"slices"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// tracker is the areas' actor: it knows where every person is and reserves
// passages. One place at a time is a fact across all areas, so one actor holds
// it. A new life reads the passages back from the journal; until it has,
// questions wait, for as long as the doors do. When that fails nobody is known to
// be anywhere, which is consistent with everything, and it is tried again.
type tracker struct {
	b     *Building
	where *access.Whereabouts
	ready bool      // it has an answer
	busy  bool      // being rebuilt
	early []reserve // came before there was an answer; one a reader
	// moved are the people who passed while what is being rebuilt may not know.
	moved   map[access.CardholderID]bool
	refused uint64
}

const rebuildPage = 1024

// Start begins to rebuild where everybody is.
func (t *tracker) Start(c *supervisor.Context) error {
	t.where = access.NewWhereabouts(t.b.cfg.Rules)
	t.where.NumberFrom(c.Incarnation()<<32 + 1) // doors may still hold reservations of an earlier life
	t.moved = map[access.CardholderID]bool{}
	t.refused = c.Refused()
	return t.rebuild(c)
}

// Receive handles reservations.
func (t *tracker) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case reserve:
		t.asked(c, m)
	case confirm:
		t.where.Confirm(m.reservation, c.Now())
	case passed:
		t.where.Apply(m.event)
		if t.moved != nil {
			t.moved[m.event.Cardholder] = true
		}
	case cancel:
		t.where.Cancel(m.reservation)
	case supervisor.Tick:
		if m.Key == rebuildTask {
			return t.rebuild(c)
		}
		t.where.Expire(c.Now())
		t.armExpiry(c)
	case supervisor.TaskDone:
		t.rebuilt(c, m)
	}
	return t.notice(c)
}

// notice reads everything back when a passage may have been refused.
func (t *tracker) notice(c *supervisor.Context) error {
	if now := c.Refused(); now != t.refused && !t.busy {
		t.refused = now
		return t.rebuild(c)
	}
	return nil
}

const rebuildTask = "rebuild"

func (t *tracker) rebuild(c *supervisor.Context) error {
	if t.busy {
		return nil
	}
	if t.moved == nil {
		t.moved = map[access.CardholderID]bool{}
	}
	t.busy = true
	return c.Task(rebuildTask, 0, func(ctx context.Context) (any, error) { return t.b.passages(ctx) })
}

// rebuilt takes what was read; who moved meanwhile is known better here.
func (t *tracker) rebuilt(c *supervisor.Context, done supervisor.TaskDone) {
	t.busy = false
	defer t.answerEarly(c)
	changed := t.b.health.setAreas(done.Err)
	if done.Err != nil {
		if changed {
			t.b.cfg.Log.Warn().Err(done.Err).Msg("where people are could not be read back from the journal")
		}
		c.After(rebuildTask, t.b.retry())
		return
	}
	t.where.Adopt(done.Value.(Occupancy).Places, t.moved)
	t.moved = nil
}

// answerEarly answers those who asked too early; a door that no longer waits
// gives its reservation back.
func (t *tracker) answerEarly(c *supervisor.Context) {
	t.ready = true
	early := t.early
	t.early = nil
	for _, m := range early {
		t.asked(c, m)
	}
}

func (t *tracker) asked(c *supervisor.Context, m reserve) {
	if !c.Now().Before(m.until) {
		return // the door has decided without an answer
	}
	if t.ready {
		c.Send(m.from, reserved{m.id, t.reserve(c, m)})
		t.armExpiry(c)
		return
	}
	same := func(e reserve) bool { return e.request.Door == m.request.Door && e.request.Reader == m.request.Reader }
	t.early = append(slices.DeleteFunc(t.early, same), m)
}

func (t *tracker) reserve(c *supervisor.Context, m reserve) access.AreaAnswer {
	door, ok := t.b.cfg.Rules.Door(m.request.Door)
	if !ok {
		return access.AreaAnswer{Asked: true, Unavailable: true}
	}
	// A grant may be released until its deadline; then the door may be opened.
	return t.where.Reserve(m.request, c.Now(), m.until.Add(door.StrikeTime))
}

func (t *tracker) armExpiry(c *supervisor.Context) {
	if next, ok := t.where.Next(); ok {
		c.After("expire", next.Sub(c.Now()))
	}
}
