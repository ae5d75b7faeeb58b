package access

import (
	"errors"
	"fmt"
)

// What can be wrong with rules or people. Use errors.Is to tell them apart.
var (
	ErrDuplicate = errors.New("duplicate")
	ErrDangling  = errors.New("dangling reference")
	ErrOverlap   = errors.New("overlapping intervals")
	ErrTimeZone  = errors.New("bad time zone")
	ErrRange     = errors.New("out of range")
)

// Fault is one mistake in rules or people. Compile and NewPeople give all that
// they find, joined. Path is where it is, e.g. "doors[2].readers[0].to"; Hint
// says what to do. It never holds a card number.
type Fault struct {
	Code    error // one of the sentinels above
	Path    string
	Message string
	Hint    string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("%v: %s: %s: %s", f.Code, f.Path, f.Message, f.Hint)
}

// Unwrap makes errors.Is see the sentinel.
func (f *Fault) Unwrap() error { return f.Code }

// faults collects mistakes, so that one run reports all of them.
type faults struct{ list []error }

func (f *faults) add(code error, path, hint, message string, args ...any) {
	f.list = append(f.list, &Fault{Code: code, Path: path, Message: fmt.Sprintf(message, args...), Hint: hint})
}

func (f *faults) err() error { return errors.Join(f.list...) }
