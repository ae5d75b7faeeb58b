package supervisor

import (
	"context"
	"time"
)

// TaskDone is delivered when a task ended. A panic in it is an error.
type TaskDone struct {
	Name  string
	Value any
	Err   error
}

// LoopEnded is delivered when a loop ended by itself.
type LoopEnded struct {
	Name string
	Err  error
}

// worker is a goroutine that an actor owns.
type worker struct {
	name   string
	loop   bool
	cancel context.CancelFunc
	limit  func() bool // stops the time limit
	value  any
	err    error
}

// PanicError is what a panic in a worker becomes.
type PanicError struct {
	Value any
	Stack string
}

func (e *PanicError) Error() string { return Reason{Kind: ExitPanic, Value: e.Value}.String() }

// Task runs a bounded call beside the actor; its result comes back as TaskDone,
// behind what the task sent to the actor.
// After limit (0: none, below 0: at once) its context ends. The context also ends when the actor
// does, who then waits for the task. At most one worker of a name runs at a
// time: ErrWorkerRuns, until its result was delivered. A task started by the
// Stop hook finds its context ended as soon as the hook returns.
func (c *Context) Task(name string, limit time.Duration, f func(context.Context) (any, error)) error {
	return c.sh.startWorker(name, false, limit, f)
}

// Loop runs f until its context ends, with the actor. If f ends by itself, the
// actor gets LoopEnded.
func (c *Context) Loop(name string, f func(context.Context) error) error {
	return c.sh.startWorker(name, true, 0, func(ctx context.Context) (any, error) { return nil, f(ctx) })
}

func (sh *shell) startWorker(name string, loop bool, limit time.Duration, f func(context.Context) (any, error)) error {
	switch {
	case sh.workers[name] != nil:
		return ErrWorkerRuns
	case !sh.takeWorker():
		return ErrFenced
	}
	ctx, cancel := context.WithCancel(sh.context())
	// The error stands when f ends its goroutine instead of returning.
	w := &worker{name: name, loop: loop, cancel: cancel, err: errGoexit}
	if limit < 0 {
		cancel()
	} else if limit > 0 {
		w.limit = sh.sys.exec.AfterFunc(limit, cancel)
	}
	if sh.workers == nil {
		sh.workers = map[string]*worker{}
	}
	sh.workers[name] = w
	sh.sys.exec.Work(&Work{
		Owner: sh.node.path, Name: name, Loop: loop, Context: ctx, process: sh.node.name,
		do:   func() { w.value, w.err = sh.guarded(ctx, f) },
		done: func() { sh.workerReturned(w) },
		fail: func(err error) { w.err = err; sh.workerReturned(w) },
	})
	return nil
}

func (sh *shell) guarded(ctx context.Context, f func(context.Context) (any, error)) (v any, err error) {
	defer func() {
		if r := recover(); r != nil {
			v, err = nil, &PanicError{r, sh.sys.crashStack()}
		}
	}()
	return f(ctx)
}

// takeWorker counts a worker in, unless this life is over. The mailbox's lock
// makes the count and the fence one decision.
func (sh *shell) takeWorker() bool {
	sh.box.mu.Lock()
	defer sh.box.mu.Unlock()
	if sh.fenced.Load() || sh.phase >= phaseEnding {
		return false
	}
	sh.live++
	sh.countWorkers(1)
	return true
}

// workerReturned is called on the worker's goroutine, as its last act.
func (sh *shell) workerReturned(w *worker) {
	w.cancel()
	if w.limit != nil {
		w.limit()
	}
	sh.box.mu.Lock()
	sh.live--
	sh.countWorkers(-1)
	if sh.fenced.Load() {
		sh.countZombies(-1)
		sh.sys.claims.looked(sh.box)
	}
	sh.box.mu.Unlock()
	if !sh.box.deliver(w) { // behind what it sent itself
		sh.box.signal(w)
	}
}

func (sh *shell) countWorkers(n int64) {
	sh.sys.workers.Add(n)
	sh.node.workers.Add(int32(n))
}

func (sh *shell) countZombies(n int64) {
	sh.sys.zombies.Add(n)
	sh.node.zombies.Add(int32(n))
}

// workerEnded takes the result on the actor's own turn.
func (sh *shell) workerEnded(w *worker) {
	if delete(sh.workers, w.name); len(sh.workers) == 0 {
		sh.workers = nil
	}
	switch {
	case sh.phase >= phaseEnding:
		sh.finishWhenDone()
	case w.loop:
		sh.deliver(LoopEnded{w.name, w.err})
	default:
		sh.deliver(TaskDone{w.name, w.value, w.err})
	}
}

// context is what all workers of this life run under; made when first needed.
func (sh *shell) context() context.Context {
	sh.box.mu.Lock()
	defer sh.box.mu.Unlock()
	if sh.ctx == nil {
		sh.ctx, sh.cancel = context.WithCancel(context.Background())
		if sh.cancelled {
			sh.cancel()
		}
	}
	return sh.ctx
}

// cancelAll ends the context of this life, also one that is not made yet. It is
// called from the parent too, hence the lock.
func (sh *shell) cancelAll() {
	sh.box.mu.Lock()
	sh.cancelled = true
	cancel := sh.cancel
	sh.box.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}
