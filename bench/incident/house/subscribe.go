package house

import (
	"context"
	"errors"
	"time"

	"gatehouse/edge/redis"
	"gatehouse/supervisor"
)

// Subscriptions is a supervisor whose children each listen to event:sync for a
// while; Subscribe makes one. ref is set to its address when the house has started.
// In the daemon there is one such listener for ever; here one lives as long as a
// cycle of the traffic.
func Subscriptions(ref *supervisor.Ref) []supervisor.ChildSpec {
	return []supervisor.ChildSpec{
		{ID: "subscriptions", Supervisor: &supervisor.SupervisorSpec{
			Strategy: supervisor.Dynamic, Budget: supervisor.Isolating(3, time.Minute),
			Children: []supervisor.ChildSpec{{Restart: supervisor.Transient}},
		}},
		{ID: "desk", New: func() supervisor.Actor { return desk{ref} }},
	}
}

// desk finds the address.
type desk struct{ ref *supervisor.Ref }

// Start finds it.
func (d desk) Start(c *supervisor.Context) error {
	*d.ref = c.Lookup("building/links/subscriptions")
	return nil
}

// Receive gets nothing.
func (desk) Receive(*supervisor.Context, any) error { return nil }

// Subscribe is one that listens at addr by the daemon's client and hands on what it
// hears.
func Subscribe(id, addr string, now func() time.Time, handle func(payload string)) supervisor.StartChild {
	return supervisor.StartChild{ID: id, New: func() supervisor.Actor {
		return &subscription{handle: handle, client: redis.New(redis.Options{
			Addr: addr, Channel: "event:sync", Limits: redis.DefaultLimits, Now: now,
		})}
	}}
}

type subscription struct {
	handle func(string)
	client *redis.Client
}

// again is how long a listener that ended is left alone.
const again = 20 * time.Millisecond

// Start listens.
func (s *subscription) Start(c *supervisor.Context) error { return s.listen(c) }

func (s *subscription) listen(c *supervisor.Context) error {
	return c.Loop("listen", func(ctx context.Context) error {
		return s.client.Listen(ctx, func() {}, func(text string) error {
			s.handle(text)
			return ctx.Err()
		})
	})
}

// Receive listens again after a while when the server is gone.
func (s *subscription) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case supervisor.LoopEnded:
		if errors.Is(m.Err, redis.ErrClosed) {
			return m.Err
		}
		c.After("again", again)
	case supervisor.Tick:
		return s.listen(c)
	}
	return nil
}

// Stop closes the connection under whatever waits on it.
func (s *subscription) Stop(*supervisor.Context, supervisor.Reason) { s.client.Close() }
