package soak

import (
	"context"
	"errors"
	"time"

	"gatehouse/supervisor"
)

var errRefused = errors.New("connection refused")

// far is another system as a link meets it: it answers, refuses or hangs.
type far struct {
	await func(context.Context, time.Duration) error
	hung  bool
	gone  bool
	beats int
}

// call is one request to it.
func (f *far) call(ctx context.Context) (any, error) {
	f.beats++
	switch {
	case f.gone:
		return nil, errRefused
	case f.hung:
		return nil, f.await(ctx, time.Hour)
	}
	return nil, f.await(ctx, 80*time.Millisecond)
}

// link is an actor that keeps in touch with another system: a request now and
// then, never two at a time, each with a deadline, and a subscription that is made
// again when it ends.
type link struct {
	far    *far
	failed int
}

const (
	beatEvery = 5 * time.Minute
	beatLimit = 10 * time.Second
)

// Start subscribes and plans the first request.
func (l *link) Start(c *supervisor.Context) error {
	c.After("beat", beatEvery)
	return l.subscribe(c)
}

func (l *link) subscribe(c *supervisor.Context) error {
	return c.Loop("subscription", func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
}

// Receive makes a request when it is time, and subscribes again when it must.
func (l *link) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case supervisor.Tick:
		if m.Key == "again" {
			return l.subscribe(c)
		}
		return c.Task("beat", beatLimit, l.far.call)
	case supervisor.TaskDone:
		l.failed++
		if m.Err == nil {
			l.failed = 0
		}
		c.After("beat", beatEvery)
	case supervisor.LoopEnded:
		c.After("again", 3*time.Second)
	}
	return nil
}
