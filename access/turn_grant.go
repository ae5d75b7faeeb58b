package access

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
	t.do(Indicate{d.Reader, SignalDenied})
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
	case !t.s.armed.has(TimerRecord): // never anew: cards shown in a row must not put it off
		t.arm(TimerRecord, t.door.RecordLimit)
	}
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
	cause := t.firstWaiting()
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

// release opens the grants whose numbers are within first to last.
func (t *turn) release(first, last uint64) {
	var readers []ReaderID
	for i := range t.s.grants[:t.s.waiting] {
		g := &t.s.grants[i]
		if !g.open && first <= g.number && g.number <= last {
			g.open = true
			readers = append(readers, g.decision.Reader)
		}
	}
	if len(readers) == 0 {
		return
	}
	if !t.s.Releasing() {
		t.disarm(TimerRecord)
	}
	t.s.accessed = true
	t.follow()
	t.arm(TimerStrike, t.door.StrikeTime)
	for _, r := range readers {
		t.do(Indicate{r, SignalGranted})
	}
	t.passThrough()
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
