package actors_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatehouse/actors"
	"gatehouse/supervisor"
)

const (
	manyDoors     = 1000
	maxGoroutines = 24
)

// A thousand idle doors, with a device each that is checked now and then, need no
// goroutines of their own, and a stop leaves nothing. The heap per door is reported, not asserted.
func TestAThousandIdleDoors(t *testing.T) {
	exec := supervisor.NewReal(1)
	first := newHouse(t, 1, exec)
	first.start()
	first.stopClean() // what the process needs once is there
	before := liveHeap()
	h := newHouse(t, manyDoors, exec, never) // a busy machine may decide late
	for i := range manyDoors {
		h.config.Devices = append(h.config.Devices, actors.Device{ID: fmt.Sprintf("rig-%d", i), Driver: "virtual", Check: well})
	}
	h.start()
	h.card(500, "in", 1) // it works, and everything lazy is there
	waitUntil(t, exec, func() bool { return h.lock(500).Released() })
	h.contact(500).Set(true)
	h.contact(500).Set(false)
	waitUntil(t, exec, func() bool { return !h.lock(500).Released() && h.b.Health().Waiting == 0 })
	var l supervisor.Ledger // once it is idle: turns that were just ending have ended
	waitUntil(t, exec, func() bool {
		l = h.b.Ledger()
		return l.Goroutines <= maxGoroutines && len(l.Unaccounted) == 0
	})
	t.Logf("%d doors: %d actors, %d goroutines in the process, %.1f KiB live heap per door",
		manyDoors, l.Actors, l.Goroutines, float64(liveHeap()-before)/manyDoors/1024)
	h.stopClean()
	goleak.VerifyNone(t)
	runtime.KeepAlive(h)
}

// A goroutine that nobody owns is found: the ledger is no rubber stamp.
func TestAStrayGoroutineIsNamed(t *testing.T) {
	h := newHouse(t, 1, supervisor.NewReal(1))
	h.start()
	end := make(chan struct{})
	go func() { <-end }()
	waitUntil(t, h.config.Executor, func() bool { return len(h.b.Ledger().Unaccounted) == 1 }) // the test's before are gone
	found := false
	for _, s := range h.b.Ledger().Unaccounted {
		found = found || s.BeganIn == "gatehouse/actors_test.TestAStrayGoroutineIsNamed.func1" &&
			s.Creator == "gatehouse/actors_test.TestAStrayGoroutineIsNamed"
	}
	close(end)
	if !found {
		t.Errorf("not found: %+v", h.b.Ledger().Unaccounted)
	}
	h.b.Stop()
}

func well(context.Context) error { return nil }

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// waitUntil polls in real time, for at most thirty seconds.
func waitUntil(t testing.TB, exec supervisor.Executor, done func() bool) {
	t.Helper()
	for range 3000 {
		if done() {
			return
		}
		exec.Wait(nil, 10*time.Millisecond)
	}
	t.Fatal("it did not happen within thirty seconds")
}
