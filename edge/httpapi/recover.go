package httpapi

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/actors"
)

// crashPeriod is how long the panics of one route are one event and one line in
// the log, with their number.
const crashPeriod = time.Minute

// Bounds of what is told of a panic.
const (
	maxStack     = 4 << 10
	maxPanicText = 200
)

// recovered makes an answer, an event and a line in the log of a handler's panic.
// The client is told that there was one, not where.
func (a *API) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint // the panic's value itself
				panic(v)
			}
			a.crashed(r, v, debug.Stack())
			if t, ok := w.(*timed); ok && t.answered() {
				panic(http.ErrAbortHandler) // nobody must take a part for the whole
			}
			fail(w, http.StatusInternalServerError, problem{
				Code: "internal_error", Message: "The request could not be answered because of a fault of gatehouse.",
				Hint: "The log says more; report it. A command may have been done or not: look at the doors.",
			})
		}()
		next.ServeHTTP(w, r)
	})
}

// crashes are the panics by method and route. Both are few, whatever clients send.
type crashes struct {
	mu   sync.Mutex
	seen map[string]*crash
}

type crash struct {
	told time.Time
	n    uint64 // since then
}

// note counts a panic; tell is how many have to be told of now, 0 for none yet.
func (c *crashes) note(where string, now time.Time) (tell uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]*crash{}
	}
	k := c.seen[where]
	if k == nil {
		k = &crash{}
		c.seen[where] = k
	}
	k.n++
	if !k.told.IsZero() && now.Sub(k.told) < crashPeriod {
		return 0
	}
	tell, k.n, k.told = k.n, 0, now
	return tell
}

func (a *API) crashed(r *http.Request, v any, stack []byte) {
	a.panics.Add(1)
	method, route := r.Method, r.Pattern
	if !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete}, method) {
		method = "OTHER"
	}
	n := a.crashes.note(method+" "+route, a.o.Clock.Now())
	if n == 0 {
		return
	}
	text := panicText(v)
	if len(text) > maxPanicText {
		text = strings.ToValidUTF8(text[:maxPanicText], "") + "..."
	}
	text = strings.ToValidUTF8(text, "?")
	if len(stack) > maxStack {
		stack = stack[:maxStack]
	}
	a.o.Log.Error().Str("method", method).Str("route", route).Str("panic", text).Uint64("times", n).
		Str("stack", string(stack)).Msg("a request ended in a panic")
	// The event goes to other systems, and what was thrown may be about a person.
	a.o.Building.NoteRequestFailed(method+" "+route+": panic: "+actors.Thrown(v), n)
}

// panicText is what was thrown. A value whose own methods panic has no text.
func panicText(v any) (text string) {
	defer func() {
		if recover() != nil {
			text = "a value that cannot be printed"
		}
	}()
	return fmt.Sprint(v)
}
