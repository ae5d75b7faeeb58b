package access

func (t *turn) command(c Command) {
	if ok, why := Permits(t.s.Mode, c); !ok {
		t.record(Event{Kind: KindCommandRefused, Mode: c.Mode, Operator: c.Operator, Reason: why})
		return
	}
	mode := c.Mode
	if c.Clear {
		mode = Locked
	}
	if mode.Releases() {
		t.releaseMode(mode, c.Operator)
	} else {
		t.secureMode(mode, c.Operator)
	}
}

// secureMode moves the lock first and records after.
func (t *turn) secureMode(mode Mode, by OperatorID) {
	changed := t.s.Mode != mode
	t.s.Mode = mode
	t.secureNow(mode.secures())
	if changed {
		t.persist()
	}
	t.record(Event{Kind: KindModeChanged, Mode: mode, Operator: by, Reason: ReasonOperator})
	t.watchOpen()
	t.show()
}

// secureNow ends every momentary release, under way or waiting. Only fire keeps
// the lock released, and a request to exit until its strike time is over: egress
// goes before lockdown and operator (design rule 11).
func (t *turn) secureNow(why Reason) {
	if left := t.s.rexUntil.Sub(t.now); t.s.accessed && t.s.rex != 0 && left > 0 {
		t.arm(TimerStrike, left) // a grant may have made it longer
		t.cancelReleasing(why)
		t.endGrants(why, func(g grant) bool { return g.open })
		return
	}
	t.s.accessed = false
	if !t.s.held() {
		t.drive(false)
	}
	t.disarm(TimerStrike)
	t.cancelReleasing(why)
	t.endAccess(why)
}

// releaseMode records first; the lock moves when the record is on disk, or at once
// if the building's durability says so.
func (t *turn) releaseMode(mode Mode, by OperatorID) {
	t.cancelWish(ReasonOperator)
	number := t.record(Event{Kind: KindModeChanged, Mode: mode, Operator: by, Reason: ReasonOperator})
	t.s.wish, t.s.wishNumber = mode, number
	switch {
	case t.s.held(), t.door.Durability == Group: // the lock does not move, or waits for nothing
		t.fulfil()
	default:
		t.awaitRecord(t.door.RecordLimit)
	}
}

// fulfil takes the mode that was wished for.
func (t *turn) fulfil() {
	t.s.Mode, t.s.wish, t.s.wishNumber = t.s.wish, Locked, 0
	if !t.s.Releasing() {
		t.disarm(TimerRecord)
	}
	t.follow()
	t.persist()
	t.disarm(TimerHeld)
	t.show()
}

// cancelReleasing takes back every release that still waits for its record.
func (t *turn) cancelReleasing(why Reason) {
	t.endGrants(why, func(g grant) bool { return !g.open })
	t.cancelWish(why)
	t.disarm(TimerRecord)
}

// cancelWish takes back a mode that waits for its record. The mode is persisted
// again, in case the commander had stored the wish already.
func (t *turn) cancelWish(why Reason) {
	if t.s.wishNumber == 0 {
		return
	}
	t.record(Event{Kind: KindReleaseCancelled, Mode: t.s.wish, Reason: why, Cause: t.s.wishNumber})
	t.s.wish, t.s.wishNumber = Locked, 0
	t.persist()
}

func (t *turn) fireInput(active bool) {
	t.s.FireActive = active
	if !active || !t.door.FireRelease || t.s.Fire {
		return
	}
	t.s.Fire = true
	t.drive(true)
	t.persist()
	t.record(Event{Kind: KindFireReleased, Reason: ReasonFire})
	t.disarm(TimerHeld)
	t.show()
	t.clear(t.s.Next) // what waited for its record need not: the lock is released
}

func (t *turn) fireReset(by OperatorID) {
	switch {
	case !t.s.Fire:
		return
	case t.s.FireActive:
		t.record(Event{Kind: KindCommandRefused, Operator: by, Reason: ReasonFire})
		return
	}
	t.s.Fire = false
	if !t.s.held() {
		t.secureNow(ReasonOperator)
	}
	t.persist()
	t.record(Event{Kind: KindFireReset, Operator: by})
	t.watchOpen()
	t.show()
}
