package actors

import (
	"context"
	"time"

	"gatehouse/supervisor"
)

const (
	// indexPause gathers what is written within it: the index is at most that long,
	// and a step, behind.
	indexPause = 250 * time.Millisecond
	// indexStep is how many events one step of the index takes up.
	indexStep = 8192
)

// indexer keeps the index near the journal. Nobody waits for it: what the index
// has not taken up yet, a search reads.
type indexer struct {
	b       *Building
	busy    bool // a step runs, or the pause before it
	again   bool // the journal has grown meanwhile
	failing bool
	wipe    bool                 // the next step begins anew
	asked   []supervisor.ReplyTo // who waits until it has
}

// remake asks for the index to be made anew.
type remake struct{}

// Start takes up what an earlier life left behind.
func (x *indexer) Start(c *supervisor.Context) error { return x.step(c) }

// Receive handles the journal's growth, the pause's end and a step's result.
func (x *indexer) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case written:
		x.again = x.busy
		x.pause(c, indexPause)
	case remake:
		x.wipe = true
		x.asked = append(x.asked, c.ReplyTo())
		if !x.busy {
			return x.step(c)
		}
		x.again = true
	case supervisor.Tick:
		x.busy = false
		return x.step(c)
	case supervisor.TaskDone:
		x.busy = false
		if m.Name == clearTask {
			x.cleared(m.Err)
		}
		return x.stepped(c, m)
	}
	return nil
}

func (x *indexer) pause(c *supervisor.Context, d time.Duration) {
	if !x.busy {
		x.busy = true
		c.After("pause", d)
	}
}

func (x *indexer) step(c *supervisor.Context) error {
	x.busy, x.again = true, false
	if !x.wipe {
		return c.Task("advance", 0, func(ctx context.Context) (any, error) { return x.b.cfg.Index.Advance(ctx, indexStep) })
	}
	x.wipe = false
	return c.Task(clearTask, 0, func(context.Context) (any, error) { return false, x.b.cfg.Index.Clear() })
}

const clearTask = "clear"

// cleared tells those who asked for it, and comes again if it failed.
func (x *indexer) cleared(err error) {
	x.wipe = x.wipe || err != nil
	for _, to := range x.asked {
		to.Reply(err)
	}
	x.asked = nil
}

func (x *indexer) stepped(c *supervisor.Context, end supervisor.TaskDone) error {
	if end.Err != nil {
		if !x.failing {
			x.b.cfg.Log.Error().Err(end.Err).Msg("the index falls behind: searches are slower")
		}
		x.failing = true
		x.pause(c, x.b.retry())
		return nil
	}
	x.failing = false
	if done, _ := end.Value.(bool); !done {
		return x.step(c)
	}
	if x.again {
		x.pause(c, indexPause)
	}
	return nil
}
