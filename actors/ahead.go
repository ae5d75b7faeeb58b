package actors

import (
	"context"
	"slices"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// ahead is the batch behind the one that is being committed, once the journal has it
// ready: encoding and hashing a whole batch takes about as long as the disk.
type ahead struct {
	busy   bool // it is being got ready
	events []access.Event
	commit func() error // nil: nothing is ready
}

const prepareTask = "prepare"

// prepare has the journal get the next batch ready, if it can do that and if a whole
// one waits: then that will be what the next take hands out.
func (r *recorder) prepare(c *supervisor.Context) {
	journal, ok := r.b.cfg.Journal.(Preparer)
	if !ok || r.ahead.busy || r.ahead.commit != nil {
		return
	}
	events := r.b.intake.behind(r.ahead.events)
	if len(events) == 0 {
		return
	}
	r.ahead.events = events
	r.ahead.busy = c.Task(prepareTask, 0, func(context.Context) (any, error) {
		return journal.Prepare(events), nil
	}) == nil
}

func (a *ahead) prepared(done supervisor.TaskDone) {
	a.busy = false
	a.commit, _ = done.Value.(func() error)
}

// use gives the batch that was got ready in the place of the same one, and how to
// commit it; commit is nil if it is another one. What is not used is given up.
func (a *ahead) use(batch []access.Event) (same []access.Event, commit func() error) {
	if a.busy || a.commit == nil {
		return batch, nil
	}
	if slices.Equal(a.events, batch) {
		commit = a.commit
		a.events, batch = batch, a.events
	}
	a.commit = nil
	return batch, commit
}
