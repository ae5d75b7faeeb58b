package supervisor

import (
	"errors"
	"fmt"
)

// ExitKind is why a life of an actor ended.
type ExitKind uint8

const (
	ExitNormal   ExitKind = iota // it stopped by itself
	ExitShutdown                 // its supervisor told it to stop
	ExitError                    // Start or Receive returned an error
	ExitPanic                    // Start, Receive or Stop panicked
	ExitKilled                   // it did not stop in time and was abandoned
)

var exitKindNames = [...]string{"normal", "shutdown", "error", "panic", "killed"}

func (k ExitKind) String() string { return exitKindNames[k] }

// Reason is why a life of an actor ended. Err is set for ExitError, Value and
// Stack for ExitPanic; Stack is at most 4 KiB, and taken of ten panics a second
// in the whole system.
type Reason struct {
	Kind  ExitKind
	Err   error
	Value any
	Stack string
}

// Abnormal reports whether a transient child is restarted after it.
func (r Reason) Abnormal() bool { return r.Kind >= ExitError }

func (r Reason) String() string {
	switch {
	case r.Kind == ExitPanic:
		return fmt.Sprintf("panic: %v", r.Value)
	case r.Err != nil:
		return fmt.Sprintf("%v: %v", r.Kind, r.Err)
	}
	return r.Kind.String()
}

// Errors of the runtime.
var (
	ErrIgnore       = errors.New("ignore: the child does not want to run") // returned by Start
	ErrStopped      = errors.New("the actor stopped before it answered")
	ErrRestarted    = fmt.Errorf("%w, and its supervisor starts it again", ErrStopped)
	ErrDown         = errors.New("the actor is not running")
	ErrRefused      = errors.New("the actor's mailbox is full")
	ErrNoAnswer     = errors.New("no answer in time")
	ErrStartTimeout = errors.New("the child did not become ready in time")
	ErrBudget       = errors.New("restart budget exceeded")
	ErrWorkerRuns   = errors.New("a worker of this name is still running")
	ErrFenced       = errors.New("this life of the actor was abandoned")
	ErrNoChild      = errors.New("the supervisor has no child of this id")
	ErrRunning      = errors.New("a child of this id runs already, or is about to")
	ErrChildren     = errors.New("the supervisor has as many children as it may have")
	ErrZombies      = errors.New("too many handlers and workers that were given up still run: only a new process is rid of them")

	errGoexit = errors.New("it ended its goroutine (runtime.Goexit)")
	errNoNew  = errors.New("the spec's New returned nil: it must return an Actor")
)

// directive is an error that carries a decision for the supervisor.
type directive struct {
	err  error
	kind directiveKind
}

type directiveKind uint8

const (
	restartAsSpecified directiveKind = iota
	doNotRestart
	escalate
)

func (d *directive) Error() string { return d.err.Error() }
func (d *directive) Unwrap() error { return d.err }

// DoNotRestart marks an error after which the child stays stopped, whatever its
// restart type.
func DoNotRestart(err error) error { return &directive{err, doNotRestart} }

// Escalate marks an error that the child's supervisor shall exit with at once,
// also an isolating one. The supervisor above it sees an error like others.
func Escalate(err error) error { return &directive{err, escalate} }

// directiveOf is the decision that an exit carries. A supervisor that gave up
// has carried out its child's already: above it, it is an error like others.
func directiveOf(r Reason) directiveKind {
	var d *directive
	var below *ChildError
	if errors.As(r.Err, &below) || !errors.As(r.Err, &d) {
		return restartAsSpecified
	}
	return d.kind
}

// ChildError names the child because of which a supervisor could not start or gave up, and the cause.
type ChildError struct {
	Path  string
	Cause error
}

func (e *ChildError) Error() string { return fmt.Sprintf("child %s: %v", e.Path, e.Cause) }
func (e *ChildError) Unwrap() error { return e.Cause }

func startCause(r Reason) error {
	if r.Err != nil {
		return r.Err
	}
	return errors.New(r.String())
}
