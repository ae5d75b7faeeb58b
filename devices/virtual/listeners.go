package virtual

import (
	"reflect"
	"runtime"
	"slices"
	"sync"
)

// turns hands values out one at a time, in the order in which they were
// admitted.
type turns[T any] struct {
	turn sync.Mutex // held while values are handed out
	mu   sync.Mutex // guards the part's state; never held during a call
	busy bool       // somebody hands out and will look at later again
	late []T        // admitted from within a listener while busy
}

// hand asks admit, under mu, for a value and hands it to tell after all values
// that came before. admit may refuse, then nothing is told.
func (t *turns[T]) hand(admit func() (T, bool), tell func(T)) {
	if !t.turn.TryLock() {
		// Waiting for a turn that we are within ourselves would last for ever.
		if withinListener() && t.leave(admit) {
			return
		}
		t.turn.Lock()
	}
	defer t.turn.Unlock()
	for v, ok := t.begin(admit); ok; v, ok = t.next() {
		tell(v)
	}
}

// leave admits a value and leaves it to whoever is busy; false if nobody is.
func (t *turns[T]) leave(admit func() (T, bool)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.busy {
		return false
	}
	if v, ok := admit(); ok {
		t.late = append(t.late, v)
	}
	return true
}

func (t *turns[T]) begin(admit func() (T, bool)) (T, bool) {
	t.mu.Lock()
	v, ok := admit()
	t.busy = true
	if ok && len(t.late) == 0 {
		t.mu.Unlock()
		return v, true
	}
	if ok { // values are left over from a listener that panicked
		t.late = append(t.late, v)
	}
	t.mu.Unlock()
	return t.next()
}

// next gives the next value that was left to us. When there is none, nobody is
// busy from then on.
func (t *turns[T]) next() (v T, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.late) == 0 {
		t.busy, t.late = false, nil
		return v, false
	}
	v, t.late = t.late[0], t.late[1:]
	return v, true
}

type listener[T any] struct {
	heard func(T)
	gone  bool
}

// listeners are the functions that hear a part's values.
type listeners[T any] struct {
	turns[T]
	all    []*listener[T] // replaced, never changed
	now    *listener[T]   // is being called
	ended  chan struct{}  // made by who waits for the end of that call
	closed bool           // nobody may listen
}

func (s *listeners[T]) listen(heard func(T)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &listener[T]{heard: heard, gone: s.closed}
	if !l.gone {
		s.all = append(slices.Clip(s.all), l)
	}
	return func() { s.drop(l) }
}

func (s *listeners[T]) tell(v T) {
	s.mu.Lock()
	all := s.all
	s.mu.Unlock()
	for _, l := range all {
		s.call(l, v)
	}
}

func (s *listeners[T]) call(l *listener[T], v T) {
	s.mu.Lock()
	gone := l.gone
	if !gone {
		s.now = l
	}
	s.mu.Unlock()
	if gone {
		return
	}
	defer s.called()
	inListener(func() { l.heard(v) })
}

func (s *listeners[T]) called() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = nil
	if s.ended != nil {
		close(s.ended)
		s.ended = nil
	}
}

// drop ends a listener and waits for a call of it that is under way in another
// goroutine. From within a listener it does not wait: it could be for itself.
func (s *listeners[T]) drop(l *listener[T]) {
	s.mu.Lock()
	l.gone = true
	s.all = slices.DeleteFunc(slices.Clone(s.all), func(x *listener[T]) bool { return x == l })
	var ended chan struct{}
	if s.now == l {
		if s.ended == nil {
			s.ended = make(chan struct{})
		}
		ended = s.ended
	}
	s.mu.Unlock()
	if ended != nil && !withinListener() {
		<-ended
	}
}

// setClosed opens the part for listeners, or ends all of them and lets no new
// one in.
func (s *listeners[T]) setClosed(closed bool) {
	s.mu.Lock()
	s.closed = closed
	all := s.all
	s.mu.Unlock()
	if !closed {
		return
	}
	for _, l := range all {
		s.drop(l)
	}
}

// inListener calls f and leaves its own name on the stack meanwhile.
//
//go:noinline
func inListener(f func()) { f() }

var inListenerName = runtime.FuncForPC(reflect.ValueOf(inListener).Pointer()).Name()

// withinListener reports whether this goroutine is within a listener of a
// virtual part. Go tells no goroutine who it is, but it does show the stack;
// this is asked only when two calls meet.
func withinListener() bool {
	pcs := make([]uintptr, 64)
	n := runtime.Callers(1, pcs)
	for n == len(pcs) {
		pcs = make([]uintptr, 4*len(pcs))
		n = runtime.Callers(1, pcs)
	}
	frames := runtime.CallersFrames(pcs[:n])
	for {
		frame, more := frames.Next()
		if frame.Function == inListenerName {
			return true
		}
		if !more {
			return false
		}
	}
}
