package actors_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// Everything at once on real goroutines, for the race detector: people,
// operators, fire, crashes and whoever looks. Afterwards the journal is whole,
// the doors are what their modes say, and nothing is left.
func TestEverythingAtOnce(t *testing.T) {
	const doors, times, maxStorms = 6, 400, 10
	exec := supervisor.NewReal(1)
	h := newHouse(t, doors, exec)
	var crash atomic.Value
	crash.Store("")
	h.config.Retry = time.Millisecond
	h.config.Probe = func(path string, _ any) {
		if crash.CompareAndSwap(path, "") {
			panic("injected")
		}
	}
	h.start()
	paths := leaves(h.b.Tree())
	var storms uint64
	storm := func() {
		var all sync.WaitGroup
		run := func(seed uint64, f func(r *rand.Rand, door int)) {
			all.Go(func() {
				r := rand.New(rand.NewPCG(seed, storms))
				for range times {
					f(r, 1+r.IntN(doors))
				}
			})
		}
		run(1, func(r *rand.Rand, door int) { h.card(door, "in", 1+r.Uint64N(22)) })
		run(2, func(r *rand.Rand, door int) { h.card(door, "out", 1+r.Uint64N(22)) })
		run(3, func(r *rand.Rand, door int) { h.contact(door).Set(r.IntN(2) == 0) })
		run(4, func(r *rand.Rand, door int) {
			h.rig.Move(fmt.Sprintf("door-%d/rex", door), r.IntN(2) == 0)
			h.rig.Move("fire/fire", r.IntN(20) == 0)
		})
		run(5, func(r *rand.Rand, door int) {
			h.b.Tell(chaosModes[r.IntN(len(chaosModes))], doorIDs(doors)[door-1])
		})
		run(6, func(r *rand.Rand, _ int) {
			h.journal.setFail([]error{nil, errDisk}[r.IntN(2)])
			if r.IntN(8) == 0 {
				path := paths[r.IntN(len(paths))]
				crash.Store(path)
				h.b.Poke(path)
			}
		})
		run(7, func(*rand.Rand, int) {
			if watch, ok := h.b.Watch(); ok {
				defer watch.Close()
			}
			_, _, _, _ = h.b.Doors(), h.b.Health(), h.b.LastEvent(), h.b.Tree()
			_, _ = h.b.Counts()
			_, _ = h.b.Events(0, 10)
		})
		all.Wait()
	}
	happened := func() bool {
		return len(h.all(access.KindGranted)) > 0 && len(h.all(access.KindActorRestarted)) > 0
	}
	for storms = 7; storms < 7+maxStorms && !happened(); storms++ {
		storm()
	}
	crash.Store("")
	h.journal.setFail(nil)
	h.rig.Move("fire/fire", false)
	waitUntil(t, exec, func() bool { return h.b.Health().Waiting == 0 })
	h.stopClean()
	h.once()
	for i, id := range doorIDs(doors) {
		if m := h.store.doors[id]; h.lock(i+1).Released() != access.AtRest(m.Mode, m.Fire) {
			t.Errorf("%s: released %v, saved %+v", id, h.lock(i+1).Released(), m)
		}
	}
	if !happened() {
		t.Error("nothing happened: this test proves nothing")
	}
	goleak.VerifyNone(t)
}
