package supervisor_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

func TestAsk(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.start(spec{Children: kids{w.log.Child("a", probe{})}})
		for _, c := range []struct {
			name  string
			f     func(c ctx) error
			value any
			err   error
		}{
			{"reply", func(c ctx) error { c.Reply(42); return nil }, 42, nil},
			{"nil", func(c ctx) error { c.Reply(nil); return nil }, nil, nil},
			{"fail", func(c ctx) error { c.ReplyTo().Fail(supervisortest.ErrCrash); return nil }, nil, supervisortest.ErrCrash},
			{"first counts", func(c ctx) error {
				equal(t, "first", true, c.Reply(1))
				equal(t, "second", false, c.Reply(2))
				return nil
			}, 1, nil},
			{"no reply", func(ctx) error { return nil }, nil, supervisor.ErrNoAnswer},
			{"taken and forgotten", func(c ctx) error { c.ReplyTo(); return nil }, nil, supervisor.ErrNoAnswer},
			{"reply, then crash", func(c ctx) error { c.Reply(3); return supervisortest.ErrCrash }, 3, nil},
		} {
			patience := limit
			if errors.Is(c.err, supervisor.ErrNoAnswer) {
				patience = 100 * time.Millisecond
			}
			value, err := w.ref("a").Ask(supervisortest.Do(c.f), patience)
			if value != c.value || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("%s: %v, %v", c.name, value, err)
			}
		}
		w.waitLife("a", 2)
		for name, f := range map[string]func(c ctx) error{
			"crash": func(ctx) error { return supervisortest.ErrCrash },
			"panic": func(ctx) error { panic("ouch") },
			"stop":  func(c ctx) error { c.Stop(); return nil },
			"taken": func(c ctx) error { c.ReplyTo(); return supervisor.DoNotRestart(supervisortest.ErrCrash) },
		} {
			w := newWorld(t, w.x)
			w.start(spec{Children: kids{w.log.Child("a", probe{})}})
			if _, err := w.ref("a").Ask(supervisortest.Do(f), limit); !errors.Is(err, supervisor.ErrStopped) {
				t.Errorf("%s: %v", name, err)
			}
			w.stop()
		}
	})
}

// TestUnansweredIsToldAtOnce: who asks an actor that does not answer need not
// wait for the limit.
func TestUnansweredIsToldAtOnce(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	begin := w.x.Now()
	_, err := w.ref("a").Ask("no question", time.Hour)
	if !errors.Is(err, supervisor.ErrNoAnswer) || !w.x.Now().Equal(begin) {
		t.Errorf("%v after %v", err, w.x.Now().Sub(begin))
	}
}

// TestAskTimeout: the limit is on the system's clock, exactly.
func TestAskTimeout(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	begin := w.x.Now()
	_, err := w.ref("a").Ask(supervisortest.Do(func(c ctx) error { c.ReplyTo(); return nil }), 7*time.Second)
	if !errors.Is(err, supervisor.ErrNoAnswer) || w.x.Now().Sub(begin) != 7*time.Second {
		t.Errorf("%v after %v", err, w.x.Now().Sub(begin))
	}
}

// TestReplyLater: an address can be kept, and given to another actor.
func TestReplyLater(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.start(spec{Children: kids{
			w.log.Child("a", probe{OnReceive: func(c ctx, msg any) error {
				if to, ok := msg.(supervisor.ReplyTo); ok {
					equal(t, "valid", true, to.Valid())
					equal(t, "still waits", true, to.Reply("from a"))
				}
				return nil
			}}),
			w.log.Child("b", probe{}),
		}})
		w.inside("b", func(c ctx) {
			equal(t, "asked", true, c.Asked())
		})
		w.do("b", func(c ctx) error {
			equal(t, "asked", false, c.Asked())
			equal(t, "reply to nobody", false, c.Reply(1))
			equal(t, "valid", false, c.ReplyTo().Valid())
			return nil
		})
		got, err := w.ref("b").Ask(supervisortest.Do(func(c ctx) error {
			c.Send(c.Lookup("root/a"), c.ReplyTo())
			return nil
		}), limit)
		if got != "from a" || err != nil {
			t.Error(got, err)
		}
	})
}

// TestLateReply: an answer after the time-out is refused, also when the slot it
// was for has long been taken by another ask.
func TestLateReply(t *testing.T) {
	w := simWorld(t)
	var late []supervisor.ReplyTo
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	for i := range 100 {
		_, err := w.ref("a").Ask(supervisortest.Do(func(c ctx) error {
			late = append(late, c.ReplyTo())
			return nil
		}), time.Millisecond)
		equal(t, "timed out", true, errors.Is(err, supervisor.ErrNoAnswer))
		got, err := w.ref("a").Ask(supervisortest.Do(func(c ctx) error {
			for _, to := range late { // while the new ask waits, in the same slot
				equal(t, "late", false, to.Reply("stale"))
			}
			c.Reply(i)
			return nil
		}), time.Second)
		if got != i || err != nil {
			t.Fatal(got, err)
		}
	}
}

// TestAsksRace: thousands of asks whose answers come before, at and after their
// time-out: each gets its own answer or none.
func TestAsksRace(t *testing.T) {
	w := realWorld(t)
	type question struct{ from, n int }
	w.start(spec{Children: kids{
		with(w.log.Child("a", probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
			q := msg.(question)
			if q.n%3 == 0 { // later, by way of b
				to := c.ReplyTo()
				c.Send(c.Lookup("root/b"), func() { to.Reply(q) })
				return nil
			}
			c.Reply(q)
			return nil
		}}), func(c *kid) { c.Mailbox.Normal = 1000 }),
		with(w.log.Child("b", probe{Quiet: true, OnReceive: func(_ ctx, msg any) error { msg.(func())(); return nil }}),
			func(c *kid) { c.Mailbox.Normal = 1000 }),
	}})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			answered := 0
			for n := range 1000 {
				q := question{i, n}
				patience := time.Duration(n%50) * time.Microsecond
				if n%4 == 0 {
					patience = limit
				}
				got, err := w.ref("a").Ask(q, patience)
				switch {
				case err == nil && got == q:
					answered++
				case err == nil:
					t.Errorf("asked %v, was answered %v", q, got)
				case !errors.Is(err, supervisor.ErrNoAnswer):
					t.Error(err)
				}
			}
			if answered < 250 {
				t.Errorf("%d answers", answered)
			}
		})
	}
	all.Wait()
}

// TestAskErrors are distinct and say what happened.
func TestAskErrors(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	a := w.log.Child("a", probe{})
	a.Mailbox.Normal = 1
	w.start(spec{Children: kids{a}})
	w.do("a", func(ctx) error { gate.Pass(); return nil })
	<-gate.Entered()
	w.send("a", "fills it")
	_, err := w.ref("a").Ask("x", limit)
	equal(t, "full", supervisor.ErrRefused.Error(), fmt.Sprint(err))
	gate.Open()
	w.stop()
	_, err = w.ref("a").Ask("x", limit)
	equal(t, "stopped", supervisor.ErrDown.Error(), fmt.Sprint(err))
}
