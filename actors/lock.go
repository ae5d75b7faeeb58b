package actors

import (
	"errors"
	"time"

	"gatehouse/access"
	"gatehouse/devices"
	"gatehouse/supervisor"
)

// lockRetry is how long a lock that did not take its state is left alone.
const lockRetry = time.Second

// lock owns the door's lock. Its beginning and its end put the output where it
// rests, and that is never a release: only what fire or LockedOpen holds
// released stays so. A lock that does not do as told is driven again until it
// does.
type lock struct {
	b    *Building
	p    *place
	em   *emitter
	want bool
}

// Start secures.
func (l *lock) Start(c *supervisor.Context) error {
	l.em = l.b.emitter("lock/"+string(l.p.door.ID), c.Incarnation())
	l.drive(c, l.b.atRest(l.p))
	return nil
}

// Receive drives the lock.
func (l *lock) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case drive:
		l.drive(c, m.release)
	case supervisor.Tick:
		l.drive(c, l.want)
	}
	return nil
}

// Stop secures, also after a crash.
func (l *lock) Stop(*supervisor.Context, supervisor.Reason) {
	_ = l.b.rest(l.p, l.em) // a fault is an event already
}

func (l *lock) drive(c *supervisor.Context, release bool) {
	l.want = release
	if err := l.b.drive(l.p, l.em, release); err != nil && !errors.Is(err, devices.ErrNotLoaded) {
		c.After("retry", lockRetry)
	}
}

// drive moves a door's lock. Each change between a lock that does as told and
// one that does not is an event.
func (b *Building) drive(p *place, em *emitter, release bool) error {
	err := p.wiring.Lock.Drive(release)
	if fault := err != nil; p.fault.Swap(fault) != fault {
		e := access.Event{Kind: access.KindLockFaultEnded, Door: p.door.ID}
		if fault {
			e.Kind, e.Detail = access.KindLockFault, err.Error()
		}
		em.emit(e)
	}
	p.jammed.Store(err != nil && !errors.Is(err, devices.ErrNotLoaded))
	return err
}

// rest puts a door's lock where it rests while no logic drives it.
func (b *Building) rest(p *place, em *emitter) error { return b.drive(p, em, b.atRest(p)) }

func (b *Building) atRest(p *place) (release bool) {
	m := b.book.get(p.door.ID)
	burning := p.door.FireRelease && b.book.fireActive() // not yet latched
	return access.AtRest(m.Mode, m.Fire || burning)
}
