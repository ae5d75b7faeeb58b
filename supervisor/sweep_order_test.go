package supervisor_test

import (
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"gatehouse/supervisor"
)

// What a sweep orders of supervisors: StartChild and StopChild.

// newPlaces is what the sweep knows of one path over all the places that were
// there one after another.
type newPlaces struct {
	n      int
	before uint64           // what is added to the lives of the place
	refs   []supervisor.Ref // of the first place and the last
}

// life is an event's life, unique among all that lived at its path.
func (g *grove) life(e supervisor.Event) uint64 {
	p := g.lives[e.Path]
	if p == nil {
		p = &newPlaces{}
		g.lives[e.Path] = p
	}
	if e.Kind == supervisor.EventStarting && e.Incarnation == 1 {
		p.before = uint64(p.n) * perPlace
		p.n++
		p.refs = append(p.refs[:min(1, len(p.refs))], g.find(e.Path))
	}
	return p.before + e.Incarnation
}

// draw draws the faults and the orders of the grove's seed.
func (g *grove) draw() []fault {
	return slices.Concat(drawFaults(g.seed, g.actors), drawOrders(g.seed, g.kids))
}

// sendOld writes to a place that was given up for another: it is down for ever.
func (g *grove) sendOld() {
	if g.rand.IntN(4) > 0 {
		return
	}
	to := pick(g.rand, g.actors...)
	if p := g.lives[to]; p != nil && p.n > 1 {
		g.saw(seen{What: "sent-old", Path: to, Got: p.refs[0].Send(g.write(g.rand))})
	}
}

// message is an order as the supervisor gets it.
func (g *grove) message(f fault) (msg any, s seen) {
	id := path.Base(f.Path)
	s = seen{What: "order", Path: f.Path, Text: "stop"}
	if strings.HasSuffix(f.Kind, "stop") {
		return supervisor.StopChild{ID: id}, s
	}
	start := supervisor.StartChild{ID: id}
	if s.Text = "start"; f.Times > 1 {
		g.brands++
		s.Brand = g.brands
		start.New = func() supervisor.Actor { return &leaf{g: g, brand: s.Brand} }
	}
	return start, s
}

// order tells a supervisor to start or stop a child, or asks it to.
func (g *grove) order(f fault) {
	msg, s := g.message(f)
	to := g.find(parentOf(f.Path))
	delicate := g.delicate(f.Path)
	if delicate {
		g.quiet()
	}
	if strings.HasPrefix(f.Kind, "order") {
		s.Got = to.Send(msg)
		g.saw(s)
	} else {
		g.letters++
		s.N, s.Wait = g.letters, f.For/4
		g.saw(s)
		got, err := to.Ask(msg, s.Wait)
		text := orderError(err)
		if ref, is := got.(supervisor.Ref); err == nil && s.Text == "start" && (!is || ref.Path() != f.Path) {
			text = "not the child"
		}
		g.saw(seen{What: "answered", Path: f.Path, N: s.N, Text: text})
	}
	if delicate {
		g.quiet()
	}
}

// delicate: what two things at once make of such an order cannot be told from
// outside, so it comes alone.
func (g *grove) delicate(child string) bool {
	k := g.model.at[child]
	return k == nil || k.spec.Supervisor != nil || !k.parent.ready
}

// orderInside is an order from an actor, which may well be about itself.
func (g *grove) orderInside(l *leaf, c ctx, r *rand.Rand) {
	f := fault{Kind: pick(r, "order-start", "order-start", "order-start", "order-stop"), Path: pick(r, g.kids...), Times: 1 + r.IntN(2)}
	if r.IntN(3) > 0 || g.delicate(f.Path) {
		return
	}
	msg, s := g.message(f)
	s.By, s.Life = l.path, l.life
	s.Got = c.Send(c.Lookup(parentOf(f.Path)), msg)
	g.saw(s)
}
