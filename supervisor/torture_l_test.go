package supervisor_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// TestTortureL is about monitors and dead letters: one word for each watch,
// whatever happens to either side, and every message that nobody handles counted
// once.
func TestTortureL(t *testing.T) {
	cases := append(monitorEnds(), deadEnds()...)
	torture(t, 12, append(
		cases,
		tortureCase{name: "nobody lives there: the word comes at once", run: monitorNobody},
		tortureCase{name: "a life that is given up is down, once, also when it ends late", sim: holdAll, run: monitorOfAbandoned},
		tortureCase{name: "the word comes behind what the dying sent", run: monitorOrder},
		tortureCase{name: "a full mailbox neither refuses nor replaces the word", run: monitorIntoFullBox},
		tortureCase{name: "demonitor: nothing comes after it", run: demonitors},
		tortureCase{name: "demonitor when the word waits in the mailbox", run: demonitorQueued},
		tortureCase{name: "a watcher that crashes leaves nothing", run: monitorsDie(supervisortest.Crash)},
		tortureCase{name: "a watcher that ends leaves nothing", run: monitorsDie(supervisortest.End{})},
		tortureCase{name: "a watcher that is given up leaves nothing", sim: holdAll, run: monitorsOfAbandoned},
		tortureCase{name: "a watch made in the Stop hook leaves nothing", run: monitorsInTheStopHook},
		tortureCase{name: "100,000 watches leave nothing", run: monitorLeaks},
		tortureCase{name: "beyond the limit the word comes at once, and says why", run: monitorLimit},
		tortureCase{name: "two that watch each other end together", run: endTogether},
		tortureCase{name: "the same under fire", on: onMachine, run: monitorsOfEachOther},
		tortureCase{name: "a word for each watch under fire", on: onMachine, run: monitorExactlyOnce},
		tortureCase{name: "a dynamic child that is forgotten is not who comes under its name", run: monitorDynamic},
		tortureCase{name: "a word and an answer that find their owner gone are no dead letters", run: wordsWithoutOwner},
		tortureCase{name: "replaced and coalesced are counted once, by their cause", run: replacedOnce},
		tortureCase{name: "where nobody lives a message is refused as down, and no dead letter", run: downIsNoDeadLetter},
	)...)
}

// down is a MonitorDown as text.
func down(msg any) string {
	m, ok := msg.(supervisor.MonitorDown)
	if !ok {
		return fmt.Sprint(msg)
	}
	return fmt.Sprintf("%s#%d %v", m.Path, m.Incarnation, m.Reason)
}

// watcher notes what it gets as text.
func watcher(w *world, id string) kid {
	return w.log.Child(id, probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
		w.log.Add("%s: %s", id, down(msg))
		return nil
	}})
}

// watching starts a tree of the watchers w and v beside a, b and others.
func (w *world) watching() {
	c := with(w.log.Child("c", probe{}), func(c *kid) { c.Restart = supervisor.Temporary })
	w.start(spec{Budget: isolating(1 << 20), Children: kids{
		watcher(w, "w"), watcher(w, "v"), w.log.Child("a", probe{Quiet: true}), w.log.Child("b", probe{Quiet: true}), c,
		w.log.Child("i", failStart(supervisor.ErrIgnore)), supervised("s", spec{Children: kids{w.log.Child("x", probe{})}}),
	}})
	w.log.Take()
}

// monitors lets a watcher monitor some paths.
func (w *world) monitors(by string, paths ...string) (ids []supervisor.Monitor) {
	w.t.Helper()
	w.inside(by, func(c ctx) {
		for _, path := range paths {
			ids = append(ids, c.Monitor(c.Lookup("root/"+path)))
		}
	})
	return ids
}

// downs is what the watchers noted.
func (w *world) downs() (lines []string) {
	for _, line := range w.log.Take() {
		if line[1] == ':' {
			lines = append(lines, line)
		}
	}
	return lines
}

