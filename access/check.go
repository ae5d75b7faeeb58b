package access

import (
	"fmt"
	"time"
)

// maxViolations is how many violations an Audit words; the rest it counts.
const maxViolations = 100

// Audit watches what doors record and what their locks do, and finds what must
// never be: a release without a cause, a door not secured again in time, a
// passage without a grant. Feed it in the order in which things happened, with
// Finish at the end; events that come late, because a disk was slow, may follow
// the release that they explain. It is not safe for concurrent use.
type Audit struct {
	rules      *Compiled
	slack      time.Duration
	doors      map[DoorID]*audited
	violations []string
	count      int
}

// audited is a door as the audit sees it.
type audited struct {
	door     *Door
	mode     Mode
	before   Mode     // the mode that a cancelled change goes back to
	change   eventRef // the last mode change
	fire     bool
	released bool
	due      time.Time // when a momentary release must have ended
	exit     time.Time // until when a request to exit keeps it released, whatever the mode
	owed     time.Time // when a release without a cause so far happened; zero: none
	life     eventRef  // the newest life that granted, number 0
	grants   map[eventRef]bool
	cause    time.Time // of the newest event whose release may still be on its way
}

// eventRef names an event of a door across its lives.
type eventRef struct {
	source            string
	boot, run, number uint64
}

// NewAudit begins with every door Locked and secured. Slack is what is allowed
// on top of strike time and record limit, and between a release and the record
// that may follow it.
func NewAudit(rules *Compiled, slack time.Duration) *Audit {
	return &Audit{rules: rules, slack: slack, doors: map[DoorID]*audited{}}
}

// Restored tells what a door's mode and fire latch were before the first event.
func (a *Audit) Restored(door DoorID, mode Mode, fire bool) {
	if d := a.of(door); d != nil {
		d.mode, d.fire = mode, fire
	}
}

// Violations are the first hundred, in order; count is how many there were.
func (a *Audit) Violations() (list []string, count int) { return a.violations, a.count }

// Drive is a command to a door's lock.
func (a *Audit) Drive(door DoorID, release bool, at time.Time) {
	d := a.of(door)
	if d == nil {
		a.violate(at, door, "a lock of an unknown door moved")
		return
	}
	a.inTime(d, at)
	if !release {
		d.released = false
		return
	}
	if !d.released && !d.explained(at) {
		d.owed = at
	}
	d.released = true
	a.extend(d, at)
}

// Event is an event of any door; those of no door are ignored.
func (a *Audit) Event(e Event) {
	d := a.of(e.Door)
	if d == nil {
		return
	}
	a.inTime(d, e.Time)
	ref := eventRef{e.Source.Name, e.Source.Boot, e.Source.Run, e.Source.Number}
	cause, life := ref, ref
	cause.number, life.number = e.Cause, 0
	if life.source == d.life.source && life != d.life { // a crashed life leaves grants without an end
		d.life = life
		clear(d.grants)
	}
	switch e.Kind {
	case KindPassage, KindReleased, KindFireReleased: // a passage through a door that stood open already
		d.cause = e.Time
	}
	switch e.Kind {
	case KindGranted:
		d.life = life // others speak of the door, too: its readers, its lock, the modes
		d.grants[ref] = true
		a.extend(d, e.Time)
	case KindReleased, KindRecordLate:
		a.extend(d, e.Time)
		if e.Reason == ReasonREX {
			d.exit = e.Time.Add(d.door.StrikeTime + a.slack)
		}
	case KindPassage, KindNoPassage, KindReleaseCancelled:
		a.ended(d, e, cause)
	case KindModeChanged:
		d.before, d.mode, d.change = d.mode, e.Mode, ref
		a.changed(d, e.Time)
	case KindFireReleased, KindFireReset:
		d.fire = e.Kind == KindFireReleased
		a.changed(d, e.Time)
	}
	a.settle(d, e)
}

// Finish checks all doors once more at the end.
func (a *Audit) Finish(at time.Time) {
	for _, door := range a.rules.Doors() {
		d := a.of(door.ID)
		a.inTime(d, at)
		if !d.owed.IsZero() {
			a.violate(d.owed, door.ID, "released without a cause")
			d.owed = time.Time{}
		}
	}
}

func (a *Audit) of(id DoorID) *audited {
	if d := a.doors[id]; d != nil {
		return d
	}
	door, ok := a.rules.Door(id)
	if !ok {
		return nil
	}
	a.doors[id] = &audited{door: door, grants: map[eventRef]bool{}}
	return a.doors[id]
}

// explained reports whether the events so far allow a release.
func (d *audited) explained(at time.Time) bool {
	return len(d.grants) > 0 || d.held() || d.cause.Equal(at)
}

func (d *audited) held() bool { return d.fire || d.mode.Releases() }

// extend gives a release the time that its newest cause allows.
func (a *Audit) extend(d *audited, from time.Time) {
	if due := from.Add(d.door.RecordLimit + d.door.StrikeTime + a.slack); due.After(d.due) {
		d.due = due
	}
}

// changed: what is released must have been secured before this record, unless
// something that lasts holds it.
func (a *Audit) changed(d *audited, at time.Time) {
	if d.released && !d.held() {
		d.due = at.Add(a.slack)
		if d.due.Before(d.exit) {
			d.due = d.exit
		}
	}
}

// inTime finds a momentary release that lasted too long, once.
func (a *Audit) inTime(d *audited, now time.Time) {
	if d.released && !d.held() && now.After(d.due) {
		a.violate(now, d.door.ID, "not secured in time")
		d.due = now.Add(24 * time.Hour)
	}
}

// ended takes the end of a grant. A mode change can be cancelled, too.
func (a *Audit) ended(d *audited, e Event, cause eventRef) {
	switch {
	case d.grants[cause]:
		delete(d.grants, cause)
	case e.Kind == KindReleaseCancelled && cause == d.change:
		d.mode = d.before
	default:
		a.violate(e.Time, e.Door, fmt.Sprintf("%v without a grant", e.Kind))
	}
}

// settle finds the cause of a release that had none before it.
func (a *Audit) settle(d *audited, e Event) {
	if d.owed.IsZero() {
		return
	}
	late := e.Time.After(d.owed.Add(a.slack))
	switch e.Kind {
	case KindReleased, KindFireReleased, KindRecordLate:
		if !late {
			d.owed = time.Time{}
			return
		}
	}
	if late {
		a.violate(d.owed, e.Door, "released without a cause")
		d.owed = time.Time{}
	}
}

func (a *Audit) violate(at time.Time, door DoorID, what string) {
	a.count++
	if len(a.violations) < maxViolations {
		a.violations = append(a.violations, fmt.Sprintf("%s door %s: %s", at.UTC().Format(time.RFC3339Nano), door, what))
	}
}
