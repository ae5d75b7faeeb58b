package actors

import (
	"time"

	"gatehouse/access"
	"gatehouse/devices"
	"gatehouse/supervisor"
)

// To the journal and the modes: there is work in the intake or the book.
type wake struct{}

func (wake) Class() supervisor.Class {
	return supervisor.Class{Lane: supervisor.Control, Key: "wake"}
}

// recorded goes to a door's logic: its events up to number are on disk.
type recorded struct{ run, number uint64 }

func (recorded) Class() supervisor.Class {
	return supervisor.Class{Lane: supervisor.Control, Key: "recorded"}
}

// written goes to the feed and to the index: the journal has grown.
type written struct{}

func (written) Class() supervisor.Class {
	return supervisor.Class{Lane: supervisor.Control, Key: "written"}
}

// setModes is an operator's command for some doors, asked of modes.
type setModes struct {
	doors   []access.DoorID
	command access.Command
}

// resetFire ends latched fire releases, asked of modes.
type resetFire struct {
	doors    []access.DoorID
	operator access.OperatorID
}

// toDoor is an operator's word for a door's logic; it goes before card reads. A
// command that secures has a number in the book, and may come more than once.
type toDoor struct {
	input  access.Input
	number uint64
}

func (toDoor) Class() supervisor.Class { return supervisor.Class{Lane: supervisor.Control} }

// fireLevel goes to a door's logic.
type fireLevel struct{ active bool }

func (fireLevel) Class() supervisor.Class {
	return supervisor.Class{Lane: supervisor.Control, Key: "fire"}
}

// moved is an input's level, from a driver to the actor that owns the input and
// from there to the door's logic. Only the newest matters, but an edge must not
// be lost: the lane is control and edges come one by one.
type moved struct {
	what   part
	active bool
}

func (moved) Class() supervisor.Class { return supervisor.Class{Lane: supervisor.Control} }

// part names an input of a door.
type part uint8

const (
	contactPart part = iota
	rexPart
	tamperPart
)

var partNames = [...]string{"contact", "rex", "tamper"}

// heard is a card at a reader, from the driver to the reader's actor. Until is
// the deadline of its decision, which goes with it all the way to the lock.
type heard struct {
	read  devices.CardRead
	until time.Time
}

// presented is a card at a reader, from the reader's actor to the door's logic;
// taken is the logic's word that it is done with it. life is the reader's.
type (
	presented struct {
		reader     access.ReaderID
		life       uint64
		card       access.Card
		unreadable bool
		origin     access.Origin
		until      time.Time
	}
	taken struct{ life uint64 }
)

func (taken) Class() supervisor.Class { return supervisor.Class{Lane: supervisor.Control} }

// lookUp asks who a card belongs to; found is the answer. Nobody waits for it after
// until.
type (
	lookUp struct {
		from   supervisor.Ref
		id     uint64 // of the door's question
		door   access.DoorID
		reader access.ReaderID
		card   access.Card
		until  time.Time
	}
	found struct {
		id     uint64
		person access.Person
		known  bool
		err    error
	}
)

func (found) Class() supervisor.Class { return supervisor.Class{Lane: supervisor.Control} }

// reserve asks the areas for a passage; reserved is their answer.
type (
	reserve struct {
		from    supervisor.Ref
		request access.PassageRequest
		id      uint64 // of the door's question
		until   time.Time
	}
	reserved struct {
		id     uint64
		answer access.AreaAnswer
	}
	confirm struct{ reservation uint64 }
	cancel  struct{ reservation uint64 }
	// passed: somebody went through, with or without a reservation.
	passed struct{ event access.Event }
)

func (passed) Class() supervisor.Class { return supervisor.Class{Lane: supervisor.Control} }

func (reserved) Class() supervisor.Class { return supervisor.Class{Lane: supervisor.Control} }
func (confirm) Class() supervisor.Class  { return supervisor.Class{Lane: supervisor.Control} }
func (cancel) Class() supervisor.Class   { return supervisor.Class{Lane: supervisor.Control} }

// drive goes to the lock: the newest counts. lockLate is the lock's word to the
// logic that it came too late and that the lock is at rest.
type (
	drive    struct{ access.Drive }
	lockLate struct{}
)

func (lockLate) Class() supervisor.Class {
	return supervisor.Class{Lane: supervisor.Control, Key: "lockLate"}
}

func (drive) Class() supervisor.Class {
	return supervisor.Class{Lane: supervisor.Control, Key: "drive"}
}

// indicate goes to a reader's actor: the newest counts.
type indicate struct{ signal access.Signal }

func (indicate) Class() supervisor.Class {
	return supervisor.Class{Lane: supervisor.Control, Key: "indicate"}
}