// monitorEnds is a watch over each way to end.
func monitorEnds() (cases []tortureCase) {
	for _, c := range []struct {
		path, want string
		end        func(w *world)
	}{
		{"a", "root/a#1 normal", func(w *world) { w.send("a", supervisortest.End{}) }},
		{"a", "root/a#1 shutdown", func(w *world) { w.stopChild("", "a") }},
		{"a", "root/a#1 error: crash", func(w *world) { w.send("a", supervisortest.Crash) }},
		{"a", "root/a#1 panic: boom", func(w *world) { w.send("a", supervisortest.Panic{Value: "boom"}) }},
		{"s/x", "root/s/x#1 error: crash", func(w *world) { w.send("s/x", supervisortest.Crash) }},
		{"s/x", "root/s/x#1 shutdown", func(w *world) { w.stopChild("", "s") }},
		{"s", "root/s#1 shutdown", func(w *world) { w.stopChild("", "s") }},
		{"s", "root/s#1 error: child root/s/x: crash", func(w *world) {
			w.do("s/x", func(ctx) error { return supervisor.Escalate(supervisortest.ErrCrash) })
		}},
	} {
		cases = append(cases, tortureCase{name: "one word for each watch: " + c.want, run: func(t *testing.T, w *world) {
			w.watching()
			ids := w.monitors("w", c.path, c.path)
			c.end(w)
			w.advance(time.Minute)
			equal(t, "downs", []string{"w: " + c.want, "w: " + c.want}, w.downs())
			equal(t, "ids differ", true, ids[0] != ids[1] && ids[0] != 0)
			w.ref(c.path).Send(supervisortest.Crash) // the next life is not watched
			w.advance(time.Minute)
			equal(t, "later", 0, len(w.downs()))
		}})
	}
	return cases
}

// monitorNobody: a Down at once where nobody lives.
func monitorNobody(t *testing.T, w *world) {
	w.watching()
	w.send("c", supervisortest.Crash)
	w.advance(time.Second)
	w.crash("a")
	w.send("a", supervisortest.Crash) // now it waits
	w.sim.Quiesce()
	equal(t, "a", supervisor.StateRestarting, w.state("a"))
	w.downs()
	w.monitors("w", "c", "i", "no such place", "a")
	w.sim.Quiesce()
	dead := "error: " + supervisor.ErrDown.Error()
	equal(t, "downs", []string{"w: root/c#0 " + dead, "w: root/i#0 " + dead, "w: #0 " + dead, "w: root/a#0 " + dead}, w.downs())
	w.advance(time.Minute)
	equal(t, "later", 0, len(w.downs()))
}

// monitorOfAbandoned: a life that is given up is down, with its own reason,
// and what still runs of it says nothing more.
func monitorOfAbandoned(t *testing.T, w *world) {
	w.start(spec{Strategy: supervisor.RestForOne, Budget: escalating(9), Children: kids{
		watcher(w, "w"), w.log.Child("first", probe{}), with(w.log.Child("a", stuck()), func(c *kid) { c.StopDeadline = time.Second }),
	}})
	w.monitors("w", "a")
	w.send("first", supervisortest.Crash)
	w.advance(time.Second + supervisor.DefaultGrace - 1)
	equal(t, "before", 0, len(w.downs()))
	w.advance(1)
	equal(t, "downs", []string{"w: root/a#1 killed"}, w.downs())
	w.release()
	w.advance(time.Minute)
	equal(t, "later", 0, len(w.downs()))
	w.sys.Stop()
	w.release()
}

// monitorOrder: what the dying life had sent comes before its MonitorDown,
// also into a mailbox that is full.
func monitorOrder(t *testing.T, w *world) {
	full := watcher(w, "w")
	full.Mailbox.Normal = 3
	w.start(spec{Children: kids{full, w.log.Child("a", probe{})}})
	w.log.Take()
	w.inside("w", func(c ctx) { c.Monitor(c.Lookup("root/a")) })
	w.do("a", func(c ctx) error {
		for i := range 5 {
			c.Send(c.Lookup("root/w"), i)
		}
		c.Send(c.Lookup("root/w"), classed{9, supervisor.Class{Lane: supervisor.Control}})
		return supervisortest.ErrCrash
	})
	w.advance(0)
	equal(t, "order", []string{"w: 9", "w: 0", "w: 1", "w: 2", "w: root/a#1 error: crash"}, w.downs())
	equal(t, "refused", uint64(2), w.node("w").Refused)
}

