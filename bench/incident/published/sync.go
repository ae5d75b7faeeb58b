package published

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Sync confirms its subscription, listens with its context, and closes.
type Sync struct {
	Client *redis.Client
	Handle func(payload string)
}

// Run listens until ctx ends.
func (s *Sync) Run(ctx context.Context) error {
	sub := s.Client.Subscribe(ctx, "event:sync")
	defer sub.Close()
	if _, err := sub.Receive(ctx); err != nil {
		return err
	}
	messages := sub.Channel()
	for {
		select {
		case msg, ok := <-messages:
			if !ok {
				return nil
			}
			s.Handle(msg.Payload)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
