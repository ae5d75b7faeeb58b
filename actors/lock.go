package actors

import (
	"gatehouse/access"
	"gatehouse/supervisor"
)

// lock owns the door's lock. Its beginning and its end put the output where it
// rests, and that is never a release: only what fire or LockedOpen holds
// released stays so.
type lock struct {
	b     *Building
	p     *place
	em    *emitter
	fault bool
}

// Start secures.
func (l *lock) Start(c *supervisor.Context) error {
	l.em = l.b.emitter("lock/"+string(l.p.door.ID), c.Incarnation())
	l.rest()
	return nil
}

// Receive drives the lock.
func (l *lock) Receive(_ *supervisor.Context, msg any) error {
	if d, ok := msg.(drive); ok {
		l.drive(d.release)
	}
	return nil
}

// Stop secures, also after a crash.
func (l *lock) Stop(*supervisor.Context, supervisor.Reason) { l.rest() }

func (l *lock) rest() {
	m := l.b.book.get(l.p.door.ID)
	burning := l.p.door.FireRelease && l.b.book.fireActive() // not yet latched
	l.drive(access.AtRest(m.Mode, m.Fire || burning))
}

func (l *lock) drive(release bool) {
	err := l.p.wiring.Lock.Drive(release)
	if fault := err != nil; fault != l.fault {
		l.fault = fault
		if fault {
			l.em.emit(access.Event{Kind: access.KindLockFault, Door: l.p.door.ID, Detail: err.Error()})
		}
	}
}
