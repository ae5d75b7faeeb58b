package naive

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Sync takes in what other buildings say.
type Sync struct {
	Client *redis.Client
	Handle func(payload string)
}

// Run listens until ctx ends, or so it was thought.
func (s *Sync) Run(ctx context.Context) {
	for msg := range s.Client.Subscribe(ctx, "event:sync").Channel() {
		s.Handle(msg.Payload)
	}
}
