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

// TestTortureK is about mailboxes and overload: every message is handled or
// accounted for, and nobody ever waits for room.
func TestTortureK(t *testing.T) {
	torture(t, 24, append(overloads(),
		tortureCase{name: "refuse: the sender is told, the queue stays", dead: 1, run: refuse},
		tortureCase{name: "replace oldest: the newest stay", run: replaceOldest},
		tortureCase{name: "coalesce: by key within a lane, full or not", dead: 1, run: coalesce},
		tortureCase{name: "coalesce: who asked with the older message is told", dead: 1, run: coalescedAsk},
		tortureCase{name: "replace oldest: who asked with the oldest is told", run: replacedAsk},
		tortureCase{name: "a lane holds what it says, not a power of two", run: exactLimits},
		tortureCase{name: "lanes: control, normal, telemetry, each in order", run: lanesInOrder},
		tortureCase{name: "control goes first under flood", sim: sim.Options{Throughput: 1}, dead: 64, run: controlUnderFlood},
		tortureCase{name: "a full control lane refuses, the others take", run: fullControl},
		tortureCase{name: "nil and bad classes harm the sender only", run: noMessages},
		tortureCase{name: "a supervisor takes no messages", run: supervisorsTakeNone},
		tortureCase{name: "self-send into the own full box is answered", on: onBoth, run: selfSend},
		tortureCase{name: "a cycle of full boxes goes on", on: onBoth, run: fullCycle},
		tortureCase{name: "stop while queued: every lane becomes dead letters", run: stopWhileQueued},
		tortureCase{name: "abandoned while queued: dead letters at the fence", on: onMachine, run: abandonedWhileQueued},
		tortureCase{name: "restart while queued: counted, asks answered", on: onMachine, run: queueAtTheEnd(supervisortest.ErrCrash)},
		tortureCase{name: "final end while queued: counted, asks answered", on: onMachine, run: queueAtTheEnd(supervisor.DoNotRestart(supervisortest.ErrCrash))},
		tortureCase{name: "between two lives sends and asks say down at once", dead: 1, run: downBetweenLives},
		tortureCase{name: "refusals are one event a second with the count", dead: 1, run: refusalEvents},
		tortureCase{name: "refusing and coalescing allocate nothing", on: onMachine, run: refusalAllocatesNothing},
		tortureCase{name: "a drained flood gives its memory back", run: floodGivesBack},
		tortureCase{name: "order per sender, and every message accounted for", on: onMachine, run: fifoAndAccounts},
	)...)
}

