package actors

import (
	"sync"

	"gatehouse/supervisor"
)

// feed tells whoever watches that the journal has grown. Watchers read at their
// own pace, by sequence number: a slow one is never waited for and holds
// nothing here but one token.
type feed struct{ b *Building }

// Start tells everybody: an earlier life may have crashed before it did.
func (f *feed) Start(*supervisor.Context) error {
	f.b.watchers.tell()
	return nil
}

// Receive hands the news on.
func (f *feed) Receive(_ *supervisor.Context, msg any) error {
	if _, ok := msg.(written); ok {
		f.b.watchers.tell()
	}
	return nil
}

// Watch is told that there may be events that it has not read yet.
type Watch struct {
	C   <-chan struct{} // one token at most waits
	all *watchers
	c   chan struct{}
}

// maxWatchers bounds the watchers of a building.
const maxWatchers = 256

type watchers struct {
	mu  sync.Mutex
	set map[chan struct{}]bool
}

func (w *watchers) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.set {
		select {
		case c <- struct{}{}:
		default: // it has not looked since the last time
		}
	}
}

// Watch begins a watch; ok is false when there are too many.
func (b *Building) Watch() (watch *Watch, ok bool) {
	w := &b.watchers
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.set) >= maxWatchers {
		return nil, false
	}
	if w.set == nil {
		w.set = map[chan struct{}]bool{}
	}
	c := make(chan struct{}, 1)
	w.set[c] = true
	return &Watch{C: c, all: w, c: c}, true
}

// Close ends the watch.
func (w *Watch) Close() {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	delete(w.all.set, w.c)
}
