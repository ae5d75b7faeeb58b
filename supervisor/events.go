package supervisor

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Subscription is a bounded stream of a system's events. The tree never waits
// for who reads it: an event that finds it full is dropped and counted.
type Subscription struct {
	sys     *System
	dropped atomic.Uint64

	mu     sync.Mutex
	closed bool
	c      chan Event
}

// Subscribe returns a stream of the events from now on, of which size (at least
// 1) may wait to be read.
func (s *System) Subscribe(size int) *Subscription {
	sub := &Subscription{sys: s, c: make(chan Event, max(size, 1))}
	s.streams.mu.Lock()
	defer s.streams.mu.Unlock()
	if s.streams.over {
		sub.close()
		return sub
	}
	s.streams.change(func(all []*Subscription) []*Subscription { return append(all, sub) })
	return sub
}

// C is where the events come out, in the order in which they happened as far as
// one place is concerned. It is closed by Close, and after the last event when
// the system is down.
func (u *Subscription) C() <-chan Event { return u.c }

// Dropped is how many events found the stream full.
func (u *Subscription) Dropped() uint64 { return u.dropped.Load() }

// Close ends the stream; what waits in it can still be read. More than once is
// fine.
func (u *Subscription) Close() {
	u.sys.streams.mu.Lock()
	defer u.sys.streams.mu.Unlock()
	u.sys.streams.change(func(all []*Subscription) []*Subscription {
		return slices.DeleteFunc(all, func(other *Subscription) bool { return other == u })
	})
	u.close()
}

func (u *Subscription) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.closed {
		u.closed = true
		close(u.c)
	}
}

func (u *Subscription) offer(e Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return
	}
	select {
	case u.c <- e:
	default:
		u.dropped.Add(1)
	}
}

// streams are the subscriptions of a system. Whoever emits only loads the list.
type streams struct {
	list atomic.Pointer[[]*Subscription]
	mu   sync.Mutex // of those who change it
	over bool       // the system is down
}

func (t *streams) all() []*Subscription {
	if list := t.list.Load(); list != nil {
		return *list
	}
	return nil
}

func (t *streams) change(f func([]*Subscription) []*Subscription) {
	list := f(slices.Clone(t.all()))
	t.list.Store(&list)
}

// end closes all streams.
func (t *streams) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	for _, u := range t.all() {
		u.close()
	}
	t.list.Store(nil)
}

// heard reports whether anybody listens. OnEvent does not in the last resort: it
// may be what hangs.
func (s *System) heard() bool { return s.tellsOnEvent() || len(s.streams.all()) > 0 }

func (s *System) tellsOnEvent() bool { return s.opts.OnEvent != nil && !s.lastResort.Load() }

// emit tells an event to all who listen.
func (s *System) emit(e Event) {
	if !s.heard() {
		return
	}
	e.Time = s.exec.Now()
	for _, u := range s.streams.all() {
		u.offer(e)
	}
	if s.tellsOnEvent() {
		defer s.survivePanic()
		s.opts.OnEvent(e)
	}
}

// survivePanic keeps a hook's panic from killing the process, or an actor that
// has nothing to do with it.
func (s *System) survivePanic() {
	if recover() != nil {
		s.hookPanics.Add(1)
	}
}
