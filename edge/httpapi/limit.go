package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// gates bound what requests can cost: one for those that read events, one for those
// that read what is in memory, one for all others. So no dashboard keeps a lockdown
// waiting, and no disk that hangs the state of the doors. They stand before everything
// that reads more than a request's head.
type gates struct{ events, reads, changes *gate }

func (g gates) all() []*gate { return []*gate{g.events, g.reads, g.changes} }

func newGates(clock Clock, places, rate, burst int) gates {
	one := func() *gate { return newGate(clock, places, rate, burst) }
	return gates{one(), one(), one()}
}

func (g gates) of(r *http.Request) *gate {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return g.changes
	case strings.HasPrefix(r.URL.Path, eventsPath):
		return g.events
	}
	return g.reads
}

func (g gates) underWay() (n int) {
	for _, one := range g.all() {
		n += len(one.places)
	}
	return n
}

// refused is how many requests were, for their rate and for want of a place.
func (g gates) refused() (flooded, busy uint64) {
	for _, one := range g.all() {
		flooded, busy = flooded+one.flooded.Load(), busy+one.busy.Load()
	}
	return flooded, busy
}

// gate bounds how many requests begin in a second, and how many are under way.
type gate struct {
	clock  Clock
	places chan struct{} // a token for each request under way

	mu    sync.Mutex
	rate  float64 // per second
	burst float64
	left  float64
	at    time.Time // when left was right

	busy, flooded atomic.Uint64 // refused
}

func newGate(clock Clock, places, rate, burst int) *gate {
	return &gate{
		clock: clock, places: make(chan struct{}, places),
		rate: float64(rate), burst: float64(burst), left: float64(burst), at: clock.Now(),
	}
}

// admit takes one from the rate; else wait is when there is one again.
func (g *gate) admit() (wait time.Duration, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	if passed := now.Sub(g.at).Seconds(); passed > 0 {
		g.left = min(g.burst, g.left+passed*g.rate)
	}
	g.at = now
	if g.left < 1 {
		return time.Duration((1 - g.left) / g.rate * float64(time.Second)), false
	}
	g.left--
	return 0, true
}

// visit is a request under way.
type visit struct {
	leave func()      // gives its place back
	stop  func() bool // ends its deadline; false: it is over
}

type visitKey struct{}

// standing takes a request that is meant to last out of the limit and off its
// deadline: its handler bounds how many there are, and how long it waits for its
// client. false: it is too late, and the client was told.
func standing(r *http.Request) (ok bool) {
	v, ok := r.Context().Value(visitKey{}).(*visit)
	if !ok {
		return true
	}
	v.leave()
	return v.stop == nil || v.stop()
}

// limited refuses what is too much at once. /healthz always answers: that costs no
// more than a refusal, and a flood is no reason to have the daemon killed.
func (g gates) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == alivePath {
			next.ServeHTTP(w, r)
			return
		}
		g.of(r).enter(w, r, next)
	})
}

func (g *gate) enter(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if wait, ok := g.admit(); !ok {
		g.flooded.Add(1)
		refuse(w, r, http.StatusTooManyRequests, wait, problem{
			Code: "too_many_requests", Message: "There are too many requests at this moment.",
			Hint: "Wait for as long as Retry-After says, and ask less often.",
		})
		return
	}
	select {
	case g.places <- struct{}{}:
	default:
		g.busy.Add(1)
		refuse(w, r, http.StatusServiceUnavailable, time.Second, problem{
			Code: "busy", Message: "As many requests as there may be are under way.",
			Hint: "Wait for as long as Retry-After says. If it stays so, /metrics and the log say what takes so long.",
		})
		return
	}
	v := &visit{leave: sync.OnceFunc(func() { <-g.places })}
	defer v.leave()
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
}

// refuse answers, and says when to come again.
func refuse(w http.ResponseWriter, r *http.Request, status int, wait time.Duration, p problem) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int((wait+time.Second-1)/time.Second))))
	harden(w.Header())
	turnAway(w, r, status, p)
}
