package house

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/supervisor"
)

// Subscriptions is a supervisor whose children each listen to event:sync for a
// while; Subscribe makes one. ref is set to its address when the house has started.
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
	*d.ref = c.Lookup("building/edge/subscriptions")
	return nil
}

// Receive gets nothing.
func (desk) Receive(*supervisor.Context, any) error { return nil }

// Subscribe is one that listens at addr and hands on what it hears.
func Subscribe(id, addr string, handle func(payload string)) supervisor.StartChild {
	return supervisor.StartChild{ID: id, New: func() supervisor.Actor {
		return &subscription{addr: addr, handle: handle}
	}}
}

type subscription struct {
	addr   string
	handle func(string)
	client *redis.Client
	sub    *redis.PubSub
}

// Start makes the client of this life and the two loops: one listens; the other
// closes what the first one listens to, since a read ends by nothing else.
func (s *subscription) Start(c *supervisor.Context) error {
	s.client = redis.NewClient(&redis.Options{
		Addr: s.addr, MaxRetries: -1, PoolSize: 1, DialTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second,
	})
	s.sub = s.client.Subscribe(c.Context())
	return errors.Join(c.Loop("listen", s.listen), c.Loop("close", s.close))
}

// Receive does without an ended loop until the link is tried again.
func (s *subscription) Receive(_ *supervisor.Context, msg any) error {
	if ended, ok := msg.(supervisor.LoopEnded); ok {
		return errors.Join(errors.New("the subscription ended"), ended.Err)
	}
	return nil
}

func (s *subscription) listen(ctx context.Context) error {
	if err := s.sub.Subscribe(ctx, "event:sync"); err != nil {
		return err
	}
	for {
		msg, err := s.sub.ReceiveMessage(ctx)
		if err != nil {
			return err
		}
		s.handle(msg.Payload)
	}
}

func (s *subscription) close(ctx context.Context) error {
	<-ctx.Done()
	return errors.Join(s.sub.Close(), s.client.Close())
}
