package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// stashing is a tree of one actor that stashes what it gets until it gets "go".
func stashing(t *testing.T, size int) *world {
	w := simWorld(t)
	open := false
	a := w.log.Child("a", probe{OnReceive: func(c ctx, msg any) error {
		switch {
		case msg == "go":
			open = true
			w.log.Add("unstashed %d", c.Unstash())
		case msg == "close":
			open = false
		case !open:
			err := c.Stash()
			if again := c.Stash(); again != err {
				t.Error("twice:", again)
			}
			if err != nil {
				w.log.Add("%v", err)
			}
		case c.Asked():
			c.Reply(msg)
		}
		return nil
	}, OnStop: func(c ctx, _ supervisor.Reason) {
		if c.Stash() == nil {
			t.Error("there is nothing to stash in Stop")
		}
	}})
	a.Mailbox = supervisor.MailboxSpec{Normal: 4, Stash: size}
	w.start(spec{Budget: isolating(9), Children: kids{a}})
	w.log.Take()
	return w
}

// TestStash: what was put aside comes back in its order, before what waits.
func TestStash(t *testing.T) {
	w := stashing(t, 3)
	for i := range 4 {
		w.send("a", i)
	}
	w.sim.Quiesce()
	w.wantLog("got root/a#1 0", "got root/a#1 1", "got root/a#1 2", "got root/a#1 3", supervisor.ErrStashFull.Error())
	equal(t, "queued", 3, w.node("a").Queued)
	w.send("a", "go")
	w.send("a", 4)
	w.send("a", "close")
	w.send("a", 5)
	w.sim.Quiesce()
	w.wantLog("got root/a#1 go", "unstashed 3", "got root/a#1 0", "got root/a#1 1", "got root/a#1 2",
		"got root/a#1 4", "got root/a#1 close", "got root/a#1 5")
	equal(t, "queued", 1, w.node("a").Queued)
	w.stop()
	equal(t, "dead letters", uint64(1), w.sys.Ledger().DeadStopped)
}

// TestUnstashGoesFirst: put back, also twice, messages come before all that is
// queued, in every lane; they fill the stash until they are handled.
func TestUnstashGoesFirst(t *testing.T) {
	w := simWorld(t)
	var order []any
	a := w.log.Child("a", probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
		order = append(order, msg)
		switch msg {
		case "keep", "keep too":
			if len(order) < 3 {
				equal(t, "keep", nil, c.Stash())
			}
		case "go":
			equal(t, "put back", 2, c.Unstash())
			equal(t, "nothing is left", 0, c.Unstash())
			equal(t, "still full", true, errors.Is(c.Stash(), supervisor.ErrStashFull))
		}
		return nil
	}})
	a.Mailbox.Stash = 2
	w.start(spec{Children: kids{a}})
	w.send("a", "keep")
	w.send("a", "keep too")
	w.sim.Quiesce()
	control := classed{1, supervisor.Class{Lane: supervisor.Control}}
	w.do("a", func(c ctx) error {
		c.Send(c.Self(), "go")
		c.Send(c.Self(), "after")
		return nil
	})
	w.do("a", func(c ctx) error { c.Send(c.Self(), control); return nil })
	w.sim.Quiesce()
	// control went before go; what go put back goes before after.
	equal(t, "order", fmt.Sprint([]any{"keep", "keep too", control, "go", "keep", "keep too", "after"}), fmt.Sprint(order))
}

// TestStashedAsk: an asker waits while its message is in the stash, and is
// answered when the message is handled, or when the life ends.
func TestStashedAsk(t *testing.T) {
	w := simWorld(t)
	x := hooked(w)
	a := w.log.Child("a", probe{OnReceive: func(c ctx, msg any) error {
		switch {
		case msg == "go":
			c.Unstash()
		case msg == "crash":
			return supervisortest.ErrCrash
		case c.Now().Sub(x.Now()) == 0 && !w.log.Has("open"):
			return c.Stash()
		default:
			c.Reply(msg)
		}
		return nil
	}})
	a.Backoff = noBackoff
	w.start(spec{Budget: isolating(9), Children: kids{a}})
	x.before = func() {
		w.sim.Quiesce()
		equal(t, "stashed", 1, w.node("a").Queued)
		w.send("a", "crash")
	}
	_, err := w.ref("a").Ask("question", time.Hour)
	equal(t, "life ended", true, errors.Is(err, supervisor.ErrStopped))
	equal(t, "dead letters", uint64(1), w.sys.Ledger().DeadStopped)
	w.waitLife("a", 2)
	x.before = func() {
		w.sim.Quiesce()
		w.log.Add("open")
		w.send("a", "go")
	}
	got, err := w.ref("a").Ask("question", time.Hour)
	if got != "question" || err != nil {
		t.Error(got, err)
	}
}

// TestStashOfTheRuntimesOwn: ticks, results and Answers can be put aside, and are
// nobody's dead letters.
func TestStashOfTheRuntimesOwn(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Children: kids{w.log.Child("a", probe{OnReceive: func(c ctx, msg any) error {
		if w.log.Count("unstashed") == 0 {
			return c.Stash()
		}
		return nil
	}})}})
	fill := func(c ctx) error {
		c.After("k", 0)
		equal(t, "task", nil, c.Task("t", 0, func(context.Context) (any, error) { return 1, nil }))
		return c.Ask(c.Self(), supervisortest.Echo{Value: 2}, time.Hour, "tag")
	}
	w.do("a", fill)
	w.advance(0)
	equal(t, "stashed", 3, w.node("a").Queued)
	w.log.Take()
	w.do("a", func(c ctx) error { w.log.Add("unstashed"); c.Unstash(); return nil })
	w.sim.Quiesce()
	got := w.log.Take()
	slices.Sort(got)
	equal(t, "back", []string{"got root/a#1 {k 0}", "got root/a#1 {t 1 <nil>}", "got root/a#1 {tag 2 <nil>}", "unstashed"}, got)
	w.do("a", fill)
	w.advance(0)
	equal(t, "stashed", 3, w.node("a").Queued)
	w.stop()
	equal(t, "dead letters", uint64(0), w.sys.Ledger().DeadStopped)
}
