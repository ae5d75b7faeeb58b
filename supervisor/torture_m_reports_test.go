package supervisor_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// crashing starts a tree of actors that may crash as often as they like.
func (w *world) crashing(ids ...string) {
	var children kids
	for _, id := range ids {
		children = append(children, with(w.log.Child(id, probe{Quiet: true}), func(c *kid) { c.Backoff = noBackoff }))
	}
	w.start(spec{Budget: isolating(1 << 20), Children: children})
}

// panicAt makes a child panic and come back.
func (w *world) panicAt(id string) {
	w.t.Helper()
	w.send(id, supervisortest.Panic{Value: "boom"})
	w.advance(time.Nanosecond)
}

// crashReports: the first of each place in full, then one a minute with the
// count of what was left out. Every exit is an event all the same.
func crashReports(t *testing.T, w *world) {
	w.crashing("a", "b")
	w.panicAt("a")
	w.panicAt("b")
	for range 99 {
		w.panicAt("a") // all within 100 ns
	}
	w.advance(time.Minute - 102*time.Nanosecond)
	w.panicAt("a") // 1 ns before the minute is over
	w.panicAt("a") // at its end
	w.panicAt("a")
	w.advance(time.Hour)
	w.panicAt("a")
	var got []string
	for _, e := range w.events.of(supervisor.EventCrashed, "") {
		got = append(got, fmt.Sprintf("%v %s#%d %d", e.Time.Sub(sim.Epoch).Truncate(time.Minute), e.Path, e.Incarnation, e.Count))
		if !strings.Contains(e.Reason.Stack, "(*Probe).Receive") || e.Reason.Value != "boom" {
			t.Errorf("not in full: %+v", e)
		}
	}
	equal(t, "reports", []string{"0s root/a#1 1", "0s root/b#1 1", "1m0s root/a#102 101", "1h1m0s root/a#104 2"}, got)
	equal(t, "exits", 105, len(w.events.of(supervisor.EventExited, "")))
}

// whatIsACrash: errors and panics, also of Start and of the Stop hook; no
// other end.
func whatIsACrash(t *testing.T, w *world) {
	w.start(spec{Budget: isolating(99), Children: kids{
		w.log.Child("error", probe{}), w.log.Child("ends", probe{}), w.log.Child("ignores", failStart(supervisor.ErrIgnore)),
		with(w.log.Child("start", failStart(supervisortest.ErrCrash)), func(c *kid) { c.Restart = supervisor.Temporary }),
		w.log.Child("stop", probe{OnStop: func(ctx, supervisor.Reason) { panic("in Stop") }}),
		supervised("s", spec{Children: kids{w.log.Child("x", probe{})}}),
	}})
	w.crash("error")
	w.send("ends", supervisortest.End{})
	w.do("s/x", func(ctx) error { return supervisor.Escalate(supervisortest.ErrCrash) })
	w.advance(0)
	w.stop()
	var got []string
	for _, e := range w.events.of(supervisor.EventCrashed, "") {
		got = append(got, fmt.Sprintf("%s#%d %v", e.Path, e.Incarnation, e.Reason))
	}
	equal(t, "crashes", []string{
		"root/start#1 error: crash", "root/error#1 error: crash", "root/s/x#1 error: crash", "root/stop#1 panic: in Stop",
	}, got)
}

// stacksOfPanics: ten a second in the whole system, whoever panics; a panic
// without one costs that much less.
func stacksOfPanics(t *testing.T, w *world) {
	w.crashing("a", "b", "c")
	for i := range 60 {
		w.panicAt([]string{"a", "b", "c"}[i%3])
	}
	stacks := func() (full int) {
		for _, e := range w.events.of(supervisor.EventExited, "") {
			if e.Reason.Stack != "" {
				full++
			}
			if len(e.Reason.Stack) > 4<<10 {
				t.Errorf("a stack of %d bytes", len(e.Reason.Stack))
			}
		}
		return full
	}
	equal(t, "within a second", 10, stacks())
	w.advance(time.Second)
	for range 11 {
		w.panicAt("a")
	}
	equal(t, "a second later", 20, stacks())
}

// panicWithoutStack is cheaper by about the text of the stack.
func panicWithoutStack(t *testing.T, w *world) {
	const n = 500
	w.events.off = true
	w.crashing("a")
	cost := func(pause time.Duration) uint64 {
		for range 20 {
			w.panicAt("a")
		}
		before := allocated()
		for range n {
			w.panicAt("a")
			w.advance(pause)
		}
		return (allocated() - before) / n
	}
	with, without := cost(time.Second), cost(0)
	t.Logf("bytes per panic: %d with its stack, %d without", with, without)
	if with < without+1<<10 || with > without+6<<10 {
		t.Errorf("%d bytes with a stack, %d without", with, without)
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// subscribe: every event, in order, to each; a full stream loses the newest
// and counts them; all end with the system.
func subscribe(t *testing.T, w *world) {
	w.crashing("a")
	all, few, closed := w.sys.Subscribe(100), w.sys.Subscribe(2), w.sys.Subscribe(0)
	w.panicAt("a")
	closed.Close()
	closed.Close()
	w.panicAt("a")
	w.stop()
	want := w.events.lines()[4:] // those of the start came before
	var got, first []string
	for e := range all.C() {
		got = append(got, fmt.Sprintf("%v %s#%d %v %v", e.Kind, e.Path, e.Incarnation, e.Reason, e.Wait))
	}
	for e := range few.C() {
		first = append(first, fmt.Sprintf("%v %s#%d %v %v", e.Kind, e.Path, e.Incarnation, e.Reason, e.Wait))
	}
	equal(t, "all", want, got)
	equal(t, "a full one", want[:2], first)
	equal(t, "dropped", []uint64{0, uint64(len(want) - 2)}, []uint64{all.Dropped(), few.Dropped()})
	n := 0
	for range closed.C() {
		n++
	}
	equal(t, "left in the closed one", 1, n)
	if _, open := <-w.sys.Subscribe(9).C(); open {
		t.Error("a stream of a system that is down")
	}
}

// subscribeUnderFire: readers come and go while actors crash; nobody blocks,
// and read plus dropped is the same for all that were there.
func subscribeUnderFire(t *testing.T, w *world) {
	w.start(spec{Budget: isolating(1 << 20), Children: kids{
		with(w.log.Child("a", probe{Quiet: true}), func(c *kid) { c.Backoff = noBackoff }),
		with(w.log.Child("b", probe{Quiet: true}), func(c *kid) { c.Backoff = noBackoff }),
	}})
	var sums []uint64
	var mu sync.Mutex
	var all sync.WaitGroup
	for size := range 4 {
		sub := w.sys.Subscribe(1 << size)
		all.Go(func() {
			n := uint64(0)
			for range sub.C() {
				n++
			}
			mu.Lock()
			defer mu.Unlock()
			sums = append(sums, n+sub.Dropped())
		})
	}
	f := fire{w: w}
	for range 300 {
		passing := w.sys.Subscribe(1)
		f.send("a", supervisortest.Crash)
		f.send("b", supervisortest.Crash)
		passing.Close()
	}
	w.stop()
	w.dead = f.dead(0)
	all.Wait()
	if len(slices.Compact(sums)) != 1 || sums[0] < 4 {
		t.Errorf("read and dropped: %v", sums)
	}
}
