package supervisor

import (
	"context"
	"math/rand/v2"
	"runtime/pprof"
	"sync"
	"time"
)

// Real runs a System on the machine. It is the only place in the house that
// starts goroutines and reads the clock.
type Real struct {
	mu   sync.Mutex
	rand *rand.Rand
}

// NewReal returns an executor whose jitter is drawn from seed.
func NewReal(seed uint64) *Real {
	return &Real{rand: rand.New(rand.NewPCG(seed, seed))}
}

var _ Executor = (*Real)(nil)

// Now is the wall clock with its monotonic reading.
func (*Real) Now() time.Time { return time.Now() }

// AfterFunc is time.AfterFunc.
func (*Real) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}

// Turn starts a goroutine for the turn: an idle actor has none.
func (*Real) Turn(t Turner) { go labelled(t) }

// labelled marks the goroutine as the actor's, so that a handler that never
// returns can be found by its stack.
func labelled(t Turner) {
	if m, ok := t.(*mailbox); ok {
		m.node.label()
	}
	t.Turn()
}

// Work starts the worker's goroutine, labelled with its owner and name so that
// profiles and the ledger can tell whose it is.
func (*Real) Work(w *Work) {
	labels := pprof.Labels(labelActor, w.process, labelWorker, w.Name)
	go func() {
		defer w.Done() // also when the function ends the goroutine
		pprof.Do(w.Context, labels, func(context.Context) { w.Do() })
	}()
}

// Wait blocks on done for at most limit.
func (*Real) Wait(done <-chan struct{}, limit time.Duration) bool {
	if limit == Infinity {
		<-done
		return true
	}
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
	}
	select {
	case <-done: // both at once: what was waited for counts
		return true
	default:
		return false
	}
}

// Throughput is how many messages an actor handles before others get the
// processor.
func (*Real) Throughput() int { return 64 }

// Random is uniform in [0, 1).
func (r *Real) Random() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rand.Float64()
}
