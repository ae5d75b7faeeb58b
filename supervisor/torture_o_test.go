package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// TestTortureO is about fences: a life that was given up can do nothing any
// more, and a resource is never held by two.
func TestTortureO(t *testing.T) {
	never := sim.Options{Hold: forever}
	torture(
		t, 12,
		tortureCase{name: "a zombie sends, arms, starts work, escalates: refused", on: onMachine, run: zombieIsFenced},
		tortureCase{name: "a zombie answers: refused, its askers were told", on: onMachine, run: zombieReplies},
		tortureCase{name: "a zombie acts on its device: refused", on: onMachine, run: zombieActs},
		tortureCase{name: "what was on its way to a zombie does not reach its successor", on: onMachine, run: zombieLoses},
		tortureCase{name: "a zombie ends late: it returns", on: onMachine, run: zombieEndsLate(nothing)},
		tortureCase{name: "a zombie ends late: error", on: onMachine, run: zombieEndsLate(func(ctx) error { return supervisortest.ErrCrash })},
		tortureCase{name: "a zombie ends late: panic", on: onMachine, run: zombieEndsLate(func(ctx) error { panic("late") })},
		tortureCase{name: "a zombie ends late: stop", on: onMachine, run: zombieEndsLate(func(c ctx) error { c.Stop(); return nil })},
		tortureCase{name: "an abandoned life is reported with its stack", on: onMachine, run: abandonedIsReported},
		tortureCase{name: "thirty at once: the stacks are limited", on: onMachine, run: stacksAreLimited},
		tortureCase{name: "a subtree is given up whole, and comes back whole", sim: holdAll, run: abandonSubtree},
		tortureCase{name: "the deadline races with the end: one of them wins", on: onMachine, run: abandonRacesWithEnd},
		tortureCase{name: "exclusive: the next life waits for the zombie", sim: never, run: exclusiveWaits},
		tortureCase{name: "exclusive: the same with a handler that hangs", on: onMachine, run: exclusiveRealHandler},
		tortureCase{name: "exclusive: the handler returns, its worker not yet", on: onMachine, run: exclusiveLastOfTwo(0, 1)},
		tortureCase{name: "exclusive: the worker returns, its handler not yet", on: onMachine, run: exclusiveLastOfTwo(1, 0)},
		tortureCase{name: "exclusive: the driver's word frees it", sim: never, run: exclusiveReleased},
		tortureCase{name: "exclusive: never free is a failed start, isolating", sim: never, run: exclusiveStartTimeout(isolating(1), true)},
		tortureCase{name: "exclusive: never free is a failed start, escalating", sim: never, run: exclusiveStartTimeout(escalating(1), false)},
		tortureCase{name: "exclusive: stop while it waits, one for one", sim: never, run: exclusiveStopWhileWaiting(supervisor.OneForOne)},
		tortureCase{name: "exclusive: stop while it waits, rest for one", sim: never, run: exclusiveStopWhileWaiting(supervisor.RestForOne)},
		tortureCase{name: "exclusive: stop while it waits, one for all", sim: never, run: exclusiveStopWhileWaiting(supervisor.OneForAll)},
		tortureCase{name: "exclusive: never doubled, whatever happens", sim: never, run: neverDoubled},
		tortureCase{name: "zombie limit: at it all is well, beyond it the root gives up", on: onMachine, run: zombieLimit},
	)
}

// zombie is a tree whose child a hangs in its handler, then is abandoned by a
// rest-for-one plan; its successor lives when newZombie returns.
type zombie struct {
	*world
	gate *supervisortest.Gate
	done chan struct{} // the late handler has returned
}

