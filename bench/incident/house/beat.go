package house

import (
	"context"
	"net/url"
	"time"

	"gatehouse/edge/heartbeat"
	"gatehouse/supervisor"
)

// Beat posts to addr each period by the daemon's client, one request at a time,
// with a limit for each step and for the whole. Its own actor is the daemon's
// (cmd/gatehouse/links) without the wait after failures, so that there is no less
// traffic than in the other columns, and with a period below the daemon's second.
func Beat(id string, addr *url.URL, period, limit time.Duration, now func() time.Time, sent func(error)) supervisor.ChildSpec {
	return supervisor.ChildSpec{ID: id, New: func() supervisor.Actor {
		return &beat{period: period, limit: limit, sent: sent, client: heartbeat.New(heartbeat.Options{
			URL: addr, Now: now,
			Limits: heartbeat.Limits{Dial: limit, TLS: limit, Write: limit, Header: limit, Body: limit, Whole: limit},
		})}
	}}
}

type beat struct {
	period, limit time.Duration
	sent          func(error)
	client        *heartbeat.Client
}

// Start arms the first beat.
func (b *beat) Start(c *supervisor.Context) error {
	c.After("beat", b.period)
	return nil
}

// Receive sends a beat when it is time, and arms the next one when it is over.
func (b *beat) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case supervisor.Tick:
		return c.Task("beat", b.limit, func(ctx context.Context) (any, error) {
			return nil, b.client.Beat(ctx, "", []byte(`{"building":"b","ok":true}`))
		})
	case supervisor.TaskDone:
		b.sent(m.Err)
		c.After("beat", b.period)
	}
	return nil
}

// Stop ends the call that is under way, and the connection.
func (b *beat) Stop(*supervisor.Context, supervisor.Reason) { b.client.Close() }
