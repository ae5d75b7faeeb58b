package main

import (
	"runtime"
	"sync"
	"syscall"
	"time"
)

// All of the clock and of bare goroutines is here: what is measured is real
// time, and the load of a benchmark has no supervisor.

func took(f func()) time.Duration {
	begin := time.Now()
	f()
	return time.Since(begin)
}

// perSecond is how often f does its n things in a second.
func perSecond(n int, f func()) float64 { return float64(n) / took(f).Seconds() }

func pause(d time.Duration) { time.Sleep(d) }

// together calls f on n goroutines and waits for them.
func together(n int, f func()) {
	var all sync.WaitGroup
	for range n {
		all.Go(f)
	}
	all.Wait()
}

// tickers runs a goroutine with a ticker for each of n, the first ticks spread
// over one period, until stop is called.
func tickers(n int, period time.Duration, tick func()) (stop func()) {
	var all sync.WaitGroup
	ended := make(chan struct{})
	for i := range n {
		all.Go(func() {
			select {
			case <-time.After(phase(i, n, period)):
			case <-ended:
			}
			t := time.NewTicker(period)
			defer t.Stop()
			for {
				select {
				case <-t.C:
					tick()
				case <-ended:
					return
				}
			}
		})
	}
	return func() { close(ended); all.Wait() }
}

// phase spreads n timers evenly over a period.
func phase(i, n int, period time.Duration) time.Duration {
	return period * time.Duration(i) / time.Duration(n)
}

// cpu is what the process has used, in user and system mode.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// live is the bytes of heap and stacks that are in use.
func live() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// mallocs is how many allocations f makes, on all goroutines.
func mallocs(f func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs)
}
