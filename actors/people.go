package actors

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// people is the actor that looks up the cards of a building whose people are too
// many for memory. A disk that hangs then holds a few workers of this actor, however
// many cards come and however many doors there are: a door waits for no longer than
// lookupLimit and a card's deadline, and does everything else meanwhile.
type people struct {
	b       *Building
	slots   [maxLookups]slot
	waiting []lookUp // oldest first, one a reader
}

// slot is a lookup that may be under way.
type slot struct {
	busy  bool
	asked lookUp
	since time.Time
}

const (
	// maxLookups is how many lookups go on at once. The kernel's cache answers most of
	// them in microseconds; a hung one takes a thread of the process.
	maxLookups = 8
	// lookupLimit is how long a card waits to be looked up. After it the card is
	// denied, since nobody is known for certain. It leaves time for the areas.
	lookupLimit = 200 * time.Millisecond
)

// Receive handles questions and answers.
func (p *people) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case lookUp:
		same := func(w lookUp) bool { return w.door == m.door && w.reader == m.reader }
		p.waiting = append(slices.DeleteFunc(p.waiting, same), m)
		p.next(c)
	case supervisor.Tick:
		p.stalled(c.Now())
	case supervisor.TaskDone:
		p.done(c, m)
		p.next(c)
	}
	return nil
}

// next looks up whoever waits, as far as there are slots. For one whose time is over
// nobody waits any more.
func (p *people) next(c *supervisor.Context) {
	for i := range p.slots {
		for !p.slots[i].busy && len(p.waiting) > 0 {
			m := p.waiting[0]
			p.waiting = slices.Delete(p.waiting, 0, 1)
			if c.Now().Before(m.until) {
				p.begin(c, i, m)
			}
		}
	}
}

func (p *people) begin(c *supervisor.Context, i int, m lookUp) {
	err := c.Task(lookupTasks[i], 0, func(context.Context) (any, error) {
		person, known, err := p.b.cfg.Directory.Lookup(m.card)
		return answer{person, known}, err
	})
	if err != nil { // this life is ending: the door's timer denies
		return
	}
	p.slots[i] = slot{true, m, c.Now()}
	c.After(stallTimer, stallLimit)
}

// answer is what a lookup came to.
type answer struct {
	person access.Person
	known  bool
}

var lookupTasks = func() (names [maxLookups]string) {
	for i := range names {
		names[i] = fmt.Sprintf("lookup-%d", i)
	}
	return names
}()

func (p *people) done(c *supervisor.Context, end supervisor.TaskDone) {
	i := slices.Index(lookupTasks[:], end.Name)
	m := p.slots[i].asked
	p.slots[i] = slot{}
	a, _ := end.Value.(answer)
	c.Send(m.from, found{m.id, a.person, a.known, end.Err})
	p.state(cmp.Or(end.Err, p.hung(c.Now())))
}

// stalled raises the alarm while a lookup hangs. Others that work do not end it: it
// has one of the few places.
func (p *people) stalled(now time.Time) {
	if err := p.hung(now); err != nil {
		p.state(err)
	}
}

func (p *people) hung(now time.Time) error {
	for _, s := range p.slots {
		if still := now.Sub(s.since); s.busy && still >= stallLimit {
			return fmt.Errorf("the disk has not answered for %v", still)
		}
	}
	return nil
}

func (p *people) state(err error) {
	if !p.b.health.setPeople(err) {
		return
	}
	if err != nil {
		p.b.cfg.Log.Error().Err(err).Msg("cards cannot be looked up and are denied; everything else at the doors goes on")
		return
	}
	p.b.cfg.Log.Info().Msg("cards can be looked up again")
}

// lookUp asks the directory beside the door. A door that cannot even ask does not
// wait.
func (l *logic) lookUp(c *supervisor.Context, q question, card access.Card) {
	l.asked++
	wait := l.patience(c, q, lookupLimit)
	sent := c.Send(l.b.people, lookUp{
		from: c.Self(), id: l.asked, door: l.p.door.ID, reader: q.from, card: card, until: c.Now().Add(wait),
	})
	if !sent.OK() {
		q.request.Failed = true
		l.decide(c, q)
		return
	}
	q.lookup = true
	l.asks[l.asked] = q
	c.After(askKey(l.asked), wait)
}

// found is the directory's answer, unless it comes too late.
func (l *logic) found(c *supervisor.Context, m found) {
	q, ok := l.asks[m.id]
	if !ok {
		return
	}
	delete(l.asks, m.id)
	c.CancelTimer(askKey(m.id))
	q.lookup = false
	q.request.Person, q.request.Known, q.request.Failed = m.person, m.known, m.err != nil
	l.decide(c, q)
}
