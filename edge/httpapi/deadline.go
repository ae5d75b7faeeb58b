package httpapi

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// errDeadline is why the context of a request ended.
var errDeadline = errors.New("the request's time is over")

// answerLimit is how long the answer at the deadline may take to go out. It is
// small and the first on its way: a client that does not take even that is gone.
const answerLimit = time.Second

// deadline ends the context of a request when its time is over, and answers its
// client then, whether its handler heeds that or not. Nothing waits for a handler
// that does not come back, but its place stays taken until it does.
func (a *API) deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		t := &timed{w: w, out: http.NewResponseController(w), header: http.Header{}}
		stop := a.o.Clock.AfterFunc(a.o.Deadline, func() {
			if t.expire(a.o.Clock.Now(), a.o.Deadline) {
				a.expired.Add(1)
			}
			cancel(errDeadline)
		})
		defer t.finish()
		defer stop()
		if v, ok := ctx.Value(visitKey{}).(*visit); ok {
			v.stop = stop
		}
		next.ServeHTTP(t, r.WithContext(ctx))
	})
}

// timed is the answer to a request with a deadline. Its handler writes it, or the
// deadline does: whoever is first. The handler has headers of its own, which count
// once it begins.
type timed struct {
	w      http.ResponseWriter
	out    *http.ResponseController
	header http.Header

	writing sync.Mutex // the answer
	begun   bool
	over    bool

	life     sync.Mutex // the connection is this request's
	finished bool
}

// Unwrap is for http.ResponseController.
func (t *timed) Unwrap() http.ResponseWriter { return t.w }

func (t *timed) Header() http.Header { return t.header }

func (t *timed) WriteHeader(status int) {
	t.writing.Lock()
	defer t.writing.Unlock()
	if !t.over && !t.begun {
		t.begin(status)
	}
}

func (t *timed) begin(status int) {
	t.begun = true
	maps.Copy(t.w.Header(), t.header)
	t.w.WriteHeader(status)
}

func (t *timed) Write(b []byte) (int, error) {
	t.writing.Lock()
	defer t.writing.Unlock()
	if t.over {
		return 0, http.ErrHandlerTimeout
	}
	if !t.begun {
		t.begin(http.StatusOK)
	}
	return t.w.Write(b)
}

// answered: the client has an answer, or the beginning of one.
func (t *timed) answered() bool {
	t.writing.Lock()
	defer t.writing.Unlock()
	return t.begun || t.over
}

// expire answers in the handler's place. An answer that the handler has begun, and
// whose client does not take it, is cut off; so is a body that does not arrive.
// false: the handler had come back already.
func (t *timed) expire(now time.Time, limit time.Duration) bool {
	t.life.Lock()
	defer t.life.Unlock()
	if t.finished {
		return false
	}
	past := now.Add(-time.Second)
	defer t.out.SetReadDeadline(past) //nolint:errcheck // a connection that is gone needs none
	if !t.writing.TryLock() {         // the handler is in the middle of a write
		_ = t.out.SetWriteDeadline(past)
		return true
	}
	defer t.writing.Unlock()
	if t.begun {
		_ = t.out.SetWriteDeadline(past)
		return true
	}
	t.over = true
	_ = t.out.SetWriteDeadline(now.Add(answerLimit))
	t.answerLate(limit)
	return true
}

func (t *timed) answerLate(limit time.Duration) {
	text, _ := marshal(problem{
		Code: "deadline", Message: "The request was not answered within " + limit.String() + ".",
		Hint: "A command may have been done or not: look at the doors before you try again. The log and /api/tree say what hangs.",
	})
	h := t.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text))) // it is whole before the handler comes back
	h.Set("Connection", "close")
	h.Set("Retry-After", "1")
	t.w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = t.w.Write(text)
	_ = t.out.Flush()
}

// finish gives the connection back: a deadline that fires at this moment must not
// hit the next request on it.
func (t *timed) finish() {
	t.life.Lock()
	defer t.life.Unlock()
	t.finished = true
}
