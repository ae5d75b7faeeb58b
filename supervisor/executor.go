package supervisor

import (
	"context"
	"time"
)

// Executor is what a System runs on: its clock, its turns, its workers and its
// waiting. There are two: the machine (Real) and the simulation (package sim).
type Executor interface {
	// Now is the time on the executor's clock. Differences are monotonic.
	Now() time.Time
	// AfterFunc calls f once, after d; f does not block. stop reports whether it
	// kept f from being called.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
	// Alarm calls fire once, after d and after each Reset; fire does not block,
	// and the mailbox that it returns, if any, gets a turn at once.
	Alarm(d time.Duration, fire func() Turner) Alarm
	// Turn gives a mailbox a turn on some goroutine, soon.
	Turn(t Turner)
	// Work runs a worker.
	Work(w *Work)
	// Wait blocks the caller, who is no actor, until done yields or limit
	// passed, and reports which.
	Wait(done <-chan struct{}, limit time.Duration) bool
	// Throughput is how many messages an actor may handle in one turn.
	Throughput() int
	// Random is uniform in [0, 1).
	Random() float64
}

// Alarm is a timer that can be armed again once it has fired. Both methods
// report whether it was armed; Reset is called only when it is not.
type Alarm interface {
	Reset(d time.Duration) bool
	Stop() bool
}

// Turner is a mailbox with something to handle.
type Turner interface {
	Path() string
	Turn()
}

// Work is a worker about to run. Do calls its function, once; Done then hands
// the result to the owner, once. Fail does both without calling the function.
type Work struct {
	Owner   string // path of the actor
	Name    string
	Loop    bool // runs until Context ends
	Context context.Context
	process string // the actor's name among all systems of the process
	do      func()
	done    func()
	fail    func(error)
}

// Do runs the worker's function on the caller's goroutine. It never panics.
func (w *Work) Do() { w.do() }

// Done hands the result to the owner.
func (w *Work) Done() { w.done() }

// Fail hands an error to the owner instead of a result.
func (w *Work) Fail(err error) { w.fail(err) }