// demonitors: nothing comes after it, not even what waits in the mailbox.
func demonitors(t *testing.T, w *world) {
	w.watching()
	ids := w.monitors("w", "a", "a", "b")
	equal(t, "noted", 2, supervisor.Watchers(w.ref("a")))
	w.inside("w", func(c ctx) {
		equal(t, "first", true, c.Demonitor(ids[0]))
		equal(t, "again", false, c.Demonitor(ids[0]))
		equal(t, "unknown", false, c.Demonitor(0))
	})
	w.monitors("v", "a")
	equal(t, "left", 2, supervisor.Watchers(w.ref("a")))
	w.inside("v", func(c ctx) { equal(t, "another's", false, c.Demonitor(ids[1])) })
	nobody := w.monitors("w", "c")
	w.inside("w", func(c ctx) {
		queued := c.Monitor(supervisor.Ref{}) // its Down waits behind this message
		equal(t, "queued", true, c.Demonitor(queued))
	})
	w.crash("a")
	equal(t, "downs", []string{"v: root/a#1 error: crash", "w: root/a#1 error: crash"}, slices.Sorted(slices.Values(w.downs())))
	w.inside("w", func(c ctx) {
		equal(t, "delivered", false, c.Demonitor(ids[1]))
		equal(t, "c", true, c.Demonitor(nobody[0]))
		equal(t, "b", true, c.Demonitor(ids[2]))
	})
	w.crash("b")
	equal(t, "none", 0, len(w.downs()))
}

// monitorsDie: the next life hears nothing, and the watched places forget.
func monitorsDie(end any) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		w.watching()
		for range 20 {
			w.monitors("w", "a", "b", "w", "s")
			w.send("w", end)
			w.advance(time.Minute)
			w.waitState("w", supervisor.StateRunning)
		}
		equal(t, "left", []int{0, 0, 0}, []int{
			supervisor.Watchers(w.ref("a")), supervisor.Watchers(w.ref("w")), supervisor.Watchers(w.ref("s")),
		})
		w.crash("a")
		equal(t, "downs", 0, len(w.downs()))
	}
}

// monitorsOfAbandoned: also when the watcher is given up.
func monitorsOfAbandoned(t *testing.T, w *world) {
	w.start(spec{Strategy: supervisor.RestForOne, Budget: escalating(9), Children: kids{
		w.log.Child("a", probe{}), w.log.Child("first", probe{}),
		with(w.log.Child("b", stuck()), func(c *kid) { c.StopDeadline = time.Second }),
	}})
	w.monitors("b", "a", "a", "b")
	equal(t, "noted", 2, supervisor.Watchers(w.ref("a")))
	w.crash("first")
	w.advance(time.Minute)
	w.waitLife("b", 2)
	equal(t, "left", 0, supervisor.Watchers(w.ref("a"))+supervisor.Watchers(w.ref("b")))
	w.sys.Stop()
	w.release()
}

// monitorLeaks: 100,000 watches made and ended leave nothing.
func monitorLeaks(t *testing.T, w *world) {
	w.watching()
	round := func(n int) {
		w.inside("w", func(c ctx) {
			for range n {
				c.Demonitor(c.Monitor(c.Lookup("root/a")))
			}
		})
	}
	round(1000)
	before := liveHeap()
	round(100_000)
	if grown := int64(liveHeap()) - int64(before); grown > 64<<10 {
		t.Errorf("%d bytes left", grown)
	}
	equal(t, "left", 0, supervisor.Watchers(w.ref("a")))
}

// monitorLimit: beyond it a watch is down at once, and says why.
func monitorLimit(t *testing.T, w *world) {
	w.watching()
	var last supervisor.Monitor
	w.inside("w", func(c ctx) {
		for range supervisor.MaxMonitors {
			last = c.Monitor(c.Lookup("root/a"))
		}
		c.Monitor(c.Lookup("root/b"))
	})
	w.sim.Quiesce()
	equal(t, "beyond", []string{"w: root/b#0 error: " + supervisor.ErrMonitors.Error()}, w.downs())
	w.inside("w", func(c ctx) {
		c.Demonitor(last)
		c.Monitor(c.Lookup("root/b"))
	})
	w.crash("b")
	equal(t, "room again", []string{"w: root/b#1 error: crash"}, w.downs())
	w.crash("a")
	equal(t, "all", supervisor.MaxMonitors-1, len(w.downs()))
}

// monitorsInTheStopHook end with it.
func monitorsInTheStopHook(t *testing.T, w *world) {
	w.start(spec{Children: kids{w.log.Child("a", probe{}), w.log.Child("w", probe{OnStop: func(c ctx, _ supervisor.Reason) {
		c.Monitor(c.Lookup("root/a"))
		c.Monitor(c.Lookup("root/nowhere"))
	}})}})
	w.crash("w")
	equal(t, "left", 0, supervisor.Watchers(w.ref("a")))
}

