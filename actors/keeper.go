package actors

import (
	"context"
	"time"

	"gatehouse/supervisor"
)

// An occupancy is kept once it is so many events or so long behind the journal: that
// is what the next start has to read.
const (
	keepEvents = 10_000
	keepTime   = 10 * time.Minute
)

// keeper is the actor that keeps where people are for the next start. It looks once
// a minute and works from the journal alone, so the tracker never waits for it.
type keeper struct {
	b       *Building
	busy    bool
	failing bool
	through uint64    // what is kept, once this life has kept something
	at      time.Time // when
}

// Start begins to look.
func (k *keeper) Start(c *supervisor.Context) error {
	c.After(lookTimer, look)
	return nil
}

// Receive looks, and takes note of what was kept.
func (k *keeper) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case supervisor.Tick:
		c.After(lookTimer, look)
		if k.busy {
			return nil
		}
		through, late := k.through, c.Now().Sub(k.at) >= keepTime
		k.busy = true
		return c.Task("keep", 0, func(ctx context.Context) (any, error) { return k.b.keep(ctx, through, late) })
	case supervisor.TaskDone:
		k.busy = false
		k.kept(m, c.Now())
	}
	return nil
}

func (k *keeper) kept(end supervisor.TaskDone, now time.Time) {
	if end.Err != nil {
		if !k.failing {
			k.b.cfg.Log.Warn().Err(end.Err).Msg("where people are cannot be kept: the next start reads more of the journal")
		}
		k.failing = true
		return
	}
	k.failing = false
	if through := end.Value.(uint64); through != k.through {
		k.through, k.at = through, now
	}
}

// keep saves where people are if what is kept is too far behind, or late and behind
// at all. It returns how far what is kept reaches.
func (b *Building) keep(ctx context.Context, through uint64, late bool) (uint64, error) {
	behind := b.cfg.Journal.Last() - through
	if behind == 0 || !late && behind < keepEvents {
		return through, nil
	}
	o, err := b.occupancy(ctx)
	if err != nil || o.Through == through {
		return through, err
	}
	return o.Through, b.cfg.Occupancy.Save(o)
}