// newZombie starts such a tree. It runs late in the abandoned handler once the gate is open; before is
// run in it while it is still alive.
func newZombie(w *world, before, late func(c ctx) error) *zombie {
	z := &zombie{w, supervisortest.NewGate(), make(chan struct{})}
	a := z.log.Child("a", probe{})
	a.StopDeadline = supervisor.Brutal
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

func noWork(context.Context) (any, error) { return nil, nil }

// port is a resource that notices when two hold it.
type port struct {
	w      *world
	claims []*supervisor.Claim
}

// holder is an actor that holds the port, and hangs in a task until released.
func (p *port) holder(w *world) kid {
	c := w.log.Child("a", probe{OnStart: func(c ctx) error {
		for i, cl := range p.claims {
			if cl.Held() {
				w.t.Errorf("life %d still holds the port", i+1)
			}
		}
		p.claims = append(p.claims, c.Claim())
		if !c.Claim().Held() {
			w.t.Error("a new life does not hold its resource")
		}
		return nil
	}})
	c.Exclusive, c.StopDeadline, c.StartTimeout, c.Backoff = "port", time.Second, 10*time.Second, noBackoff
	return c
}

func forever(owner, name string) sim.Hold {
	if name == "hang" {
		return sim.Hold{Result: sim.Forever}
	}
	return sim.Hold{}
}

func hang(c ctx) error { return c.Task("hang", 0, noWork) }

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// zombieIsFenced: what an abandoned life still sends, answers, arms or
// starts is refused.
func zombieIsFenced(t *testing.T, w *world) {
	replies := make(chan bool, 9)
	z := newZombie(w, nothing, func(c ctx) error {
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
	z.becomes("life", uint64(2), func() any { return z.node("a").Incarnation })
	got, err := z.ref("a").Ask(supervisortest.Echo{Value: "alive"}, limit)
	if got != "alive" || err != nil {
		t.Error(got, err)
	}
	z.stop()
}

// zombieReplies: who had asked the life before it was abandoned gets no late
// answer: the asker of the current message was told at the fence.
func zombieReplies(t *testing.T, w *world) {
	gate := supervisortest.NewGate()
	a := w.log.Child("a", probe{})
	a.StopDeadline = supervisor.Brutal
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
	equal(t, "kept", supervisor.ErrRestarted.Error(), fmt.Sprint(<-first))
	w.stop()
}

// zombieLoses: a timer, a worker's result and messages that were on their way
// to the abandoned life do not reach its successor.
func zombieLoses(t *testing.T, w *world) {
	worker := supervisortest.NewGate()
	z := newZombie(w, func(c ctx) error {
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

// zombieEndsLate: how the abandoned handler ends does not end its successor, and
// frees no name.
func zombieEndsLate(late func(ctx) error) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		z := newZombie(w, nothing, late)
		z.gate.Open()
		<-z.done
		z.wait("no zombie", func() bool { return z.sys.Ledger().Zombies == 0 })
		for range 3 { // its name still works: restarts by message
			z.inside("a", func(ctx) {})
		}
		z.becomes("life", uint64(2), func() any { return z.node("a").Incarnation })
		z.becomes("actors", int64(4), func() any { return z.sys.Ledger().Actors })
		r := z.stop()
		equal(t, "complete", true, r.Complete)
	}
}

// abandonedIsReported: with the stack of what hangs.
func abandonedIsReported(t *testing.T, w *world) {
	z := newZombie(w, nothing, nothing)
	e := z.events.of(supervisor.EventAbandoned, "a")
	if len(e) != 1 || !strings.Contains(e[0].Detail, "supervisortest.(*Gate).Pass") || e[0].Incarnation != 1 {
		t.Errorf("event %+v", e)
	}
	z.gate.Open()
	<-z.done
}

// stacksAreLimited: hundreds of stuck actors do not stop the world hundreds
// of times.
func stacksAreLimited(t *testing.T, w *world) {
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

// abandonSubtree: a supervisor that misses its deadline is given up with all
// below it, and comes back whole.
func abandonSubtree(t *testing.T, w *world) {
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
}

// abandonRacesWithEnd: the deadline and the child's own end at the same
// moment: exactly one of them ends the life, thousands of times.
func abandonRacesWithEnd(t *testing.T, w *world) {
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

// exclusiveWaits: the next life starts when the last goroutine
// of the one before has returned.
func exclusiveWaits(t *testing.T, w *world) {
	p := &port{w: w}
	w.start(spec{Budget: isolating(100), Children: kids{p.holder(w)}})
	w.do("a", hang)
	w.send("a", supervisortest.Crash)
	w.advance(5 * time.Second)
	equal(t, "state", supervisor.StateStarting, w.state("a"))
	equal(t, "lives", uint64(1), w.node("a").Incarnation)
	equal(t, "revoked", true, closed(p.claims[0].Revoked()))
	w.sim.Release("root/a", "hang")
	w.advance(0)
	equal(t, "state", supervisor.StateRunning, w.state("a"))
	equal(t, "lives", uint64(2), w.node("a").Incarnation)
}

// exclusiveReleased: the driver's word frees the resource under a zombie.
func exclusiveReleased(t *testing.T, w *world) {
	p := &port{w: w}
	w.start(spec{Budget: isolating(100), Children: kids{p.holder(w)}})
	w.do("a", hang)
	w.send("a", supervisortest.Crash)
	w.advance(5 * time.Second)
	p.claims[0].Release()
	w.advance(0)
	equal(t, "lives", uint64(2), w.node("a").Incarnation)
	w.sim.Release("root/a", "hang") // its late end frees nothing of its successor's
	w.advance(0)
	equal(t, "held", []bool{false, true}, []bool{p.claims[0].Held(), p.claims[1].Held()})
	w.do("a", hang)
	w.send("a", supervisortest.Crash)
	w.advance(5 * time.Second)
	equal(t, "waits again", uint64(2), w.node("a").Incarnation)
	w.sim.Release("root/a", "hang")
}

// exclusiveStartTimeout: a resource that never comes free is a start that
// fails, and is tried again.
func exclusiveStartTimeout(budget supervisor.Budget, up bool) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		p := &port{w: w}
		a := p.holder(w)
		a.StartTimeout = 2 * time.Second
		var fatal supervisor.Reason
		w.onFatal = func(r supervisor.Reason) { fatal = r }
		w.start(spec{Budget: budget, Children: kids{a}})
		w.do("a", hang)
		w.send("a", supervisortest.Crash)
		w.advance(time.Minute)
		equal(t, "lives", uint64(1), w.node("a").Incarnation)
		equal(t, "up", up, w.state("") == supervisor.StateRunning)
		equal(t, "cause", !up, errors.Is(fatal.Err, supervisor.ErrStartTimeout))
		w.sim.Release("root/a", "hang")
		w.advance(time.Minute)
		equal(t, "heals", up, w.state("a") == supervisor.StateRunning)
	}
}

// exclusiveStopWhileWaiting: StopChild and Stop end the wait at once.
func exclusiveStopWhileWaiting(strategy supervisor.Strategy) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		p := &port{w: w}
		w.start(spec{Strategy: strategy, Budget: isolating(100), Children: kids{p.holder(w), w.log.Child("b", probe{})}})
		w.do("a", hang)
		w.send("a", supervisortest.Crash)
		w.advance(5 * time.Second)
		equal(t, "state", supervisor.StateStarting, w.state("a"))
		w.stopChild("", "a")
		equal(t, "state", supervisor.StateStopped, w.state("a"))
		w.advance(0)
		equal(t, "its sibling", supervisor.StateRunning, w.state("b"))
		w.sim.Release("root/a", "hang")
		w.advance(time.Minute)
		equal(t, "stays", supervisor.StateStopped, w.state("a"))
		w.startChild("", "a")
		w.do("a", hang)
		w.send("a", supervisortest.Crash)
		w.advance(5 * time.Second)
		r := w.sys.Stop()
		equal(t, "stop while it waits", []string{"root/a"}, r.Abandoned) // its zombie
		equal(t, "at once", time.Duration(0), r.Took)
		w.sim.Release("root/a", "hang")
		w.advance(0)
		w.stop()
	}
}

// exclusiveRealHandler: the same with a handler that hangs on the machine.
func exclusiveRealHandler(t *testing.T, w *world) {
	p := &port{w: w}
	a := p.holder(w)
	a.StopDeadline = time.Millisecond
	w.start(spec{Strategy: supervisor.RestForOne, Budget: isolating(100), Children: kids{w.log.Child("first", probe{}), a}})
	gate := supervisortest.NewGate()
	w.do("a", func(ctx) error { gate.Pass(); return nil })
	<-gate.Entered()
	w.send("first", supervisortest.Crash)
	w.wait("abandoned", func() bool { return len(w.events.of(supervisor.EventAbandoned, "a")) == 1 })
	w.wait("waits", func() bool { return w.state("a") == supervisor.StateStarting && w.node("a").Incarnation == 1 })
	gate.Open()
	w.waitLife("a", 2)
	w.stop()
}

// zombieLimit: one more than allowed, and the root gives up.
func zombieLimit(t *testing.T, w *world) {
	gates := []*supervisortest.Gate{supervisortest.NewGate(), supervisortest.NewGate(), supervisortest.NewGate()}
	fatal := make(chan supervisor.Reason, 1)
	w.onFatal = func(r supervisor.Reason) { fatal <- r }
	w.zombies = 2
	p := pool(w, func(c *kid) { c.StopDeadline = supervisor.Brutal })
	p.Budget = isolating(100)
	w.start(spec{Budget: isolating(100), Children: kids{supervised("pool", p)}})
	for i, g := range gates {
		id := fmt.Sprint(i)
		w.startChild("pool", id)
		w.do("pool/"+id, func(ctx) error { g.Pass(); return nil })
		<-g.Entered()
		w.ref("pool").Send(supervisor.StopChild{ID: id})
		if i < 2 {
			w.wait("zombie", func() bool { return w.sys.Ledger().Zombies == int64(i+1) })
			equal(t, "up", supervisor.StateRunning, w.state(""))
		}
	}
	if r := <-fatal; !errors.Is(r.Err, supervisor.ErrZombies) {
		t.Error(r)
	}
	for _, g := range gates {
		g.Open()
	}
	w.stop()
}

// zombieActs: whoever acts on a device asks the claim first; a zombie's handler
// and its worker are told no, while its successor acts.
func zombieActs(t *testing.T, w *world) {
	var acts []string // of the device, in the order of lives
	device := make(chan string, 9)
	act := func(cl *supervisor.Claim, who string) bool {
		if cl.Held() {
			device <- who
		}
		return cl.Held()
	}
	gates := []*supervisortest.Gate{supervisortest.NewGate(), supervisortest.NewGate()}
	acted := make(chan bool, 2)
	a := w.log.Child("a", probe{OnStart: func(c ctx) error {
		act(c.Claim(), supervisortest.Life(c))
		return nil
	}})
	a.Exclusive, a.StopDeadline, a.Backoff = "device", supervisor.Brutal, noBackoff
	w.start(spec{Strategy: supervisor.RestForOne, Budget: isolating(9), Children: kids{w.log.Child("first", probe{}), a}})
	w.do("a", func(c ctx) error {
		claim := c.Claim()
		err := c.Task("worker", 0, func(context.Context) (any, error) {
			gates[1].Pass()
			acted <- act(claim, "the zombie's worker")
			return nil, nil
		})
		gates[0].Pass()
		acted <- act(claim, "the zombie")
		<-claim.Revoked()
		claim.Release() // the driver closed the device
		return err
	})
	<-gates[0].Entered()
	<-gates[1].Entered()
	w.send("first", supervisortest.Crash)
	w.wait("abandoned", func() bool { return w.sys.Ledger().Zombies == 2 })
	gates[0].Open()
	equal(t, "the handler", false, <-acted)
	w.waitLife("a", 2) // by Release: the worker still runs
	gates[1].Open()
	equal(t, "the worker", false, <-acted)
	w.wait("no zombie", func() bool { return w.sys.Ledger().Zombies == 0 })
	w.stop()
	close(device)
	for who := range device {
		acts = append(acts, who)
	}
	equal(t, "acts", []string{"root/a#1", "root/a#2"}, acts)
}

// exclusiveLastOfTwo: a handler (0) and a worker (1) hang; only when both have
// returned is the resource free.
func exclusiveLastOfTwo(first, last int) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		gates := [2]*supervisortest.Gate{supervisortest.NewGate(), supervisortest.NewGate()}
		a := w.log.Child("a", probe{})
		a.Exclusive, a.StopDeadline, a.Backoff = "port", supervisor.Brutal, noBackoff
		w.start(spec{Strategy: supervisor.RestForOne, Budget: isolating(9), Children: kids{w.log.Child("first", probe{}), a}})
		w.do("a", func(c ctx) error {
			err := c.Task("hangs", 0, func(context.Context) (any, error) { gates[1].Pass(); return nil, nil })
			gates[0].Pass()
			return err
		})
		<-gates[0].Entered()
		<-gates[1].Entered()
		w.send("first", supervisortest.Crash)
		w.waitLife("first", 2)
		w.becomes("zombies", int64(2), func() any { return w.sys.Ledger().Zombies })
		gates[first].Open()
		w.wait("one zombie", func() bool { return w.sys.Ledger().Zombies == 1 })
		w.inside("first", func(ctx) {})
		w.x.Wait(nil, 5*time.Millisecond)
		w.becomes("lives", uint64(1), func() any { return w.node("a").Incarnation })
		equal(t, "state", supervisor.StateStarting, w.state("a"))
		gates[last].Open()
		w.waitLife("a", 2)
	}
}

// neverDoubled: crashes, hangs, releases, late ends, stops and starts in an order
// that nobody chose; port notices whoever starts beside another that holds it.
func neverDoubled(t *testing.T, w *world) {
	p := &port{w: w}
	w.start(spec{Budget: isolating(1 << 20), Children: kids{p.holder(w)}})
	for range 2000 {
		switch n := int(w.x.Random() * 7); n {
		case 0, 1:
			w.ref("a").Send(supervisortest.Do(hang))
		case 2:
			w.ref("a").Send(supervisortest.Crash)
		case 3:
			w.sim.Release("root/a", "hang")
		case 4:
			p.claims[int(w.x.Random()*float64(len(p.claims)))].Release()
		case 5:
			w.at("").Send(supervisor.StopChild{ID: "a"})
		case 6:
			w.at("").Send(supervisor.StartChild{ID: "a"})
		}
		w.advance(time.Duration(w.x.Random() * float64(3*time.Second)))
	}
	held := 0
	for _, cl := range p.claims {
		if cl.Held() {
			held++
		}
	}
	if held > 1 || len(p.claims) < 20 {
		t.Errorf("%d of %d lives hold the port", held, len(p.claims))
	}
	for w.sim.Release("root/a", "hang") {
	}
}