// fire counts what was sent and queued.
type fire struct {
	w      *world
	queued int64
}

func (f *fire) send(path string, msg any) bool {
	ok := f.w.ref(path).Send(msg).OK()
	if ok {
		f.queued++
	}
	return ok
}

// dead is how many were not handled: handled is how many were that ended no life.
func (f *fire) dead(handled int64) uint64 {
	left := f.queued - handled
	for _, e := range f.w.events.of(supervisor.EventExited, "") {
		if e.Reason.Kind != supervisor.ExitShutdown && e.Reason.Kind != supervisor.ExitKilled {
			left--
		}
	}
	return uint64(left)
}

// monitorsOfEachOther: pairs that watch each other end together, on the
// machine, over and over; every watch of a life that goes on gets one word.
func monitorsOfEachOther(t *testing.T, w *world) {
	var made, came, wrong, handled atomic.Int64
	pair := func(id, other string) kid {
		return with(w.log.Child(id, probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
			switch msg.(type) {
			case supervisor.MonitorDown:
				came.Add(1)
			case int:
				handled.Add(1)
				a := c.Monitor(c.Lookup("root/" + other))
				b := c.Monitor(c.Lookup("root/" + other))
				if a == b || a == 0 {
					wrong.Add(1)
				}
				made.Add(2)
				if c.Demonitor(b) {
					made.Add(-1)
				}
			}
			return nil
		}}), func(c *kid) { c.Backoff = noBackoff })
	}
	w.start(spec{Budget: isolating(1 << 20), Children: kids{pair("a", "b"), pair("b", "a"), pair("c", "a")}})
	f := fire{w: w}
	w.wait("300 words", func() bool {
		for i := range 12 {
			for _, id := range []string{"a", "b", "c"} {
				f.send(id, i)
			}
			switch i % 3 {
			case 0:
				f.send("a", supervisortest.Crash)
				f.send("b", supervisortest.Crash)
			case 1:
				f.send("b", supervisortest.End{})
			}
		}
		return came.Load() >= 300
	})
	w.stop()
	w.dead = f.dead(handled.Load())
	if wrong.Load() > 0 || came.Load() > made.Load() {
		t.Errorf("%d of %d came, %d wrong", came.Load(), made.Load(), wrong.Load())
	}
	equal(t, "left", 0, supervisor.Watchers(w.sys.Ref("root/a"))+supervisor.Watchers(w.sys.Ref("root/b")))
}

// monitorExactlyOnce: on the machine, a watcher that outlives what it watches
// gets one word for every watch, whenever it was made.
func monitorExactlyOnce(t *testing.T, w *world) {
	open := map[supervisor.Monitor]bool{}
	var made, came, twice atomic.Int64
	w.start(spec{Budget: isolating(1 << 20), Children: kids{
		w.log.Child("w", probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
			if m, ok := msg.(supervisor.MonitorDown); ok {
				if !open[m.Monitor] || m.Path != "root/a" || (m.Incarnation == 0) != errors.Is(m.Reason.Err, supervisor.ErrDown) {
					twice.Add(1)
				}
				delete(open, m.Monitor)
				came.Add(1)
				return nil
			}
			open[c.Monitor(c.Lookup("root/a"))] = true
			made.Add(1)
			return nil
		}}),
		with(w.log.Child("a", probe{Quiet: true}), func(c *kid) { c.Backoff = noBackoff }),
	}})
	f := fire{w: w}
	words := 0
	for i := range 5000 {
		if f.send("w", i) {
			words++
		}
		if i%2 == 0 {
			f.send("a", supervisortest.Crash)
		}
	}
	w.wait("a word for each", func() bool {
		f.send("a", supervisortest.Crash)
		return made.Load() == int64(words) && came.Load() == int64(words)
	})
	w.stop()
	w.dead = f.dead(made.Load())
	equal(t, "wrong", int64(0), twice.Load())
}

