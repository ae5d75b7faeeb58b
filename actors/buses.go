package actors

import (
	"context"
	"time"

	"gatehouse/access"
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
	for _, in := range f.b.cfg.Fire {
		f.cancel = append(f.cancel, in.Listen(func(bool) { self.Send(fireMoved{}) }))
	}
	f.look(c)
	f.tell(c, f.active) // the doors may know an older level
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
	active := false
	for _, in := range f.b.cfg.Fire {
		on, err := in.Level()
		active = active || (on && err == nil)
	}
	f.b.book.setFire(active)
	if changed := active != f.active || f.again; changed {
		f.tell(c, active)
	}
	f.active = active
}

func (f *fire) tell(c *supervisor.Context, active bool) {
	f.again = false
	for _, p := range f.b.order {
		if p.door.FireRelease {
			// A door that is down looks at the fire level itself when it begins.
			f.again = c.Send(p.logic, fireLevel{active}) == supervisor.Refused || f.again
		}
	}
	if f.again {
		c.After("again", levelRetry)
	}
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
