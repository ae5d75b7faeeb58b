package access

// Releases reports whether a door in this mode stays released.
func (m Mode) Releases() bool { return m == Unlocked || m == LockedOpen }

// refuses is why no credential opens a door in this mode, or ReasonNone.
func (m Mode) refuses() Reason {
	switch m {
	case LockedDown:
		return ReasonLockdown
	case Blocked:
		return ReasonBlocked
	case DoubleLocked:
		return ReasonDoubleLocked
	}
	return ReasonNone
}

// secures is the reason that a change to this mode gives to what it ends.
func (m Mode) secures() Reason {
	if why := m.refuses(); why != ReasonNone {
		return why
	}
	return ReasonOperator
}

// storable reports whether a door can be told to take this mode.
func (m Mode) storable() bool { return m != Accessed && m <= DoubleLocked }

// AtRest reports whether an output stays released while no door logic lives: at
// boot, after a crash, after a stop. Only a latched fire release and LockedOpen
// do that (design rule 6).
func AtRest(mode Mode, fire bool) (release bool) { return fire || mode == LockedOpen }

// Permits says whether precedence allows an operator's command, and if not why.
// A lockdown is ended by Clear alone. Accessed cannot be commanded (ReasonNone).
// A latched fire release refuses nothing: a command then changes the mode that
// the door goes back to, while the door stays released until FireReset.
func Permits(current Mode, c Command) (ok bool, why Reason) {
	switch {
	case c.Clear:
		return true, ReasonNone
	case !c.Mode.storable():
		return false, ReasonNone
	case current == LockedDown && c.Mode != LockedDown:
		return false, ReasonLockdown
	}
	return true, ReasonNone
}
