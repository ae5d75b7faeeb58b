package actors

import (
	"context"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// tracker is the areas' actor: it knows where every person is and reserves
// passages. One place at a time is a fact across all areas, so one actor holds
// it. A new life reads the passages back from the journal; until it has, its
// answer is that it cannot tell.
type tracker struct {
	b     *Building
	where *access.Whereabouts // nil while it is being rebuilt
}

const rebuildPage = 1024

// Start begins to rebuild where everybody is.
func (t *tracker) Start(c *supervisor.Context) error {
	// Doors may still hold reservations of an earlier life.
	first := c.Incarnation()<<32 + 1
	return c.Task("rebuild", 0, func(ctx context.Context) (any, error) { return t.rebuild(ctx, first) })
}

func (t *tracker) rebuild(ctx context.Context, first uint64) (*access.Whereabouts, error) {
	where := access.NewWhereabouts(t.b.cfg.Rules)
	where.NumberFrom(first)
	for after := uint64(0); ctx.Err() == nil; {
		page, err := t.b.cfg.Journal.Read(after, rebuildPage)
		if err != nil || len(page) == 0 {
			return where, err
		}
		for _, e := range page {
			where.Apply(e)
		}
		after = page[len(page)-1].Seq
	}
	return where, ctx.Err()
}

// Receive handles reservations.
func (t *tracker) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case reserve:
		c.Send(m.from, reserved{m.id, t.reserve(c, m)})
		t.armExpiry(c)
	case confirm:
		if t.where != nil {
			t.where.Confirm(m.reservation, c.Now())
		}
	case passed:
		if t.where != nil {
			t.where.Apply(m.event)
		}
	case cancel:
		if t.where != nil {
			t.where.Cancel(m.reservation)
		}
	case supervisor.Tick:
		t.where.Expire(c.Now())
		t.armExpiry(c)
	case supervisor.TaskDone:
		// Without a journal nobody is known to be anywhere: unknown is consistent
		// with everything.
		t.b.health.setAreas(m.Err)
		if t.where, _ = m.Value.(*access.Whereabouts); m.Err != nil {
			t.b.cfg.Log.Warn().Err(m.Err).Msg("where people are could not be read back from the journal")
			t.where = access.NewWhereabouts(t.b.cfg.Rules)
		}
	}
	return nil
}

func (t *tracker) reserve(c *supervisor.Context, m reserve) access.AreaAnswer {
	if t.where == nil {
		return access.AreaAnswer{Asked: true, Unavailable: true}
	}
	door, ok := t.b.cfg.Rules.Door(m.request.Door)
	if !ok {
		return access.AreaAnswer{Asked: true, Unavailable: true}
	}
	// A grant may wait for its record, then for the door to be opened.
	deadline := c.Now().Add(door.RecordLimit + door.StrikeTime)
	return t.where.Reserve(m.request, c.Now(), deadline)
}

func (t *tracker) armExpiry(c *supervisor.Context) {
	if t.where == nil {
		return
	}
	if next, ok := t.where.Next(); ok {
		c.After("expire", next.Sub(c.Now()))
	}
}
