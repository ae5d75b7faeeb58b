package supervisor_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// zombie is a tree whose child a hangs in its handler, then is abandoned by a
// rest-for-one plan; its successor lives when newZombie returns.
type zombie struct {
	*world
	gate *supervisortest.Gate
	done chan struct{} // the late handler has returned
}

// newZombie runs late in the abandoned handler once the gate is open; before is
// run in it while it is still alive.
func newZombie(t *testing.T, before, late func(c ctx) error) *zombie {
	z := &zombie{realWorld(t), supervisortest.NewGate(), make(chan struct{})}
	a := z.log.Child("a", probe{})
	a.StopDeadline = time.Millisecond
	z.start(spec{Strategy: supervisor.RestForOne, Budget: escalating(9), Children: kids{
		z.log.Child("first", probe{}), a, z.log.Child("b", probe{}),
	}})
	z.do("a", func(c ctx) error {
		defer close(z.done)
		if err := before(c); err != nil {
			return err
		}
		z.gate.Pass()
		return late(c)
	})
	<-z.gate.Entered()
	z.send("first", supervisortest.Crash)
	z.waitLife("b", 2) // it starts after a
	return z
}

func nothing(ctx) error { return nil }

// TestZombieIsFenced: what an abandoned life still sends, answers, arms or
// starts is refused.
func TestZombieIsFenced(t *testing.T) {
	replies := make(chan bool, 9)
	z := newZombie(t, nothing, func(c ctx) error {
		replies <- c.Send(c.Lookup("root/b"), "from the zombie").OK()
		c.After("late", 0)
		c.Every("late too", time.Millisecond)
		c.StateAfter("late as well", 0)
		replies <- c.Task("late", 0, func(context.Context) (any, error) { return nil, nil }) == nil
		replies <- c.Loop("late", func(context.Context) error { return nil }) == nil
		replies <- c.Context().Err() == nil
		c.Stop()
		return supervisor.Escalate(supervisortest.ErrCrash)
	})
	z.log.Take()
	before := z.events.lines()
	z.gate.Open()
	<-z.done
	z.wait("no zombie", func() bool { return z.sys.Ledger().Zombies == 0 })
	close(replies)
	i := 0
	for ok := range replies {
		if ok {
			t.Errorf("number %d was allowed", i)
		}
		i++
	}
	equal(t, "answers", 4, i)
	equal(t, "events", before, z.events.lines())
	z.wantLog() // no Stop hook, no tick, no message at b
	equal(t, "timers", int64(0), z.node("a").Timers)
	equal(t, "a", supervisor.StateRunning, z.state("a"))
	equal(t, "life", uint64(2), z.node("a").Incarnation)
	got, err := z.ref("a").Ask(supervisortest.Echo{Value: "alive"}, limit)
	if got != "alive" || err != nil {
		t.Error(got, err)
	}
	z.stop()
	balanced(t, z.events)
}

// TestZombieReplies: who had asked the life before it was abandoned gets no late
// answer: the asker of the current message was told at the fence.
func TestZombieReplies(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	a := w.log.Child("a", probe{})
	a.StopDeadline = time.Millisecond
	w.start(spec{Strategy: supervisor.RestForOne, Budget: escalating(9), Children: kids{w.log.Child("first", probe{}), a}})
	kept := make(chan supervisor.ReplyTo, 1)
	first := make(chan error, 1)
	go func() {
		_, err := w.ref("a").Ask(supervisortest.Do(func(c ctx) error { kept <- c.ReplyTo(); return nil }), time.Second)
		first <- err
	}()
	to := <-kept
	current := make(chan error, 1)
	late := make(chan bool, 2)
	go func() {
		_, err := w.ref("a").Ask(supervisortest.Do(func(c ctx) error {
			gate.Pass()
			late <- to.Reply("kept")
			late <- c.Reply("current")
			return nil
		}), limit)
		current <- err
	}()
	<-gate.Entered()
	w.send("first", supervisortest.Crash)
	w.waitLife("a", 2)
	equal(t, "current", supervisor.ErrRestarted.Error(), fmt.Sprint(<-current)) // the gate is still closed
	gate.Open()
	equal(t, "late answers", []bool{false, false}, []bool{<-late, <-late})
	equal(t, "kept", supervisor.ErrNoAnswer.Error(), fmt.Sprint(<-first))
	w.stop()
}

// TestZombieLoses: a timer, a worker's result and messages that were on their way
// to the abandoned life do not reach its successor.
func TestZombieLoses(t *testing.T) {
	worker := supervisortest.NewGate()
	z := newZombie(t, func(c ctx) error {
		c.After("tick", 0)
		c.Every("ticks", time.Millisecond)
		return c.Task("task", 0, func(context.Context) (any, error) { worker.Pass(); return "result", nil })
	}, nothing)
	equal(t, "zombies: handler and worker", int64(2), z.node("a").Zombies)
	equal(t, "timers", int64(0), z.node("a").Timers)
	worker.Open()
	z.gate.Open()
	z.wait("no zombies", func() bool { return z.node("a").Zombies == 0 })
	z.inside("a", func(c ctx) {
		if err := c.Task("task", 0, func(context.Context) (any, error) { return "own", nil }); err != nil {
			t.Error(err)
		}
	})
	z.waitLine("got root/a#2 {task own <nil>}")
	for _, line := range z.log.Lines() {
		if strings.Contains(line, "result") || strings.Contains(line, "tick") {
			t.Errorf("log: %s", line)
		}
	}
	z.stop()
}

