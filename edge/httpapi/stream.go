package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"gatehouse/edge"
)

// batchSize is how many events one write on a stream holds at most.
const batchSize = 64

// reconnect is how long a browser waits before it comes again.
const reconnect = 2 * time.Second

// stream sends events as they come. It reads the journal by sequence number, at
// the client's own pace: nothing queues for it, and whoever takes no bytes for
// the write limit is cut off and can resume with Last-Event-ID.
func (a *API) stream(w http.ResponseWriter, r *http.Request) {
	q, err := parseStream(r)
	if err != nil {
		badQuery(w, err)
		return
	}
	if q.live {
		q.after = a.o.Building.LastEvent()
	}
	if a.beyond(w, q.after) {
		return
	}
	if r.Method == http.MethodHead {
		return
	}
	select {
	case a.streams <- struct{}{}:
		defer func() { <-a.streams }()
	default:
		tooMany(w)
		return
	}
	grown, stop, ok := a.o.Building.Watch()
	if !ok {
		tooMany(w)
		return
	}
	defer stop()
	if !standing(r) {
		return
	}
	s := &stream{api: a, w: w, out: http.NewResponseController(w), query: q}
	if err := s.run(r.Context(), grown); errors.Is(err, os.ErrDeadlineExceeded) {
		a.cut.Add(1)
		a.o.Log.Warn().Str("client", r.RemoteAddr).Uint64("after", s.query.after).Msg("slow stream cut off")
	}
}

func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	fail(w, http.StatusServiceUnavailable, problem{
		Code: "too_many_streams", Message: "All event streams are taken.",
		Hint: "Close one, or read /api/events page by page.",
	})
}

// stream is one client's. query.after is the last event that it was sent or that
// does not match.
type stream struct {
	api   *API
	w     http.ResponseWriter
	out   *http.ResponseController
	query query
	text  bytes.Buffer
}

func (s *stream) run(ctx context.Context, grown <-chan struct{}) error {
	// The id without data tells a client that is cut off at once where it was.
	fmt.Fprintf(&s.text, "retry: %d\nid: %d\n\n", reconnect.Milliseconds(), s.query.after)
	more, err := s.read()
	if err != nil {
		failRead(s.w, err)
		return err
	}
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.w.Header().Set("X-Accel-Buffering", "no") // proxies, hand on at once
	s.w.WriteHeader(http.StatusOK)
	beat := newBeat(s.api.o.Clock, s.api.o.Heartbeat)
	defer beat.end()
	for {
		if err := s.write(); err != nil {
			return err
		}
		if !more {
			select {
			case <-ctx.Done():
			case <-grown:
			case <-beat.c:
				s.text.WriteString(": still here\n\n")
				beat.again()
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if more, err = s.read(); err != nil {
			return err // the client comes again and is told why
		}
	}
}

// read puts the next events into the text; more: there may be others behind.
func (s *stream) read() (more bool, err error) {
	batch, err := s.api.o.Building.Events(s.query.after, batchSize)
	if err != nil {
		return false, err
	}
	for _, e := range batch {
		s.query.after = e.Seq
		if !s.query.Matches(&e) {
			continue
		}
		text, err := json.Marshal(edge.EventOf(e))
		if err != nil {
			return false, err
		}
		fmt.Fprintf(&s.text, "id: %d\ndata: %s\n\n", e.Seq, text)
	}
	return len(batch) == batchSize, nil
}

// write sends the text. A client that does not take it in time ends the stream.
func (s *stream) write() error {
	if s.text.Len() == 0 {
		return nil
	}
	defer s.text.Reset()
	if err := s.out.SetWriteDeadline(s.api.o.Clock.Now().Add(s.api.o.WriteLimit)); err != nil {
		return err
	}
	if _, err := s.w.Write(s.text.Bytes()); err != nil {
		return err
	}
	return s.out.Flush()
}

// beat says when a stream should give a sign of life.
type beat struct {
	clock  Clock
	period time.Duration
	c      chan struct{}
	stop   func() bool
}

func newBeat(clock Clock, period time.Duration) *beat {
	b := &beat{clock: clock, period: period, c: make(chan struct{}, 1)}
	b.again()
	return b
}

func (b *beat) again() { b.stop = b.clock.AfterFunc(b.period, func() { b.c <- struct{}{} }) }

func (b *beat) end() { b.stop() }
