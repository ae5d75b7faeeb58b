package soak

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

// Virtual are the options of a soak in virtual time.
type Virtual struct {
	Span  time.Duration // at least a day
	Seed  uint64
	Lines io.Writer // the record as JSON lines; nil: none
	// Edge makes more children of the building's edge, such as a leak that a test
	// plants.
	Edge func(sim *sim.Sim) []supervisor.ChildSpec
	// Known are functions in which goroutines begin that are not the building's.
	Known []string
	// Quick leaves people and faults out: for tests of the gates.
	Quick bool
}

// Every is how often the heap is measured: six times a day, so that a block of
// the trend is a day, and one of them in the middle of the night's work.
const (
	sampleEvery = 4 * time.Hour
	sampleFirst = 2*time.Hour + time.Minute
	stepEvery   = 10 * time.Minute
	quietWithin = time.Hour
	fullTries   = 3
)

// RunVirtual soaks a building in virtual time. It is not safe beside other work
// of the process: it measures the whole heap and every goroutine. An error says
// that it could not be measured; ctx ends it early, as an error.
func RunVirtual(ctx context.Context, o Virtual) (*Report, error) {
	if o.Span < 24*time.Hour {
		return nil, fmt.Errorf("a soak of %v: give at least a day of virtual time, such as 187d", o.Span)
	}
	warmPoller()
	took := stopwatch()
	v := &virtualRun{o: o, a: newAccount(linesTo(o.Lines)), faults: newFaults(o.Seed)}
	if err := v.start(); err != nil {
		return nil, err
	}
	if err := v.soak(ctx); err != nil {
		return nil, err
	}
	r := v.end()
	r.Took = took()
	v.a.lines.add(line{Kind: "report", Report: r})
	return r, nil
}

type virtualRun struct {
	o      Virtual
	b      *building
	a      *account
	faults *faults
	at     time.Duration // virtual time since the start
}

func (v *virtualRun) start() (err error) {
	edge := func(b *building) []supervisor.ChildSpec {
		if v.o.Edge == nil {
			return nil
		}
		return v.o.Edge(b.sim)
	}
	if v.b, err = newBuilding(v.o.Seed, !v.o.Quick, edge); err != nil {
		return fmt.Errorf("the building: %w", err)
	}
	s, err := v.stock()
	if err != nil {
		return err
	}
	v.a.declare(s)
	return nil
}

// soak goes from midnight to midnight.
func (v *virtualRun) soak(ctx context.Context) error {
	days := int(v.o.Span / (24 * time.Hour))
	for day := range days {
		if ctx.Err() != nil {
			return fmt.Errorf("the soak was ended on day %d: %w", day, ctx.Err())
		}
		v.day(v.o.Quick || day%7 == 6)
		if err := v.midnight(); err != nil {
			return err
		}
		if day == days/4 {
			v.a.early = readHeap()
		}
	}
	return nil
}

// day lets a day pass, up to half an hour before midnight. On a calm one nothing
// breaks.
func (v *virtualRun) day(calm bool) {
	from := v.at
	next := sampleFirst
	for now := stepEvery; now <= 23*time.Hour+30*time.Minute; now += stepEvery {
		if next < now {
			v.advance(from + next)
			v.a.sample(v.at, liveHeap())
			next += sampleEvery
		}
		v.advance(from + now)
		if !calm && now > 4*time.Hour {
			v.faults.step(v.b)
		}
	}
	v.faults.heal(v.b)
}

func (v *virtualRun) advance(to time.Duration) {
	if to > v.at {
		v.b.sim.AdvanceTo(begin.Add(to))
		v.at = to
	}
}

// midnight waits until nothing is under way, at most until one o'clock, and takes
// stock.
func (v *virtualRun) midnight() error {
	v.advance(v.at + 30*time.Minute)
	until := v.at + quietWithin
	for v.at < until && !v.quiet() {
		v.advance(v.at + 30*time.Second)
	}
	s, err := v.stock()
	for tries := 0; err == nil && tries < fullTries && !v.a.settled(&s); tries++ {
		v.advance(v.at + time.Minute)
		s, err = v.stock()
	}
	if err != nil {
		return err
	}
	v.a.take(v.at, s)
	if list, n := v.b.audit.Violations(); n > 0 {
		v.a.note(v.at, gateRules, fmt.Sprintf("%d violations of the rules of doors", n), list)
	}
	return nil
}

// quiet says whether nothing is under way in the tree. Unlike a whole stock it is
// cheap.
func (v *virtualRun) quiet() bool {
	root, err := placesOf(v.b.Tree())
	if err != nil {
		return true // the stock says so, too
	}
	now := newStock(root, supervisor.Ledger{})
	return len(comparePlaces(v.a.declared, &now)) == 0
}

func (v *virtualRun) stock() (stock, error) {
	s, err := v.b.stock(v.o.Known...)
	if runtime.MemProfileRate == 1 {
		s.free = readHeap().freeTimers()
	}
	return s, err
}

// end stops the building and looks for what is left.
func (v *virtualRun) end() *Report {
	late := readHeap()
	report := v.b.Stop()
	l := v.b.Ledger(v.o.Known...)
	if !report.Complete || l.Actors != 0 || l.Timers != 0 || l.Workers != 0 || v.b.sim.Timers() != 0 {
		v.a.note(v.at, gateActors, fmt.Sprintf("left after the stop: %d actors, %d timers, %d workers, %d timers of the clock",
			l.Actors, l.Timers, l.Workers, v.b.sim.Timers()), nil)
	}
	r := &Report{
		Mode: "virtual", Seed: v.o.Seed, Machine: machine(), Soaked: v.at, Events: v.b.books.seq,
		Faults: v.faults.counts(v.b), Quiet: v.a.quiet, Heap: v.a.growth(), Peak: v.a.peak(), Findings: v.a.finish(v.at, late),
	}
	return r
}

// liveHeap is what is alive after a collection.
func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// faults is the script of what goes wrong, drawn from the seed.
type faults struct {
	rand *rand.Rand
	done map[string]int
}

func newFaults(seed uint64) *faults {
	return &faults{rand.New(rand.NewPCG(seed, 0x50a4)), map[string]int{}}
}
