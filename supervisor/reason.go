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

	// What Err, or Value, said when the life that ended was asked: its methods are
	// the user's code, and nobody else shall run it.
	text     string
	decision directiveKind
}

// failure is the reason of a life that returned an error.
func failure(err error) Reason {
	r := Reason{Kind: ExitError, Err: err, text: err.Error()}
	var d *directive
	if errors.As(err, &d) {
		r.decision = d.kind
	}
	return r
}

// panicked is the reason of a life that panicked.
func panicked(value any, stack string) (r Reason) {
	r = Reason{Kind: ExitPanic, Value: value, Stack: stack}
	defer func() {
		if recover() != nil {
			r.text = fmt.Sprintf("%T, whose text panics", value)
		}
	}()
	r.text = fmt.Sprint(value)
	return r
}

// killed is the reason when a life that ended for r had to be given up.
func (r *Reason) killed() Reason {
	if r == nil || r.Err == nil {
		return Reason{Kind: ExitKilled}
	}
	return Reason{Kind: ExitKilled, Err: r.Err, text: r.text, decision: r.decision}
}

// Abnormal reports whether a transient child is restarted after it.
func (r Reason) Abnormal() bool { return r.Kind >= ExitError }

func (r Reason) String() string {
	switch {
	case r.Kind == ExitPanic:
		return "panic: " + orText(r.text, r.Value)
	case r.Err != nil:
		return r.Kind.String() + ": " + orText(r.text, r.Err)
	}
	return r.Kind.String()
}

func orText(text string, v any) string {
	if text == "" {
		return fmt.Sprint(v)
	}
	return text
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
// restart type. DoNotRestart(nil) is nil.
func DoNotRestart(err error) error { return marked(err, doNotRestart) }

// Escalate marks an error that the child's supervisor shall exit with at once,
// also an isolating one. The supervisor above it sees an error like others.
// Escalate(nil) is nil.
func Escalate(err error) error { return marked(err, escalate) }

func marked(err error, kind directiveKind) error {
	if err == nil {
		return nil
	}
	return &directive{err, kind}
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
