package actors

import (
	"context"
	"fmt"
	"time"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// recorder is the journal's actor: one commit at a time, each taking whatever
// queued during the last one. An I/O error is a state, not a crash: it keeps
// the batch, says so, and comes again.
type recorder struct {
	b     *Building
	busy  bool
	since time.Time // the commit under way began
	pause bool      // after an error, until the retry timer
	em    *emitter
	ahead ahead
}

// The task and the timers of the recorder.
const (
	commitTask = "commit"
	retryTimer = "retry"
	stallTimer = "stall"
)

// stallLimit is how long a commit may take before it is an alarm. A disk that
// hangs fails no call, so nothing else would say what is wrong.
const stallLimit = time.Second

// Start takes up what an earlier life left behind.
func (r *recorder) Start(c *supervisor.Context) error {
	r.em = r.b.emitter("journal", c.Incarnation())
	r.next(c)
	return nil
}

// Receive handles wake-ups, commit results and the retry timer.
func (r *recorder) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case wake:
		r.next(c)
	case supervisor.Tick:
		if m.Key == stallTimer {
			r.stalled(c)
			return nil
		}
		r.pause = false
		r.next(c)
	case supervisor.TaskDone:
		if m.Name == prepareTask {
			r.ahead.prepared(m)
			return nil
		}
		r.busy = false
		c.CancelTimer(stallTimer)
		r.committed(c, m)
	}
	return nil
}

func (r *recorder) next(c *supervisor.Context) {
	if r.busy {
		r.prepare(c)
	}
	if r.busy || r.pause {
		return
	}
	if !r.b.health.journalDown() {
		r.b.recordGap(r.em)
	}
	batch := r.b.intake.take()
	if len(batch) == 0 {
		return
	}
	batch, commit := r.ahead.use(batch)
	if commit == nil {
		commit = func() error { return r.b.cfg.Journal.Commit(batch) }
	}
	r.busy = c.Task(commitTask, 0, func(ctx context.Context) (any, error) {
		return batch, r.b.commit(ctx, commit)
	}) == nil
	if !r.busy {
		r.b.intake.giveBack()
		return
	}
	r.since = c.Now()
	c.After(stallTimer, stallLimit)
	r.prepare(c)
}

// stalled raises the alarm while the commit still hangs; its end clears it.
func (r *recorder) stalled(c *supervisor.Context) {
	if r.busy {
		r.degraded(fmt.Errorf("the disk has not answered for %v", c.Now().Sub(r.since)))
	}
}

func (r *recorder) degraded(err error) {
	if r.b.health.setJournal(fmt.Errorf("events wait in memory: %w", err)) {
		r.em.emit(access.Event{Kind: access.KindJournalDegraded, Detail: err.Error()})
		r.b.cfg.Log.Error().Err(err).Msg("journal degraded: doors go on, events wait in memory")
	}
}

// commit is a commit's worker. It may outlive the actor's life that began it;
// then it wakes the next one, which hands the batch in again: the journal keeps
// it once.
func (b *Building) commit(ctx context.Context, commit func() error) error {
	defer func() {
		b.intake.giveBack()
		if ctx.Err() != nil {
			b.journal.Send(wake{})
		}
	}()
	return commit()
}

func (r *recorder) committed(c *supervisor.Context, done supervisor.TaskDone) {
	if done.Err != nil {
		r.degraded(done.Err)
		r.pause = true
		c.After(retryTimer, r.b.retry())
		return
	}
	r.b.intake.done()
	if r.b.health.setJournal(nil) {
		r.em.emit(access.Event{Kind: access.KindJournalRestored})
		r.b.cfg.Log.Info().Msg("journal restored")
	}
	batch := done.Value.([]access.Event)
	r.announce(c, batch)
	r.b.intake.reuse(batch)
	r.next(c)
}

// announce tells the doors that their events are on disk, and the feed. Only a
// door's present life waits for that.
func (r *recorder) announce(c *supervisor.Context, batch []access.Event) {
	newest := map[*place]recorded{}
	var order []*place
	for i := range batch {
		s := &batch[i].Source
		id, ok := doorOf(s.Name)
		p := r.b.places[id]
		if !ok || p == nil || p.life.Load() != s.Run {
			continue
		}
		if newest[p].number == 0 {
			order = append(order, p)
		}
		newest[p] = recorded{s.Run, max(newest[p].number, s.Number)}
	}
	for _, p := range order {
		c.Send(p.logic, newest[p]) // a refused one is made good by TimerRecord
	}
	c.Send(r.b.feed, written{})
	if r.b.indexer.Valid() {
		c.Send(r.b.indexer, written{})
	}
}

// recordGap makes a record of the events that were lost.
func (b *Building) recordGap(em *emitter) {
	if lost := b.intake.gap(); lost > 0 {
		em.emit(access.Event{Kind: access.KindGap, Count: lost})
	}
}

func (b *Building) retry() time.Duration {
	if b.cfg.Retry > 0 {
		return b.cfg.Retry
	}
	return time.Second
}
