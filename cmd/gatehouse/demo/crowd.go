package demo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
)

// perHour is how many people come within each hour of the day, on average.
var perHour = [24]float64{
	0.3, 0.2, 0.2, 0.2, 0.5, 2, 8, 25, 40, 22, 9, 7,
	12, 14, 8, 6, 4, 6, 4, 2, 1, 0.8, 0.5, 0.4,
}

// How often people do what they should not.
const (
	unknownCards = 0.03 // of the cards that are shown
	heldOpen     = 0.01 // of the openings
	forcedPerDay = 4.0
	distracted   = 0.01 // of the cards that are shown: the door is locked again by then
	curious      = 0.02 // of the walks: to a door that is not theirs
	byButton     = 0.15 // of the exits that have a button or a handle beside a reader
	maxTries     = 4
)

// Options of a crowd.
type Options struct {
	Seed uint64
	// Speed is how many times faster than the clock people come, wander and go;
	// 1 if it is not above 0. What is done at a door keeps its real pace, as do
	// strike times and alarms.
	Speed float64
	// Begin is the time on the clock at which the crowd begins, and Day what it
	// takes that for: the crowd's day runs from there at Speed. Zero: Begin.
	Begin, Day time.Time
}

// Morning is half past seven, when a demo is worth watching, on the day of now
// in the building's time zone.
func Morning(s *site.Site, now time.Time) time.Time {
	local := now.In(zone(s))
	return time.Date(local.Year(), local.Month(), local.Day(), 7, 30, 0, 0, local.Location())
}

func zone(s *site.Site) *time.Location {
	loc, err := time.LoadLocation(s.Building.TimeZone)
	if err != nil {
		return time.UTC
	}
	return loc
}

// Crowd is the people of a site, and what they will do next. It is pure state:
// the same seed, the same times and the same answers give the same actions. It
// is not safe for concurrent use.
type Crowd struct {
	agenda
	town
	opts     Options
	rand     *rand.Rand
	zone     *time.Location
	format   access.Format
	doors    []*leaf
	people   []person
	outside  []int // of the people: those who are not on a visit
	known    map[access.Card]bool
	arrivals uint64
}

// leaf is a door as the crowd sees it.
type leaf struct {
	access.Door
	shut time.Time // nobody lets it fall shut before
}

type person struct {
	read  devices.CardRead
	opens map[access.DoorID]bool // doors that a level of theirs names
	area  access.AreaID
	room  *way      // the way out of the room that they are in, if any
	leave time.Time // of the crowd's day: then they go
	tries int       // at doors that did not open
}

// NewCrowd is the people of a site, all of them outside. The site's readers must
// have the card format of Site, and its devices the names. Error: a card that
// does not fit the format.
func NewCrowd(s *site.Site, o Options) (*Crowd, error) {
	if o.Speed <= 0 {
		o.Speed = 1
	}
	if o.Day.IsZero() {
		o.Day = o.Begin
	}
	c := &Crowd{
		opts: o, rand: rand.New(rand.NewPCG(o.Seed, 0xc403d)), zone: zone(s), known: map[access.Card]bool{},
	}
	for _, d := range s.Rules.Doors {
		c.doors = append(c.doors, &leaf{Door: d})
	}
	c.town = survey(c.doors)
	if err := c.meet(s); err != nil {
		return nil, err
	}
	c.expect(o.Begin)
	c.lurk(o.Begin)
	return c, nil
}

// meet gets to know the people by their cards.
func (c *Crowd) meet(s *site.Site) (err error) {
	if c.format, err = access.ParseFormat(cardFormat); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	opens := map[access.CardholderID]map[access.DoorID]bool{}
	for _, h := range s.Holders {
		opens[h.ID] = doorsOf(s.Rules, h.Levels)
	}
	for i, cred := range s.Credentials {
		read, err := c.swipe(cred.Card)
		if err != nil {
			return fmt.Errorf("demo: credential %s: %w", cred.ID, err)
		}
		c.known[cred.Card] = true
		c.people = append(c.people, person{read: read, opens: opens[cred.Holder], area: access.Outside})
		c.outside = append(c.outside, i)
	}
	return nil
}