// monitorIntoFullBox: the word counts against no limit, and is not what makes
// room.
func monitorIntoFullBox(t *testing.T, w *world) {
	full := watcher(w, "w")
	full.Mailbox.Normal = 2
	w.start(spec{Children: kids{full}})
	w.log.Take()
	newest := supervisor.Class{WhenFull: supervisor.ReplaceOldest}
	counts := map[supervisor.Delivery]int{}
	w.inside("w", func(c ctx) {
		c.Monitor(supervisor.Ref{})
		for i := range 5 {
			counts[c.Send(c.Self(), classed{i, newest})]++
		}
		c.Monitor(supervisor.Ref{})
		counts[c.Send(c.Self(), "x")]++
	})
	w.sim.Quiesce()
	word := "w: #0 error: " + supervisor.ErrDown.Error()
	equal(t, "got", []string{word, "w: 3", "w: 4", word}, w.downs())
	equal(t, "deliveries", map[supervisor.Delivery]int{supervisor.Accepted: 2, supervisor.Replaced: 3, supervisor.Refused: 1}, counts)
	equal(t, "replaced", uint64(3), w.sys.Ledger().DeadReplaced)
}

// demonitorQueued: the watched life ends while its watcher is busy.
func demonitorQueued(t *testing.T, w *world) {
	w.watching()
	w.do("w", func(c ctx) error {
		first, second := c.Monitor(c.Lookup("root/a")), c.Monitor(c.Lookup("root/a"))
		w.sim.Sleep(time.Second)
		equal(t, "demonitor", true, c.Demonitor(first))
		equal(t, "again", false, c.Demonitor(first))
		equal(t, "differ", true, first != second)
		return nil
	})
	w.sim.Quiesce()
	w.crash("a")
	equal(t, "both words wait", 2, w.node("w").Queued)
	w.advance(time.Second)
	equal(t, "downs", []string{"w: root/a#1 error: crash"}, w.downs())
	equal(t, "queued", 0, w.node("w").Queued)
}

// endTogether: neither life hears of the other, nor do their successors.
func endTogether(t *testing.T, w *world) {
	w.watching()
	for range 5 {
		w.monitors("w", "v", "w")
		w.monitors("v", "w", "v")
		for _, id := range []string{"w", "v"} {
			w.do(id, func(ctx) error { w.sim.Sleep(time.Second); return supervisortest.ErrCrash })
		}
		w.advance(time.Minute)
		equal(t, "downs", 0, len(w.downs()))
		equal(t, "left", 0, supervisor.Watchers(w.ref("w"))+supervisor.Watchers(w.ref("v")))
	}
	equal(t, "lives", []uint64{6, 6}, []uint64{w.node("w").Incarnation, w.node("v").Incarnation})
}

func monitorDynamic(t *testing.T, w *world) {
	kind := w.log.Child("", probe{})
	w.start(spec{Children: kids{watcher(w, "w"), supervised("d", spec{Strategy: supervisor.Dynamic, Children: kids{kind}})}})
	first := w.startChild("d", "x")
	watch := func(r supervisor.Ref) { w.inside("w", func(c ctx) { c.Monitor(r) }) }
	watch(first)
	w.stopChild("d", "x")
	w.sim.Quiesce()
	equal(t, "stopped", []string{"w: root/d/x#1 shutdown"}, w.downs())
	second := w.startChild("d", "x")
	watch(first)
	watch(second)
	w.sim.Quiesce()
	equal(t, "forgotten", []string{"w: root/d/x#0 error: " + supervisor.ErrDown.Error()}, w.downs())
	w.crash("d/x")
	equal(t, "the second", []string{"w: root/d/x#1 error: crash"}, w.downs())
	equal(t, "left", 0, supervisor.Watchers(first)+supervisor.Watchers(second))
}

// wordsWithoutOwner: those that wait when their owner ends, those that were put
// aside, and those that come later.
func wordsWithoutOwner(t *testing.T, w *world) {
	w.start(spec{Budget: isolating(9), Children: kids{
		w.log.Child("a", probe{OnReceive: func(c ctx, _ any) error { return c.Stash() }}), w.log.Child("b", probe{}),
	}})
	both := func(c ctx, to supervisor.Ref, msg any) {
		c.Monitor(to)
		equal(t, "ask", nil, c.Ask(to, msg, time.Hour, "q"))
	}
	var later supervisor.ReplyTo
	w.do("a", func(c ctx) error {
		both(c, c.Lookup("root/b"), supervisortest.Do(func(c ctx) error { later = c.ReplyTo(); return nil })) // come later
		both(c, supervisor.Ref{}, "?")                                                                        // are put aside
		return nil
	})
	w.sim.Quiesce()
	equal(t, "put aside", 2, w.node("a").Queued)
	w.do("a", func(c ctx) error {
		both(c, supervisor.Ref{}, "?") // wait
		equal(t, "waiting", 4, w.node("a").Queued)
		return supervisortest.ErrCrash
	})
	w.advance(0)
	equal(t, "late answer", false, later.Reply("x"))
	w.crash("b")
	l := w.sys.Ledger()
	equal(t, "dead letters", []uint64{0, 0, 0}, []uint64{l.DeadStopped, l.DeadReplaced, l.Coalesced})
	equal(t, "the next life got", 0, len(withPrefix(w.log.Take(), "got root/a#2")))
}

