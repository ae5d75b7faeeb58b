package incident

import (
	"context"
	"sync"
	"time"
)

// All of the clock and of bare goroutines is here: what is measured is real time,
// and neither the meter nor the traffic may lean on what is measured.

func now() time.Time { return time.Now() }

func pause(d time.Duration) { time.Sleep(d) }

func spawn(f func()) { go f() }

// within runs f beside the caller and reports whether it ended in time.
func within(limit time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return wait(done, limit)
}

func wait(done <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// until waits for a condition, looking every few milliseconds.
func until(limit time.Duration, ok func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return ok()
}

// ticker calls f with each tick until stop is called.
func ticker(period time.Duration, f func()) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(period)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				f()
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-ended }
}

// together runs all jobs at once and waits for them.
func together(jobs []func()) {
	var all sync.WaitGroup
	for _, job := range jobs {
		all.Go(job)
	}
	all.Wait()
}

// limited is a context with an end.
func limited(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}

// whenDone calls f when ctx ends, unless stop is called before.
func whenDone(ctx context.Context, f func()) (stop func() bool) { return context.AfterFunc(ctx, f) }
