package access

func (t *turn) moved(open bool) {
	switch {
	case !t.door.HasContact:
		return
	case open && t.s.Contact != ContactOpen:
		t.s.Contact = ContactOpen
		t.opened()
	case !open && t.s.Contact == ContactOpen:
		t.s.Contact = ContactClosed
		t.closed()
	case !open:
		t.s.Contact = ContactClosed
	}
}

func (t *turn) opened() {
	number := t.record(Event{Kind: KindDoorOpened})
	if t.s.accessed {
		t.pass(ReasonNone)
	}
	if !t.s.accessed && !t.s.held() && !t.freeHandle() {
		t.s.Alarm = KindForcedOpen
		t.record(Event{Kind: KindForcedOpen, Cause: number})
		t.show()
		return
	}
	t.watchOpen()
}

// freeHandle: people leave by a handle that nothing tells us of.
func (t *turn) freeHandle() bool {
	return t.door.Egress == EgressMechanical && !t.door.HasREX
}

// closed secures the door at once; a momentary release is over with it.
func (t *turn) closed() {
	if t.s.accessed {
		t.relock()
	}
	t.disarm(TimerHeld)
	number := t.record(Event{Kind: KindDoorClosed})
	switch t.s.Alarm {
	case KindForcedOpen:
		t.record(Event{Kind: KindForcedOpenEnded, Cause: number})
	case KindHeldOpen:
		t.record(Event{Kind: KindHeldOpenEnded, Cause: number})
	}
	t.s.Alarm = KindNone
	t.endAccess(ReasonDoorClosed)
	t.show()
}

// watchOpen begins to time a door that stands open and should not for long.
func (t *turn) watchOpen() {
	if t.s.Contact == ContactOpen && !t.s.held() && t.s.Alarm == KindNone && !t.s.armed.has(TimerHeld) {
		t.arm(TimerHeld, t.door.HeldOpenTime)
	}
}
