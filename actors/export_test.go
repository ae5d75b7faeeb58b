package actors

import "gatehouse/supervisor"

// Poke sends a message that every actor ignores, so that a Probe is called.
func (b *Building) Poke(path string) supervisor.Delivery { return b.sys.Ref(path).Send(poke{}) }

type poke struct{}

func (poke) Class() supervisor.Class { return supervisor.Class{Lane: supervisor.Control} }

// IntakeLimit is how many events can wait for the disk.
const IntakeLimit = intakeLimit
