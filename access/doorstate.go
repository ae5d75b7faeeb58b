package access

import "time"

// maxGrants is how many grants can wait for one opening of the door. One more
// ends the oldest (ReasonBusy).
const maxGrants = 4

// DoorState is all that a door remembers between two inputs. It is a plain
// value: comparable, and safe when zero (Locked, nothing released).
type DoorState struct {
	Mode       Mode // as commanded; see Shown
	Fire       bool // fire release is latched
	FireActive bool // level of the fire input
	Contact    Contact
	Alarm      Kind   // KindForcedOpen or KindHeldOpen while that lasts, else KindNone
	Next       uint64 // number of the last event

	released bool // what the lock was last driven to
	// accessed: released for a moment; TimerStrike runs.
	accessed bool
	rex      uint64 // the KindReleased event of a request to exit that accessed follows from
	// rexUntil is when that release would have ended by itself.
	rexUntil time.Time
	// A mode that releases is wished until its KindModeChanged is on disk.
	wish       Mode
	wishNumber uint64 // 0: none
	grants     [maxGrants]grant
	waiting    int       // how many of grants are in use
	recordDue  time.Time // when TimerRecord fires, while it is armed
	armed      timerSet  // what Step armed and neither fired nor was disarmed
	fellBack   bool      // Restore gave up the mode Unlocked
}

// grant is a passage that was granted and has not been made yet.
type grant struct {
	number uint64 // of its KindGranted event
	// open: the lock may be released for it, because the record is on disk, was
	// waited for long enough, or the lock was released anyway.
	open     bool
	decision Decision
}

// timerSet has one bit for each Timer.
type timerSet uint8

func (s timerSet) has(t Timer) bool { return s&(1<<t) != 0 }

// Restore is the state of a door after a restart, from what Persist kept. Only
// LockedOpen and a latched fire release survive as releases: a door that was
// Unlocked comes back Locked, because a restart releases nothing (design rule 6).
// That one change is real, so Begin persists and records it (ReasonRestart).
func Restore(mode Mode, fire bool) DoorState {
	s := DoorState{Mode: mode, Fire: fire}
	if mode == Unlocked || !mode.storable() {
		s.Mode, s.fellBack = Locked, true
	}
	return s
}

// Shown is the mode to report: Accessed while a door that is secured otherwise
// is released for a moment.
func (s DoorState) Shown(*Door) Mode {
	if s.accessed && !s.held() {
		return Accessed
	}
	return s.Mode
}

// Released reports what the lock was last driven to.
func (s DoorState) Released() bool { return s.released }

// Releasing reports whether a release waits for its record.
func (s DoorState) Releasing() bool {
	if s.wishNumber != 0 {
		return true
	}
	for _, g := range s.grants[:s.waiting] {
		if !g.open {
			return true
		}
	}
	return false
}

// held: released by something that lasts.
func (s DoorState) held() bool { return s.Fire || s.Mode.Releases() }
