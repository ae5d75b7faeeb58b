package access

import (
	"slices"
	"time"
)

func (t *turn) decided(d Decision) {
	if d.Verdict == Granted {
		// A mode that refuses credentials may be younger than the decision.
		if why := t.s.Mode.refuses(); why != ReasonNone && !t.s.Fire {
			d.Verdict, d.Reason = Denied, why
		}
	}
	if d.Verdict == Granted {
		t.granted(d)
	} else {
		t.denied(d)
	}
}

func (t *turn) denied(d Decision) {
	t.record(d.event(KindDenied))
	if d.Reservation != 0 {
		t.do(CancelPassage{d.Reservation})
	}
	t.showDenial(d.Reader)
}

func (t *turn) showDenial(r ReaderID) {
	t.do(Indicate{r, SignalDenied})
	t.arm(TimerIndicate, denialShown)
}

func (t *turn) granted(d Decision) {
	g := grant{number: t.record(d.event(KindGranted)), decision: d}
	again := t.replaced(d.Cardholder)
	if t.s.waiting == maxGrants {
		t.endGrant(0, ReasonBusy, "")
	}
	t.s.grants[t.s.waiting] = g
	t.s.waiting++
	switch {
	case t.s.held() || again, t.door.Durability == Group: // the lock does not move, or waits for nothing
		t.release(g.number, g.number)
	default:
		t.awaitRecord(t.recordLimit(d.Deadline))
	}
}

// recordLimit is how long a grant waits for its record. The second half of what is
// left until its deadline is the lock's: a release at the deadline is none.
func (t *turn) recordLimit(deadline time.Time) time.Duration {
	if deadline.IsZero() {
		return t.door.RecordLimit
	}
	return min(t.door.RecordLimit, deadline.Sub(t.now)/2)
}

// awaitRecord lets a release wait. The earliest limit counts: cards shown in a row
// must not put it off.
func (t *turn) awaitRecord(limit time.Duration) {
	due := t.now.Add(limit)
	if t.s.armed.has(TimerRecord) && !due.Before(t.s.recordDue) {
		return
	}
	t.s.recordDue = due
	t.arm(TimerRecord, limit)
}

// replaced ends the earlier grant of a person whose card is shown again, and
// reports whether the lock is released for it.
func (t *turn) replaced(who CardholderID) (open bool) {
	for i, g := range t.s.grants[:t.s.waiting] {
		if who != "" && g.decision.Cardholder == who {
			t.endGrant(i, ReasonCredential, "shown again")
			return g.open && t.s.accessed
		}
	}
	return false
}

// event is the record of a decision, or of what became of it.
func (d Decision) event(kind Kind) Event {
	return Event{
		Kind:       kind,
		Origin:     d.Origin,
		Reader:     d.Reader,
		Cardholder: d.Cardholder,
		Credential: d.Credential,
		Reason:     d.Reason,
		From:       d.From,
		To:         d.To,
		Held:       d.Held,
	}
}

// recorded: the door's events up to number are on disk.
func (t *turn) recorded(number uint64) { t.clear(number) }

// late: the record of a release was waited for long enough. The limit of the
// first release clears all that wait, since the lock moves only once.
func (t *turn) late() {
	t.expire(func(g grant) bool { return !g.open })
	cause := t.firstWaiting()
	if cause == 0 {
		return
	}
	t.clear(t.s.Next)
	t.record(Event{Kind: KindRecordLate, Reason: ReasonRecordLate, Cause: cause})
}

func (t *turn) firstWaiting() uint64 {
	for _, g := range t.s.grants[:t.s.waiting] {
		if !g.open && (t.s.wishNumber == 0 || g.number < t.s.wishNumber) {
			return g.number
		}
	}
	return t.s.wishNumber
}

// clear lets go of every release whose record has a number up to the given one.
func (t *turn) clear(number uint64) {
	if t.s.wishNumber != 0 && t.s.wishNumber <= number {
		t.fulfil()
	}
	t.release(1, number)
}

