package main

import (
	"github.com/asynkron/protoactor-go/actor"

	"gatehouse/supervisor"
)

const (
	few        = 2_000
	manyOurs   = 1_000_000
	manyStock  = 50_000 // 1,000,000 would take hours
	lateFactor = 0.8
)

// mortal is an actor that panics at each message, of either side: crash makes
// it, and waits until it is back.
type mortal struct {
	crash func()
	stop  func()
}

// times crashes it n times and yields the rate.
func (m *mortal) times(n int) float64 {
	return perSecond(n, func() {
		for range n {
			m.crash()
		}
	})
}

// restart compares restarts after a panic, one at a time, the first 2,000.
func restart() contest {
	side := func(make func() *mortal) func() figures {
		return func() figures {
			m := make()
			defer m.stop()
			return figures{m.times(few)}
		}
	}
	return contest{
		rows: []row{{
			name: "restart after a panic, the first 2,000", unit: "/s", higher: true,
			aim: ratioAtLeast(lateFactor), stock: "OneForOne",
		}},
		ours: side(mortalOurs), stock: side(mortalStock),
	}
}

// lateRestart compares restarts of an actor that has had many already with
// those of a young one.
func lateRestart() contest {
	var ours, stock *mortal
	side := func(old **mortal, make func() *mortal, many int) func() figures {
		return func() figures {
			if *old == nil {
				*old = make()
				(*old).times(many)
			}
			young := make()
			defer young.stop()
			early := young.times(few)
			late := (*old).times(few)
			return figures{late, late / early}
		}
	}
	return contest{
		rows: []row{
			{name: "restart after 1,000,000 restarts", unit: "/s", higher: true, stock: "OneForOne after 50,000, as 1,000,000 take too long"},
			{name: "restart after 1,000,000, part of the young's rate", higher: true, aim: oursAtLeast(lateFactor), stock: "OneForOne after 50,000"},
		},
		ours: side(&ours, mortalOurs, manyOurs), stock: side(&stock, mortalStock, manyStock),
		close: func() { ours.stop(); stock.stop() },
	}
}

type mortalActor chan struct{}

func (a mortalActor) Start(*supervisor.Context) error { a <- struct{}{}; return nil }

func (mortalActor) Receive(*supervisor.Context, any) error { panic("crash") }

// mortalOurs may need 10 restarts within a nanosecond, that is any number, and
// its backoff is as short as can be.
func mortalOurs() *mortal {
	ready := make(mortalActor, 1)
	sys := tree(supervisor.SupervisorSpec{
		Budget: supervisor.Escalating(10, 1),
		Children: []supervisor.ChildSpec{{
			ID: "a", New: func() supervisor.Actor { return ready },
			Backoff: supervisor.Backoff{Min: 1, Max: 1},
		}},
	})
	<-ready
	ref := sys.Ref("root/a")
	return &mortal{
		crash: func() { ref.Send(1); <-ready },
		stop:  func() { sys.Stop() },
	}
}

func mortalStock() *mortal {
	ready, down, system := make(chan struct{}, 1), make(chan struct{}), protoactor()
	child := actor.PropsFromFunc(func(c actor.Context) {
		switch c.Message().(type) {
		case *actor.Started:
			ready <- struct{}{}
		case int:
			panic("crash")
		}
	})
	born := make(chan *actor.PID, 1)
	parent := system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		switch c.Message().(type) {
		case *actor.Started:
			born <- c.Spawn(child)
		case *actor.Stopped:
			close(down)
		}
	}, actor.WithSupervisor(actor.NewOneForOneStrategy(10, 1, actor.DefaultDecider))))
	<-ready
	pid := <-born
	return &mortal{
		crash: func() { system.Root.Send(pid, 1); <-ready },
		stop:  func() { stopped(system, parent, down) },
	}
}
