package supervisor_test

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// flood is a message of the hammer.
type flood struct {
	from, n int
	class   supervisor.Class
}

func (f flood) Class() supervisor.Class { return f.class }

// hammer is what all lives of the hammered actor did.
type hammer struct {
	accepted, handled, disorder, abandoned, refused atomic.Int64
	gate                                            *supervisortest.Gate
}

// anvil is one life.
type anvil struct {
	h    *hammer
	last [4]int
	kept map[flood]bool
}

func (a *anvil) Receive(c ctx, msg any) error {
	f := msg.(flood)
	if f.n%97 == 0 && !a.kept[f] && c.Stash() == nil {
		a.kept[f] = true
		if f.n%2 == 0 {
			c.Unstash()
		}
		return nil
	}
	if f.class == (supervisor.Class{}) && f.n%97 != 0 {
		if f.n <= a.last[f.from] {
			a.h.disorder.Add(1)
		}
		a.last[f.from] = f.n
	}
	c.Reply(f.n)
	switch n := a.h.handled.Add(1); {
	case n%2000 == 0: // stuck while its sibling makes the supervisor abandon it
		if a.smash(c) {
			a.h.gate.Pass()
		}
	case n%900 == 0: // not stuck, but still in its batch
		a.smash(c)
	case n%700 == 0:
		return supervisortest.ErrCrash
	case n%1100 == 0:
		c.Stop()
	}
	return nil
}

// smash lets the sibling crash; false: it is not there.
func (a *anvil) smash(c ctx) bool {
	crash := supervisortest.Do(func(ctx) error { a.h.handled.Add(1); return supervisortest.ErrCrash })
	if !c.Send(c.Lookup("root/s/b"), crash).OK() {
		return false
	}
	a.h.accepted.Add(1)
	a.h.abandoned.Add(1)
	return true
}

// produce goes on until enough was handled.
func (h *hammer) produce(ref supervisor.Ref, from, enough int) {
	r := rand.New(rand.NewPCG(1, uint64(from)))
	for n := 0; h.handled.Load() < int64(enough); n++ {
		f := flood{from: from, n: n + 1}
		switch r.IntN(20) {
		case 0:
			f.class.Lane = supervisor.Control
		case 1:
			f.class.Lane = supervisor.Telemetry
		case 2:
			f.class.WhenFull = supervisor.ReplaceOldest
		case 3:
			f.class.Key = "k"
		}
		d := ref.Send(f)
		for ; d == supervisor.Down; d = ref.Send(f) { // until the next life
			runtime.Gosched()
		}
		if d.OK() {
			h.accepted.Add(1)
		} else {
			h.refused.Add(1)
			runtime.Gosched()
		}
	}
}

func (h *hammer) ask(t *testing.T, ref supervisor.Ref, most int) {
	for i := range most {
		n := 97*i + 98
		got, err := ref.Ask(flood{n: n, class: supervisor.Class{Lane: supervisor.Telemetry}}, limit)
		switch {
		case err == nil && got == n, errors.Is(err, supervisor.ErrStopped):
			h.accepted.Add(1)
		case !errors.Is(err, supervisor.ErrDown) && !errors.Is(err, supervisor.ErrRefused):
			t.Errorf("ask %d: %v, %v", n, got, err)
		}
	}
}

// TestHammer: producers of all classes and askers against lives that crash, stop
// by themselves and are abandoned within a batch: each message has exactly one
// fate, and those that nothing replaces keep their order.
func TestHammer(t *testing.T) {
	w := realWorld(t)
	h := &hammer{gate: supervisortest.NewGate()}
	a := kid{
		ID: "a", Backoff: noBackoff, StopDeadline: supervisor.Brutal,
		Mailbox: supervisor.MailboxSpec{Normal: 100, Telemetry: 3},
		New:     func() supervisor.Actor { return &anvil{h: h, kept: map[flood]bool{}} },
	}
	b := with(w.log.Child("b", probe{}), func(c *kid) { c.Backoff, c.StopDeadline = noBackoff, supervisor.Brutal })
	s := spec{Strategy: supervisor.OneForAll, Budget: isolating(1 << 20), Children: kids{a, b}}
	w.start(spec{Children: kids{supervised("s", s)}})
	ref := w.ref("s/a")
	var all sync.WaitGroup
	for from := range 4 {
		all.Go(func() { h.produce(ref, from, 30_000) })
	}
	all.Go(func() { h.ask(t, ref, 500) })
	all.Wait()
	w.sys.Stop()
	h.gate.Open()
	w.stop()
	l := w.sys.Ledger()
	equal(t, "accepted = handled + dead + replaced + coalesced", h.accepted.Load(),
		h.handled.Load()+int64(l.DeadStopped+l.DeadReplaced+l.Coalesced))
	equal(t, "out of order", int64(0), h.disorder.Load())
	t.Logf("accepted %d, refused %d, handled %d, abandoned %d, ledger %+v", h.accepted.Load(), h.refused.Load(), h.handled.Load(), h.abandoned.Load(), l)
	if h.abandoned.Load() == 0 || h.refused.Load() == 0 || l.DeadStopped == 0 || l.DeadReplaced == 0 || l.Coalesced == 0 {
		t.Error("the hammer hits nothing")
	}
}