// release opens the grants whose numbers are within first to last, and takes back
// those that come too late.
func (t *turn) release(first, last uint64) {
	t.expire(func(g grant) bool { return !g.open && first <= g.number && g.number <= last })
	var readers []ReaderID
	for i := range t.s.grants[:t.s.waiting] {
		g := &t.s.grants[i]
		if !g.open && first <= g.number && g.number <= last {
			g.open = true
			readers = append(readers, g.decision.Reader)
		}
	}
	if !t.s.Releasing() {
		t.disarm(TimerRecord)
	}
	if len(readers) == 0 {
		return
	}
	t.s.accessed = true
	t.follow()
	t.arm(TimerStrike, t.door.StrikeTime)
	for _, r := range readers {
		t.do(Indicate{r, SignalGranted})
	}
	t.passThrough()
}

// expire takes back the grants, of those chosen, whose deadline is over. Where
// the lock is released anyway nothing comes too late.
func (t *turn) expire(which func(grant) bool) {
	if t.s.held() {
		return
	}
	t.take(func(g grant) bool { return which(g) && over(g.decision.Deadline, t.now) }, func(g grant) {
		t.ended(g, ReasonDeadline, "")
		t.showDenial(g.decision.Reader)
	})
}

// until is when it is too late to move the lock for the open grants, by the one
// that has most time.
func (t *turn) until() (latest time.Time) {
	for _, g := range t.s.grants[:t.s.waiting] {
		switch {
		case g.open && g.decision.Deadline.IsZero():
			return time.Time{}
		case g.open && g.decision.Deadline.After(latest):
			latest = g.decision.Deadline
		}
	}
	return latest
}

// lockLate: the lock is secured although it was to be released. Whoever has a
// reason that still holds is let in, the others are not.
func (t *turn) lockLate() {
	if !t.s.released {
		return
	}
	t.expire(func(g grant) bool { return g.open })
	open := slices.ContainsFunc(t.s.grants[:t.s.waiting], func(g grant) bool { return g.open })
	switch {
	case t.s.held() || t.s.accessed && t.s.rex != 0:
		t.drive(true)
	case open:
		t.driveUntil(true, t.until())
	default:
		t.relock()
	}
}

// passThrough makes the passages that need no opening: nobody can see one, or
// the door is open already.
func (t *turn) passThrough() {
	switch {
	case !t.door.HasContact:
		t.pass(ReasonNoContact)
	case t.s.Contact == ContactOpen:
		t.pass(ReasonNone)
		if t.s.armed.has(TimerHeld) {
			t.arm(TimerHeld, t.door.HeldOpenTime)
		}
	}
}

// pass makes the passage of every grant that the lock is released for. The
// reason is the grant's, unless one is given.
func (t *turn) pass(why Reason) {
	t.take(func(g grant) bool { return g.open }, func(g grant) {
		e := g.decision.event(KindPassage)
		e.Cause, e.Held = g.number, ""
		if why != ReasonNone {
			e.Reason = why
		}
		t.record(e)
		if g.decision.Reservation != 0 {
			t.do(ConfirmPassage{g.decision.Reservation})
		}
	})
}

// take removes grants, oldest first, and does something about each.
func (t *turn) take(which func(grant) bool, then func(grant)) {
	var kept [maxGrants]grant
	n := 0
	for _, g := range t.s.grants[:t.s.waiting] {
		if which(g) {
			then(g)
		} else {
			kept[n] = g
			n++
		}
	}
	t.s.grants, t.s.waiting = kept, n
}

func (t *turn) endGrants(why Reason, which func(grant) bool) {
	t.take(which, func(g grant) { t.ended(g, why, "") })
}

func (t *turn) endGrant(i int, why Reason, detail string) {
	number := t.s.grants[i].number
	t.take(func(g grant) bool { return g.number == number }, func(g grant) { t.ended(g, why, detail) })
}

// ended records that a grant came to no passage.
func (t *turn) ended(g grant, why Reason, detail string) {
	e := g.decision.event(KindNoPassage)
	if !g.open {
		e.Kind = KindReleaseCancelled
	}
	e.Cause, e.Reason, e.Detail, e.Held = g.number, why, detail, ""
	t.record(e)
	if g.decision.Reservation != 0 {
		t.do(CancelPassage{g.decision.Reservation})
	}
}
