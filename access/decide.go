package access

import "time"

// AreaAnswer is what the areas said to a reservation. The zero value: not asked.
type AreaAnswer struct {
	Asked       bool
	Unavailable bool   // no answer in time, or the areas are down
	Reserved    bool   // the card is being admitted at another door
	Held        AreaID // set when the passage contradicts: where the person is held to be
	Reservation uint64 // set when a passage was reserved
}

// Request is all that a decision depends on.
type Request struct {
	Now time.Time // wall clock
	// Deadline is the first instant at which a grant would come too late for who
	// stands there; zero: none.
	Deadline time.Time
	Door     *Door
	Reader   *Reader
	Mode     Mode
	Fire     bool // fire release is latched at this door
	Person   Person
	Known    bool // the card was found
	Failed   bool // the directory could not answer
	// Unreadable: the bits fitted no card format, Person means nothing.
	Unreadable bool
	Area       AreaAnswer
	Origin     Origin // carried into the decision
}

// Decision is the answer to a Request. NeedsArea: everything else speaks for a
// grant, ask the areas and decide again with their answer (the verdict is Denied
// until then).
type Decision struct {
	Verdict   Verdict
	Reason    Reason
	NeedsArea bool
	Held      AreaID // on a soft anti-passback grant or a hard denial: where the person is held to be
	// carried through for the record and for the passage
	Reader      ReaderID
	Credential  CredentialID
	Cardholder  CardholderID
	From, To    AreaID
	Reservation uint64
	Origin      Origin
	Deadline    time.Time // a release after it is refused
}

// Decide says whether a credential opens the door. Precedence (design rule 11):
// what comes too late or cannot be told at all, then the door's mode, the credential, the
// cardholder, level and schedule, and last the areas. While fire release is
// latched neither deadline nor mode nor areas count: a valid card is granted by ReasonFire.
// req.Door, req.Reader and rules must be there.
func Decide(req Request, rules *Compiled) Decision {
	d := carried(req)
	if why := refusal(req, rules); why != ReasonNone {
		d.Reason = why
		return d
	}
	switch {
	case req.Fire:
		return d.granted(ReasonFire)
	case !rules.LeadsSomewhere(req.Reader):
		return d.granted(validBy(req.Mode))
	case !req.Area.Asked:
		d.NeedsArea = true
		return d
	}
	return d.byArea(req, rules)
}

// carried is a denial with all that goes on to the record and the passage.
func carried(req Request) Decision {
	d := Decision{
		Reader:      req.Reader.ID,
		From:        req.Reader.From,
		To:          req.Reader.To,
		Reservation: req.Area.Reservation,
		Origin:      req.Origin,
		Deadline:    req.Deadline,
	}
	if req.Known && !req.Unreadable && !req.Failed {
		d.Credential = req.Person.Credential.ID
		d.Cardholder = req.Person.Cardholder.ID
	}
	return d
}

// Denied is the decision about a request that nothing else decides any more.
func (req Request) Denied(why Reason) Decision {
	d := carried(req)
	d.Reason = why
	return d
}

func (d Decision) granted(by Reason) Decision {
	d.Verdict, d.Reason = Granted, by
	return d
}

// refusal is the first reason against a grant, areas aside.
func refusal(req Request, rules *Compiled) Reason {
	switch {
	case over(req.Deadline, req.Now) && !req.Fire:
		return ReasonDeadline
	case req.Unreadable:
		return ReasonUnreadable
	case req.Failed:
		return ReasonDirectoryFailed
	case !req.Known:
		return ReasonUnknownCard
	}
	if why := req.Mode.refuses(); why != ReasonNone && !req.Fire {
		return why
	}
	if why := credentialRefusal(req.Person.Credential, req.Now); why != ReasonNone {
		return why
	}
	if why := cardholderRefusal(req.Person.Cardholder, req.Now); why != ReasonNone {
		return why
	}
	if ok, why := rules.Allowed(req.Person.Cardholder.Levels, req.Door.ID, req.Now); !ok {
		return why
	}
	return ReasonNone
}

func credentialRefusal(c Credential, now time.Time) Reason {
	switch {
	case c.Suspended:
		return ReasonCredentialSuspended
	case now.Before(c.ValidFrom):
		return ReasonCredentialNotYetValid
	case over(c.ValidUntil, now):
		return ReasonCredentialExpired
	}
	return ReasonNone
}

func cardholderRefusal(h Cardholder, now time.Time) Reason {
	switch {
	case h.Suspended:
		return ReasonCardholderSuspended
	case now.Before(h.ValidFrom):
		return ReasonCardholderNotYetValid
	case over(h.ValidUntil, now):
		return ReasonCardholderExpired
	}
	return ReasonNone
}

// over reports whether a validity or a time to decide that ends before until has
// ended; a zero time never ends.
func over(until, now time.Time) bool { return !until.IsZero() && !now.Before(until) }

func validBy(m Mode) Reason {
	if m.Releases() {
		return ReasonModeUnlocked
	}
	return ReasonCredential
}

// byArea adds the areas' answer to a request that is valid otherwise.
func (d Decision) byArea(req Request, rules *Compiled) Decision {
	switch {
	case req.Area.Unavailable:
		d.Verdict, d.Reason = req.Door.AreaVerdict, ReasonAreaUnavailable
		return d
	case req.Area.Reserved:
		d.Reason = ReasonReserved
		return d
	case req.Area.Held == "":
		return d.granted(validBy(req.Mode))
	}
	switch rules.Effective(req.Door, req.Reader) {
	case AntiPassbackOff:
		return d.granted(validBy(req.Mode))
	case AntiPassbackSoft:
		d.Held = req.Area.Held
		return d.granted(validBy(req.Mode))
	}
	d.Held, d.Reason = req.Area.Held, ReasonAntiPassback
	return d
}
