package actors_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
	"gatehouse/supervisor"
)

// BenchmarkBuilding measures what section 7 of the design has budgets for, and
// prints a line for each: the best of five runs. Run it with
//
//	make bench-building
func BenchmarkBuilding(b *testing.B) {
	for range b.N {
		for _, row := range budgets {
			best := row.run(b)
			for range 4 {
				if next := row.run(b); next.less(best) {
					best = next
				}
			}
			fmt.Printf("%-62s %-36s budget %s\n", row.what, best, row.budget)
		}
	}
}

var budgets = []struct {
	what, budget string
	run          func(*testing.B) figure
}{
	{"card bits -> decision, in memory, 2,000 cards", "p99 100us", cardToDecision},
	{"decision -> lock, record on a real journal first, 300 cards", "one fsync + 5ms", decisionToLock},
	{"the same disk: one event committed, 300 times", "(that fsync)", lonelyCommit},
	{"crash of a door's leaf -> that door answers, 200 doors", "10ms", crashToAnswer},
	{"operator command -> lock secured, 300 commands", "20ms", commandToLock},
	{"operator release -> lock, record on a real journal first, 300", "20ms", releaseToLock},
	{"lockdown of 1,000 unlocked doors -> the last lock", "250ms", lockdownOfAll},
	{"the same -> answered, saved on a real store", "-", lockdownSaved},
	{"idle: 1,000 doors, with their virtual devices", "24 goroutines, 10 KiB a door", idle},
}

// figure is a row's result: times, or a text of its own.
type figure struct {
	times []time.Duration
	rank  int64 // instead of p99
	text  string
}

func (f figure) at(part float64) time.Duration {
	slices.Sort(f.times)
	return f.times[int(float64(len(f.times)-1)*part)]
}

func (f figure) less(g figure) bool {
	if f.times == nil {
		return f.rank < g.rank
	}
	return f.at(0.99) < g.at(0.99)
}

func (f figure) String() string {
	switch {
	case f.times == nil:
		return f.text
	case len(f.times) == 1:
		return f.times[0].Round(10 * time.Microsecond).String()
	}
	round := func(d time.Duration) time.Duration { return d.Round(100 * time.Nanosecond) }
	return fmt.Sprintf("p50 %v  p99 %v", round(f.at(0.5)), round(f.at(0.99)))
}

// bench is a house in real time. The channels are told of decisions and moves.
type bench struct {
	*house
	decided chan time.Time
	moved   chan time.Time
}

func newBench(b *testing.B, doors int, change ...func(*house)) *bench {
	b.Helper()
	m := &bench{
		house:   newHouse(b, doors, supervisor.NewReal(1), never),
		decided: make(chan time.Time, 1), moved: make(chan time.Time, doors),
	}
	m.config.OnEvent = func(e access.Event) {
		if e.Kind == access.KindGranted || e.Kind == access.KindDenied {
			select {
			case m.decided <- time.Now():
			default: // a card of answer that came late
			}
		}
	}
	for _, f := range change {
		f(m.house)
	}
	m.start()
	m.rig.OnMove(func(string, bool) { m.moved <- time.Now() })
	return m
}

// onDisk gives the house a real journal and a real store.
func onDisk(b *testing.B) func(*house) {
	return func(h *house) {
		j, err := journal.Open(journal.Options{Dir: b.TempDir(), Building: "bench", Boot: 1})
		if err != nil {
			b.Fatal(err)
		}
		h.config.Journal = j
		b.Cleanup(func() { _ = j.Close() })
	}
}

func (m *bench) stop(b *testing.B) {
	b.Helper()
	if report := m.b.Stop(); !report.Complete {
		b.Fatalf("%+v", report)
	}
}

func cardToDecision(b *testing.B) (f figure) {
	m := newBench(b, 1)
	defer m.stop(b)
	for i := range 2000 {
		begin := time.Now()
		m.card(1, "in", uint64(i%25+1)) // people whom the areas are asked about, and strangers
		f.times = append(f.times, (<-m.decided).Sub(begin))
		m.settle(b)
	}
	return f
}

// settle waits until nothing is under way.
func (m *bench) settle(b *testing.B) {
	b.Helper()
	for m.b.Health().Waiting > 0 {
		runtime.Gosched()
	}
	for len(m.moved) > 0 {
		<-m.moved
	}
}

func decisionToLock(b *testing.B) (f figure) {
	m := newBench(b, 1, onDisk(b))
	defer m.stop(b)
	for range 300 {
		m.card(1, "in", 1)
		decided := <-m.decided
		f.times = append(f.times, (<-m.moved).Sub(decided))
		m.contact(1).Set(true)
		m.contact(1).Set(false)
		<-m.moved // secured again
		m.settle(b)
	}
	return f
}

