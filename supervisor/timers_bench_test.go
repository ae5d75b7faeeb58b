package supervisor_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/supervisor"
)

// hundredThousandTimers tick once a second each, their beginnings spread over the first.
const hundredThousandTimers = 100_000

// cpu is what the process has used so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpuOver is the share of a core that the process uses while d passes.
func cpuOver(b *testing.B, d time.Duration) float64 {
	begin, used := time.Now(), cpu(b)
	time.Sleep(d)
	return float64(cpu(b)-used) / float64(time.Since(begin))
}

// BenchmarkTimers100k compares the CPU of 100,000 periodic timers, an actor
// each, with that of 100,000 goroutines with a time.Ticker each. Both stand
// while one measures windows of 4 s of the one, then of the other.
func BenchmarkTimers100k(b *testing.B) {
	var ours, theirs []float64
	var counts [2]int64
	for range b.N {
		for range 3 {
			used, n := timersOfActors(b)
			ours, counts[0] = append(ours, used), counts[0]+n
			used, n = timersOfGoroutines(b)
			theirs, counts[1] = append(theirs, used), counts[1]+n
		}
	}
	b.ReportMetric(median(ours), "cores-ours")
	b.ReportMetric(median(theirs), "cores-tickers")
	b.ReportMetric(median(ours)/median(theirs), "ratio")
	b.ReportMetric(float64(counts[0])/float64(counts[1]), "ticks-ratio")
}

const (
	settle = 2500 * time.Millisecond
	window = 4 * time.Second
)

// measured is the CPU and the ticks of a window.
func measured(b *testing.B, ticks *atomic.Int64) (used float64, n int64) {
	time.Sleep(settle)
	before := ticks.Load()
	used = cpuOver(b, window)
	return used, ticks.Load() - before
}

func timersOfActors(b *testing.B) (used float64, n int64) {
	var ticks atomic.Int64
	children := make(kids, hundredThousandTimers)
	for i := range children {
		a := &everySecond{offset: time.Duration(i) * time.Second / hundredThousandTimers, ticks: &ticks}
		children[i] = kid{ID: fmt.Sprint(i), New: func() supervisor.Actor { return a }}
	}
	sys, err := supervisor.Start(spec{StopBudget: time.Hour, Children: children}, supervisor.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer sys.Stop()
	return measured(b, &ticks)
}

type everySecond struct {
	offset time.Duration
	ticks  *atomic.Int64
}

func (a *everySecond) Start(c ctx) error {
	c.After("first", a.offset)
	return nil
}

func (a *everySecond) Receive(c ctx, msg any) error {
	if msg.(supervisor.Tick).Key == "first" {
		c.Every("second", time.Second)
		return nil
	}
	a.ticks.Add(1)
	return nil
}

func timersOfGoroutines(b *testing.B) (used float64, n int64) {
	var ticks atomic.Int64
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range hundredThousandTimers {
		all.Go(func() {
			time.Sleep(time.Duration(i) * time.Second / hundredThousandTimers)
			t := time.NewTicker(time.Second)
			defer t.Stop()
			for {
				select {
				case <-t.C:
					ticks.Add(1)
				case <-stop:
					return
				}
			}
		})
	}
	defer all.Wait()
	defer close(stop)
	return measured(b, &ticks)
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}
