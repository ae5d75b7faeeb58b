package supervisortest

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"gatehouse/supervisor"
)

// Log is what probes did, in order, one line each: "start root/a#1",
// "stop root/a#1 shutdown", "got root/a#1 hello". The number is the
// incarnation. It is safe for concurrent use.
type Log struct {
	mu    sync.Mutex
	lines []string
}

// Add notes a line.
func (l *Log) Add(format string, a ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, a...))
}

// Lines is all that was noted so far.
func (l *Log) Lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// Take is Lines, and forgets them.
func (l *Log) Take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

// Count is how many lines equal this one.
func (l *Log) Count(line string) (n int) {
	for _, other := range l.Lines() {
		if other == line {
			n++
		}
	}
	return n
}

// Has reports whether the line was noted.
func (l *Log) Has(line string) bool { return l.Count(line) > 0 }

// Messages that every Probe understands, before its own OnReceive.
type (
	// Do runs a function inside the actor; what it returns is the handler's error.
	Do func(c *supervisor.Context) error
	// Fail makes the handler return the error.
	Fail struct{ Err error }
	// Panic makes the handler panic.
	Panic struct{ Value any }
	// End makes the actor stop by itself, normally.
	End struct{}
	// Echo is answered with its value.
	Echo struct{ Value any }
)

// ErrCrash is the error of Crash.
var ErrCrash = errors.New("crash")

// Crash is a Fail.
var Crash = Fail{ErrCrash}

// Probe is an actor that notes what happens to it. The hooks are optional and
// come after the note; each may fail, panic or block.
type Probe struct {
	Log       *Log
	OnStart   func(c *supervisor.Context) error
	OnReceive func(c *supervisor.Context, msg any) error
	OnStop    func(c *supervisor.Context, why supervisor.Reason)
	Quiet     bool // does not note messages
}

// Start notes the begin of a life.
func (p *Probe) Start(c *supervisor.Context) error {
	p.Log.Add("start %s", Life(c))
	if p.OnStart == nil {
		return nil
	}
	return p.OnStart(c)
}

// Receive does what the message says.
func (p *Probe) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case Do:
		return m(c)
	case Fail:
		return m.Err
	case Panic:
		panic(m.Value)
	case End:
		c.Stop()
		return nil
	case Echo:
		c.Reply(m.Value)
		return nil
	}
	if !p.Quiet {
		p.Log.Add("got %s %v", Life(c), msg)
	}
	if p.OnReceive == nil {
		return nil
	}
	return p.OnReceive(c, msg)
}

// Stop notes the end of a life.
func (p *Probe) Stop(c *supervisor.Context, why supervisor.Reason) {
	p.Log.Add("stop %s %v", Life(c), why)
	if p.OnStop != nil {
		p.OnStop(c, why)
	}
}

// Life names an actor's life: its path and incarnation.
func Life(c *supervisor.Context) string {
	return fmt.Sprintf("%s#%d", c.Self().Path(), c.Incarnation())
}

// Child is the spec of a child whose every life is a copy of the probe; the
// zero Probe will do.
func (l *Log) Child(id string, p Probe) supervisor.ChildSpec {
	p.Log = l
	return supervisor.ChildSpec{ID: id, New: func() supervisor.Actor {
		life := p
		return &life
	}}
}

// Gate blocks who passes it until it is opened.
type Gate struct {
	entered, opened chan struct{}
	enter, open     sync.Once
}

// NewGate returns a closed gate.
func NewGate() *Gate {
	return &Gate{entered: make(chan struct{}), opened: make(chan struct{})}
}

// Pass blocks until the gate is open.
func (g *Gate) Pass() {
	g.enter.Do(func() { close(g.entered) })
	<-g.opened
}

// Entered is closed once somebody wanted to pass.
func (g *Gate) Entered() <-chan struct{} { return g.entered }

// Open lets everybody pass, for good.
func (g *Gate) Open() { g.open.Do(func() { close(g.opened) }) }
