package demo

import (
	"time"

	"gatehouse/access"
	"gatehouse/devices"
)

// day is the time of the crowd's day, and after a time that lies a span of it
// later.
func (c *Crowd) day(now time.Time) time.Time {
	return c.opts.Day.Add(time.Duration(float64(now.Sub(c.opts.Begin)) * c.opts.Speed))
}

func (c *Crowd) after(now time.Time, span time.Duration) time.Time {
	return now.Add(time.Duration(float64(span) / c.opts.Speed))
}

func (c *Crowd) span(least, most time.Duration) time.Duration {
	return least + time.Duration(c.rand.Float64()*float64(most-least))
}

// expect plans the next arrival: a Poisson process whose rate changes by the
// hour. Candidates come at the highest rate; each is kept with the probability
// that makes its hour's rate.
func (c *Crowd) expect(now time.Time) {
	highest := 0.0
	for _, rate := range perHour {
		highest = max(highest, rate)
	}
	for {
		now = c.after(now, c.wait(highest))
		if c.rand.Float64()*highest < perHour[c.day(now).In(c.zone).Hour()] {
			c.add(Action{Kind: arrive, Due: now})
			return
		}
	}
}

// wait is a time of the crowd's day until the next of so many an hour.
func (c *Crowd) wait(perHour float64) time.Duration {
	return time.Duration(c.rand.ExpFloat64() / perHour * float64(time.Hour))
}

// arrive brings somebody, unless everybody is here.
func (c *Crowd) arrive(a Action, now time.Time) {
	c.arrivals++
	c.expect(a.Due)
	if len(c.outside) == 0 {
		return
	}
	i := c.rand.IntN(len(c.outside))
	who := c.outside[i]
	last := len(c.outside) - 1
	c.outside[i] = c.outside[last]
	c.outside = c.outside[:last]
	p := &c.people[who]
	p.tries, p.leave = 0, c.day(now).Add(c.stay())
	c.add(Action{Kind: decide, who: who, Due: now})
}

// stay is how long a visit lasts: most are a day's work.
func (c *Crowd) stay() time.Duration {
	if c.rand.Float64() < 0.3 {
		return c.span(20*time.Minute, 2*time.Hour)
	}
	return c.span(5*time.Hour, 9*time.Hour)
}

func (c *Crowd) leaving(p *person, now time.Time) bool { return !c.day(now).Before(p.leave) }

// linger plans when somebody goes on from where they are.
func (c *Crowd) linger(who int, from time.Time, briefly bool) {
	span := c.span(30*time.Minute, 90*time.Minute)
	if briefly {
		span = c.span(20*time.Second, 90*time.Second)
	}
	c.add(Action{Kind: decide, who: who, Due: c.after(from, span)})
}

// decide has somebody go somewhere: home, when it is time, else to one of the
// areas next to theirs or into a room.
func (c *Crowd) decide(who int, now time.Time) {
	p := &c.people[who]
	if p.room != nil {
		c.take(who, p.room, now)
		return
	}
	goals := c.goals(p, now)
	if len(goals) == 0 {
		c.linger(who, now, false)
		return
	}
	c.take(who, c.choose(p, goals[c.rand.IntN(len(goals))]), now)
}

// goals are the places where somebody might go, each as the ways there. There is
// none where nobody gets out.
func (c *Crowd) goals(p *person, now time.Time) (goals [][]*way) {
	outer := c.inward[p.area] // none outside
	outward := c.between(p.area, outer)
	if len(outward) > 0 && c.leaving(p, now) {
		return [][]*way{outward}
	}
	for _, inner := range c.within(p.area) {
		if ways := c.between(p.area, inner); p.mayUse(ways) || c.rand.Float64() < curious {
			goals = append(goals, ways)
		}
	}
	if p.area == office && p.mayUse(c.rooms) {
		goals = append(goals, c.rooms)
	}
	if len(outward) > 0 && outer != access.Outside {
		goals = append(goals, outward)
	}
	return goals
}

func (p *person) mayUse(ways []*way) bool {
	for _, w := range ways {
		if p.opens[w.door.ID] {
			return true
		}
	}
	return false
}

// choose picks one of the ways, mostly one that is theirs to use.
func (c *Crowd) choose(p *person, ways []*way) *way {
	theirs := make([]*way, 0, len(ways))
	for _, w := range ways {
		if p.opens[w.door.ID] || w.rex || w.handle {
			theirs = append(theirs, w)
		}
	}
	if len(theirs) > 0 && c.rand.Float64() >= curious {
		ways = theirs
	}
	return ways[c.rand.IntN(len(ways))]
}

// take has somebody walk up to a door and do what opens it.
func (c *Crowd) take(who int, w *way, at time.Time) {
	p := &c.people[who]
	a := Action{Door: w.door.ID, Due: at, who: who, way: w}
	free := w.reader == "" || p.tries > 0 || c.rand.Float64() < byButton
	switch {
	case w.rex && free:
		a.Kind = Press
	case w.handle && free:
		a.Kind = Handle
	default:
		a.Kind, a.Reader, a.Read = Present, w.reader, p.read
		if c.rand.Float64() < unknownCards {
			a.Read = c.strange()
		}
	}
	c.add(a)
}

// strange is a card that nobody here has, such as that of the bus.
func (c *Crowd) strange() devices.CardRead {
	for {
		card := access.Card{Facility: uint32(c.rand.IntN(256)), Number: 1 + c.rand.Uint64N(maxNumber)}
		if read, err := c.swipe(card); err == nil && !c.known[card] {
			return read
		}
	}
}

// lurk plans when a door is forced.
func (c *Crowd) lurk(now time.Time) {
	c.add(Action{Kind: prowl, Due: c.after(now, c.wait(forcedPerDay/24))})
}

// prowl forces one of the doors at which that is an alarm: it has a contact, and
// no handle could have opened it.
func (c *Crowd) prowl(a Action, now time.Time) {
	c.lurk(a.Due)
	var doors []*leaf
	for _, d := range c.doors {
		if d.HasContact && (d.HasREX || d.Egress != access.EgressMechanical) {
			doors = append(doors, d)
		}
	}
	if len(doors) > 0 {
		c.add(Action{Kind: Force, Door: doors[c.rand.IntN(len(doors))].ID, Due: now})
	}
}
