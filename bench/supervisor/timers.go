package main

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"gatehouse/supervisor"
)

const (
	second = time.Second
	settle = 2500 * time.Millisecond // until all tick
	window = 3 * second              // that is measured
)

// tickCost compares the CPU of 100,000 actors with a timer of one second each
// with that of as many goroutines with a ticker, spread over the second alike.
func tickCost() contest {
	return contest{
		rows: []row{{
			name: "100,000 timers of 1 s, CPU per tick", unit: "ns",
			aim: ratioAtMost(1.4), stock: "goroutine and time.Ticker each",
		}},
		ours:  func() figures { return cpuPerTick(clocks) },
		stock: func() figures { return cpuPerTick(func(tick func()) func() { return tickers(crowd, second, tick) }) },
	}
}

func cpuPerTick(start func(tick func()) (stop func())) figures {
	var ticks atomic.Int64
	defer start(func() { ticks.Add(1) })()
	pause(settle)
	before, used := ticks.Load(), cpu()
	pause(window)
	used = cpu() - used
	return figures{float64(used) / float64(ticks.Load()-before)}
}

// clock is an actor that ticks each second, from its phase on.
type clock struct {
	phase time.Duration
	tick  func()
}

func (a clock) Start(c *supervisor.Context) error {
	c.After("phase", a.phase)
	return nil
}

func (a clock) Receive(c *supervisor.Context, msg any) error {
	if msg.(supervisor.Tick).Key == "phase" {
		c.Every("tick", second)
		return nil
	}
	a.tick()
	return nil
}

// clocks starts a crowd of them.
func clocks(tick func()) (stop func()) {
	children := make([]supervisor.ChildSpec, crowd)
	for i := range children {
		a := clock{phase(i, crowd, second), tick}
		children[i] = supervisor.ChildSpec{ID: strconv.Itoa(i), New: func() supervisor.Actor { return a }}
	}
	sys := tree(supervisor.SupervisorSpec{StopBudget: time.Hour, Children: children})
	return func() { sys.Stop() }
}

const (
	driftTimers = 1_000
	driftTicks  = 1_000
	driftPeriod = 5 * time.Millisecond
)

// drift compares how late the 1,000th tick is with how late the first was: a
// timer that drifts by a microsecond each time is later by a millisecond.
func drift() contest {
	return contest{
		rounds: 1,
		rows: []row{
			{name: "drift over 1,000 ticks, median of 1,000 timers", unit: "ms", aim: oursAtMost(1)},
			{name: "lateness of the first tick, worst of 1,000", unit: "ms"},
			{name: "lateness of the 1,000th tick, worst of 1,000", unit: "ms"},
		},
		ours: driftOurs,
	}
}

// late is how late the first and the last tick of one timer were.
type late struct{ first, last time.Duration }

// steady is an actor that notes when its ticks come.
type steady struct {
	begin time.Time
	ticks int
	late  late
	done  chan<- late
}

func (a *steady) Start(c *supervisor.Context) error {
	a.begin = c.Now()
	c.Every("tick", driftPeriod)
	return nil
}

func (a *steady) Receive(c *supervisor.Context, msg any) error {
	a.ticks += 1 + msg.(supervisor.Tick).Missed
	behind := c.Now().Sub(a.begin) - time.Duration(a.ticks)*driftPeriod
	if a.late.first == 0 {
		a.late.first = behind
	}
	if a.ticks >= driftTicks {
		a.late.last = behind
		a.done <- a.late
		c.CancelTimer("tick")
	}
	return nil
}

func driftOurs() figures {
	done := make(chan late, driftTimers)
	children := make([]supervisor.ChildSpec, driftTimers)
	for i := range children {
		children[i] = supervisor.ChildSpec{
			ID: strconv.Itoa(i), New: func() supervisor.Actor { return &steady{done: done} },
		}
	}
	sys := tree(supervisor.SupervisorSpec{Children: children})
	defer sys.Stop()
	var first, last []time.Duration
	for range driftTimers {
		l := <-done
		first, last = append(first, l.first), append(last, l.last)
	}
	slices.Sort(first)
	slices.Sort(last)
	const middle = driftTimers / 2
	return figures{ms(last[middle] - first[middle]), ms(first[driftTimers-1]), ms(last[driftTimers-1])}
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
