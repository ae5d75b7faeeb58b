package actors

import (
	"context"
	"errors"
	"time"

	"gatehouse/access"
	"gatehouse/devices"
	"gatehouse/supervisor"
)

const (
	levelRetry    = 20 * time.Millisecond
	refusalPeriod = time.Second
)

// bus makes a worker of a device that must block.
type bus struct {
	run func(context.Context) error
}

// Start starts the worker.
func (b *bus) Start(c *supervisor.Context) error { return c.Loop("run", b.run) }

// Receive ends the life when the worker did: the supervisor starts a new one.
func (b *bus) Receive(_ *supervisor.Context, msg any) error {
	if ended, ok := msg.(supervisor.LoopEnded); ok {
		if ended.Err != nil {
			return ended.Err
		}
		return errBusEnded
	}
	return nil
}

// fire watches the fire inputs. Any active one releases every door that fire
// releases. It waits for nothing: no disk, no rule, no area.
type fire struct {
	b      *Building
	em     *emitter
	active bool
	again  bool // a door was too busy to be told
	cancel []func()
}

type fireMoved struct{}

func (fireMoved) Class() supervisor.Class {
	return supervisor.Class{Lane: supervisor.Control, Key: "fire"}
}

// Start listens, then takes the level.
func (f *fire) Start(c *supervisor.Context) error {
	self := c.Self()
	f.em = f.b.emitter("fire", c.Incarnation())
	for _, in := range f.b.cfg.Fire {
		f.cancel = append(f.cancel, in.Listen(func(bool) { self.Send(fireMoved{}) }))
	}
	f.again = true // the doors may know an older level
	f.look(c)
	return nil
}

// Stop stops listening.
func (f *fire) Stop(*supervisor.Context, supervisor.Reason) {
	for _, cancel := range f.cancel {
		cancel()
	}
}

// Receive looks at the inputs again, whatever woke it.
func (f *fire) Receive(c *supervisor.Context, _ any) error {
	f.look(c)
	return nil
}

func (f *fire) look(c *supervisor.Context) {
	active, err := FireLevel(f.b.cfg.Fire)
	if f.b.health.setFire(err) && err != nil {
		f.b.cfg.Log.Error().Err(err).Msg("a fire input cannot be read; its last level holds")
	}
	f.b.book.setFire(active)
	if active != f.active || f.again {
		f.tell(c, active)
	}
	f.active = active
	switch {
	case f.again:
		c.After("again", levelRetry)
	case err != nil:
		c.After("again", unreadable)
	}
}

func (f *fire) tell(c *supervisor.Context, active bool) {
	f.again = false
	for _, p := range f.b.order {
		if !p.door.FireRelease {
			continue
		}
		switch c.Send(p.logic, fireLevel{active}) {
		case supervisor.Refused:
			f.again = true
		case supervisor.Down:
			f.instead(c, p, active)
		}
	}
}

// instead does for a door that is down what its logic would do: latch, release,
// record. The door looks at the latch when it is back.
func (f *fire) instead(c *supervisor.Context, p *place, active bool) {
	if !active {
		return
	}
	fresh := f.b.book.latchFire(p.door.ID)
	f.b.restAside(c, p)
	if fresh {
		f.em.emit(access.Event{Kind: access.KindFireReleased, Door: p.door.ID, Reason: access.ReasonFire})
		c.Send(f.b.modes, wake{})
	}
}

// FireLevel reports whether any fire input is active. One that cannot be read
// keeps its last level, and is in the error.
func FireLevel(inputs []devices.Input) (active bool, err error) {
	for _, in := range inputs {
		on, broken := in.Level()
		active = active || on
		err = errors.Join(err, broken)
	}
	return active, err
}

// Boot puts every output where the boot image and the fire inputs say, before
// anything else runs: before the tree starts and any database is opened. memory
// is nil when there is no readable image: then a door that fire does not
// release goes to its resting state. It returns what a lock refused.
func Boot(doors []access.Door, memory map[access.DoorID]access.DoorMemory, wiring map[access.DoorID]Wiring, fireActive bool) (failed []error) {
	for i := range doors {
		d := &doors[i]
		w, ok := wiring[d.ID]
		if !ok || w.Lock == nil {
			continue
		}
		m := memory[d.ID]
		release := access.AtRest(m.Mode, m.Fire || (fireActive && d.FireRelease))
		if err := w.Lock.Drive(release); err != nil {
			failed = append(failed, &LockError{d.ID, err})
		}
	}
	return failed
}
