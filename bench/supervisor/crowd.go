package main

import (
	"errors"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"gatehouse/supervisor"
)

// crowd is how many actors there are at once.
const crowd = 100_000

// idle does nothing.
type idle struct{}

func (idle) Receive(*supervisor.Context, any) error { return nil }

func newIdle() supervisor.Actor { return idle{} }

// dynamicCrowd is about the children of a Dynamic supervisor: what they cost
// to start, to have and to stop.
func dynamicCrowd() contest {
	const stock = "children of one parent"
	return contest{
		rows: []row{
			{name: "spawn 100,000 dynamic children", unit: "/s", higher: true, aim: ratioAtLeast(0.6), stock: stock},
			{name: "heap and stack per dynamic child", unit: "B", first: true, aim: oursAtMost(1200), stock: stock},
			{name: "goroutines per idle actor", aim: oursAtMost(0.001), stock: stock},
			{name: "goroutines of the process, 100,000 idle actors", stock: stock},
			{name: "stop of a supervisor's 100,000 dynamic children", unit: "ms", aim: ratioAtMost(2), stock: stock},
		},
		ours: func() figures { return life(dynamicOurs) }, stock: func() figures { return life(crowdStock) },
	}
}

// staticCrowd is the same with children that are all in the spec, which start
// and stop one after the other.
func staticCrowd() contest {
	const stock = "children of one parent"
	return contest{
		rows: []row{
			{name: "spawn 100,000 static children", unit: "/s", higher: true, aim: ratioAtLeast(0.6), stock: stock},
			{name: "stop of 100,000 static children, in order", unit: "ms", stock: stock},
		},
		ours: func() figures { return ends(life(staticOurs)) }, stock: func() figures { return ends(life(crowdStock)) },
	}
}

// ends are the figures of a crowd's start and stop.
func ends(f figures) figures { return figures{f[0], f[len(f)-1]} }

// life takes a crowd through its life. start returns once all are ready.
func life(start func() (stop func())) figures {
	bytes, goroutines := live(), runtime.NumGoroutine()
	var stop func()
	rate := perSecond(crowd, func() { stop = start() })
	bytes = (live() - bytes) / crowd
	now := runtime.NumGoroutine()
	ended := took(stop)
	return figures{
		rate, bytes, float64(now-goroutines) / crowd, float64(now), ended.Seconds() * 1000,
	}
}

func dynamicOurs() (stop func()) {
	sys := tree(supervisor.SupervisorSpec{
		Strategy: supervisor.Dynamic, StopBudget: time.Hour,
		Children: []supervisor.ChildSpec{{New: newIdle}},
	})
	root := sys.Ref("root")
	for i := range crowd - 1 {
		for !root.Send(supervisor.StartChild{ID: strconv.Itoa(i)}).OK() {
			runtime.Gosched()
		}
	}
	// The supervisor takes its orders in turn, so the others are there.
	_, err := root.Ask(supervisor.StartChild{ID: "last"}, patience)
	for ; errors.Is(err, supervisor.ErrRefused); _, err = root.Ask(supervisor.StartChild{ID: "last"}, patience) {
		runtime.Gosched()
	}
	if err != nil {
		panic(err)
	}
	return func() { sys.Stop() }
}

func staticOurs() (stop func()) {
	children := make([]supervisor.ChildSpec, crowd)
	for i := range children {
		children[i] = supervisor.ChildSpec{ID: strconv.Itoa(i), New: newIdle}
	}
	sys := tree(supervisor.SupervisorSpec{StopBudget: time.Hour, Children: children})
	return func() { sys.Stop() }
}

// counting is idle, and counts itself when it is ready.
type counting struct{ ready *atomic.Int64 }

func (a counting) Receive(c actor.Context) {
	if _, ok := c.Message().(*actor.Started); ok {
		a.ready.Add(1)
	}
}

func crowdStock() (stop func()) {
	var ready atomic.Int64
	system, down := protoactor(), make(chan struct{})
	child := actor.PropsFromProducer(func() actor.Actor { return counting{&ready} })
	parent := system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		switch c.Message().(type) {
		case *actor.Started:
			for range crowd {
				c.Spawn(child)
			}
		case *actor.Stopped:
			close(down)
		}
	}))
	for ready.Load() < crowd {
		runtime.Gosched()
	}
	return func() { stopped(system, parent, down) }
}
