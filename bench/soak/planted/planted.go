// Package planted is leaks as people write them, for the soak to find and name,
// and two things that look like leaks and are none. Each is an actor of its own,
// so that the rest of the building is clean.
//
// It is exempt from the house's bans on purpose, and nothing but the soak's
// self-test may import it.
package planted

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"gatehouse/supervisor"
)

// All is every leak by its name. Where is the function that the soak must name.
// line is an address that takes connections, url one that answers GET.
func All(line, url string) []Leak {
	return []Leak{
		{"a goroutine per 1,000 messages", "planted.(*goroutines).Receive", time.Minute, func() supervisor.Actor { return &goroutines{} }},
		{"a timer per restart", "planted.(*timers).Start", time.Hour, func() supervisor.Actor { return &timers{} }},
		{"an fd per reconnect", "planted.(*files).reconnect", time.Hour, func() supervisor.Actor { return &files{addr: line} }},
		{"a slowly growing map", "planted.(*growing).Receive", time.Minute, func() supervisor.Actor { return &growing{seen: map[string][]byte{}} }},
		{"an unclosed body", "planted.(*bodies).fetch", 6 * time.Hour, func() supervisor.Actor { return &bodies{url: url} }},
		{"an actor never stopped", "planted.newSession", 6 * time.Hour, func() supervisor.Actor { return &opener{} }},
	}
}

// Controls are what must not be taken for a leak.
func Controls() []Leak {
	return []Leak{
		{"a saw-tooth cache", "", 3 * time.Minute, func() supervisor.Actor { return &cache{entries: map[int][]byte{}} }},
		{"the nightly archive", "", 10 * time.Minute, func() supervisor.Actor { return &archive{} }},
	}
}

// Leak is one of them.
type Leak struct {
	Name  string
	Where string        // the function that the soak must name
	Every time.Duration // how often it gets something to do
	New   func() supervisor.Actor
}

// ID is the leak's place in the tree.
const ID = "planted"

// Children are the leak as children of a tree's edge.
func (l Leak) Children() []supervisor.ChildSpec {
	return []supervisor.ChildSpec{
		{ID: "sessions", Supervisor: sessions()},
		{ID: ID, New: func() supervisor.Actor { return &clocked{l.New(), l.Every} }},
	}
}

// clocked gives an actor something to do now and then.
type clocked struct {
	supervisor.Actor
	every time.Duration
}

// Start starts the actor and its clock.
func (k *clocked) Start(c *supervisor.Context) error {
	c.Every("work", k.every)
	if s, ok := k.Actor.(supervisor.Starter); ok {
		return s.Start(c)
	}
	return nil
}

var forever = make(chan struct{})

// left is the connections and bodies that nobody closed. It also keeps the
// garbage collector from closing them: a leak is what somebody still holds.
var left []io.Closer

// End clears up what was planted, for the next soak in this process.
func End() {
	close(forever)
	forever = make(chan struct{})
	for _, open := range left {
		_ = open.Close() // nobody uses it
	}
	left = nil
	http.DefaultClient.CloseIdleConnections()
}

type goroutines struct{ messages int }

// Receive counts, and starts a goroutine that nobody ends.
func (g *goroutines) Receive(*supervisor.Context, any) error {
	if g.messages++; g.messages%1000 == 0 {
		go func() { <-forever }()
	}
	return nil
}

type timers struct{}

// Start starts a timer that the end of this life does not end.
func (t *timers) Start(*supervisor.Context) error {
	time.AfterFunc(1000*time.Hour, func() { fmt.Print("never") })
	return nil
}

// Receive crashes.
func (t *timers) Receive(*supervisor.Context, any) error { panic("the line was cut") }

type files struct{ addr string }

// Receive connects again.
func (f *files) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case supervisor.Tick:
		return c.Task("reconnect", time.Minute, func(context.Context) (any, error) { return f.reconnect() })
	case supervisor.TaskDone:
		return m.Err
	}
	return nil
}

// reconnect keeps the connection before.
func (f *files) reconnect() (any, error) {
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		return nil, err
	}
	left = append(left, conn)
	return nil, nil
}

type growing struct{ seen map[string][]byte }

// Receive remembers every message.
func (g *growing) Receive(c *supervisor.Context, _ any) error {
	g.seen[c.Now().String()] = make([]byte, 256)
	return nil
}

type bodies struct{ url string }

// Receive asks.
func (b *bodies) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case supervisor.Tick:
		return c.Task("fetch", time.Minute, func(context.Context) (any, error) { return b.fetch() })
	case supervisor.TaskDone:
		return m.Err
	}
	return nil
}

// fetch looks at the status and leaves the body open.
func (b *bodies) fetch() (any, error) {
	r, err := http.Get(b.url) //nolint:bodyclose // that is the leak
	if err != nil {
		return nil, err
	}
	left = append(left, r.Body)
	return r.StatusCode, nil
}

type session struct{ buffer [4096]byte }

// Receive counts.
func (s *session) Receive(*supervisor.Context, any) error {
	s.buffer[0]++
	return nil
}

func newSession() supervisor.Actor { return &session{} }

func sessions() *supervisor.SupervisorSpec {
	return &supervisor.SupervisorSpec{Strategy: supervisor.Dynamic, Children: []supervisor.ChildSpec{{New: newSession}}}
}

type opener struct{ n int }

// Receive begins a session and forgets it.
func (o *opener) Receive(c *supervisor.Context, _ any) error {
	o.n++
	c.Send(c.Lookup(siblingOf(c, "sessions")), supervisor.StartChild{ID: fmt.Sprint("s-", o.n)})
	return nil
}

func siblingOf(c *supervisor.Context, id string) string { return c.Parent().Path() + "/" + id }

type cache struct{ entries map[int][]byte }

// Receive fills a cache, which is emptied when it is full.
func (k *cache) Receive(*supervisor.Context, any) error {
	if len(k.entries) == 100 {
		clear(k.entries)
	}
	k.entries[len(k.entries)] = make([]byte, 64<<10)
	return nil
}

type archive struct {
	copies [3][]byte
	file   io.Closer
	ends   chan struct{}
}

// Receive begins the night's work shortly before two and ends it twenty minutes
// later: three copies, an open file and a goroutine.
func (a *archive) Receive(c *supervisor.Context, _ any) error {
	switch now := c.Now(); {
	case now.Hour() == 1 && now.Minute() >= 50 && a.ends == nil:
		for i := range a.copies {
			a.copies[i] = make([]byte, 4<<20)
		}
		a.ends = make(chan struct{})
		go func(ends chan struct{}) { <-ends }(a.ends)
		a.file, _ = os.Open(os.DevNull)
	case now.Hour() == 2 && now.Minute() >= 10 && a.ends != nil:
		_ = a.file.Close()
		close(a.ends)
		*a = archive{}
	}
	return nil
}
