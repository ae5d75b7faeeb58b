package actors

import (
	"context"
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
	want access.Drive
}

// Start secures.
func (l *lock) Start(c *supervisor.Context) error {
	l.em = l.b.emitter("lock/"+string(l.p.door.ID), c.Incarnation())
	err := l.b.rest(l.p, l.em.emit)
	l.want = access.Drive{Release: l.b.atRest(l.p)}
	l.again(c, err)
	return nil
}

// Receive drives the lock.
func (l *lock) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case drive:
		l.want = m.Drive
	case supervisor.Tick:
	default:
		return nil
	}
	l.again(c, l.move(c))
	return nil
}

// move drives the lock. A release for which it is too late, before or after the
// driver's call, leaves it at rest, and the door is told.
func (l *lock) move(c *supervisor.Context) error {
	var err error
	if !l.late(c) {
		err = l.b.drive(l.p, l.em.emit, l.want.Release)
	}
	if !l.late(c) {
		return err
	}
	err = l.b.rest(l.p, l.em.emit)
	l.want = access.Drive{Release: l.b.atRest(l.p)}
	c.Send(l.p.logic, lockLate{})
	return err
}

func (l *lock) late(c *supervisor.Context) bool {
	return l.want.Release && !l.want.Until.IsZero() && !c.Now().Before(l.want.Until)
}

// Stop secures, also after a crash.
func (l *lock) Stop(*supervisor.Context, supervisor.Reason) {
	_ = l.b.rest(l.p, l.em.emit) // a fault is an event already
}

func (l *lock) again(c *supervisor.Context, err error) {
	if err != nil && !errors.Is(err, devices.ErrNotLoaded) {
		c.After("retry", lockRetry)
	}
}

// drive moves a door's lock. Each change between a lock that does as told and
// one that does not is an event.
func (b *Building) drive(p *place, emit func(access.Event), release bool) error {
	err := p.wiring.Lock.Drive(release)
	if fault := err != nil; p.fault.Swap(fault) != fault {
		e := access.Event{Kind: access.KindLockFaultEnded, Door: p.door.ID}
		if fault {
			e.Kind, e.Detail = access.KindLockFault, err.Error()
		}
		emit(e)
	}
	p.jammed.Store(err != nil && !errors.Is(err, devices.ErrNotLoaded))
	return err
}

// rest puts a door's lock where it rests while no logic drives it. The lock's
// actor, the fire and the modes may do so at the same moment: whoever finds that
// it was told something older does it once more.
func (b *Building) rest(p *place, emit func(access.Event)) error {
	for {
		want := b.atRest(p)
		if err := b.drive(p, emit, want); b.atRest(p) == want {
			return err
		}
	}
}

// restAside puts the lock of a door that is down to rest, beside the actor that
// wants it: the door may be down because its driver hangs. A task that is under
// way already looks at the book once more.
func (b *Building) restAside(c *supervisor.Context, p *place) {
	_ = c.Task(restTask+string(p.door.ID), 0, func(context.Context) (any, error) {
		return nil, b.rest(p, b.system) // a fault is an event, and the lock's next life tries again
	})
}

const restTask = "rest/"

func (b *Building) atRest(p *place) (release bool) {
	m := b.book.get(p.door.ID)
	burning := p.door.FireRelease && b.book.fireActive() // not yet latched
	return access.AtRest(m.Mode, m.Fire || burning)
}
