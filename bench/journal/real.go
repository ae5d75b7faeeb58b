package main

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"strconv"
	"sync"
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

// together calls f on n goroutines and waits for them.
func together(n int, f func()) {
	var all sync.WaitGroup
	for range n {
		all.Go(f)
	}
	all.Wait()
}

// beside calls f on a goroutine; wait waits for its end.
func beside(f func()) (wait func()) {
	var all sync.WaitGroup
	all.Go(f)
	return all.Wait
}

// handed is the bytes that the process has given to write(2) and its kin so far,
// by the kernel's count (wchar in /proc/self/io).
func handed() int {
	text, err := os.ReadFile("/proc/self/io")
	must(err)
	for line := range bytes.Lines(text) {
		if digits, ok := bytes.CutPrefix(line, []byte("wchar: ")); ok {
			n, err := strconv.Atoi(string(bytes.TrimSpace(digits)))
			must(err)
			return n
		}
	}
	panic(errors.New("the kernel does not count what is written"))
}

// mallocs is how many allocations f makes, on all goroutines.
func mallocs(f func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs)
}