// deadEnds is each way to end a life that keeps messages in every place where
// one can wait: put aside, put back, in each lane, taken out by the turn. The
// runtime's own words wait among them, and are none.
func deadEnds() (cases []tortureCase) {
	fails := func(err error) func(ctx) error { return func(ctx) error { return err } }
	for _, e := range []struct {
		name string
		told error // what who asked is told
		end  func(c ctx) error
		stop func(w *world)
	}{
		{"crash", supervisor.ErrRestarted, fails(supervisortest.ErrCrash), nil},
		{"panic", supervisor.ErrRestarted, func(ctx) error { panic("boom") }, nil},
		{"end", supervisor.ErrRestarted, func(c ctx) error { c.Stop(); return nil }, nil},
		{"final end", supervisor.ErrStopped, fails(supervisor.DoNotRestart(supervisortest.ErrCrash)), nil},
		{"stop of the child", supervisor.ErrStopped, nothing, func(w *world) { w.stopChild("", "a") }},
		{"stop of the tree", supervisor.ErrStopped, nothing, func(w *world) { w.stop() }},
		{"restart by the plan", supervisor.ErrRestarted, nothing, func(w *world) { w.crash("first"); w.advance(time.Second) }},
		{"abandon", supervisor.ErrRestarted, nothing, func(w *world) { w.crash("first") }},
	} {
		cases = append(cases, tortureCase{name: "all that waits is counted: " + e.name, dead: 50, run: func(t *testing.T, w *world) {
			told := w.holding(e.name == "abandon", e.end)
			if e.stop != nil {
				e.stop(w)
			} else {
				w.advance(time.Second)
			}
			equal(t, "dead letters", 50, w.sys.Ledger().DeadStopped)
			w.sim.Quiesce()
			equal(t, "told", fmt.Sprint([]error{e.told}), fmt.Sprint(*told))
			w.advance(time.Minute) // what was given up ends
			equal(t, "handled", []string{"got root/a#1 keep", "got root/a#1 keep", "got root/a#1 keep"}, withPrefix(w.log.Take(), "got root/a"))
		}})
	}
	return cases
}

// holding starts a tree whose child a handles a message for a second, ends with
// it, and keeps 50 others. What its asker is told comes with time.
func (w *world) holding(brutal bool, end func(c ctx) error) (told *[]error) {
	told = new([]error)
	asker := w.log.Child("asker", probe{Quiet: true, OnReceive: func(_ ctx, msg any) error {
		*told = append(*told, msg.(supervisor.Answer).Err)
		return nil
	}})
	a := w.log.Child("a", probe{OnReceive: func(c ctx, _ any) error { return c.Stash() }})
	if brutal {
		a.StopDeadline = supervisor.Brutal
	}
	w.start(spec{Strategy: supervisor.RestForOne, Budget: isolating(9), Children: kids{asker, w.log.Child("first", probe{}), a}})
	for range 3 {
		w.send("a", "keep")
	}
	w.do("a", func(c ctx) error {
		equal(w.t, "put back", 3, c.Unstash())
		equal(w.t, "put aside", nil, c.Stash())
		for _, lane := range []supervisor.Lane{supervisor.Control, supervisor.Telemetry} {
			for i := range 2 {
				c.Send(c.Self(), classed{i, supervisor.Class{Lane: lane}})
			}
		}
		equal(w.t, "own ask", nil, c.Ask(c.Self(), "question", supervisor.Infinity, "own"))
		c.After("tick", 0) // this and the next two are the runtime's
		c.Monitor(supervisor.Ref{})
		equal(w.t, "nobody", nil, c.Ask(supervisor.Ref{}, "?", supervisor.Infinity, "nobody"))
		w.sim.Sleep(time.Second)
		return end(c)
	})
	for i := range 40 {
		w.send("a", i)
	}
	w.sim.Quiesce()
	w.do("asker", func(c ctx) error { return c.Ask(c.Lookup("root/a"), "question", time.Hour, "q") })
	w.sim.Quiesce()
	equal(w.t, "queued", 52, w.node("a").Queued)
	return told
}

