package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"gatehouse/access"
)

// producers is n that each hand in an event, wait until it is on disk, and come
// again.
func producers(n int) contest {
	return contest{
		name: fmt.Sprintf("%d producers", n),
		rows: []row{{name: "events", unit: "/s", higher: true, ratio: true}, {name: "p50", unit: "us", ratio: true}},
		run:  func(s sink) []float64 { return produce(s, n, 80+24*n) },
	}
}

func produce(s sink, n, events int) []float64 {
	w := newWriter(s)
	wait := beside(w.run)
	var mu sync.Mutex
	var waits []time.Duration
	rate := perSecond(events/n*n, func() {
		together(n, func() {
			done := make(chan struct{}, 1)
			own := make([]time.Duration, events/n)
			for i := range own {
				own[i] = took(func() {
					w.hand(done)
					<-done
				})
			}
			mu.Lock()
			waits = append(waits, own...)
			mu.Unlock()
		})
	})
	w.stop()
	wait()
	slices.Sort(waits)
	return []float64{rate, float64(waits[len(waits)/2]) / float64(time.Microsecond)}
}

// writer commits whatever was handed in during its last commit: no timer, no
// wait.
type writer struct {
	s       sink
	mu      sync.Mutex
	wake    sync.Cond
	waiting []chan struct{}
	ended   bool
}

func newWriter(s sink) *writer {
	w := &writer{s: s}
	w.wake.L = &w.mu
	return w
}

func (w *writer) hand(done chan struct{}) {
	w.mu.Lock()
	w.waiting = append(w.waiting, done)
	w.mu.Unlock()
	w.wake.Signal()
}

func (w *writer) stop() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.wake.Signal()
}

func (w *writer) run() {
	var batch []access.Event
	var taken []chan struct{}
	for {
		w.mu.Lock()
		for len(w.waiting) == 0 && !w.ended {
			w.wake.Wait()
		}
		taken, w.waiting = w.waiting, taken[:0]
		w.mu.Unlock()
		if len(taken) == 0 {
			return
		}
		batch = batch[:0]
		for range taken {
			batch = append(batch, next())
		}
		w.s.commit(batch)
		for _, done := range taken {
			done <- struct{}{}
		}
	}
}

// groups commits events n at a time, from a queue that is never empty: the next
// group is made, and got ready as far as the side can, while one is being written.
func groups(n int) contest {
	return contest{
		name: fmt.Sprintf("groups of %d", n),
		rows: []row{{name: "events", unit: "/s", higher: true, ratio: true}},
		run: func(s sink) []float64 {
			commits := max(10, 40-n/25)
			return []float64{perSecond(n*commits, func() { stream(s, n, commits) })}
		},
	}
}

// stream makes commits of n events each, one ready ahead.
func stream(s sink, n, commits int) {
	const places = 2 // one is written, one is got ready
	ready, free := make(chan func()), make(chan []access.Event, places)
	for range places {
		free <- make([]access.Event, n)
	}
	wait := beside(func() {
		defer close(ready)
		for range commits {
			batch := <-free
			for i := range batch {
				batch[i] = next()
			}
			write := s.prepare(batch)
			ready <- func() { write(); free <- batch }
		}
	})
	for write := range ready {
		write()
	}
	wait()
}

// commit makes commits of n events each.
func commit(s sink, n, commits int) {
	batch := make([]access.Event, n)
	for range commits {
		for i := range batch {
			batch[i] = next()
		}
		s.commit(batch)
	}
}

// written is the bytes that went to the kernel for an event, in groups of n.
func written(n int) contest {
	r := row{name: "bytes", unit: "B"}
	if n == 1 {
		r.most = 310
	}
	return contest{
		name: fmt.Sprintf("written in groups of %d", n), rows: []row{r},
		run: func(s sink) []float64 {
			const commits = 50
			commit(s, n, 1)
			before := handed()
			commit(s, n, commits)
			return []float64{float64(handed()-before) / float64(n*commits)}
		},
	}
}

// allocations is those of the writer for an event.
func allocations() contest {
	return contest{
		name: "allocations",
		rows: []row{{name: "per event in groups of 64", unit: "", most: 0.001}},
		run: func(s sink) []float64 {
			const n, commits = 64, 40
			commit(s, n, 1)
			return []float64{mallocs(func() { commit(s, n, commits) }) / (n * commits)}
		},
	}
}
