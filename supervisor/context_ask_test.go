package supervisor_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// show is an Answer as text, with the time of its coming.
func show(c ctx, a supervisor.Answer) string {
	return fmt.Sprintf("%v: %v %v at %v", a.Tag, a.Value, a.Err, c.Now().Sub(sim.Epoch))
}

// asker notes its answers; it is a child named "asker".
func (w *world) asker() kid {
	return w.log.Child("asker", probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
		if a, ok := msg.(supervisor.Answer); ok {
			w.log.Add("%s", show(c, a))
		}
		return nil
	}})
}

// askPair is a tree of an asker and of b.
func askPair(t *testing.T) *world {
	w := simWorld(t)
	b := w.log.Child("b", probe{Quiet: true})
	b.Mailbox.Normal = 2
	b.Backoff = supervisor.Backoff{Min: time.Hour}
	w.start(spec{Budget: isolating(9), Children: kids{w.asker(), b}})
	w.log.Take()
	return w
}

// ask lets the asker ask b, and waits for quiet.
func (w *world) ask(question func(c ctx) error, limit time.Duration) {
	w.do("asker", func(c ctx) error {
		return c.Ask(c.Lookup("root/b"), supervisortest.Do(question), limit, "q")
	})
	w.sim.Quiesce()
}

func TestAskInside(t *testing.T) {
	for _, c := range []struct {
		name     string
		question func(c ctx) error
		want     string
	}{
		{"reply", func(c ctx) error { c.Reply(42); return nil }, "q: 42 <nil> at 0s"},
		{"nil", func(c ctx) error { c.Reply(nil); return nil }, "q: <nil> <nil> at 0s"},
		{"fail", func(c ctx) error { c.ReplyTo().Fail(supervisortest.ErrCrash); return nil }, "q: <nil> crash at 0s"},
		{"none", func(ctx) error { return nil }, "q: <nil> no answer in time at 0s"},
		{"too late", func(c ctx) error { c.ReplyTo(); return nil }, "q: <nil> no answer in time at 7s"},
		{"crash", func(ctx) error { return supervisortest.ErrCrash }, "q: <nil> the actor stopped before it answered, and its supervisor starts it again at 0s"},
		{"panic", func(ctx) error { panic("ouch") }, "q: <nil> the actor stopped before it answered, and its supervisor starts it again at 0s"},
		{"stop", func(c ctx) error { c.Stop(); return nil }, "q: <nil> the actor stopped before it answered, and its supervisor starts it again at 0s"},
		{"reply and crash", func(c ctx) error { c.Reply(1); return supervisortest.ErrCrash }, "q: 1 <nil> at 0s"},
		{"twice", func(c ctx) error {
			equal(t, "first", true, c.Reply(1))
			equal(t, "second", false, c.Reply(2))
			return nil
		}, "q: 1 <nil> at 0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := askPair(t)
			w.ask(c.question, 7*time.Second)
			w.advance(20 * time.Second)
			lines := w.log.Take()
			equal(t, "answers", []string{c.want}, withPrefix(lines, "q:"))
			equal(t, "timers", int64(0), w.node("asker").Timers)
			equal(t, "waiting", 0, w.sim.Timers()-int(w.sys.Ledger().Timers))
		})
	}
}

func withPrefix(lines []string, prefix string) (found []string) {
	for _, l := range lines {
		if len(l) >= len(prefix) && l[:len(prefix)] == prefix {
			found = append(found, l)
		}
	}
	return found
}

// TestAskInsideNobody: also who cannot be asked gives one Answer, through the
// mailbox.
func TestAskInsideNobody(t *testing.T) {
	w := askPair(t)
	w.inside("asker", func(c ctx) {
		b := c.Lookup("root/b")
		for range 2 {
			c.Send(b, 1)
		}
		for tag, to := range map[string]supervisor.Ref{"nobody": {}, "parent": c.Parent()} {
			equal(t, tag, nil, c.Ask(to, "?", time.Hour, tag))
		}
		equal(t, "full", nil, c.Ask(b, "?", time.Hour, "full"))
		equal(t, "no message", nil, c.Ask(b, nil, time.Hour, "none"))
		equal(t, "quiet until the handler returns", 0, len(w.log.Take()))
	})
	w.sim.Quiesce()
	lines := w.log.Take()
	equal(t, "answers", 4, len(lines))
	for _, want := range []string{
		"nobody: <nil> the actor is not running at 0s", "parent: <nil> the actor is not running at 0s",
		"full: <nil> the actor's mailbox is full at 0s", "none: <nil> the actor's mailbox is full at 0s",
	} {
		equal(t, want, []string{want}, withPrefix(lines, want))
	}
}

// TestAskSelf: an actor can ask itself.
func TestAskSelf(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		got := make(chan any, 1)
		w.start(spec{Children: kids{w.log.Child("a", probe{Quiet: true, OnReceive: func(_ ctx, msg any) error {
			got <- msg
			return nil
		}})}})
		w.do("a", func(c ctx) error { return c.Ask(c.Self(), supervisortest.Echo{Value: 5}, limit, 1) })
		w.wait("answer", func() bool { return len(got) == 1 })
		equal(t, "answer", any(supervisor.Answer{Tag: 1, Value: 5}), <-got)
	})
}

