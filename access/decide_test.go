package access

import "testing"

// asks is a request that is granted; every row of the tables spoils it.
func asks(c *Compiled) Request {
	door, _ := c.Door("entrance")
	reader, _ := c.Reader("entrance", "in")
	return Request{
		Now: monday, Door: door, Reader: reader, Known: true,
		Person: Person{
			Credential: Credential{ID: "card1", Holder: "ann"},
			Cardholder: Cardholder{ID: "ann", Levels: []LevelID{"all"}},
		},
		Area:   AreaAnswer{Asked: true, Reservation: 5},
		Origin: Origin{File: "f", Row: 3, Order: 2},
	}
}

// refusals spoil a request; in the order of precedence. Each must win over all
// that follow.
var refusals = []struct {
	why   Reason
	spoil func(*Request)
}{
	{ReasonDeadline, func(r *Request) { r.Deadline = r.Now }},
	{ReasonUnreadable, func(r *Request) { r.Unreadable = true }},
	{ReasonDirectoryFailed, func(r *Request) { r.Failed = true }},
	{ReasonUnknownCard, func(r *Request) { r.Known = false }},
	{ReasonLockdown, func(r *Request) { r.Mode = LockedDown }},
	{ReasonBlocked, func(r *Request) { r.Mode = Blocked }},
	{ReasonDoubleLocked, func(r *Request) { r.Mode = DoubleLocked }},
	{ReasonCredentialSuspended, func(r *Request) { r.Person.Credential.Suspended = true }},
	{ReasonCredentialNotYetValid, func(r *Request) { r.Person.Credential.ValidFrom = monday.Add(1) }},
	{ReasonCredentialExpired, func(r *Request) { r.Person.Credential.ValidUntil = monday }},
	{ReasonCardholderSuspended, func(r *Request) { r.Person.Cardholder.Suspended = true }},
	{ReasonCardholderNotYetValid, func(r *Request) { r.Person.Cardholder.ValidFrom = monday.Add(1) }},
	{ReasonCardholderExpired, func(r *Request) { r.Person.Cardholder.ValidUntil = monday }},
	{ReasonNoLevel, func(r *Request) { r.Person.Cardholder.Levels = nil }},
	{ReasonOutsideSchedule, func(r *Request) { r.Person.Cardholder.Levels = []LevelID{"sundays"} }},
	{ReasonAreaUnavailable, func(r *Request) { r.Area.Unavailable = true }},
	{ReasonReserved, func(r *Request) { r.Area.Reserved = true }},
	{ReasonAntiPassback, func(r *Request) { r.Area.Held = "vault" }},
}

// decisionsElsewhere are the reasons of the closed set that Decide never denies by.
var decisionsElsewhere = map[Reason]bool{
	ReasonBusy: true, // the door's actor refuses before it decides
}

func TestEveryDenial(t *testing.T) {
	t.Parallel()
	c := compiled(t, house())
	seen := map[Reason]bool{}
	for _, row := range refusals {
		req := asks(c)
		row.spoil(&req)
		d := Decide(req, c)
		if d.Verdict != Denied || d.Reason != row.why || d.NeedsArea {
			t.Errorf("%v: got %v by %v, needs area %t", row.why, d.Verdict, d.Reason, d.NeedsArea)
		}
		seen[row.why] = true
	}
	for why := ReasonUnknownCard; why <= ReasonUnreadable; why++ {
		if !seen[why] && !decisionsElsewhere[why] {
			t.Errorf("no denial by %v is tested", why)
		}
	}
}

// TestDenialPrecedence spoils a request in two ways at once, for every pair that
// can be: the earlier refusal is the one that is recorded.
func TestDenialPrecedence(t *testing.T) {
	t.Parallel()
	c := compiled(t, house())
	for i, first := range refusals {
		for _, second := range refusals[i+1:] {
			if first.why >= ReasonNoLevel && first.why <= ReasonDoubleLocked &&
				second.why >= ReasonNoLevel && second.why <= ReasonDoubleLocked {
				continue // two modes, or two sets of levels
			}
			req := asks(c)
			second.spoil(&req)
			first.spoil(&req)
			if d := Decide(req, c); d.Verdict != Denied || d.Reason != first.why {
				t.Errorf("%v and %v: got %v by %v", first.why, second.why, d.Verdict, d.Reason)
			}
		}
	}
}

