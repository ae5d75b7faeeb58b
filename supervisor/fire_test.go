package supervisor_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// TestTreesUnderFire is the sweep's rough brother, for the race detector: trees on
// the machine, crashed from many goroutines, stopped while under fire. At the
// end every life, message, timer, worker and goroutine is accounted for.
func TestTreesUnderFire(t *testing.T) {
	for seed := range uint64(12) {
		underFire(t, seed)
	}
}

func underFire(t *testing.T, seed uint64) {
	w := realWorld(t)
	var handled, accepted atomic.Int64
	leaf := func(id string, c kid) kid {
		p := probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
			switch msg.(type) {
			case supervisor.Tick, supervisor.TaskDone, supervisor.LoopEnded:
				return nil
			}
			handled.Add(1)
			return mischief(c, msg.(int), &accepted)
		}}
		c.ID, c.New = id, w.log.Child(id, p).New
		c.Backoff = supervisor.Backoff{Min: time.Microsecond, Max: 100 * time.Microsecond, Jitter: 1}
		return c
	}
	branch := func(id string, s supervisor.Strategy, b supervisor.Budget) kid {
		c := supervised(id, spec{Strategy: s, Budget: b, Children: kids{
			leaf("x", kid{}), leaf("y", kid{StopDeadline: supervisor.Brutal}), leaf("z", kid{Restart: supervisor.Transient}),
		}})
		c.Backoff = noBackoff
		return c
	}
	w.start(spec{Budget: escalating(1 << 20), Children: kids{
		branch("p", supervisor.OneForOne, escalating(10)),
		branch("q", supervisor.RestForOne, escalating(10)),
		with(branch("r", supervisor.RestForOne, isolating(1<<20)), func(c *kid) { c.StopDeadline = 5 * time.Millisecond }),
	}})
	var all sync.WaitGroup
	for h := range uint64(4) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, h))
			for range 500 {
				if w.ref(fmt.Sprintf("%c/%c", "pqr"[r.IntN(3)], "xyz"[r.IntN(3)])).Send(r.IntN(40)).OK() {
					accepted.Add(1)
				}
				if r.IntN(50) == 0 {
					w.x.Wait(nil, 100*time.Microsecond)
				}
			}
		})
	}
	if seed%2 == 0 {
		all.Wait()
	}
	w.sys.Stop()
	all.Wait()
	w.stop()
	balanced(t, w.events)
	if got := handled.Load() + int64(w.sys.Ledger().DeadStopped); got != accepted.Load() {
		t.Errorf("seed %d: accepted %d, handled and dead %d", seed, accepted.Load(), got)
	}
}

// mischief is what a message makes an actor do.
func mischief(c ctx, n int, accepted *atomic.Int64) error {
	key := fmt.Sprint(n % 3)
	switch n {
	case 0:
		return supervisortest.ErrCrash
	case 1:
		panic("as told")
	case 2:
		c.Stop()
	case 3:
		return supervisor.Escalate(supervisortest.ErrCrash)
	case 4, 5:
		c.After(key, time.Duration(n)*10*time.Microsecond)
	case 6:
		c.Every(key, 50*time.Microsecond)
	case 7:
		c.CancelTimer(key)
	case 8, 9:
		_ = c.Task(key, time.Millisecond, func(ctx context.Context) (any, error) { <-ctx.Done(); return nil, nil })
	case 10:
		_ = c.Loop("loop", func(ctx context.Context) error { <-ctx.Done(); return nil })
	case 11:
		if c.Send(c.Self(), 20).OK() {
			accepted.Add(1)
		}
	case 12:
		_ = c.Context()
	}
	return nil
}
