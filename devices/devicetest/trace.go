package devicetest

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/devices"
)

// ErrBadTrace is for a trace that was not written by a Recorder of this version.
var ErrBadTrace = errors.New("not a trace that can be played back")

const header = "gatehouse trace 1"

// Step is one line of a trace: At is the time since the trace's start, Part is
// "device/part". Read is nil for a movement of an input, which went to Active.
type Step struct {
	At     time.Duration
	Part   string
	Read   *devices.CardRead
	Active bool
}

// String is the step's line: time, kind, part, then bits, hex bytes and origin
// of a read, or the level of an input:
//
//	1.25s read "door-1/in" 26 01f3a9c0 "" 0 0
//	1.5s input "door-1/contact" true
func (s Step) String() string {
	if s.Read == nil {
		return fmt.Sprintf("%s input %q %t", s.At, s.Part, s.Active)
	}
	raw := strings.TrimRight(hex.EncodeToString(s.Read.Raw[:]), "0")
	raw += strings.Repeat("0", max(len(raw)%2, 2-len(raw))) // whole bytes, at least one
	o := s.Read.Origin
	return fmt.Sprintf("%s read %q %d %s %q %d %d", s.At, s.Part, s.Read.Bits, raw, o.File, o.Row, o.Order)
}

// parseStep takes exactly what String writes.
func parseStep(line string) (Step, error) {
	var s Step
	var at, kind, raw string
	var read devices.CardRead
	_, err := fmt.Sscanf(line, "%s %s %q", &at, &kind, &s.Part)
	switch {
	case err == nil && kind == "read":
		o := &read.Origin
		_, err = fmt.Sscanf(line, "%s %s %q %d %s %q %d %d", &at, &kind, &s.Part, &read.Bits, &raw, &o.File, &o.Row, &o.Order)
		if err == nil && len(raw) <= 2*len(read.Raw) {
			_, err = hex.Decode(read.Raw[:], []byte(raw))
		}
		s.Read = &read
	case err == nil && kind == "input":
		_, err = fmt.Sscanf(line, "%s %s %q %t", &at, &kind, &s.Part, &s.Active)
	}
	if err != nil {
		return Step{}, fmt.Errorf("%w: %q: %w", ErrBadTrace, line, err)
	}
	if s.At, err = time.ParseDuration(at); err != nil {
		return Step{}, fmt.Errorf("%w: %q: %w", ErrBadTrace, line, err)
	}
	if s.String() != line {
		return Step{}, fmt.Errorf("%w: %q: want a line like %q", ErrBadTrace, line, s)
	}
	return s, nil
}

// Recorder writes down what readers and inputs say. Safe for concurrent use.
type Recorder struct {
	since func() time.Duration

	mu      sync.Mutex
	w       io.Writer
	err     error
	cancels []func()
}

// NewRecorder begins a trace. since gives the time since the trace's start. The
// parts' listeners write to w, which therefore must not block: give it memory or
// a file, not a network.
func NewRecorder(w io.Writer, since func() time.Duration) *Recorder {
	r := &Recorder{since: since, w: w}
	_, r.err = fmt.Fprintln(w, header)
	return r
}

// Reader records what the reader reads from now on, under the name
// "device/part".
func (r *Recorder) Reader(name string, reader devices.Reader) {
	r.until(reader.Listen(func(read devices.CardRead) { r.write(Step{Part: name, Read: &read}) }))
}

// Input records how the input moves from now on, under the name "device/part",
// and first that it is active, if it is.
func (r *Recorder) Input(name string, input devices.Input) {
	if active, err := input.Level(); err == nil && active {
		r.write(Step{Part: name, Active: true})
	}
	r.until(input.Listen(func(active bool) { r.write(Step{Part: name, Active: active}) }))
}

// Device records all readers and inputs of a device.
func (r *Recorder) Device(id string, b devices.Bundle) {
	for _, part := range slices.Sorted(maps.Keys(b.Readers)) {
		r.Reader(id+"/"+part, b.Readers[part])
	}
	for _, part := range slices.Sorted(maps.Keys(b.Inputs)) {
		r.Input(id+"/"+part, b.Inputs[part])
	}
}

// Close ends the recording and returns the first error of writing, after which
// nothing more was written. It does not close the writer.
func (r *Recorder) Close() error {
	r.mu.Lock()
	cancels := r.cancels
	r.cancels = nil
	r.mu.Unlock()
	for _, cancel := range cancels {
		cancel()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *Recorder) until(cancel func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancels = append(r.cancels, cancel)
}

func (r *Recorder) write(s Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	s.At = r.since()
	_, r.err = fmt.Fprintln(r.w, s)
}

// Player is what a trace is played into; *virtual.Rig fits.
type Player interface {
	Present(reader string, read devices.CardRead)
	Move(input string, active bool)
}

// Playback plays a trace, step by step. Before each, until is told the step's
// time since the trace's start, to wait or to move a clock; its error ends the
// playback. nil plays as fast as possible. A wrong line ends it with ErrBadTrace
// and the line's number; the steps before it have been played.
func Playback(trace io.Reader, p Player, until func(at time.Duration) error) error {
	lines := bufio.NewScanner(trace)
	if !lines.Scan() || lines.Text() != header {
		return errors.Join(fmt.Errorf("%w: line 1: want %q, got %q", ErrBadTrace, header, lines.Text()), lines.Err())
	}
	for n := 2; lines.Scan(); n++ {
		step, err := parseStep(lines.Text())
		if err == nil && until != nil {
			err = until(step.At)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if step.Read != nil {
			p.Present(step.Part, *step.Read)
		} else {
			p.Move(step.Part, step.Active)
		}
	}
	return lines.Err()
}
