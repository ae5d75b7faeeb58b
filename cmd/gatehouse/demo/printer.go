package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/supervisor"
)

const (
	maxWaiting    = 1024 // events that wait to be printed; then the oldest give way
	maxAtOnce     = 256  // events of one write
	writePatience = time.Second
)

// Printer shows events on a terminal, one line each. Events wait for a slow
// terminal in a bounded queue; those that had to give way are counted, and the
// count is printed in their place.
type Printer struct {
	// Gone is told when the terminal is gone for good; optional, set before use.
	Gone func(error)

	style style
	out   io.Writer

	mu      sync.Mutex
	waiting []access.Event
	skipped uint64
	rest    []byte // what a write left over
	writing bool
	self    supervisor.Ref
}

// NewPrinter prints to out. Names of doors and people, and the time zone, are
// the site's. If out has SetWriteDeadline (see Unblocked), no write lasts longer
// than a second; otherwise a blocked terminal delays the stop of the printer,
// and nothing else.
func NewPrinter(s *site.Site, out io.Writer, colour bool) *Printer {
	return &Printer{style: newStyle(s, colour), out: out}
}

// OnEvent queues an event to be printed. It never blocks, and may be called on
// any goroutine, before and after the printer's actor runs.
func (p *Printer) OnEvent(e access.Event) {
	p.mu.Lock()
	if len(p.waiting) >= maxWaiting {
		p.waiting = p.waiting[1:]
		p.skipped++
	}
	p.waiting = append(p.waiting, e)
	self, first := p.self, len(p.waiting) == 1
	p.mu.Unlock()
	if first {
		self.Send(poke{})
	}
}

// ChildSpec is the printer as a child of a building's edge.
func (p *Printer) ChildSpec() supervisor.ChildSpec {
	return supervisor.ChildSpec{
		ID:           "printer",
		New:          func() supervisor.Actor { return &printing{p: p} },
		StopDeadline: 2 * writePatience,
		Backoff: supervisor.Backoff{
			Min: 100 * time.Millisecond, Max: 30 * time.Second, Factor: 2, Jitter: 0.2, ResetAfter: 10 * time.Second,
		},
	}
}

// Flush prints what is left when the tree is down; now is the time. Error: the
// writer's.
func (p *Printer) Flush(now time.Time) error {
	for text := p.take(); len(text) > 0; text = p.take() {
		if err := p.write(text, now); err != nil {
			return err
		}
		p.mu.Lock()
		blocked := len(p.rest) > 0
		p.mu.Unlock()
		if blocked {
			return nil
		}
	}
	return nil
}

// printing is the printer's actor. It writes in a task, so that a blocked
// terminal keeps it from nothing.
type printing struct {
	p    *Printer
	busy bool // a write is under way, or its end is
}

// poke goes to the printer: something waits.
type poke struct{}

// Class keeps one.
func (poke) Class() supervisor.Class {
	return supervisor.Class{Lane: supervisor.Telemetry, WhenFull: supervisor.ReplaceOldest, Key: "poke"}
}

// Start prints what happened before.
func (a *printing) Start(c *supervisor.Context) error {
	a.p.mu.Lock()
	a.p.self = c.Self()
	a.p.mu.Unlock()
	return a.print(c)
}

// Receive goes on printing. A terminal that is gone does not come back.
func (a *printing) Receive(c *supervisor.Context, msg any) error {
	done, ok := msg.(supervisor.TaskDone)
	if ok && done.Err != nil {
		if a.p.Gone != nil {
			a.p.Gone(done.Err)
		}
		return supervisor.DoNotRestart(fmt.Errorf("the terminal is gone: %w", done.Err))
	}
	a.busy = a.busy && !ok
	return a.print(c)
}

func (a *printing) print(c *supervisor.Context) error {
	if a.busy {
		return nil
	}
	text := a.p.take()
	if len(text) == 0 {
		return nil
	}
	a.busy = true
	now := c.Now()
	return c.Task("write", 0, func(context.Context) (any, error) { return nil, a.p.write(text, now) })
}

// take makes text of what waits, unless a write is under way.
func (p *Printer) take() (text []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.writing {
		return nil
	}
	text, p.rest = p.rest, nil
	if p.skipped > 0 {
		text = p.style.skipped(text, p.skipped)
		p.skipped = 0
	}
	n := min(maxAtOnce, len(p.waiting))
	for i := range p.waiting[:n] {
		text = p.style.line(text, &p.waiting[i])
	}
	if p.waiting = p.waiting[n:]; len(p.waiting) == 0 {
		p.waiting = nil
	}
	p.writing = len(text) > 0
	return text
}

// write keeps what the terminal did not take in time.
func (p *Printer) write(text []byte, now time.Time) error {
	if d, ok := p.out.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = d.SetWriteDeadline(now.Add(writePatience)) // a plain file knows none, and needs none
	}
	n := 0
	defer func() { p.wrote(text[n:]) }()
	n, err := p.out.Write(text)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

func (p *Printer) wrote(rest []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writing, p.rest = false, rest
}