// TestAskDeadlines: one timer serves all asks of a life, each ends exactly at
// its own time, and the timer is gone when none waits.
func TestAskDeadlines(t *testing.T) {
	w := askPair(t)
	hold := supervisortest.Do(func(c ctx) error { c.ReplyTo(); return nil })
	w.inside("asker", func(c ctx) {
		for i, s := range []int{5, 3, 9, 3, 0} {
			equal(t, "ask", nil, c.Ask(c.Self(), hold, time.Duration(s)*time.Second, i))
		}
		equal(t, "for ever", nil, c.Ask(c.Self(), hold, supervisor.Infinity, "never"))
		equal(t, "timers", int64(1), w.node("asker").Timers)
	})
	w.advance(time.Hour)
	w.wantLog("4: <nil> no answer in time at 0s", "1: <nil> no answer in time at 3s", "3: <nil> no answer in time at 3s",
		"0: <nil> no answer in time at 5s", "2: <nil> no answer in time at 9s")
	equal(t, "timers", int64(0), w.node("asker").Timers)
}

// TestAnswersAreNotRefused by a full mailbox, keep their place, are nobody's dead
// letters and are not what makes room.
func TestAnswersAreNotRefused(t *testing.T) {
	w := simWorld(t, sim.Options{Throughput: 1})
	newest := supervisor.Class{WhenFull: supervisor.ReplaceOldest}
	a := w.log.Child("a", probe{OnReceive: func(_ ctx, msg any) error {
		if _, ok := msg.(supervisor.Answer); ok {
			return supervisortest.ErrCrash
		}
		return nil
	}})
	a.Mailbox.Normal, a.Backoff = 2, noBackoff
	w.start(spec{Budget: isolating(9), Children: kids{a}})
	var to []supervisor.ReplyTo
	w.inside("a", func(c ctx) {
		for i := range 3 {
			c.Ask(c.Self(), supervisortest.Do(func(c ctx) error { to = append(to, c.ReplyTo()); return nil }), time.Hour, i)
		}
	})
	w.sim.Quiesce() // two are in; the third was refused, which is an Answer and crashes
	w.waitLife("a", 2)
	w.inside("a", func(c ctx) {
		for i := range 2 {
			c.Ask(c.Self(), supervisortest.Do(func(c ctx) error { to = append(to, c.ReplyTo()); return nil }), time.Hour, i)
		}
	})
	w.sim.Quiesce()
	w.log.Take()
	equal(t, "taken", 4, len(to))
	equal(t, "of the first life", false, to[0].Reply("x"))
	equal(t, "1", supervisor.Accepted, w.put(1, newest))
	equal(t, "answer", true, to[2].Reply("x"))
	equal(t, "again", false, to[2].Reply("x"))
	equal(t, "2", supervisor.Accepted, w.put(2, newest))
	equal(t, "answer", true, to[3].Reply("y"))
	equal(t, "3 instead of 1", supervisor.Replaced, w.put(3, newest))
	equal(t, "4 instead of 2", supervisor.Replaced, w.put(4, newest))
	equal(t, "full", supervisor.Refused, w.ref("a").Send(5))
	equal(t, "queued", 4, w.node("a").Queued)
	dead := w.sys.Ledger().DeadStopped
	w.sim.Quiesce()
	equal(t, "got", []string{"got root/a#2 {0 x <nil>}"}, withPrefix(w.log.Take(), "got"))
	equal(t, "dead letters", dead+2, w.sys.Ledger().DeadStopped)
}

// TestAskLimit: at most 1,024 asks of a life are open, and an answered one is
// open until its Answer was handled.
func TestAskLimit(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Children: kids{w.asker()}})
	w.log.Take()
	w.inside("asker", func(c ctx) {
		for range 1024 {
			equal(t, "ask", nil, c.Ask(supervisor.Ref{}, "?", time.Hour, 0))
		}
		equal(t, "too many", supervisor.ErrAsks.Error(), fmt.Sprint(c.Ask(supervisor.Ref{}, "?", time.Hour, 0)))
	})
	w.sim.Quiesce()
	equal(t, "answers", 1024, len(w.log.Take()))
	w.inside("asker", func(c ctx) { equal(t, "room again", nil, c.Ask(supervisor.Ref{}, "?", time.Hour, 0)) })
}

// TestAsksEndWithTheLife: no Answer comes to the next one, nothing is left, and
// an abandoned life can ask nobody.
func TestAsksEndWithTheLife(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	asked, late := make(chan supervisor.ReplyTo, 1), make(chan error, 1)
	a := w.asker()
	a.StopDeadline, a.Backoff = supervisor.Brutal, noBackoff
	sub := spec{Strategy: supervisor.OneForAll, Budget: isolating(9), Children: kids{a, with(w.log.Child("b", probe{}), func(c *kid) { c.Backoff = noBackoff })}}
	w.start(spec{Children: kids{supervised("s", sub)}})
	w.do("s/asker", func(c ctx) error {
		keep := supervisortest.Do(func(c ctx) error { asked <- c.ReplyTo(); return nil })
		equal(t, "ask", nil, c.Ask(c.Lookup("root/s/b"), keep, time.Hour, 1))
		gate.Pass()
		late <- c.Ask(c.Lookup("root/s/b"), keep, time.Hour, 2)
		return nil
	})
	<-gate.Entered()
	to := <-asked
	w.send("s/b", supervisortest.Crash) // the asker is abandoned
	w.waitLife("s/asker", 2)
	equal(t, "timers", int64(0), w.node("s/asker").Timers)
	equal(t, "reply", false, to.Reply("x"))
	gate.Open()
	if err := <-late; !errors.Is(err, supervisor.ErrFenced) {
		t.Error("the abandoned life asks:", err)
	}
	w.inside("s/asker", func(ctx) {})
	equal(t, "answers", 0, w.log.Count("1: x <nil>")+w.log.Count("2: x <nil>"))
}