// TestZombieEndsLate: its late error, panic or Goexit does not end its successor,
// and frees no name.
func TestZombieEndsLate(t *testing.T) {
	for name, late := range map[string]func(ctx) error{
		"returns": nothing,
		"error":   func(ctx) error { return supervisortest.ErrCrash },
		"panic":   func(ctx) error { panic("late") },
		"stop":    func(c ctx) error { c.Stop(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			z := newZombie(t, nothing, late)
			z.gate.Open()
			<-z.done
			z.wait("no zombie", func() bool { return z.sys.Ledger().Zombies == 0 })
			for range 3 { // its name still works: restarts by message
				z.inside("a", func(ctx) {})
			}
			equal(t, "life", uint64(2), z.node("a").Incarnation)
			equal(t, "actors", int64(4), z.sys.Ledger().Actors)
			r := z.stop()
			equal(t, "complete", true, r.Complete)
			balanced(t, z.events)
		})
	}
}

// TestAbandonedIsReported: with the stack of what hangs.
func TestAbandonedIsReported(t *testing.T) {
	z := newZombie(t, nothing, nothing)
	e := z.events.of(supervisor.EventAbandoned, "a")
	if len(e) != 1 || !strings.Contains(e[0].Detail, "supervisortest.(*Gate).Pass") || e[0].Incarnation != 1 {
		t.Errorf("event %+v", e)
	}
	z.gate.Open()
	<-z.done
}

// TestStacksAreLimited: hundreds of stuck actors do not stop the world hundreds
// of times.
func TestStacksAreLimited(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	var children kids
	for i := range 30 {
		c := w.log.Child(fmt.Sprint("c", i), probe{OnReceive: func(ctx, any) error { gate.Pass(); return nil }})
		c.StopDeadline = supervisor.Brutal
		children = append(children, c)
	}
	w.start(spec{Children: children})
	for _, c := range children {
		w.send(c.ID, "hang")
		w.wait(c.ID, func() bool { return w.log.Has("got root/" + c.ID + "#1 hang") })
	}
	r := w.sys.Stop()
	equal(t, "zombies", int64(30), r.Zombies)
	equal(t, "abandoned", 30, len(r.Abandoned))
	full := 0
	for _, e := range w.events.of(supervisor.EventAbandoned, "") {
		if strings.Contains(e.Detail, "Gate") {
			full++
		}
	}
	all := w.events.of(supervisor.EventAbandoned, "")
	seconds := int(all[len(all)-1].Time.Sub(all[0].Time) / time.Second)
	if full == 0 || full > 10*(2+seconds) {
		t.Errorf("%d full stacks in %d s", full, seconds)
	}
	gate.Open()
	w.stop()
}

// TestAbandonSubtree: a supervisor that misses its deadline is given up with all
// below it, and comes back whole.
func TestAbandonSubtree(t *testing.T) {
	w := simWorld(t, holdAll)
	s := supervised("s", spec{Children: kids{
		w.log.Child("w", probe{}),
		with(w.log.Child("x", stuck()), func(c *kid) { c.StopDeadline = time.Hour }),
	}})
	s.StopDeadline = time.Second
	w.start(spec{Strategy: supervisor.RestForOne, Children: kids{w.log.Child("a", probe{}), s, w.log.Child("z", probe{})}})
	w.log.Take()
	w.send("a", supervisortest.Crash)
	w.advance(time.Second + supervisor.DefaultGrace)
	w.wantLog(
		"stop root/a#1 error: crash", "stop root/z#1 shutdown", "stop root/s/x#1 shutdown",
		"start root/a#2", "start root/s/w#2", "start root/s/x#2", "start root/z#2",
	)
	equal(t, "zombies", int64(1), w.sys.Ledger().Zombies)
	equal(t, "actors", int64(6), w.sys.Ledger().Actors)
	w.sim.Release("root/s/x", "deaf")
	w.sim.Quiesce()
	equal(t, "zombies later", int64(0), w.sys.Ledger().Zombies)
	w.sys.Stop()
	w.release()
	w.stop()
	balanced(t, w.events)
}

// TestAbandonRacesWithEnd: the deadline and the child's own end at the same
// moment: exactly one of them ends the life, thousands of times.
func TestAbandonRacesWithEnd(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	x := supervisor.NewReal(1)
	for i := range rounds {
		w := newWorld(t, x)
		// Brutal is an abandon at once; the children end by themselves meanwhile.
		var children kids
		for j := range 8 {
			c := w.log.Child(fmt.Sprint("c", j), probe{Quiet: true, OnReceive: func(c ctx, _ any) error {
				switch j % 3 {
				case 0:
					c.Stop()
				case 1:
					return supervisortest.ErrCrash
				}
				return nil
			}})
			c.StopDeadline, c.Restart = supervisor.Brutal, supervisor.Permanent
			children = append(children, c)
		}
		w.start(spec{Children: kids{supervised("s", spec{Strategy: supervisor.RestForOne, Budget: isolating(1000), Children: children})}})
		for j := range 8 {
			w.ref(fmt.Sprint("s/c", (i+j)%8)).Send("end")
		}
		r := w.sys.Stop()
		if !r.Complete {
			t.Fatalf("%+v", r)
		}
		supervisortest.NoLeaks(t, w.sys)
		balanced(t, w.events)
	}
}