// boxed starts a tree of one actor with small lanes.
func (w *world) boxed(control, normal, telemetry int) {
	a := w.log.Child("a", probe{})
	a.Mailbox = supervisor.MailboxSpec{Control: control, Normal: normal, Telemetry: telemetry}
	w.start(spec{Children: kids{a}})
	w.log.Take()
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

// hookExec is a simulation that does something before it waits.
type hookExec struct {
	*sim.Sim
	before func()
}

// hooked makes the world's tree, which is not started yet, run on a hookExec.
func hooked(w *world) *hookExec {
	x := &hookExec{Sim: w.sim}
	w.x = x
	return x
}

func (x *hookExec) Wait(done <-chan struct{}, limit time.Duration) bool {
	if before := x.before; before != nil {
		x.before = nil
		before()
	}
	return x.Sim.Wait(done, limit)
}

type badClass struct{}

func (badClass) Class() supervisor.Class { panic("no class") }

// numbered is a message that knows its sender.
type numbered struct{ from, n int }

// An actor handles perRound messages a round, from a lane of room.
const (
	perRound = 4
	room     = 8
	steps    = 100
)

// overloads is each outcome of a full lane at half to ten times what the actor
// can take.
func overloads() (cases []tortureCase) {
	for _, o := range []struct {
		name  string
		class func(n int) supervisor.Class
		keep  int // most that can wait after a step's sends
	}{
		{"refuse", func(int) supervisor.Class { return supervisor.Class{} }, room},
		{"replace oldest", func(int) supervisor.Class { return supervisor.Class{WhenFull: supervisor.ReplaceOldest} }, room},
		{"coalesce three keys", func(n int) supervisor.Class { return supervisor.Class{Key: fmt.Sprint(n % 3)} }, 3},
	} {
		for _, each := range []int{perRound / 2, perRound, 2 * perRound, 10 * perRound} {
			cases = append(cases, tortureCase{
				name: fmt.Sprintf("%s at %.1f times the load", o.name, float64(each)/perRound),
				sim:  sim.Options{Throughput: perRound},
				run:  func(t *testing.T, w *world) { overload(t, w, o.class, each, o.keep) },
			})
		}
	}
	return cases
}

func overload(t *testing.T, w *world, class func(int) supervisor.Class, each, keep int) {
	w.boxed(1, room, 1)
	counts := map[supervisor.Delivery]int{}
	n := 0
	for range steps {
		for range each {
			counts[w.put(n, class(n))]++
			n++
		}
		w.sim.Round()
	}
	waiting := w.node("a").Queued
	got := w.got()
	// What one step leaves the next finds: the lane fills up to keep once, then
	// takes as many as were perRound.
	want := steps * min(each, perRound, keep)
	if each > perRound && keep > perRound {
		want += keep - perRound
	}
	equal(t, "waiting at the end", want-steps*min(each, perRound, keep), waiting)
	equal(t, "handled", want, len(got))
	equal(t, "all", map[string]int{"sent": n, "lost": n - want}, map[string]int{
		"sent": counts[supervisor.Accepted] + counts[supervisor.Refused] + counts[supervisor.Replaced] + counts[supervisor.Coalesced],
		"lost": counts[supervisor.Refused] + counts[supervisor.Replaced] + counts[supervisor.Coalesced],
	})
	l := w.sys.Ledger()
	equal(t, "refused or replaced", uint64(counts[supervisor.Refused]+counts[supervisor.Replaced]), w.node("a").Refused)
	equal(t, "replaced", uint64(counts[supervisor.Replaced]), l.DeadReplaced)
	equal(t, "coalesced", uint64(counts[supervisor.Coalesced]), l.Coalesced)
	if counts[supervisor.Refused] == 0 { // then the newest are never lost
		equal(t, "newest", n-1, maximum(got))
	}
	if class(0).Key == "" {
		for i := 1; i < len(got); i++ {
			if got[i] <= got[i-1] {
				t.Fatalf("%d after %d", got[i], got[i-1])
			}
		}
	}
}

func maximum(all []int) (most int) {
	for _, n := range all {
		most = max(most, n)
	}
	return most
}

func refuse(t *testing.T, w *world) {
	w.boxed(1, 3, 1)
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
}

func replaceOldest(t *testing.T, w *world) {
	w.boxed(1, 1, 3)
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

// coalesce: by key within a lane, full or not; the place in the queue is the
// first one's. An asker whose message was replaced is told.
func coalesce(t *testing.T, w *world) {
	w.boxed(3, 3, 1)
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

// coalescedAsk: who asked with a message whose place a newer one took is
// told at once.
func coalescedAsk(t *testing.T, w *world) {
	x := hooked(w)
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	class := supervisor.Class{Key: "k"}
	x.before = func() { equal(t, "second", supervisor.Coalesced, w.put(2, class)) }
	begin := w.x.Now()
	_, err := w.ref("a").Ask(classed{1, class}, time.Hour)
	if !errors.Is(err, supervisor.ErrRefused) || !w.x.Now().Equal(begin) {
		t.Errorf("asker: %v after %v", err, w.x.Now().Sub(begin))
	}
}

// lanesInOrder: control before timers before normal before telemetry, in order
// within each.
func lanesInOrder(t *testing.T, w *world) {
	w.boxed(9, 9, 9)
	for i := range 3 {
		w.put(30+i, supervisor.Class{Lane: supervisor.Telemetry})
		w.put(20+i, supervisor.Class{})
		w.put(10+i, supervisor.Class{Lane: supervisor.Control})
	}
	equal(t, "order", []int{10, 11, 12, 20, 21, 22, 30, 31, 32}, w.got())
}

// noMessages: nil, a class that does not exist, and a class that panics harm
// the sender only.
func noMessages(t *testing.T, w *world) {
	w.boxed(9, 9, 9)
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

// supervisorsTakeNone: nobody would handle them.
func supervisorsTakeNone(t *testing.T, w *world) {
	w.boxed(1, 1, 1)
	root := w.sys.Ref("root")
	equal(t, "send", supervisor.Down, root.Send("x"))
	_, err := root.Ask("x", limit)
	equal(t, "ask", true, errors.Is(err, supervisor.ErrDown))
	equal(t, "valid", true, root.Valid())
}

// selfSend: an actor that floods itself is answered like others, and lives.
func selfSend(t *testing.T, w *world) {
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
}

// fullCycle: two actors with full mailboxes that send to each other.
func fullCycle(t *testing.T, w *world) {
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
}

// queueAtTheEnd: what is queued at a stop or a restart becomes counted dead
// letters, and asks are answered at once.
func queueAtTheEnd(end error) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		gate := supervisortest.NewGate()
		w.start(spec{Children: kids{w.log.Child("a", probe{})}})
		w.do("a", func(ctx) error { gate.Pass(); return end })
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
		w.dead = 15
		w.stop()
		equal(t, "handled", 0, w.log.Count("got root/a#1 0"))
	}
}

// downBetweenLives: a place where nobody lives right now says so, at once.
func downBetweenLives(t *testing.T, w *world) {
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

// refusalEvents: one event a second and actor at most, with the count so far.
func refusalEvents(t *testing.T, w *world) {
	w.boxed(1, 1, 1)
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

// refusalAllocatesNothing: a flood costs the machine no memory.
func refusalAllocatesNothing(t *testing.T, w *world) {
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
	w.wait("handled", func() bool { return w.node("a").Queued == 0 })
}

// fifoAndAccounts: 100,000 messages from 8 producers: each producer's arrive
// in its order, and every single one is accounted for. The receiver crashes now
// and then, and the tree stops under fire.
func fifoAndAccounts(t *testing.T, w *world) {
	const producers, each = 8, 12_500
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
	w.dead = uint64(sent[supervisor.Accepted].Load() - handled.Load())
	equal(t, "sent", int64(producers*each), sent[0].Load()+sent[1].Load()+sent[2].Load())
	w.becomes("refused", uint64(sent[supervisor.Refused].Load()), func() any { return w.node("a").Refused })
	equal(t, "out of order", int64(0), disorder.Load())
	if handled.Load() == 0 || sent[supervisor.Refused].Load() == 0 {
		t.Errorf("nothing was tested: %d handled, %d refused", handled.Load(), sent[supervisor.Refused].Load())
	}
}

// controlUnderFlood: a full normal lane does not keep control out, nor late.
func controlUnderFlood(t *testing.T, w *world) {
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	for i := range 100 {
		w.ref("a").Send(1000 + i)
	}
	w.log.Take()
	w.put(1, supervisor.Class{Lane: supervisor.Control})
	w.sim.Round()
	w.wantLog("got root/a#1 1")
}

// replacedAsk: the asker of a message that had to make room is told at once.
func replacedAsk(t *testing.T, w *world) {
	x := hooked(w)
	w.boxed(1, 1, 1)
	class := supervisor.Class{WhenFull: supervisor.ReplaceOldest}
	x.before = func() { equal(t, "second", supervisor.Replaced, w.put(2, class)) }
	begin := w.x.Now()
	_, err := w.ref("a").Ask(classed{1, class}, time.Hour)
	if !errors.Is(err, supervisor.ErrRefused) || !w.x.Now().Equal(begin) {
		t.Errorf("asker: %v after %v", err, w.x.Now().Sub(begin))
	}
	equal(t, "handled", []int{2}, w.got())
}

func exactLimits(t *testing.T, w *world) {
	sizes := []int{1, 3, 10, 64, 100}
	var children kids
	for _, n := range sizes {
		children = append(children, with(w.log.Child(fmt.Sprint(n), probe{Quiet: true}), func(c *kid) {
			c.Mailbox = supervisor.MailboxSpec{Control: n, Normal: n, Telemetry: n}
		}))
	}
	w.start(spec{Children: children})
	for _, n := range sizes {
		for _, lane := range []supervisor.Lane{supervisor.Normal, supervisor.Control, supervisor.Telemetry} {
			taken := 0
			for w.ref(fmt.Sprint(n)).Send(classed{0, supervisor.Class{Lane: lane}}).OK() {
				taken++
			}
			equal(t, fmt.Sprint("lane ", lane, " of ", n), n, taken)
		}
	}
	w.sim.Quiesce()
}

func fullControl(t *testing.T, w *world) {
	w.boxed(2, 2, 2)
	for i := range 3 {
		equal(t, "control", i < 2, w.put(10+i, supervisor.Class{Lane: supervisor.Control}).OK())
	}
	equal(t, "normal", supervisor.Accepted, w.put(20, supervisor.Class{}))
	equal(t, "telemetry", supervisor.Accepted, w.put(30, supervisor.Class{Lane: supervisor.Telemetry}))
	equal(t, "order", []int{10, 11, 20, 30}, w.got())
	equal(t, "refused", uint64(1), w.node("a").Refused)
}

// fill puts three messages into each lane, and counts them as dead.
func (w *world) fill() {
	for i := range 9 {
		if d := w.put(i, supervisor.Class{Lane: supervisor.Lane(i % 3)}); !d.OK() {
			w.t.Fatal(d)
		}
	}
	w.dead += 9
}

func stopWhileQueued(t *testing.T, w *world) {
	x := hooked(w)
	w.boxed(4, 4, 4)
	w.fill()
	w.dead++ // the question
	x.before = func() { w.sys.Stop() }
	_, err := w.ref("a").Ask("waits behind them", time.Hour)
	equal(t, "asker", true, errors.Is(err, supervisor.ErrStopped))
	equal(t, "handled", 0, len(w.got()))
	equal(t, "afterwards", supervisor.Down, w.put(1, supervisor.Class{}))
}

// abandonedWhileQueued: they are dead letters at the fence, not when the life
// that was given up ends at last.
func abandonedWhileQueued(t *testing.T, w *world) {
	gate := supervisortest.NewGate()
	defer gate.Open()
	a := w.log.Child("a", probe{})
	a.StopDeadline = supervisor.Brutal
	w.start(spec{Strategy: supervisor.RestForOne, Children: kids{w.log.Child("first", probe{}), a}})
	w.do("a", func(ctx) error { gate.Pass(); return nil })
	<-gate.Entered()
	w.fill()
	w.send("first", supervisortest.Crash)
	w.waitLife("a", 2)
	w.becomes("dead letters", uint64(9), func() any { return w.sys.Ledger().DeadStopped })
	gate.Open()
	w.wait("no zombie", func() bool { return w.sys.Ledger().Zombies == 0 })
	equal(t, "handled by the zombie", 0, w.log.Count("got root/a#1 0"))
	equal(t, "handled by its successor", 0, w.log.Count("got root/a#2 0"))
}

// floodGivesBack: a large lane costs memory only while something waits in it.
func floodGivesBack(t *testing.T, w *world) {
	const n = 100_000
	w.boxed(1, n, 1)
	w.ref("a").Send(1)
	w.sim.Quiesce()
	w.log.Take()
	before := liveHeap()
	for range n {
		w.send("a", supervisortest.Do(nothing))
	}
	if held := int64(liveHeap()) - int64(before); held < n*8 {
		t.Errorf("%d messages wait in %d bytes: is this the flood?", n, held)
	}
	w.sim.Quiesce()
	if grown := int64(liveHeap()) - int64(before); grown > 64<<10 {
		t.Errorf("a drained flood left %d bytes", grown)
	}
}
