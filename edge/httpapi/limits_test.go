package httpapi

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/supervisor"
)

// Every time-out of a server is set: a client that does nothing costs nothing
// for long.
func TestEveryTimeoutIsSet(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := NewServer(http.NotFoundHandler(), l, ServerOptions{Clock: supervisor.NewReal(1), Log: zerolog.Nop()}).http
	if min(s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout) <= 0 || s.MaxHeaderBytes <= 0 {
		t.Errorf("not all limits are set: %v %v %v %v %d",
			s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout, s.MaxHeaderBytes)
	}
}

// A head that never ends costs a connection for the time-out, and nothing after it.
func TestAHeadThatNeverEnds(t *testing.T) {
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(http.NotFoundHandler(), l, ServerOptions{Clock: supervisor.NewReal(1), Log: zerolog.Nop()})
	s.http.ReadHeaderTimeout = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 2)
	go func() { served <- s.Serve(ctx) }()
	go func() { served <- s.Drain(ctx) }()
	var open []net.Conn
	for range 300 { // more than there may be connections
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: loc")); err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	for _, c := range open { // each ends by the time-out
		if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatal(err)
		}
	}
	cancel()
	if err := errors.Join(<-served, <-served); err != nil {
		t.Error(err)
	}
}

// wire is a connection that counts what was set on it.
type wire struct {
	*httptest.ResponseRecorder
	set int
}

func (w *wire) SetReadDeadline(time.Time) error  { w.set++; return nil }
func (w *wire) SetWriteDeadline(time.Time) error { w.set++; return nil }

func newTimed() (*timed, *wire) {
	w := &wire{ResponseRecorder: httptest.NewRecorder()}
	return &timed{w: w, out: http.NewResponseController(w), header: http.Header{}}, w
}

// A deadline that fires when the handler is done touches nothing: the connection
// may be the next request's.
func TestADeadlineAfterTheEnd(t *testing.T) {
	a, w := newTimed()
	a.WriteHeader(http.StatusNoContent)
	a.finish()
	if a.expire(time.Unix(1, 0), time.Second) || w.set != 0 || w.Code != http.StatusNoContent {
		t.Errorf("set %d times, %d", w.set, w.Code)
	}
}

// What the handler writes after the deadline goes nowhere, not even its headers.
func TestAWriteAfterTheDeadline(t *testing.T) {
	a, w := newTimed()
	if !a.expire(time.Unix(1, 0), time.Second) || w.Code != http.StatusServiceUnavailable {
		t.Fatalf("%d", w.Code)
	}
	before := w.Body.String()
	a.Header().Set("X-Late", "1")
	a.WriteHeader(http.StatusOK)
	if _, err := a.Write([]byte("late")); !errors.Is(err, http.ErrHandlerTimeout) || w.Body.String() != before || w.Header().Get("X-Late") != "" {
		t.Errorf("%v %q", err, w.Body.String())
	}
}

// An answer that was begun is cut off, not answered once more.
func TestADeadlineInTheMiddle(t *testing.T) {
	a, w := newTimed()
	if _, err := a.Write([]byte("the first half")); err != nil {
		t.Fatal(err)
	}
	a.expire(time.Unix(1, 0), time.Second)
	if w.Code != http.StatusOK || w.Body.String() != "the first half" || w.set != 2 {
		t.Errorf("%d %q, set %d times", w.Code, w.Body.String(), w.set)
	}
}
