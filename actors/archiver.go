package actors

import (
	"context"
	"fmt"
	"time"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// archiver is the actor that archives at night, one part of the journal after the
// other. What is wrong with the archive is a state: it is tried again.
type archiver struct {
	b      *Building
	em     *emitter
	open   bool
	busy   bool
	due    time.Time // the next run; zero: never
	failed int       // how often in a row
	moved  uint64    // bytes at the last look
	since  time.Time // when they became that many
}

const archiveTask = "archive"

// A run that was missed is made up between these after the start, so that not all
// buildings after a power cut begin at once.
const (
	makeUpFirst = time.Minute
	makeUpLast  = 10 * time.Minute
)

// After the first failure the archive is tried again in a minute, then in two, and
// so on up to an hour.
const (
	againFirst = time.Minute
	againLast  = time.Hour
)

// stuckLimit is how long an archive may move no byte before that is an alarm: a
// share that hangs fails no call.
const stuckLimit = 10 * time.Minute

// Start looks how far the archive is.
func (a *archiver) Start(c *supervisor.Context) error {
	a.em = a.b.emitter("archive", c.Incarnation())
	c.After(lookTimer, look)
	return a.work(c)
}

// Receive runs the archive when it is due.
func (a *archiver) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case supervisor.Tick:
		return a.look(c)
	case supervisor.TaskDone:
		a.busy = false
		err := a.done(c, m.Err)
		a.lookAgain(c)
		return err
	}
	return nil
}

func (a *archiver) look(c *supervisor.Context) error {
	defer a.lookAgain(c)
	if a.busy {
		a.watch(c.Now())
		return nil
	}
	a.plan(c.Now())
	if !a.due.IsZero() && !c.Now().Before(a.due) {
		return a.work(c)
	}
	return nil
}

// lookAgain arms the next look, at the moment when the archive is due if that is
// sooner.
func (a *archiver) lookAgain(c *supervisor.Context) {
	wait := look
	if !a.busy && !a.due.IsZero() {
		wait = min(wait, max(0, a.due.Sub(c.Now())))
	}
	a.tell()
	c.After(lookTimer, wait)
}

// tell lets others keep out of the archive's way.
func (a *archiver) tell() {
	const longAgo = 1
	switch {
	case a.busy:
		a.b.archiveAt.Store(longAgo)
	case a.due.IsZero():
		a.b.archiveAt.Store(0)
	default:
		a.b.archiveAt.Store(a.due.UnixNano())
	}
}

// work opens the archive or, once it is open, adds one part to it.
func (a *archiver) work(c *supervisor.Context) error {
	do := a.b.cfg.Chores.Archive.Add
	if !a.open {
		do = a.b.cfg.Chores.Archive.Open
	}
	a.busy, a.since = true, c.Now()
	a.tell()
	return c.Task(archiveTask, 0, func(ctx context.Context) (any, error) { return nil, do(ctx) })
}

func (a *archiver) done(c *supervisor.Context, err error) error {
	archive := a.b.cfg.Chores.Archive
	a.state(err)
	if err != nil {
		a.due = c.Now().Add(min(againLast, againFirst<<min(a.failed, 10)))
		a.failed++
		return nil
	}
	a.failed = 0
	if !a.open {
		a.open = true
		a.resume(c.Now(), archive.Status())
		return nil
	}
	if archive.Status().Waiting > 0 {
		return a.work(c)
	}
	a.due = time.Time{}
	a.plan(c.Now())
	return nil
}

// resume finds out whether a run was missed: what waits was there when it should
// have begun.
func (a *archiver) resume(now time.Time, s ArchiveStatus) {
	a.due = time.Time{}
	if s.Waiting > 0 {
		if missed, ok := a.b.cfg.Chores.Night(s.Since); ok && !missed.After(now) {
			spread := float64(makeUpLast-makeUpFirst) * a.b.exec.Random()
			a.due = now.Add(makeUpFirst + time.Duration(spread))
		}
	}
	a.plan(now)
}

// plan sees to it that the next night is not missed. It is asked again and again,
// since the clock may have been wrong when it was asked before.
func (a *archiver) plan(now time.Time) {
	if !a.due.IsZero() && !now.Before(a.due) {
		return
	}
	night, ok := a.b.cfg.Chores.Night(now)
	if ok && (a.due.IsZero() || night.Before(a.due)) {
		a.due = night
	}
}

// watch raises the alarm when nothing moves.
func (a *archiver) watch(now time.Time) {
	if bytes := a.b.cfg.Chores.Archive.Status().Bytes; bytes != a.moved {
		a.moved, a.since = bytes, now
		return
	}
	if still := now.Sub(a.since); still >= stuckLimit {
		a.state(fmt.Errorf("the archive has not moved for %v; look at its disk or share", still))
	}
}

func (a *archiver) state(err error) {
	a.b.choreState(a.em, &a.b.health.archive, err, access.KindArchiveDegraded, access.KindArchiveRestored)
}
