package supervisor_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// boxed is a tree of one actor with small lanes.
func boxed(t *testing.T, control, normal, telemetry int) *world {
	w := simWorld(t)
	a := w.log.Child("a", probe{})
	a.Mailbox = supervisor.MailboxSpec{Control: control, Normal: normal, Telemetry: telemetry}
	w.start(spec{Children: kids{a}})
	w.log.Take()
	return w
}

// put sends a message of a class and says what became of it.
func (w *world) put(n int, c supervisor.Class) supervisor.Delivery {
	return w.ref("a").Send(classed{n, c})
}

// got is the numbers that were handled, in order.
func (w *world) got() (all []int) {
	w.sim.Quiesce()
	for _, line := range w.log.Take() {
		var n int
		if _, err := fmt.Sscanf(line, "got root/a#1 %d", &n); err == nil {
			all = append(all, n)
		}
	}
	return all
}

func TestRefuse(t *testing.T) {
	w := boxed(t, 1, 3, 1)
	var got []supervisor.Delivery
	for i := range 5 {
		got = append(got, w.ref("a").Send(i))
	}
	const ok, no = supervisor.Accepted, supervisor.Refused
	equal(t, "deliveries", []supervisor.Delivery{ok, ok, ok, no, no}, got)
	equal(t, "queued", 3, w.node("a").Queued)
	equal(t, "refused", uint64(2), w.node("a").Refused)
	w.sim.Quiesce()
	w.wantLog("got root/a#1 0", "got root/a#1 1", "got root/a#1 2")
	equal(t, "room again", ok, w.ref("a").Send(5))
	w.stop()
	equal(t, "dead letters", uint64(1), w.sys.Ledger().DeadStopped)
}

func TestReplaceOldest(t *testing.T) {
	w := boxed(t, 1, 1, 3)
	c := supervisor.Class{Lane: supervisor.Telemetry, WhenFull: supervisor.ReplaceOldest}
	for i := range 3 {
		equal(t, "delivery", supervisor.Accepted, w.put(i, c))
	}
	for i := range 4 {
		equal(t, "delivery", supervisor.Replaced, w.put(3+i, c))
	}
	equal(t, "kept", []int{4, 5, 6}, w.got())
	equal(t, "replaced", uint64(4), w.sys.Ledger().DeadReplaced)
	equal(t, "counted", uint64(4), w.node("a").Refused)
}

// TestCoalesce: by key within a lane, full or not; the place in the queue is the
// first one's. An asker whose message was replaced is told.
func TestCoalesce(t *testing.T) {
	w := boxed(t, 3, 3, 1)
	key := func(k string) supervisor.Class { return supervisor.Class{Key: k} }
	equal(t, "x", supervisor.Accepted, w.put(1, key("x")))
	equal(t, "y", supervisor.Accepted, w.put(2, key("y")))
	equal(t, "x again", supervisor.Coalesced, w.put(3, key("x")))
	equal(t, "no key", supervisor.Accepted, w.put(4, supervisor.Class{}))
	equal(t, "full", supervisor.Refused, w.put(5, key("z")))
	equal(t, "full, same key", supervisor.Coalesced, w.put(6, key("y")))
	equal(t, "same key, other lane", supervisor.Accepted, w.put(7, supervisor.Class{Lane: supervisor.Control, Key: "x"}))
	equal(t, "handled", []int{7, 3, 6, 4}, w.got())
	equal(t, "coalesced", uint64(2), w.sys.Ledger().Coalesced)
	equal(t, "dead", uint64(0), w.sys.Ledger().DeadReplaced)
	equal(t, "after it was handled", supervisor.Accepted, w.put(8, key("x")))
}

// TestCoalescedAsk: who asked with a message whose place a newer one took is
// told at once.
func TestCoalescedAsk(t *testing.T) {
	x, w := hooked(t)
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	class := supervisor.Class{Key: "k"}
	x.before = func() { equal(t, "second", supervisor.Coalesced, w.put(2, class)) }
	begin := w.x.Now()
	_, err := w.ref("a").Ask(classed{1, class}, time.Hour)
	if !errors.Is(err, supervisor.ErrRefused) || !w.x.Now().Equal(begin) {
		t.Errorf("asker: %v after %v", err, w.x.Now().Sub(begin))
	}
}

// hookExec is a simulation that does something before it waits.
type hookExec struct {
	*sim.Sim
	before func()
}

func hooked(t *testing.T) (*hookExec, *world) {
	x := &hookExec{Sim: sim.New(1, sim.Options{})}
	w := newWorld(t, x)
	w.sim = x.Sim
	return x, w
}

func (x *hookExec) Wait(done <-chan struct{}, limit time.Duration) bool {
	if before := x.before; before != nil {
		x.before = nil
		before()
	}
	return x.Sim.Wait(done, limit)
}

// TestLanes: control before timers before normal before telemetry, in order
// within each.
func TestLanes(t *testing.T) {
	w := boxed(t, 9, 9, 9)
	for i := range 3 {
		w.put(30+i, supervisor.Class{Lane: supervisor.Telemetry})
		w.put(20+i, supervisor.Class{})
		w.put(10+i, supervisor.Class{Lane: supervisor.Control})
	}
	equal(t, "order", []int{10, 11, 12, 20, 21, 22, 30, 31, 32}, w.got())
}