func TestGrants(t *testing.T) {
	t.Parallel()
	c := compiled(t, house())
	for name, row := range map[string]struct {
		change func(*Request)
		why    Reason
		held   AreaID
	}{
		"plain":         {func(*Request) {}, ReasonCredential, ""},
		"in its hours":  {func(r *Request) { r.Person.Cardholder.Levels = []LevelID{"staff"} }, ReasonCredential, ""},
		"in time":       {func(r *Request) { r.Deadline = r.Now.Add(1) }, ReasonCredential, ""},
		"fire, late":    {func(r *Request) { r.Fire, r.Deadline = true, r.Now }, ReasonFire, ""},
		"unlocked door": {func(r *Request) { r.Mode = Unlocked }, ReasonModeUnlocked, ""},
		"open door":     {func(r *Request) { r.Mode = LockedOpen }, ReasonModeUnlocked, ""},
		"accessed door": {func(r *Request) { r.Mode = Accessed }, ReasonCredential, ""},
		"valid from now, until later": {func(r *Request) {
			r.Person.Credential.ValidFrom, r.Person.Credential.ValidUntil = monday, monday.Add(1)
			r.Person.Cardholder.ValidFrom, r.Person.Cardholder.ValidUntil = monday, monday.Add(1)
		}, ReasonCredential, ""},
		"soft anti-passback": {func(r *Request) { r.Area.Held = "vault"; wish(r, AntiPassbackSoft) }, ReasonCredential, "vault"},
		"no anti-passback":   {func(r *Request) { r.Area.Held = "vault"; wish(r, AntiPassbackOff) }, ReasonCredential, ""},
		"hard at an exit is soft": {func(r *Request) {
			r.Area.Held = Outside
			r.Door, _ = c.Door("vault")
			r.Reader, _ = c.Reader("vault", "out")
		}, ReasonCredential, Outside},
		"areas down, verdict granted": {func(r *Request) {
			door := *r.Door
			door.AreaVerdict = Granted
			r.Door, r.Area.Unavailable = &door, true
		}, ReasonAreaUnavailable, ""},
		"leads nowhere, areas not asked": {func(r *Request) {
			r.Door, _ = c.Door("closet")
			r.Reader, _ = c.Reader("closet", "in")
			r.Area = AreaAnswer{}
		}, ReasonCredential, ""},
		"fire": {func(r *Request) { r.Fire, r.Area = true, AreaAnswer{} }, ReasonFire, ""},
		"fire over lockdown": {func(r *Request) {
			r.Fire, r.Mode, r.Area = true, LockedDown, AreaAnswer{Asked: true, Unavailable: true}
		}, ReasonFire, ""},
	} {
		req := asks(c)
		row.change(&req)
		d := Decide(req, c)
		if d.Verdict != Granted || d.Reason != row.why || d.Held != row.held || d.NeedsArea {
			t.Errorf("%s: got %+v", name, d)
		}
	}
}

func wish(r *Request, apb AntiPassback) {
	reader := *r.Reader
	reader.AntiPassback = apb
	r.Reader = &reader
}

// TestFireGrantsNobodyElse: the door is released anyway, but an invalid card is
// still denied and recorded as such.
func TestFireGrantsNobodyElse(t *testing.T) {
	t.Parallel()
	c := compiled(t, house())
	for _, mode := range []Mode{Locked, LockedDown, Unlocked, LockedOpen} {
		for _, row := range refusals {
			req := asks(c)
			row.spoil(&req)
			waived := req.Mode != Locked || row.why == ReasonDeadline || row.why == ReasonAreaUnavailable || row.why == ReasonReserved || row.why == ReasonAntiPassback
			req.Fire, req.Mode = true, mode
			want := row.why
			if waived {
				want = ReasonFire
			}
			if d := Decide(req, c); d.Reason != want || (d.Verdict == Granted) != waived {
				t.Errorf("%v, %v: got %v by %v", mode, row.why, d.Verdict, d.Reason)
			}
		}
	}
}

func TestUnlockedStillDenies(t *testing.T) {
	t.Parallel()
	c := compiled(t, house())
	for _, row := range refusals {
		req := asks(c)
		row.spoil(&req)
		if req.Mode != Locked {
			continue
		}
		req.Mode = LockedOpen
		if d := Decide(req, c); d.Verdict != Denied || d.Reason != row.why {
			t.Errorf("%v: got %v by %v", row.why, d.Verdict, d.Reason)
		}
	}
}

func TestNeedsArea(t *testing.T) {
	t.Parallel()
	c := compiled(t, house())
	req := asks(c)
	req.Area = AreaAnswer{}
	if d := Decide(req, c); !d.NeedsArea || d.Verdict != Denied || d.Reason != ReasonNone {
		t.Errorf("got %+v", d)
	}
	req.Known = false
	if d := Decide(req, c); d.NeedsArea {
		t.Error("the areas are asked about an unknown card")
	}
}

func TestCarriedThrough(t *testing.T) {
	t.Parallel()
	c := compiled(t, house())
	want := Decision{
		Verdict: Granted, Reason: ReasonCredential, Reader: "in", Credential: "card1", Cardholder: "ann",
		From: Outside, To: "building", Reservation: 5, Origin: Origin{File: "f", Row: 3, Order: 2},
	}
	same(t, want, Decide(asks(c), c))

	lockdown := asks(c)
	lockdown.Mode = LockedDown
	want.Verdict, want.Reason = Denied, ReasonLockdown
	same(t, want, Decide(lockdown, c))

	unknown := asks(c)
	unknown.Known = false // what stands in Person means nothing now
	want.Reason, want.Credential, want.Cardholder = ReasonUnknownCard, "", ""
	same(t, want, Decide(unknown, c))
}
