package access

import "time"

// Mode is the state of a door in the words of ONVIF's door control service.
// The zero value is Locked.
type Mode uint8

const (
	Locked       Mode = iota // secured; a granted credential or REX releases it for a moment
	Unlocked                 // released until told otherwise
	Accessed                 // released for a moment; never stored
	Blocked                  // secured; credentials are denied, REX still opens
	LockedDown               // lockdown: secured, credentials are denied, only fire and egress open
	LockedOpen               // held released, over any schedule; kept through crash and restart
	DoubleLocked             // secured by a second bolt; credentials are denied
)

// LockType says what a lock does without power.
type LockType uint8

const (
	FailSecure LockType = iota // locked without power (strike)
	FailSafe                   // released without power (magnet)
)

// Egress says how people get out through the door.
type Egress uint8

const (
	EgressNone       Egress = iota // nobody leaves here except by a reader
	EgressREX                      // by a request to exit that we must act upon
	EgressMechanical               // by a handle that works without us
	EgressHardwired                // by a cut of the lock's power that works without us
)

// Independent reports whether people get out without our help.
func (e Egress) Independent() bool { return e == EgressMechanical || e == EgressHardwired }

// AntiPassback says what happens when a passage contradicts where the person is
// held to be.
type AntiPassback uint8

const (
	AntiPassbackOff  AntiPassback = iota
	AntiPassbackSoft              // granted, and recorded as a contradiction
	AntiPassbackHard              // denied
)

// Side is the side of the door on which a reader sits.
type Side uint8

const (
	SideIn  Side = iota // outside the door: badge to go in
	SideOut             // inside the door: badge to go out
)

// Durability says what a release waits for (design rule 8).
type Durability uint8

const (
	BeforeUnlock Durability = iota // its record on disk, for RecordLimit at most
	Group                          // nothing; the record follows with the next group of records
)

// Door is the rule set of one door.
type Door struct {
	ID       DoorID
	Name     string
	LockType LockType
	Egress   Egress
	// StrikeTime is how long a grant keeps the lock released.
	StrikeTime time.Duration
	// HeldOpenTime is how long the door may stay open after a release before it
	// is held open.
	HeldOpenTime time.Duration
	// RecordLimit is how long a release waits for its record on disk (rule 8;
	// 150 ms by default), and at most half of what is left of its decision's deadline.
	RecordLimit time.Duration
	Durability  Durability `json:",omitzero"`
	// DecisionDeadline is how long after a card was shown the lock may still be
	// released for it (300 ms by default). REX and fire know no deadline.
	DecisionDeadline time.Duration `json:",omitzero"`
	// AreaTimeout is how long a decision waits for the areas' answer, and
	// AreaVerdict what holds when none came.
	AreaTimeout time.Duration
	AreaVerdict Verdict
	// FireRelease: the door is released by the fire input.
	FireRelease bool
	HasContact  bool // a door position switch is wired
	HasREX      bool
	Readers     []Reader
}

// Reader is the rule set of one reader of a door. It leads From one area To
// another. AntiPassback is the wish of the site file; Effective says what holds.
type Reader struct {
	ID           ReaderID
	Side         Side
	From, To     AreaID
	AntiPassback AntiPassback
	Format       string // card format by name, e.g. "H10301"; see ParseFormat
}

// Area is a named space. Outside is implied.
type Area struct {
	ID   AreaID
	Name string
}
