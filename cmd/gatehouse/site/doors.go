package site

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"gatehouse/access"
)

// Durations of a door in milliseconds. A strike shorter than minStrike does not
// let a bolt move, a deadline shorter than minDeadline is over before anybody could
// decide.
const (
	minStrike   = 200
	minDeadline = 20
	maxMillis   = 600_000
)

// A decision deadline that is not given stays 0: access.Compile has its default, and
// rules that were stored before there was one are still the same.
var defaultTiming = access.Door{
	StrikeTime:   access.DefaultStrikeTime,
	HeldOpenTime: access.DefaultHeldOpenTime,
	RecordLimit:  access.DefaultRecordLimit,
	AreaTimeout:  access.DefaultAreaTimeout,
	AreaVerdict:  access.Denied,
}

const defaultFormat = "H10301"

func (p *parser) timing(n *yaml.Node) {
	p.object(n, "the defaults section", p.timingFields(&p.defaults)...)
	p.checkDeadline(n, p.defaults)
}

func (p *parser) timingFields(d *access.Door) []field {
	return []field{
		{"strike_time_ms", "", p.millis(&d.StrikeTime, minStrike)},
		{"held_open_time_ms", "", p.millis(&d.HeldOpenTime, 1)},
		{"record_limit_ms", "", p.millis(&d.RecordLimit, 1)},
		{"decision_deadline_ms", "", p.millis(&d.DecisionDeadline, minDeadline)},
		{"area_timeout_ms", "", p.millis(&d.AreaTimeout, 1)},
		{"area_verdict", "", choice(p, &d.AreaVerdict, access.Verdict.String, access.Denied, access.Granted)},
	}
}

func (p *parser) area(n *yaml.Node) {
	var a access.Area
	p.object(
		n, "an area",
		field{"id", "hall", id(p, &a.ID, p.areas)},
		field{"name", "", p.text(&a.Name)},
	)
	a.Name = cmp.Or(a.Name, string(a.ID))
	p.site.Rules.Areas = append(p.site.Rules.Areas, a)
}

func (p *parser) doorList(n *yaml.Node) {
	if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		p.at(n, "a building without doors — list at least one")
	}
	p.declarations(p.doors, "doors", p.door)(n)
}

func (p *parser) door(n *yaml.Node) {
	d, w := p.defaults, Wiring{}
	readers := newNames("reader")
	fields := append([]field{
		{"id", "entrance", id(p, &d.ID, p.doors)},
		{"name", "", p.text(&d.Name)},
		{"lock_type", "fail_secure (locked without power) or fail_safe (open without power)", choice(p, &d.LockType, access.LockType.String, access.FailSecure, access.FailSafe)},
		{"egress", "none, rex, mechanical or hardwired (how people get out)", choice(
			p, &d.Egress, access.Egress.String,
			access.EgressNone, access.EgressREX, access.EgressMechanical, access.EgressHardwired,
		)},
		{"fire_release", "", p.truth(&d.FireRelease)},
		{"lock", "device/part (the device and its part that moves the lock)", p.part(&w.Lock, lockUse)},
		{"contact", "", p.part(&w.Contact, contactUse)},
		{"rex", "", p.part(&w.REX, rexUse)},
		{"tamper", "", p.part(&w.Tamper, tamperUse)},
		{"readers", "", p.list("readers", func(n *yaml.Node) { p.reader(n, &d, &w, readers) })},
	}, p.timingFields(&d)...)
	p.object(n, "a door", fields...)
	d.Name = cmp.Or(d.Name, string(d.ID))
	d.HasContact, d.HasREX = w.Contact != "", w.REX != ""
	w.Door = d.ID
	p.checkEgress(n, d)
	p.checkDeadline(n, d)
	p.site.Rules.Doors = append(p.site.Rules.Doors, d)
	p.site.Wiring = append(p.site.Wiring, w)
}

func (p *parser) reader(n *yaml.Node, d *access.Door, w *Wiring, ids *names) {
	r, rw := access.Reader{Format: defaultFormat}, ReaderWiring{}
	p.object(
		n, "a reader",
		field{"side", "in (badge to go in) or out (badge to go out)", choice(p, &r.Side, access.Side.String, access.SideIn, access.SideOut)},
		field{"id", "", id(p, &r.ID, ids)},
		field{"device", "device/part (the device and its part that reads)", p.part(&rw.Device, readerUse)},
		field{"indicator", "", p.part(&rw.Indicator, indicatorUse)},
		field{"from", "", ref(p, &r.From, p.areas)},
		field{"to", "", ref(p, &r.To, p.areas)},
		field{"anti_passback", "", choice(
			p, &r.AntiPassback, access.AntiPassback.String,
			access.AntiPassbackOff, access.AntiPassbackSoft, access.AntiPassbackHard,
		)},
		field{"format", "", p.format(&r.Format)},
	)
	if r.ID == "" && isText(child(n, "side")) {
		r.ID = access.ReaderID(child(n, "side").Value)
		p.declare(child(n, "side"), string(r.ID), ids)
	}
	rw.Reader = r.ID
	p.formats[r.Format], _ = access.ParseFormat(r.Format) // good, or the default
	p.checkAreas(n, r)
	p.checkPassback(n, r, d.Egress)
	d.Readers = append(d.Readers, r)
	w.Readers = append(w.Readers, rw)
}

func (p *parser) format(dst *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		var name string
		p.text(&name)(n)
		if name == "" {
			return
		}
		format, err := access.ParseFormat(name)
		if err != nil {
			p.at(n, "%v", err) // says which there are
			return
		}
		*dst = format.String()
	}
}