// TestNoMessages: nil, a class that does not exist, and a class that panics harm
// the sender only.
func TestNoMessages(t *testing.T) {
	w := boxed(t, 9, 9, 9)
	equal(t, "nil", supervisor.Refused, w.ref("a").Send(nil))
	equal(t, "lane", supervisor.Refused, w.put(1, supervisor.Class{Lane: 3}))
	equal(t, "outcome", supervisor.Refused, w.put(1, supervisor.Class{WhenFull: 2}))
	_, err := w.ref("a").Ask(nil, limit)
	equal(t, "ask nil", true, errors.Is(err, supervisor.ErrRefused))
	equal(t, "counted", uint64(4), w.node("a").Refused)
	func() {
		defer func() { _ = recover() }()
		w.ref("a").Send(badClass{})
		t.Error("no panic")
	}()
	equal(t, "not locked", supervisor.Accepted, w.ref("a").Send("x"))
	var nobody supervisor.Ref
	equal(t, "nobody", supervisor.Down, nobody.Send("x"))
	_, err = nobody.Ask("x", limit)
	equal(t, "ask nobody", true, errors.Is(err, supervisor.ErrDown))
	equal(t, "no such place", supervisor.Down, w.ref("nowhere").Send("x"))
	equal(t, "not valid", false, w.ref("nowhere").Valid())
	w.sim.Quiesce()
	w.wantLog("got root/a#1 x")
}

type badClass struct{}

func (badClass) Class() supervisor.Class { panic("no class") }

// TestSupervisorsTakeNoMessages: nobody would handle them.
func TestSupervisorsTakeNoMessages(t *testing.T) {
	w := boxed(t, 1, 1, 1)
	root := w.sys.Ref("root")
	equal(t, "send", supervisor.Down, root.Send("x"))
	_, err := root.Ask("x", limit)
	equal(t, "ask", true, errors.Is(err, supervisor.ErrDown))
	equal(t, "valid", true, root.Valid())
}

// TestSelfSend: an actor that floods itself is answered like others, and lives.
func TestSelfSend(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.start(spec{Children: kids{w.log.Child("a", probe{Quiet: true})}})
		counts := map[supervisor.Delivery]int{}
		w.inside("a", func(c ctx) {
			for i := range 100 {
				counts[c.Send(c.Self(), i)]++
			}
		})
		equal(t, "deliveries", map[supervisor.Delivery]int{supervisor.Accepted: 64, supervisor.Refused: 36}, counts)
		w.wait("room", func() bool { return w.node("a").Queued == 0 })
		w.inside("a", func(ctx) {})
	})
}

// TestFullCycle: two actors with full mailboxes that send to each other.
func TestFullCycle(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		var handled atomic.Int64
		pingpong := func(id, other string) kid {
			return w.log.Child(id, probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
				handled.Add(1)
				if n := msg.(int); n > 0 {
					for range 3 {
						c.Send(c.Lookup("root/"+other), n-1)
					}
				}
				return nil
			}})
		}
		w.start(spec{Children: kids{pingpong("a", "b"), pingpong("b", "a")}})
		for range 64 {
			w.ref("a").Send(30)
			w.ref("b").Send(30)
		}
		w.wait("quiet", func() bool {
			before := handled.Load()
			w.x.Wait(nil, 5*time.Millisecond)
			return handled.Load() == before && w.node("a").Queued+w.node("b").Queued == 0
		})
		w.inside("a", func(ctx) {}) // both live
		w.inside("b", func(ctx) {})
	})
}

// TestQueueAtTheEnd: what is queued at a stop or a restart becomes counted dead
// letters, and asks are answered at once.
func TestQueueAtTheEnd(t *testing.T) {
	for name, end := range map[string]any{"restart": supervisortest.Crash, "stop": supervisor.DoNotRestart(supervisortest.ErrCrash)} {
		t.Run(name, func(t *testing.T) {
			w := realWorld(t)
			gate := supervisortest.NewGate()
			w.start(spec{Children: kids{w.log.Child("a", probe{})}})
			err, _ := end.(error)
			if f, ok := end.(supervisortest.Fail); ok {
				err = f.Err
			}
			w.do("a", func(ctx) error { gate.Pass(); return err })
			<-gate.Entered()
			for i := range 10 {
				w.send("a", i)
			}
			answers := make(chan error)
			for range 5 {
				go func() { _, err := w.ref("a").Ask("question", time.Hour); answers <- err }()
			}
			w.wait("all queued", func() bool { return w.node("a").Queued == 15 })
			gate.Open()
			for range 5 {
				equal(t, "answer", true, errors.Is(<-answers, supervisor.ErrStopped))
			}
			w.stop()
			equal(t, "dead letters", uint64(15), w.sys.Ledger().DeadStopped)
			equal(t, "handled", 0, w.log.Count("got root/a#1 0"))
		})
	}
}

