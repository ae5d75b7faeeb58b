package access

import "time"

// Timer names a timer of a door.
type Timer uint8

const (
	TimerRecord   Timer = iota // a release waits for its record
	TimerStrike                // a release ends
	TimerHeld                  // an open door is held open
	TimerIndicate              // a reader has shown a denial for long enough
)

// Input is what can happen to a door.
type Input interface{ isInput() }

type (
	// Begin is the first input of every life of a door's logic. It drives the
	// outputs and emits no event: nothing happened yet (but see Restore). Contact
	// is the level at the start.
	Begin struct{ Contact Contact }
	// Decided is the outcome of a card read at one of the door's readers.
	Decided struct{ Decision Decision }
	// Recorded says that all of the door's events up to and including Number
	// are on disk.
	Recorded struct{ Number uint64 }
	// TimerFired is the end of a timer that Step armed.
	TimerFired struct{ Timer Timer }
	// ContactMoved is an edge of the door position switch.
	ContactMoved struct{ Open bool }
	// REXPressed is a request to exit.
	REXPressed struct{}
	// FireInput is the level of the fire input; Active latches the release.
	FireInput struct{ Active bool }
	// FireReset is the authorised end of a latched fire release. It is refused
	// while the fire input is active.
	FireReset struct{ Operator OperatorID }
	// Command is an operator's wish. See Permits for what precedence refuses.
	Command struct {
		Mode     Mode
		Operator OperatorID
		Clear    bool // back to normal: ends lockdown and every operator's mode
	}
	// TamperChanged is an edge of a tamper contact or a reader's own tamper.
	TamperChanged struct {
		Active bool
		Detail string
	}
	// LockLate says that the lock was told to release after the time that Drive
	// gave, and is secured instead.
	LockLate struct{}
	// Ending is the last input of a life in order (stop or restart): a release
	// that still waits is cancelled.
	Ending struct{ Reason Reason }
)

// Contact is what is known of the door position.
type Contact uint8

const (
	ContactUnknown Contact = iota
	ContactClosed
	ContactOpen
)

// Action is what the door's actor carries out, in order.
type Action interface{ isAction() }

type (
	// Record keeps the event. Source.Number is set by Step, the rest of Source,
	// Time, Mono and Clock by the actor.
	Record struct{ Event Event }
	// Drive sets the lock's desired state. Until is the first instant at which it
	// is too late to release (then the lock answers with LockLate); zero: never.
	Drive struct {
		Release bool
		Until   time.Time
	}
	// Arm starts a timer (an armed one of the same name is replaced).
	Arm struct {
		Timer Timer
		After time.Duration
	}
	// Disarm ends a timer; a disarmed timer never fires.
	Disarm struct{ Timer Timer }
	// Indicate sets a reader's desired indication; "" means every reader.
	Indicate struct {
		Reader ReaderID
		Signal Signal
	}
	// ConfirmPassage and CancelPassage end a reservation of the areas.
	ConfirmPassage struct{ Reservation uint64 }
	CancelPassage  struct{ Reservation uint64 }
	// Persist keeps the door's mode and fire latch through crash and restart.
	Persist struct {
		Mode Mode
		Fire bool
	}
)

// Signal is what a reader shows to the person in front of it.
type Signal uint8

const (
	SignalReady    Signal = iota // locked, present a card
	SignalGranted                // granted, pass
	SignalDenied                 // denied
	SignalReleased               // released for longer: mode Unlocked, LockedOpen or fire
	SignalLockdown               // lockdown or blocked
	SignalAlarm                  // held open or forced
)

func (Begin) isInput()         {}
func (Decided) isInput()       {}
func (Recorded) isInput()      {}
func (TimerFired) isInput()    {}
func (ContactMoved) isInput()  {}
func (REXPressed) isInput()    {}
func (FireInput) isInput()     {}
func (FireReset) isInput()     {}
func (Command) isInput()       {}
func (TamperChanged) isInput() {}
func (LockLate) isInput()      {}
func (Ending) isInput()        {}

func (Record) isAction()         {}
func (Drive) isAction()          {}
func (Arm) isAction()            {}
func (Disarm) isAction()         {}
func (Indicate) isAction()       {}
func (ConfirmPassage) isAction() {}
func (CancelPassage) isAction()  {}
func (Persist) isAction()        {}
