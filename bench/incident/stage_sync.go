package incident

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/bench/incident/house"
	"gatehouse/bench/incident/naive"
	"gatehouse/bench/incident/published"
	"gatehouse/supervisor"
)

// subscriber is how a column subscribes: begin starts listening; end tells it to
// stop, and what it returns is closed when it has.
type subscriber struct {
	begin func(id int, handle func(string)) (end func() (ended <-chan struct{}))
	act   *act
	ends  []float64 // how long each took, in us, as far as it was waited for
}

func runSync(s *stage) error {
	where, err := s.ask(ask{What: "redis"})
	if err != nil {
		return err
	}
	sub, err := startSync(s, where.Text)
	if err != nil {
		return err
	}
	s.ready(sub.act)
	n := s.pick(120, 24)
	for i := range n {
		if err := s.cycle(i, sub); err != nil {
			return fmt.Errorf("cycle %d: %w", i, err)
		}
		s.done.Add(1)
	}
	s.res.Requests = uint64(n)
	s.res.P50, s.res.P99 = quantile(sub.ends, 0.5), quantile(sub.ends, 0.99)
	s.finish(sub.act)
	return nil
}

// endLimit is how long a cycle waits for the end of its subscription.
const endLimit = 100 * time.Millisecond

// cycle is one life of a subscription. Every eighth loses its server, and every
// eighth is begun while the server hangs.
func (s *stage) cycle(i int, sub *subscriber) error {
	hangs, dies := i%8 == 3, i%8 == 7
	if hangs {
		if _, err := s.ask(ask{What: "redis-hang"}); err != nil {
			return err
		}
	}
	heard := make(chan struct{}, 1)
	end := sub.begin(i, func(string) {
		select {
		case heard <- struct{}{}:
		default:
		}
	})
	switch {
	case hangs:
		pause(30 * time.Millisecond)
	default:
		if err := s.untilHeard(heard); err != nil {
			return err
		}
	}
	if dies {
		if _, err := s.ask(ask{What: "redis-kill"}); err != nil {
			return err
		}
		pause(30 * time.Millisecond)
	}
	begin := now()
	if !wait(end(), endLimit) {
		s.res.Facts["ends_late"]++
	}
	sub.ends = append(sub.ends, float64(now().Sub(begin).Microseconds()))
	if hangs || dies {
		_, err := s.ask(ask{What: "redis-back"})
		return err
	}
	return nil
}

// untilHeard publishes until the subscription hears it.
func (s *stage) untilHeard(heard <-chan struct{}) error {
	ok := until(10*time.Second, func() bool {
		if _, err := s.ask(ask{What: "redis-publish"}); err != nil {
			return false
		}
		return wait(heard, 20*time.Millisecond)
	})
	if !ok {
		return fmt.Errorf("the subscription heard nothing")
	}
	return nil
}

func startSync(s *stage, addr string) (*subscriber, error) {
	if s.spec.Column == House {
		return startHouseSync(s, addr)
	}
	client := redis.NewClient(&redis.Options{Addr: addr})
	listen := func(handle func(string)) func(context.Context) {
		if s.spec.Column == Naive {
			return (&naive.Sync{Client: client, Handle: handle}).Run
		}
		return func(ctx context.Context) { _ = (&published.Sync{Client: client, Handle: handle}).Run(ctx) } // it ends by ctx
	}
	return &subscriber{
		begin: func(_ int, handle func(string)) func() <-chan struct{} {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			spawn(func() { defer close(done); listen(handle)(ctx) })
			return func() <-chan struct{} { cancel(); return done }
		},
		act: &act{stop: func() { _ = client.Close() }},
	}, nil
}

func startHouseSync(s *stage, addr string) (*subscriber, error) {
	var links supervisor.Ref
	_, a, err := s.enter(house.Options{Links: house.Subscriptions(&links)}, 1)
	if err != nil {
		return nil, err
	}
	return &subscriber{
		begin: func(id int, handle func(string)) func() <-chan struct{} {
			name := fmt.Sprintf("s-%d", id)
			if _, err := links.Ask(house.Subscribe(name, addr, now, handle), 5*time.Second); err != nil {
				s.res.Error = err.Error()
			}
			return func() <-chan struct{} {
				ended := make(chan struct{})
				spawn(func() { defer close(ended); _, _ = links.Ask(supervisor.StopChild{ID: name}, 10*time.Second) })
				return ended
			}
		},
		act: a,
	}, nil
}