// replacedOnce: not again when the life ends. Who asked with them is told.
func replacedOnce(t *testing.T, w *world) {
	var told []error
	asker := w.log.Child("asker", probe{Quiet: true, OnReceive: func(_ ctx, msg any) error {
		told = append(told, msg.(supervisor.Answer).Err)
		return nil
	}})
	a := w.log.Child("a", probe{})
	a.Mailbox.Normal = 3
	w.start(spec{Children: kids{asker, a}})
	w.do("a", func(ctx) error { w.sim.Sleep(time.Second); return supervisortest.ErrCrash })
	w.sim.Quiesce()
	w.do("asker", func(c ctx) error {
		for i := range 8 {
			class := supervisor.Class{WhenFull: supervisor.ReplaceOldest}
			if i%4 == 0 {
				class.Key = "k"
			}
			equal(t, "ask", nil, c.Ask(c.Lookup("root/a"), classed{i, class}, time.Hour, i))
		}
		return nil
	})
	w.sim.Quiesce()
	// k 1 2, then 3 for k, k for 1, 5 for 2, 6 for 3, 7 for k: nothing to coalesce
	count := func() []uint64 {
		l := w.sys.Ledger()
		return []uint64{l.DeadReplaced, l.Coalesced, l.DeadStopped}
	}
	equal(t, "replaced", []uint64{5, 0, 0}, count())
	for range 2 {
		equal(t, "keyed", true, w.put(9, supervisor.Class{WhenFull: supervisor.ReplaceOldest, Key: "k"}).OK())
	}
	equal(t, "coalesced", []uint64{6, 1, 0}, count())
	w.advance(time.Second)
	equal(t, "at the end", []uint64{6, 1, 3}, count())
	w.dead = 3
	refused, ended := 0, 0
	for _, err := range told {
		switch {
		case errors.Is(err, supervisor.ErrRefused):
			refused++
		case errors.Is(err, supervisor.ErrRestarted):
			ended++
		}
	}
	equal(t, "told", []int{6, 2, 8}, []int{refused, ended, len(told)})
}

// downIsNoDeadLetter: whyever nobody lives there.
func downIsNoDeadLetter(t *testing.T, w *world) {
	w.start(spec{Budget: isolating(1), Children: kids{
		w.log.Child("sender", probe{Quiet: true}), w.log.Child("stopped", probe{}), w.log.Child("ignores", failStart(supervisor.ErrIgnore)),
		with(w.log.Child("temporary", probe{}), func(c *kid) { c.Restart = supervisor.Temporary }),
		with(w.log.Child("waits", probe{}), func(c *kid) { c.Backoff.Min = time.Hour }),
		with(w.log.Child("fails", failStart(supervisortest.ErrCrash)), func(c *kid) { c.Backoff.Min = time.Hour }),
		supervised("d", spec{Strategy: supervisor.Dynamic, Children: kids{w.log.Child("", probe{})}}),
	}})
	to := []supervisor.Ref{{}, w.startChild("d", "x")}
	w.stopChild("d", "x")
	w.stopChild("", "stopped")
	w.crash("temporary")
	w.crash("waits")
	w.crash("waits")
	for _, id := range []string{"stopped", "ignores", "temporary", "waits", "fails", "d", "d/x", "nowhere"} {
		to = append(to, w.ref(id))
	}
	send := func(send func(supervisor.Ref) supervisor.Delivery) {
		for _, r := range to {
			equal(t, r.Path(), supervisor.Down, send(r))
		}
	}
	send(func(r supervisor.Ref) supervisor.Delivery { return r.Send("x") })
	w.inside("sender", func(c ctx) {
		send(func(r supervisor.Ref) supervisor.Delivery { return c.Send(r, "x") })
	})
	for _, r := range to {
		_, err := r.Ask("x", time.Hour)
		equal(t, "ask "+r.Path(), true, errors.Is(err, supervisor.ErrDown))
	}
	w.stop()
	to = append(to, w.sys.Ref("root"), w.ref("sender"))
	send(func(r supervisor.Ref) supervisor.Delivery { return r.Send("x") })
	l := w.sys.Ledger()
	equal(t, "dead letters", []uint64{0, 0, 0}, []uint64{l.DeadStopped, l.DeadReplaced, l.Coalesced})
}
