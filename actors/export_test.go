package actors

import (
	"context"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// Poke sends a message that every actor ignores, so that a Probe is called.
func (b *Building) Poke(path string) supervisor.Delivery { return b.sys.Load().Ref(path).Send(poke{}) }

// Tell gives a command without waiting for its answer.
func (b *Building) Tell(cmd access.Command, doors ...access.DoorID) supervisor.Delivery {
	return b.modes.Send(setModes{doors, cmd})
}

// StartChanged is Start with a tree that the test has changed.
func (b *Building) StartChanged(change func(*supervisor.SupervisorSpec)) error {
	spec := b.spec(nil)
	change(&spec)
	return b.run(spec)
}

// SetFire notes a level of the fire input without its actor.
func (b *Building) SetFire(active bool) { b.book.setFire(active) }

type poke struct{}

func (poke) Class() supervisor.Class { return supervisor.Class{Lane: supervisor.Control} }

// IntakeLimit is how many events can wait for the disk.
const IntakeLimit = intakeLimit

// MaxWatchers is how many can watch at once.
const MaxWatchers = maxWatchers

// WhereByJournal is where people are by what is kept and the journal after it.
func (b *Building) WhereByJournal() (Occupancy, error) { return b.occupancy(context.Background()) }

// Keep keeps where people are.
func (b *Building) Keep() error {
	_, err := b.keep(context.Background(), 0, true)
	return err
}
