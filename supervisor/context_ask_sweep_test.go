package supervisor_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// panel is some actors that ask each other and crash, in simulation.
type panel struct {
	t        *testing.T
	seed     uint64
	rand     *rand.Rand
	sim      *sim.Sim
	refs     []supervisor.Ref
	lives    map[*panelist]bool
	tag      int
	accepted int // hellos
	refused  int // hellos
	posted   int // questions, accepted or refused
	handled  int
	answers  map[string]int
	calm     bool
}

// panelist is one life. open holds when each of its questions is due.
type panelist struct {
	p    *panel
	open map[int]time.Time
	kept []supervisor.ReplyTo
}

type question struct {
	tag int
	p   *panel
}

// Class counts the questions that found a mailbox.
func (q question) Class() supervisor.Class {
	q.p.posted++
	return supervisor.Class{}
}

func (p *panel) chance(percent int) bool { return p.rand.IntN(100) < percent }

func (a *panelist) Start(c ctx) error {
	a.p.lives[a] = true
	a.ask(c)
	return nil
}

func (a *panelist) Stop(ctx, supervisor.Reason) { delete(a.p.lives, a) }

func (a *panelist) ask(c ctx) {
	p := a.p
	for range p.rand.IntN(4) {
		if p.calm {
			return
		}
		p.tag++
		limit := time.Duration(p.rand.IntN(5)) * time.Second
		if c.Ask(p.refs[p.rand.IntN(len(p.refs))], question{p.tag, p}, limit, p.tag) != nil {
			p.t.Errorf("seed %d: not asked", p.seed)
		}
		a.open[p.tag] = c.Now().Add(limit)
	}
}

func (a *panelist) Receive(c ctx, msg any) error {
	p := a.p
	switch msg := msg.(type) {
	case supervisor.Answer:
		a.answered(c, msg)
		return nil
	case question:
		if p.chance(10) && c.Stash() == nil {
			return nil
		}
		a.question(c, msg)
	case string:
		c.Unstash()
	}
	p.handled++
	a.ask(c)
	if !p.calm && p.chance(8) {
		return supervisortest.ErrCrash
	}
	return nil
}

func (a *panelist) question(c ctx, q question) {
	switch n := a.p.rand.IntN(10); {
	case n < 5:
		c.Reply(q.tag)
	case n < 8:
		a.kept = append(a.kept, c.ReplyTo())
	}
	if len(a.kept) > 0 && a.p.chance(40) {
		a.kept[0].Reply(-1)
		a.kept = a.kept[1:]
	}
}

func (a *panelist) answered(c ctx, answer supervisor.Answer) {
	tag := answer.Tag.(int)
	due, ok := a.open[tag]
	delete(a.open, tag)
	what := fmt.Sprint(answer.Err)
	a.p.answers[what]++
	switch {
	case !ok:
		a.p.t.Errorf("seed %d: %+v was not asked by this life, or answered before", a.p.seed, answer)
	case c.Now().After(due):
		a.p.t.Errorf("seed %d: %+v came %v late", a.p.seed, answer, c.Now().Sub(due))
	case answer.Err == nil && answer.Value != tag && answer.Value != -1:
		a.p.t.Errorf("seed %d: %+v is another's", a.p.seed, answer)
	}
}

func (p *panel) run() {
	var children kids
	for i := range 4 {
		children = append(children, kid{
			ID: fmt.Sprint("a", i), Mailbox: supervisor.MailboxSpec{Normal: 1 + p.rand.IntN(5), Stash: 2},
			Backoff: supervisor.Backoff{Min: time.Second},
			New:     func() supervisor.Actor { return &panelist{p: p, open: map[int]time.Time{}} },
		})
	}
	strategy := supervisor.Strategy(p.rand.IntN(3))
	sys, err := supervisor.Start(spec{Strategy: strategy, Budget: isolating(1 << 20), Children: children},
		supervisor.Options{Executor: p.sim, OnBuilt: func(find func(string) supervisor.Ref) {
			for i := range 4 {
				p.refs = append(p.refs, find(fmt.Sprint("root/a", i)))
			}
		}})
	if err != nil {
		p.t.Fatal(err)
	}
	for range 60 {
		switch p.refs[p.rand.IntN(4)].Send("hello") {
		case supervisor.Accepted:
			p.accepted++
		case supervisor.Refused:
			p.refused++
		}
		if p.chance(50) {
			p.sim.Round()
		} else {
			p.sim.Advance(time.Duration(p.rand.IntN(1500)) * time.Millisecond)
		}
	}
	p.calm = true
	p.sim.Advance(time.Hour)
	for a := range p.lives {
		if len(a.open) > 0 {
			p.t.Errorf("seed %d: %d asks were never answered", p.seed, len(a.open))
		}
	}
	if l := sys.Ledger(); l.Timers != 0 || p.sim.Timers() != 0 {
		p.t.Errorf("seed %d: %d timers, %d in the simulation", p.seed, l.Timers, p.sim.Timers())
	}
	sys.Stop()
	l := sys.Ledger()
	refused, tree := -p.refused, sys.Tree()
	for _, c := range tree.Children {
		refused += int(c.Refused)
	}
	if l.Timers != 0 || p.sim.Timers() != 0 || l.Actors != 0 {
		p.t.Errorf("seed %d: left: %+v", p.seed, l)
	}
	if want := p.accepted + p.posted - refused; want != p.handled+int(l.DeadStopped) {
		p.t.Errorf("seed %d: %d accepted, %d handled, %d dead", p.seed, want, p.handled, l.DeadStopped)
	}
}

// TestSweepAsks: actors that ask each other and themselves, keep questions, stash
// them, answer late or never, crash and are stopped by siblings' crashes: each
// ask gets exactly one Answer in time or ends with its life, and every message
// is accounted for.
func TestSweepAsks(t *testing.T) {
	answers := map[string]int{}
	for seed := range uint64(supervisortest.Seeds(t, 300)) {
		p := &panel{
			t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 2)), lives: map[*panelist]bool{}, answers: answers,
			sim: sim.New(seed, sim.Options{Throughput: 1 + int(seed%8)}),
		}
		p.run()
		if t.Failed() {
			return
		}
	}
	t.Log(answers)
	for _, err := range []error{nil, supervisor.ErrDown, supervisor.ErrRefused, supervisor.ErrRestarted, supervisor.ErrNoAnswer} {
		if answers[fmt.Sprint(err)] == 0 {
			t.Errorf("no answer was %v", err)
		}
	}
}
