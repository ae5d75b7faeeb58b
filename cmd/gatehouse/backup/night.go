package backup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"gatehouse/persistence/archive"
	"gatehouse/supervisor"
)

// Night says that backups are made by themselves, where and when. All of it is
// required.
type Night struct {
	Dir        string // absolute, and of this building's backups alone
	Keep       int    // so many stay
	Recipients []string
	// Next is the first instant after another at which a backup is due, by the clock
	// on the wall; ok is false when there is none.
	Next func(after time.Time) (next time.Time, ok bool)
	// Archiving says that the archive is at work, or should be by now: a backup waits
	// for it, so that both do not use the disk at once.
	Archiving func() bool
	// Note is told what keeps backups from being made, and nil once nothing does.
	Note func(err error)
}

// The timer and the task of the night.
const (
	lookTimer = "look"
	lookTask  = "look"
)

const (
	// look is how often the clock is looked at: one that is set is noticed within it.
	look = time.Minute
	// A night that was missed is made up between these after the start: not by all
	// buildings at once, and behind their archives, which begin within ten minutes.
	makeUpFirst = 11 * time.Minute
	makeUpLast  = 20 * time.Minute
	// After the first failure it is tried again in a minute, then in two, and so on
	// up to an hour.
	againFirst = time.Minute
	againLast  = time.Hour
	// patience is how long a backup waits for the archive: a share that hangs must
	// not keep it from being made.
	patience = 4 * time.Hour
	// stuckLimit is how long a backup may move no byte before that is an alarm.
	stuckLimit = 10 * time.Minute
	// clockSkew is how far the last backup may be ahead of the clock until that is
	// one that was set back.
	clockSkew = time.Hour
)

// rota is what an actor knows of the nights.
type rota struct {
	known     bool      // what is in the directory
	last      time.Time // when the newest backup there was made; zero: there is none
	notBefore time.Time
	waits     time.Time // for the archive, since then; zero: it does not
	failed    int       // how often in a row
	err       error     // what the last night came to
	nightly   bool      // the backup that is made is the night's
	busy      int       // tasks
	moved     uint64    // bytes at the last look
	since     time.Time // when they became that many
}

// look begins what is due.
func (a *actor) look(c *supervisor.Context) error {
	defer a.lookAgain(c)
	now := c.Now()
	switch {
	case a.busy > 0:
		a.watch(now)
	case a.held(now):
	case !a.known || a.last.After(now.Add(clockSkew)):
		return a.search(c)
	case a.due(now) && !a.waitsForArchive(now):
		a.beginNight(c)
	}
	return nil
}

// lookAgain arms the next look, at the moment when a backup is due if that is
// sooner.
func (a *actor) lookAgain(c *supervisor.Context) {
	wait := look
	now := c.Now()
	if next, ok := a.o.Night.Next(a.last); a.known && ok && next.After(now) {
		wait = min(wait, next.Sub(now))
	}
	if !a.known && a.busy == 0 {
		wait = 0
	}
	if a.held(now) {
		wait = min(look, a.notBefore.Sub(now))
	}
	c.After(lookTimer, wait)
}

// held says that it is too early. A time that is further away than any was set is
// of a clock that was wrong.
func (a *actor) held(now time.Time) bool {
	wait := a.notBefore.Sub(now)
	return wait > 0 && wait <= againLast
}

// due says that a night has come since the last backup.
func (a *actor) due(now time.Time) bool {
	if a.last.IsZero() {
		return true
	}
	next, ok := a.o.Night.Next(a.last)
	return ok && !next.After(now)
}

func (a *actor) waitsForArchive(now time.Time) bool {
	if !a.o.Night.Archiving() {
		return false
	}
	if a.waits.IsZero() {
		a.waits = now
	}
	waited := now.Sub(a.waits)
	return waited >= 0 && waited < patience
}

// search finds out when the newest backup was made.
func (a *actor) search(c *supervisor.Context) error {
	a.works(c.Now())
	dir, now := a.o.Night.Dir, c.Now()
	return c.Task(lookTask, 0, func(context.Context) (any, error) { return archive.NewestBackup(dir, now) })
}

func (a *actor) searched(now, newest time.Time, err error) {
	if err != nil {
		a.fail(now, err)
		return
	}
	a.known, a.failed = true, 0
	a.made(newest)
	if !a.due(now) {
		a.state(nil)
		return
	}
	spread := float64(makeUpLast-makeUpFirst) * a.o.Executor.Random()
	a.notBefore = now.Add(makeUpFirst + time.Duration(spread))
}

func (a *actor) beginNight(c *supervisor.Context) {
	night, now := a.o.Night, c.Now()
	a.waits = time.Time{}
	by, err := archive.ParseRecipients(night.Recipients)
	b := begin{filepath.Join(night.Dir, archive.BackupName(now)), by, now, night.Keep}
	switch {
	case err != nil:
		a.fail(now, err)
	case a.take(b): // else somebody's is begun at this moment
		a.nightly = true
		a.begin(c, b)
	}
}

// nightEnded notes what the night came to. A backup that is there is not made again
// because older ones could not be removed.
func (a *actor) nightEnded(now time.Time, done outcome, err error) {
	if err != nil {
		a.fail(now, err)
		return
	}
	a.failed = 0
	a.made(done.About.Made)
	a.state(done.tidy)
}

// commandedEnded ends an alarm that was about somebody's backup.
func (a *actor) commandedEnded(done outcome, err error) {
	if err == nil && filepath.Dir(done.File) == filepath.Clean(a.o.Night.Dir) {
		a.known = false // it counts if it is named like one
	}
	a.o.Night.Note(a.err)
}

func (a *actor) fail(now time.Time, err error) {
	a.notBefore = now.Add(min(againLast, againFirst<<min(a.failed, 10)))
	a.failed++
	a.state(err)
}

func (a *actor) state(err error) {
	a.err = err
	a.o.Night.Note(err)
}

func (a *actor) made(at time.Time) {
	a.last, a.waits = at, time.Time{}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.newest = at
}

// works notes that a task begins.
func (a *actor) works(now time.Time) {
	a.busy++
	a.moved, a.since = a.bytes.Load(), now
}

// watch raises the alarm when nothing moves.
func (a *actor) watch(now time.Time) {
	if bytes := a.bytes.Load(); bytes != a.moved {
		a.moved, a.since = bytes, now
		return
	}
	if still := now.Sub(a.since); still >= stuckLimit {
		a.o.Night.Note(fmt.Errorf("a backup has not moved for %v; look at its disk or share", still))
	}
}

var errHangs = errors.New("an earlier one still hangs; look at its disk or share")

// keepOnly removes the oldest backups once a newer one was read back.
func (b begin) keepOnly(made time.Time) error {
	if b.keep == 0 {
		return nil
	}
	if err := archive.KeepBackups(filepath.Dir(b.to), made, b.keep); err != nil {
		return fmt.Errorf("the backup is made, but older ones cannot be removed: %w", err)
	}
	return nil
}
