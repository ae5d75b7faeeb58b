package main

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"gatehouse/supervisor"
)

const (
	asks     = 50_000
	inFlight = 64
	patience = time.Minute
)

// askOutside is one caller that waits for each answer.
func askOutside() contest {
	return contest{
		rows: []row{
			{name: "ask, one caller waits outside", unit: "/s", higher: true, aim: ratioAtLeast(1.5), stock: "RequestFuture"},
			{name: "ask, one caller waits outside, allocations", aim: oursAtMost(3.01), stock: "RequestFuture"},
		},
		ours: askOurs, stock: askStock,
	}
}

// rateAndAllocations runs f, which does n things.
func rateAndAllocations(n int, f func()) figures {
	var rate float64
	made := mallocs(func() { rate = perSecond(n, f) })
	return figures{rate, made / float64(n)}
}

func askOurs() figures {
	sys, ref := single(places, func(c *supervisor.Context, msg any) error {
		c.Reply(msg)
		return nil
	})
	defer sys.Stop()
	msg := any(1)
	return rateAndAllocations(asks, func() {
		for range asks {
			if _, err := ref.Ask(msg, patience); err != nil {
				panic(err)
			}
		}
	})
}

func echo(system *actor.ActorSystem) (pid *actor.PID, down chan struct{}) {
	down = make(chan struct{})
	pid = system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		switch m := c.Message().(type) {
		case int:
			c.Respond(m)
		case *actor.Stopped:
			close(down)
		}
	}))
	return pid, down
}

func askStock() figures {
	system := protoactor()
	pid, down := echo(system)
	defer stopped(system, pid, down)
	msg := any(1)
	return rateAndAllocations(asks, func() {
		for range asks {
			if _, err := system.Root.RequestFuture(pid, msg, patience).Result(); err != nil {
				panic(err)
			}
		}
	})
}

// askInside is an actor that keeps 64 asks in flight. Of ours nothing is built
// yet.
func askInside() contest {
	return contest{
		rows: []row{
			{name: "ask, 64 in flight from inside", unit: "/s", higher: true, aim: ratioAtLeast(3), stock: "RequestFuture + ReenterAfter"},
			{name: "ask, 64 in flight from inside, allocations", aim: oursAtMost(2.01), stock: "RequestFuture + ReenterAfter"},
		},
		stock: askInsideStock,
	}
}

func askInsideStock() figures {
	system := protoactor()
	pid, down := echo(system)
	defer stopped(system, pid, down)
	msg, done, gone := any(1), make(chan struct{}), make(chan struct{})
	sent, left := 0, asks
	var ask func(c actor.Context)
	ask = func(c actor.Context) {
		if sent++; sent > asks {
			return
		}
		c.ReenterAfter(c.RequestFuture(pid, msg, patience), func(any, error) {
			if left--; left == 0 {
				close(done)
			}
			ask(c)
		})
	}
	asker := system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		switch c.Message().(type) {
		case string:
			for range inFlight {
				ask(c)
			}
		case *actor.Stopped:
			close(gone)
		}
	}))
	defer stopped(system, asker, gone)
	return rateAndAllocations(asks, func() {
		system.Root.Send(asker, "go")
		<-done
	})
}