// checkAreas: a reader leads from one area to another, or areas mean nothing
// to it.
func (p *parser) checkAreas(n *yaml.Node, r access.Reader) {
	given := func(id access.AreaID, key string) bool { return id != "" || child(n, key) != n }
	switch {
	case given(r.From, "from") != given(r.To, "to"):
		p.at(n, `a reader with only one of "from" and "to" — give both (the world is %q), or none`, access.Outside)
	case !given(r.From, "from") && r.AntiPassback != access.AntiPassbackOff:
		p.at(child(n, "anti_passback"), `anti_passback without areas — add "from" and "to" to this reader`)
	case r.From == r.To && r.From != "":
		p.at(child(n, "to"), "this reader leads from %s to the same area — a reader leads from one area to another", quote(string(r.From)))
	}
}

func (p *parser) checkPassback(n *yaml.Node, r access.Reader, e access.Egress) {
	if r.AntiPassback == access.AntiPassbackHard && r.Side == access.SideOut && !e.Independent() {
		p.warn(child(n, "anti_passback"),
			"hard anti-passback at an exit could hold people in, so soft is what holds here — write soft, or give the door egress mechanical or hardwired if it has that")
	}
}

func (p *parser) checkEgress(n *yaml.Node, d access.Door) {
	if d.Egress == access.EgressREX && !d.HasREX && child(n, "rex") == n {
		p.at(child(n, "egress"), `egress is by rex but no rex is wired — add a line rex: device/part, or correct the egress`)
	}
	exit := func(r access.Reader) bool { return r.Side == access.SideOut }
	stated := child(n, "egress") != n && child(n, "lock_type") != n
	if stated && d.LockType == access.FailSecure && d.Egress == access.EgressNone && !slices.ContainsFunc(d.Readers, exit) {
		p.warn(child(n, "egress"),
			"people cannot get out here: fail_secure, no egress and no reader with side out — correct the egress or add a reader if people can be inside")
	}
}

// checkDeadline warns where n itself makes a time of d longer than what the
// decision's deadline leaves of it.
func (p *parser) checkDeadline(n *yaml.Node, d access.Door) {
	deadline := cmp.Or(d.DecisionDeadline, access.DefaultDecisionDeadline)
	for _, wait := range []struct {
		key         string
		is, allowed time.Duration
		means       string
	}{
		{"record_limit_ms", d.RecordLimit, deadline / 2, "a release waits for its record for half of decision_deadline_ms at most"},
		{"area_timeout_ms", d.AreaTimeout, deadline - 1, "area_verdict never counts, because the decision is over before"},
	} {
		at := cmp.Or(given(n, wait.key), given(n, "decision_deadline_ms"))
		if at == nil || wait.is <= wait.allowed || wait.key == "record_limit_ms" && d.Durability == access.Group {
			continue
		}
		p.warn(at, "%s is %d and decision_deadline_ms %d: %s — lower the one or raise the other",
			wait.key, wait.is.Milliseconds(), deadline.Milliseconds(), wait.means)
	}
}

// given is the value that a mapping itself gives a key, or nil.
func given(n *yaml.Node, key string) *yaml.Node {
	if v := child(n, key); v != n {
		return v
	}
	return nil
}

func (p *parser) fire(n *yaml.Node) {
	p.object(n, "the fire section", field{"inputs", "[device/part]", p.list("device/part", func(n *yaml.Node) {
		var part string
		p.part(&part, fireUse)(n)
		p.site.FireInputs = append(p.site.FireInputs, part)
	})})
}

// checkFire warns of doors that count on a fire input that does not exist.
func (p *parser) checkFire(n *yaml.Node) {
	doors := child(n, "doors")
	if len(p.site.FireInputs) > 0 || doors.Kind != yaml.SequenceNode {
		return
	}
	for i, d := range p.site.Rules.Doors {
		if d.FireRelease {
			p.warn(child(doors.Content[i], "fire_release"), "fire_release never happens: there is no fire input — add a section fire: {inputs: [device/part]}")
		}
	}
}

// use is what a part of a device is used for. Two uses of one kind, as
// devices.Parts has them, are the same set of parts at the device (an input is an
// input, be it a contact or a REX).
type use struct {
	kind   string
	role   string
	shared bool // one part may serve several doors in this role
}

var (
	lockUse      = use{kind: "locks", role: "lock"}
	contactUse   = use{kind: "inputs", role: "contact"}
	rexUse       = use{kind: "inputs", role: "rex", shared: true}
	tamperUse    = use{kind: "inputs", role: "tamper", shared: true}
	fireUse      = use{kind: "inputs", role: "fire input"}
	readerUse    = use{kind: "readers", role: "reader"}
	indicatorUse = use{kind: "indicators", role: "indicator"}
)

type partKey struct{ kind, part string }

type claim struct {
	role string
	line int
}

var goodPart = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$`)

// part reads device/part.
func (p *parser) part(dst *string, u use) func(*yaml.Node) {
	return func(n *yaml.Node) {
		device, part, cut := strings.Cut(n.Value, "/")
		if !isText(n) || !cut || !goodPart.MatchString(part) {
			p.wrong(n, "device/part, such as rig/entrance")
			return
		}
		*dst = n.Value
		if p.declared(n, device, p.devices) {
			p.claim(n, u)
			p.hasPart(n, device, part, u)
		}
	}
}

func (p *parser) claim(n *yaml.Node, u use) {
	key := partKey{u.kind, n.Value}
	first, taken := p.parts[key]
	switch {
	case !taken:
		p.parts[key] = claim{u.role, n.Line}
	case !u.shared || first.role != u.role:
		p.at(n, "%s is used twice, first as the %s at line %d — every %s needs a part of its own", quote(n.Value), first.role, first.line, u.role)
	}
}
