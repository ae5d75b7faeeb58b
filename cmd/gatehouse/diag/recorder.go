package diag

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime/trace"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/supervisor"
)

// What the flight recorder keeps: the last minute, or less of a busy one. It costs a
// quiet building a quarter of a percent of a core and 3 MiB.
const (
	recordAge   = time.Minute
	recordBytes = 4 << 20
)

// Recorder is the flight recorder of Go's execution tracer as a part of the tree:
// what the scheduler did in the last minute, without a value of the program.
type Recorder struct {
	log zerolog.Logger

	mu      sync.Mutex
	running *trace.FlightRecorder // nil: it does not run
}

// NewRecorder makes a recorder; Spec is its place in the tree.
func NewRecorder(log zerolog.Logger) *Recorder { return &Recorder{log: log} }

// Spec is the actor.
func (r *Recorder) Spec() supervisor.ChildSpec {
	return supervisor.ChildSpec{ID: "recorder", New: func() supervisor.Actor { return recording{r} }}
}

// recording is one life of the recorder.
type recording struct{ *Recorder }

// Start begins to record.
func (r recording) Start(c *supervisor.Context) error { return c.Loop("record", r.run) }

// Receive ends this life when the loop ended by itself.
func (r recording) Receive(_ *supervisor.Context, msg any) error {
	if ended, ok := msg.(supervisor.LoopEnded); ok {
		return errors.Join(errors.New("the flight recorder ended by itself"), ended.Err)
	}
	return nil
}

// run records until ctx ends. The goroutine that the tracer starts has this
// worker's labels and ends before run returns. A process has one recorder: where
// there is another, this one waits for its end and records nothing.
func (r *Recorder) run(ctx context.Context) error {
	recorder := trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: recordAge, MaxBytes: recordBytes})
	if err := recorder.Start(); err != nil {
		r.log.Warn().Err(err).Msg("no flight recorder")
		<-ctx.Done()
		return nil
	}
	r.set(recorder)
	<-ctx.Done()
	r.set(nil)
	recorder.Stop()
	return nil
}

func (r *Recorder) set(running *trace.FlightRecorder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = running
}

var errNoRecorder = errors.New("the flight recorder does not run")

// write writes what was recorded. It is copied first: the recorder does not wait for
// who reads.
func (r *Recorder) write(w io.Writer) error {
	var text bytes.Buffer
	if err := r.snapshot(&text); err != nil {
		return err
	}
	_, err := text.WriteTo(w)
	return err
}

func (r *Recorder) snapshot(to io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running == nil {
		return errNoRecorder
	}
	_, err := r.running.WriteTo(to)
	return err
}
