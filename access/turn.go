package access

import "time"

// denialShown is how long a reader shows a denial.
const denialShown = 3 * time.Second

// Step is what a door does about an input: its next state, and the actions that
// the actor carries out in order. It is pure. A release follows the Record that
// it rests on by a Recorded or TimerRecord of its own, or with the durability
// Group at once; moves in the secure direction, requests to exit and fire come
// first and are recorded after.
//
// Grants and openings: an opening is the passage of every grant that the lock is
// released for (up to four wait; a fifth ends the oldest). A grant whose record
// comes while the door stands open is a passage at once. A card shown again
// replaces its earlier grant. So every KindGranted is followed by exactly one of
// KindPassage, KindNoPassage and KindReleaseCancelled in the same life, and every
// reservation is confirmed or cancelled once.
//
// A door of mechanical egress without a REX input cannot tell a handle turned
// inside from force: opening it is plain, never forced. A hard-wired cut of power
// is an emergency means: opening the door by it is worth the alarm.
//
// A lockdown lets a release by REX run out, since egress goes first, and for no
// longer than its own strike time.
//
// A grant whose deadline is over before the lock moved for it is taken back, with
// ReasonDeadline. What is released otherwise (fire, a mode) needs no deadline, and
// neither does REX.
func Step(door *Door, s DoorState, in Input, now time.Time) (DoorState, []Action) {
	t := &turn{door: door, s: s, now: now}
	switch in := in.(type) {
	case Begin:
		t.begin(in.Contact)
	case Decided:
		t.decided(in.Decision)
	case Recorded:
		t.recorded(in.Number)
	case TimerFired:
		t.fired(in.Timer)
	case ContactMoved:
		t.moved(in.Open)
	case REXPressed:
		t.requestToExit()
	case FireInput:
		t.fireInput(in.Active)
	case FireReset:
		t.fireReset(in.Operator)
	case Command:
		t.command(in)
	case TamperChanged:
		t.tamper(in)
	case LockLate:
		t.lockLate()
	case Ending:
		t.ending(in.Reason)
	}
	return t.s, t.acts
}

// turn is one Step under way.
type turn struct {
	door *Door
	s    DoorState
	now  time.Time
	acts []Action
}

func (t *turn) do(a Action) { t.acts = append(t.acts, a) }

// record keeps an event and gives its number.
func (t *turn) record(e Event) uint64 {
	t.s.Next++
	e.Source.Number = t.s.Next
	e.Door = t.door.ID
	t.do(Record{e})
	return t.s.Next
}

// drive tells the lock, whatever it was told before.
func (t *turn) drive(release bool) { t.driveUntil(release, time.Time{}) }

func (t *turn) driveUntil(release bool, until time.Time) {
	t.s.released = release
	t.do(Drive{release, until})
}

// follow drives the lock to where the state wants it, if it is not there yet.
func (t *turn) follow() {
	switch want := t.s.accessed || t.s.held(); {
	case want == t.s.released:
	case want && !t.s.held():
		t.driveUntil(true, t.until())
	default:
		t.drive(want)
	}
}

func (t *turn) arm(timer Timer, after time.Duration) {
	t.s.armed |= 1 << timer
	t.do(Arm{timer, after})
}

func (t *turn) disarm(timer Timer) {
	if t.s.armed.has(timer) {
		t.s.armed &^= 1 << timer
		t.do(Disarm{timer})
	}
}

func (t *turn) persist() { t.do(Persist{t.s.Mode, t.s.Fire}) }

// show sets every reader to what the door is now.
func (t *turn) show() { t.do(Indicate{"", t.ambient()}) }

func (t *turn) ambient() Signal {
	switch {
	case t.s.held():
		return SignalReleased
	case t.s.Alarm != KindNone:
		return SignalAlarm
	case t.s.accessed:
		return SignalGranted
	case t.s.Mode.refuses() != ReasonNone:
		return SignalLockdown
	}
	return SignalReady
}

func (t *turn) begin(contact Contact) {
	if t.door.HasContact {
		t.s.Contact = contact
	}
	t.drive(t.s.held())
	if t.s.fellBack {
		t.s.fellBack = false
		t.persist()
		t.record(Event{Kind: KindModeChanged, Mode: t.s.Mode, Reason: ReasonRestart})
	}
	t.watchOpen()
	t.show()
}

func (t *turn) fired(timer Timer) {
	if !t.s.armed.has(timer) {
		return // disarmed while it was under way
	}
	t.s.armed &^= 1 << timer
	switch timer {
	case TimerRecord:
		t.late()
	case TimerStrike:
		t.relock()
		t.endAccess(ReasonStrikeTime)
		t.show()
	case TimerHeld:
		t.s.Alarm = KindHeldOpen
		t.record(Event{Kind: KindHeldOpen})
		t.show()
	case TimerIndicate:
		t.show()
	}
}

// relock ends a momentary release and secures the lock unless something that
// lasts holds it.
func (t *turn) relock() {
	t.s.accessed = false
	t.follow()
	t.disarm(TimerStrike)
}

// endAccess records what a momentary release has come to; the lock has moved.
func (t *turn) endAccess(why Reason) {
	t.endGrants(why, func(g grant) bool { return g.open })
	if t.s.rex != 0 {
		t.record(Event{Kind: KindSecured, Reason: why, Cause: t.s.rex})
		t.s.rex = 0
	}
}

func (t *turn) requestToExit() {
	t.s.accessed = true
	t.drive(true)
	t.arm(TimerStrike, t.door.StrikeTime)
	t.s.rex = t.record(Event{Kind: KindReleased, Reason: ReasonREX})
	t.s.rexUntil = t.now.Add(t.door.StrikeTime)
	t.show()
}

func (t *turn) tamper(in TamperChanged) {
	kind := KindTamperEnded
	if in.Active {
		kind = KindTamper
	}
	t.record(Event{Kind: kind, Detail: in.Detail})
}

// ending secures what does not outlive the door's logic and closes every account.
func (t *turn) ending(why Reason) {
	t.s.accessed = false
	if !AtRest(t.s.Mode, t.s.Fire) {
		t.drive(false)
	}
	for timer := range TimerIndicate + 1 {
		t.disarm(timer)
	}
	t.cancelReleasing(why)
	if t.s.Mode == Unlocked && !t.s.Fire {
		t.record(Event{Kind: KindSecured, Reason: why, Cause: t.s.rex})
		t.s.rex = 0
	}
	t.endAccess(why)
}
