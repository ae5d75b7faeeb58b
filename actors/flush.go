package actors

import (
	"context"
	"time"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// flushLimit is how long the last write of a stop may take.
const flushLimit = 5 * time.Second

// flush writes what is left once the tree is down. It is a small tree of its
// own, so that a disk that hangs only now is left behind and reported, too.
// inOrder adds the event that says so.
func (b *Building) flush(inOrder bool) supervisor.StopReport {
	if !inOrder && b.intake.depth() == 0 && !b.book.dirty() {
		return supervisor.StopReport{Complete: true}
	}
	done := make(chan struct{})
	sys, err := supervisor.Start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{{
			ID: "flush", Restart: supervisor.Temporary, StopDeadline: time.Millisecond,
			New: func() supervisor.Actor { return &flusher{b, inOrder, done} },
		}},
	}, supervisor.Options{Root: Root + "-stop", Executor: b.exec})
	if err != nil {
		b.logLost(err)
		return supervisor.StopReport{}
	}
	if !b.exec.Wait(done, flushLimit) {
		b.logLost(errCutShort)
	}
	return sys.Stop()
}

// flusher is the actor of the last write.
type flusher struct {
	b       *Building
	inOrder bool
	done    chan struct{}
}

// Start begins the write.
func (f *flusher) Start(c *supervisor.Context) error {
	return c.Task("flush", 0, func(context.Context) (any, error) { return nil, f.b.writeRest(f.inOrder) })
}

// Receive waits for its end.
func (f *flusher) Receive(_ *supervisor.Context, msg any) error {
	if end, ok := msg.(supervisor.TaskDone); ok {
		if end.Err != nil {
			f.b.logLost(end.Err)
		}
		close(f.done)
	}
	return nil
}

// writeRest saves the modes, then the events. The one does not wait for the
// other to work.
func (b *Building) writeRest(inOrder bool) error {
	if changes := b.book.take(); len(changes) > 0 {
		if err := b.saveDoors(context.Background(), changes); err != nil {
			b.cfg.Log.Error().Err(err).Int("doors", len(changes)).Msg("modes lost at the stop: the store cannot be written")
		}
	}
	b.recordGap(b.em)
	if err := b.writeEvents(); err != nil || !inOrder {
		return err
	}
	b.em.emit(access.Event{Kind: access.KindStopped})
	return b.writeEvents()
}

func (b *Building) writeEvents() error {
	for batch := b.intake.take(); len(batch) > 0; batch = b.intake.take() {
		if err := b.commit(context.Background(), func() error { return b.cfg.Journal.Commit(batch) }); err != nil {
			return err
		}
		b.intake.done()
	}
	return nil
}

func (b *Building) logLost(why error) {
	b.cfg.Log.Error().Err(why).Int("events", b.intake.depth()).Bool("modes", b.book.dirty()).
		Msg("events lost at the stop: not everything could be written")
}