// doorsOf are the doors that levels name, at whatever time.
func doorsOf(rules access.Rules, levels []access.LevelID) map[access.DoorID]bool {
	opens := map[access.DoorID]bool{}
	for _, l := range rules.Levels {
		if !slices.Contains(levels, l.ID) {
			continue
		}
		for _, e := range l.Entries {
			for _, d := range rules.Doors {
				opens[d.ID] = opens[d.ID] || e.AllDoors || slices.Contains(e.Doors, d.ID)
			}
		}
	}
	return opens
}

func (c *Crowd) swipe(card access.Card) (devices.CardRead, error) {
	bits, raw, err := c.format.Encode(card)
	return devices.CardRead{Bits: bits, Raw: raw}, err
}

// Due is when to ask for the next action.
func (c *Crowd) Due() time.Time { return c.list[0].Due } // somebody always comes

// Next is the next thing that somebody does, if it is due at now. Of several the
// earliest comes first. After an Open, call Opened.
func (c *Crowd) Next(now time.Time) (Action, bool) {
	for {
		a, ok := c.next(now)
		if !ok {
			return Action{}, false
		}
		switch a.Kind {
		case arrive:
			c.arrive(a, now)
		case decide:
			c.decide(a.who, now)
		case prowl:
			c.prowl(a, now)
		case Close:
			if c.leaf(a.Door).shut.After(now) {
				continue // somebody else holds it
			}
			return a, true
		default:
			c.follow(a, now)
			return a, true
		}
	}
}

func (c *Crowd) leaf(id access.DoorID) *leaf {
	i := slices.IndexFunc(c.doors, func(d *leaf) bool { return d.ID == id })
	return c.doors[i]
}

// follow plans what comes after an action.
func (c *Crowd) follow(a Action, now time.Time) {
	switch a.Kind {
	case Present:
		a.Kind, a.Due = Open, now.Add(c.span(600*time.Millisecond, 1800*time.Millisecond))
		if c.rand.Float64() < distracted {
			a.Due = a.Due.Add(a.way.door.StrikeTime)
		}
		c.add(a)
	case Press:
		a.Kind, a.Due = LetGo, now.Add(500*time.Millisecond)
		c.add(a)
		a.Kind, a.Due = Open, now.Add(c.span(700*time.Millisecond, 1500*time.Millisecond))
		c.add(a)
	case Handle:
		c.passed(a, now)
	case Force:
		c.closeAt(c.leaf(a.Door), now.Add(c.span(5*time.Second, 20*time.Second)))
	}
}

// Opened tells whether the door gave way to an Open.
func (c *Crowd) Opened(a Action, ok bool, now time.Time) {
	if ok {
		c.passed(a, now)
	} else {
		c.turnedAway(a, now)
	}
}

func (c *Crowd) passed(a Action, now time.Time) {
	p := &c.people[a.who]
	p.area, p.room, p.tries = a.way.to, a.way.back, 0
	shut := now.Add(c.span(2*time.Second, 4*time.Second))
	if c.rand.Float64() < heldOpen {
		shut = shut.Add(a.way.door.HeldOpenTime + c.span(5*time.Second, time.Minute))
	}
	c.closeAt(a.way.door, shut)
	if p.area == access.Outside {
		c.outside = append(c.outside, a.who)
		return
	}
	c.linger(a.who, shut, p.area == lobby || c.leaving(p, now))
}

// closeAt has the door fall shut then, unless somebody holds it longer.
func (c *Crowd) closeAt(d *leaf, at time.Time) {
	if at.After(d.shut) {
		d.shut = at
	}
	c.add(Action{Kind: Close, Door: d.ID, Due: at})
}

// turnedAway: they try again, with whatever lets them through, and give up in
// the end: those outside go home, those inside stay where they are for a while.
func (c *Crowd) turnedAway(a Action, now time.Time) {
	p := &c.people[a.who]
	p.tries++
	soon := now.Add(c.span(2*time.Second, 5*time.Second))
	switch {
	case p.tries < maxTries && a.way.from == a.way.to: // a room
		c.take(a.who, a.way, soon)
	case p.tries < maxTries:
		c.take(a.who, c.choose(p, c.between(a.way.from, a.way.to)), soon)
	case p.area == access.Outside:
		c.outside = append(c.outside, a.who)
	default:
		p.tries = 0
		c.linger(a.who, now, c.leaving(p, now))
	}
}
