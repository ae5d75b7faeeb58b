package devicetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatehouse/devices"
)

// TB is what the contract needs of a test; *testing.T fits, and so does a fake
// that shows that a wrong driver fails.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// Device is a freshly opened device and the other side of it: the people and
// things that move it, and the eye that sees what it does. Names are those of
// the parts within the device. A function may be nil when the device has no such
// part. They may return before the driver has noticed.
type Device struct {
	Bundle devices.Bundle

	Present    func(reader string, read devices.CardRead)
	Move       func(input string, active bool)
	ReadLock   func(lock string) (released bool)
	ReadOutput func(output string) (on bool)

	// Moves counts how often the bolt moved, Shown is what is seen at the
	// indicator. Both may be nil when the stand-in cannot tell: then idempotence
	// is judged by the bolt's place only, and indications by their errors only.
	Moves func(lock string) uint64
	Shown func(indicator string) devices.Show
}

// Harness is how a driver meets the contract. All of it is needed.
type Harness struct {
	// Open opens a new device with hardware of its own, with inputs inactive,
	// locks secured and outputs off.
	Open func() (Device, error)
	// Go runs f in a goroutine of its own: func(f func()) { go f() }.
	Go func(f func())
	// Patience fires when what has not happened by then counts as not
	// happening: func() <-chan time.Time { return time.After(10 * time.Second) }.
	// A right driver never makes the contract wait for it.
	Patience func() <-chan time.Time
}

type clause struct {
	name  string
	check func(*session)
}

func contract() []clause {
	return []clause{
		{"reads in order", (*session).readsInOrder},
		{"movements and level", (*session).movementsAndLevel},
		{"cancel of a reader", (*session).cancelReader},
		{"cancel of an input", (*session).cancelInput},
		{"cancel from within", (*session).cancelFromWithin},
		{"cancel under fire", (*session).cancelUnderFire},
		{"lock", (*session).driveLock},
		{"lock driven at once", (*session).driveAtOnce},
		{"output", (*session).setOutput},
		{"indicator", (*session).indicate},
		{"check", (*session).checkUp},
		{"end", (*session).endOfLife},
	}
}

// Run holds a driver to the contract, a subtest for each clause. It looks for
// goroutines left over, so nothing else may run beside it in this process (no
// t.Parallel).
func Run(t *testing.T, h Harness) {
	for _, c := range contract() {
		t.Run(c.name, func(t *testing.T) { h.hold(t, c) })
	}
}

// Check is Run for any TB: every failure begins with the name of its clause.
func Check(tb TB, h Harness) {
	for _, c := range contract() {
		h.hold(tb, c)
	}
}

func (h Harness) hold(tb TB, c clause) {
	tb.Helper()
	before := goleak.IgnoreCurrent()
	s := &session{TB: tb, clause: c.name, Harness: h}
	s.run(c.check)
	if err := goleak.Find(before); err != nil {
		s.Errorf("left over: %v", err)
	}
}

// session is one device under one clause.
type session struct {
	TB
	Harness
	Device
	clause string
	cancel context.CancelFunc
	ran    chan error // what Run returned
	ended  bool
}

// Errorf names the clause.
func (s *session) Errorf(format string, args ...any) {
	s.Helper()
	s.TB.Errorf("%s: %s", s.clause, fmt.Sprintf(format, args...))
}

func (s *session) run(check func(*session)) {
	s.Helper()
	defer s.recovered()
	device, err := s.Open()
	if err != nil {
		s.Errorf("Open: %v", err)
		return
	}
	s.Device = device
	s.start()
	defer s.end()
	if s.complete() {
		check(s)
	}
}

func (s *session) recovered() {
	if p := recover(); p != nil {
		s.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}

// start gives the device the worker that its owner would.
func (s *session) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	if s.Bundle.Run == nil {
		return
	}
	ran := make(chan error, 1)
	s.ran = ran
	s.Go(func() { ran <- s.Bundle.Run(ctx) })
}

// end stops Run, then closes, as the registry's owner would; false if that did
// not come to an end. A second call does nothing.
func (s *session) end() bool {
	s.Helper()
	if s.ended {
		return true
	}
	s.ended = true
	s.cancel()
	if !s.stopped() {
		s.Errorf("Run did not end with its context")
		return false // Close comes after Run returned
	}
	if s.Bundle.Close == nil {
		return true
	}
	closed := s.within(func() {
		if err := s.Bundle.Close(); err != nil {
			s.Errorf("Close: %v", err)
		}
	})
	if !closed {
		s.Errorf("Close never came back")
	}
	return closed
}

// stopped waits for the end of Run.
func (s *session) stopped() bool {
	s.Helper()
	if s.ran == nil {
		return true
	}
	select {
	case err := <-s.ran:
		if err != nil && !errors.Is(err, context.Canceled) {
			s.Errorf("Run ended with %v, want nil or the context's error", err)
		}
		return true
	case <-s.Patience():
		return false
	}
}

// complete refuses a harness that would let a part go unchecked.
func (s *session) complete() bool {
	s.Helper()
	b, ok := s.Bundle, true
	for _, need := range []struct {
		parts int
		have  bool
		name  string
	}{
		{len(b.Readers), s.Present != nil, "Present"},
		{len(b.Inputs), s.Move != nil, "Move"},
		{len(b.Locks), s.ReadLock != nil, "ReadLock"},
		{len(b.Outputs), s.ReadOutput != nil, "ReadOutput"},
	} {
		if need.parts > 0 && !need.have {
			s.Errorf("the harness lacks %s, which the device's parts need", need.name)
			ok = false
		}
	}
	if len(b.Readers)+len(b.Inputs)+len(b.Locks)+len(b.Outputs)+len(b.Indicators) == 0 {
		s.Errorf("the device has no parts")
		ok = false
	}
	return ok
}

// until waits for something to become true.
func (s *session) until(holds func() bool) bool {
	patience := s.Patience()
	for !holds() {
		select {
		case <-patience:
			return holds()
		default:
			runtime.Gosched()
		}
	}
	return true
}

// within runs f beside the caller and reports whether it ended in time.
func (s *session) within(f func()) bool {
	done := make(chan struct{})
	s.Go(func() {
		defer close(done)
		defer s.recovered()
		f()
	})
	select {
	case <-done:
		return true
	case <-s.Patience():
		return false
	}
}

// log is what a listener heard.
type log[T any] struct {
	mu    sync.Mutex
	heard []T
	more  chan struct{}
}

func newLog[T any]() *log[T] { return &log[T]{more: make(chan struct{}, 1)} }

func (l *log[T]) add(v T) {
	l.mu.Lock()
	l.heard = append(l.heard, v)
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
}

func (l *log[T]) all() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.heard)
}

// wait gives what was heard, as soon as it is n or when patience ends.
func (l *log[T]) wait(n int, patience <-chan time.Time) []T {
	for {
		if heard := l.all(); len(heard) >= n {
			return heard
		}
		select {
		case <-l.more:
		case <-patience:
			return l.all()
		}
	}
}

func names[P any](parts map[string]P) []string { return slices.Sorted(maps.Keys(parts)) }
