package supervisor

import (
	"context"
	"math/rand/v2"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"
)

// Real runs a System on the machine. It is the only place in the house that
// starts goroutines and reads the clock. The zero value does too: it draws from
// seed 0 and keeps no goroutine for the next turn.
type Real struct {
	mu    sync.Mutex
	rand  *rand.Rand
	turns turns
}

// NewReal returns an executor whose jitter is drawn from seed.
func NewReal(seed uint64) *Real {
	return &Real{
		rand:  rand.New(rand.NewPCG(seed, seed)),
		turns: turns{next: make(chan Turner), leave: make(chan struct{})},
	}
}

var _ Executor = (*Real)(nil)

// Now is the wall clock with its monotonic reading.
func (*Real) Now() time.Time { return time.Now() }

// AfterFunc is time.AfterFunc.
func (*Real) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}

// Alarm is time.AfterFunc, whose goroutine takes the mailbox's turn itself.
func (r *Real) Alarm(d time.Duration, fire func() Turner) Alarm {
	return time.AfterFunc(d, func() {
		if t := fire(); t != nil && !r.turns.hand(t) {
			labelled(t)
		}
	})
}

// Turn gives the turn to a goroutine that waits for one, or to a new one: an
// idle actor has none.
func (r *Real) Turn(t Turner) {
	if !r.turns.hand(t) {
		go r.takeTurns(t)
	}
}

// turns are the goroutines that have taken a turn and wait for another: their
// stacks have grown already, which is half of what a short turn costs. They
// leave when there was nothing to do for a while.
type turns struct {
	next    chan Turner
	leave   chan struct{}
	waiting atomic.Int32
	handed  atomic.Uint64
	seen    atomic.Uint64 // handed, at the last look
	watched atomic.Bool   // somebody will look whether they are still needed
}

const (
	mostWaiting = 8
	waitAWhile  = 10 * time.Millisecond
)

// hand gives the turn to one that waits; false: none does.
func (w *turns) hand(t Turner) bool {
	if w.waiting.Load() == 0 {
		return false
	}
	select {
	case w.next <- t:
		return true
	default:
		return false
	}
}

// takeTurns takes one turn after the other as long as there are any.
func (r *Real) takeTurns(t Turner) {
	nobody := context.Background()
	for ok := true; ok; t, ok = r.turns.wait() {
		labelled(t)
		pprof.SetGoroutineLabels(nobody)
	}
}

func (w *turns) wait() (t Turner, ok bool) {
	if w.waiting.Add(1) > mostWaiting || w.next == nil {
		w.waiting.Add(-1)
		return nil, false
	}
	w.watch()
	select {
	case t = <-w.next:
		w.handed.Add(1)
		ok = true
	case <-w.leave:
	}
	w.waiting.Add(-1)
	return t, ok
}

// look is called a while later: were any turns handed over since?
func (w *turns) look() {
	if now := w.handed.Load(); w.seen.Swap(now) != now {
		time.AfterFunc(waitAWhile, w.look)
		return
	}
	w.watched.Store(false)
	for w.waiting.Load() > 0 {
		select {
		case w.leave <- struct{}{}:
		default: // it is just taking a turn, or about to wait
			w.watch()
			return
		}
	}
}

// watch sees to it that somebody looks.
func (w *turns) watch() {
	if w.waiting.Load() > 0 && w.watched.CompareAndSwap(false, true) {
		time.AfterFunc(waitAWhile, w.look)
	}
}

// labelled takes a turn, on a goroutine that is marked as the actor's by the time
// it runs a handler, so that one that never returns can be found by its stack.
func labelled(t Turner) {
	if m, ok := t.(*mailbox); ok {
		m.unmark()
	}
	growStack()
	t.Turn()
}

// growStack makes room for a turn while the stack is still shallow: the 2 KiB of
// a new goroutine do not do, and moving a deep stack costs several times as much
// (a third of a tick).
//
//go:noinline
func growStack() byte {
	var room [2 << 10]byte
	return room[roomAt]
}

var roomAt int // not a constant: room must exist

// Work starts the worker's goroutine, labelled with its owner and name so that
// profiles and the ledger can tell whose it is.
func (*Real) Work(w *Work) {
	labels := pprof.Labels(labelActor, w.process, labelWorker, w.Name)
	go func() {
		defer w.Done() // also when the function ends the goroutine
		pprof.Do(w.Context, labels, func(context.Context) { w.Do() })
	}()
}

// waits are the timers of Wait, stopped.
var waits = sync.Pool{New: func() any { return time.NewTimer(Infinity) }}

// Wait blocks on done for at most limit. It allocates nothing.
func (*Real) Wait(done <-chan struct{}, limit time.Duration) bool {
	if limit == Infinity {
		<-done
		return true
	}
	t := waits.Get().(*time.Timer)
	t.Reset(limit)
	defer func() { t.Stop(); waits.Put(t) }() // stopped, it holds no old tick
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
func (*Real) Throughput() int { return 300 }

// Random is uniform in [0, 1).
func (r *Real) Random() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rand == nil {
		r.rand = rand.New(rand.NewPCG(0, 0))
	}
	return r.rand.Float64()
}