// TestDownBetweenLives: a place where nobody lives right now says so, at once.
func TestDownBetweenLives(t *testing.T) {
	w := simWorld(t)
	a := w.log.Child("a", probe{})
	a.Backoff = supervisor.Backoff{Min: time.Minute}
	w.start(spec{Budget: escalating(9), Children: kids{a}})
	w.crash("a")
	w.crash("a")
	equal(t, "send", supervisor.Down, w.ref("a").Send("x"))
	begin := w.x.Now()
	_, err := w.ref("a").Ask("x", time.Hour)
	equal(t, "ask", true, errors.Is(err, supervisor.ErrDown) && w.x.Now().Equal(begin))
	w.advance(time.Minute)
	equal(t, "later", supervisor.Accepted, w.ref("a").Send("x"))
}

// TestRefusalEvents: one event a second and actor at most, with the count so far.
func TestRefusalEvents(t *testing.T) {
	w := boxed(t, 1, 1, 1)
	w.do("a", func(ctx) error { return nil })
	for range 100 { // 10 s
		for range 7 {
			w.ref("a").Send("x")
		}
		w.sim.AdvanceTo(w.x.Now()) // handles one
		w.do("a", func(ctx) error { return nil })
		w.sim.Stall(w.x.Now().Add(100 * time.Millisecond))
	}
	events := w.events.of(supervisor.EventRefused, "a")
	if len(events) < 10 || len(events) > 11 {
		t.Errorf("%d events in 10 s", len(events))
	}
	for i := 1; i < len(events); i++ {
		if gap := events[i].Time.Sub(events[i-1].Time); gap < time.Second || events[i].Count <= events[i-1].Count {
			t.Errorf("event %d: %v later, count %d after %d", i, gap, events[i].Count, events[i-1].Count)
		}
	}
	equal(t, "first", uint64(1), events[0].Count)
}

// TestRefusalAllocatesNothing: a flood costs the machine no memory.
func TestRefusalAllocatesNothing(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	w.do("a", func(ctx) error { gate.Pass(); return nil })
	<-gate.Entered()
	ref, msg := w.ref("a"), any("flood")
	for ref.Send(msg).OK() {
	}
	if n := testing.AllocsPerRun(1000, func() { ref.Send(msg) }); n != 0 {
		t.Errorf("%v allocations for a refused message", n)
	}
	keyed := any(&classed{1, supervisor.Class{Key: "k", Lane: supervisor.Telemetry}})
	ref.Send(keyed)
	if n := testing.AllocsPerRun(1000, func() { ref.Send(keyed) }); n != 0 {
		t.Errorf("%v allocations for a coalesced message", n)
	}
	gate.Open()
}

// numbered is a message that knows its sender.
type numbered struct{ from, n int }

// TestFIFOAndAccounts: 100,000 messages from 8 producers: each producer's arrive
// in its order, and every single one is accounted for. The receiver crashes now
// and then, and the tree stops under fire.
func TestFIFOAndAccounts(t *testing.T) {
	const producers, each = 8, 12_500
	w := realWorld(t)
	var handled, disorder atomic.Int64
	// A producer counts what it gave up to a dead life: its numbers may jump.
	a := w.log.Child("a", probe{Quiet: true})
	a.New = func() supervisor.Actor {
		last := [producers]int{}
		return &probe{Log: &supervisortest.Log{}, Quiet: true, OnReceive: func(_ ctx, msg any) error {
			m := msg.(numbered)
			if m.n <= last[m.from] {
				disorder.Add(1)
			}
			last[m.from] = m.n
			if handled.Add(1)%5000 == 0 {
				return supervisortest.ErrCrash
			}
			return nil
		}}
	}
	a.Backoff = noBackoff
	w.start(spec{Budget: isolating(1 << 20), Children: kids{a}})
	ref := w.ref("a")
	var sent [5]atomic.Int64
	var all sync.WaitGroup
	for p := range producers {
		all.Go(func() {
			for i := range each {
				sent[ref.Send(numbered{p, i + 1})].Add(1)
			}
		})
	}
	all.Wait()
	w.stop()
	l := w.sys.Ledger()
	equal(t, "sent", int64(producers*each), sent[0].Load()+sent[1].Load()+sent[2].Load())
	equal(t, "accepted = handled + dead", sent[supervisor.Accepted].Load(), handled.Load()+int64(l.DeadStopped))
	equal(t, "refused", uint64(sent[supervisor.Refused].Load()), w.node("a").Refused)
	equal(t, "out of order", int64(0), disorder.Load())
	if handled.Load() == 0 || sent[supervisor.Refused].Load() == 0 {
		t.Errorf("nothing was tested: %d handled, %d refused", handled.Load(), sent[supervisor.Refused].Load())
	}
}

// TestControlUnderFlood: a full normal lane does not keep control out, nor late.
func TestControlUnderFlood(t *testing.T) {
	w := simWorld(t, sim.Options{Throughput: 1})
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	for i := range 100 {
		w.ref("a").Send(1000 + i)
	}
	w.log.Take()
	w.put(1, supervisor.Class{Lane: supervisor.Control})
	w.sim.Round()
	w.wantLog("got root/a#1 1")
}