func lonelyCommit(b *testing.B) (f figure) {
	j, err := journal.Open(journal.Options{Dir: b.TempDir(), Building: "bench", Boot: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	for i := range 300 {
		e := access.Event{Kind: access.KindGranted, Source: access.Source{Name: "door/door-1", Number: uint64(i + 1)}, Door: "door-1", Reader: "in"}
		begin := time.Now()
		if err := j.Commit([]access.Event{e}); err != nil {
			b.Fatal(err)
		}
		f.times = append(f.times, time.Since(begin))
	}
	return f
}

func crashToAnswer(b *testing.B) (f figure) {
	const doors = 200 // each crashes once: a first failure
	var crash atomic.Value
	crash.Store("")
	m := newBench(b, doors, func(h *house) {
		h.config.Probe = func(path string, _ any) {
			if crash.CompareAndSwap(path, "") {
				panic("injected")
			}
		}
	})
	defer m.stop(b)
	leaves := []string{"/lock", "/logic", "/io/reader-in", "/io/contact"}
	for i := range doors {
		path := actors.DoorPath(access.DoorID(fmt.Sprintf("door-%d", i+1))) + leaves[i%len(leaves)]
		for len(m.decided) > 0 {
			<-m.decided
		}
		crash.Store(path)
		begin := time.Now()
		m.b.Poke(path)
		f.times = append(f.times, m.answer(i+1).Sub(begin))
	}
	return f
}

// answer shows cards until one is decided, after the crash.
func (m *bench) answer(door int) time.Time {
	at := actors.DoorPath(access.DoorID(fmt.Sprintf("door-%d", door)))
	for {
		if tree := m.find(at); tree.State == supervisor.StateRunning && restarted(tree) {
			m.card(door, "in", 99)
			select {
			case t := <-m.decided:
				return t
			case <-time.After(time.Millisecond):
			}
		}
		runtime.Gosched()
	}
}

func restarted(t supervisor.Tree) bool {
	return t.Restarts > 0 && t.State == supervisor.StateRunning || slices.ContainsFunc(t.Children, restarted)
}

func commandToLock(b *testing.B) (f figure) {
	m := newBench(b, 1)
	defer m.stop(b)
	for range 300 {
		m.command(access.Command{Mode: access.Unlocked}, "door-1")
		<-m.moved
		begin := time.Now()
		m.b.Tell(lockdown(), "door-1")
		f.times = append(f.times, (<-m.moved).Sub(begin))
		m.command(access.Command{Clear: true}, "door-1")
	}
	return f
}

func releaseToLock(b *testing.B) (f figure) {
	m := newBench(b, 1, onDisk(b))
	defer m.stop(b)
	for range 300 {
		begin := time.Now()
		m.b.Tell(access.Command{Mode: access.LockedOpen}, "door-1")
		f.times = append(f.times, (<-m.moved).Sub(begin))
		m.command(access.Command{Clear: true}, "door-1")
		<-m.moved
		m.settle(b)
	}
	return f
}

func lockdownOfAll(b *testing.B) figure {
	m := newBench(b, manyDoors)
	defer m.stop(b)
	_, last := m.lockdownAll()
	return figure{times: []time.Duration{last}}
}

func lockdownSaved(b *testing.B) figure {
	s, err := store.Open(store.Options{Dir: b.TempDir(), Random: zeros{}})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	m := newBench(b, manyDoors, onDisk(b), func(h *house) { h.config.Store = s })
	defer m.stop(b)
	answered, _ := m.lockdownAll()
	return figure{times: []time.Duration{answered}}
}

// lockdownAll is how long a lockdown takes until it is answered, and until the
// last lock is secured.
func (m *bench) lockdownAll() (answered, last time.Duration) {
	m.command(access.Command{Mode: access.Unlocked}, doorIDs(manyDoors)...)
	for range manyDoors {
		<-m.moved
	}
	begin := time.Now()
	if report := m.command(lockdown(), doorIDs(manyDoors)...); !report.Saved {
		m.t.Fatal("not saved")
	}
	answered = time.Since(begin)
	for range manyDoors {
		last = max(last, (<-m.moved).Sub(begin))
	}
	return answered, last
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func idle(b *testing.B) figure {
	newBench(b, 1).stop(b) // what the process needs once is there
	before := liveHeap()
	m := newBench(b, manyDoors)
	defer m.stop(b)
	for door := range manyDoors { // what is lazy is there
		m.contact(door + 1).Set(true)
		m.contact(door + 1).Set(false)
	}
	m.settle(b)
	var l supervisor.Ledger
	waitUntil(b, m.config.Executor, func() bool {
		l = m.b.Ledger()
		return l.Goroutines <= maxGoroutines && l.Timers == 0
	})
	heap := (liveHeap() - before) / manyDoors
	runtime.KeepAlive(m)
	return figure{rank: heap, text: fmt.Sprintf("%d goroutines  %.1f KiB a door", l.Goroutines, float64(heap)/1024)}
}
