package supervisor_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gatehouse/supervisor"
)

// The numbers that the contract promises and that no other test would miss.

func TestPromisedLanes(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Children: kids{w.log.Child("a", probe{Quiet: true})}})
	for lane, most := range map[supervisor.Lane]int{supervisor.Control: 16, supervisor.Normal: 64, supervisor.Telemetry: 16} {
		class := supervisor.Class{Lane: lane}
		for i := range most {
			w.send("a", flood{0, i, class})
		}
		equal(t, fmt.Sprint("one more in lane ", lane), supervisor.Refused, w.ref("a").Send(flood{0, most, class}))
	}
	w.advance(0)
}

func TestPromisedStash(t *testing.T) {
	w := simWorld(t)
	stashed := 0
	a := w.log.Child("a", probe{OnReceive: func(c ctx, _ any) error {
		if c.Stash() == nil {
			stashed++
		}
		return nil
	}})
	w.start(spec{Children: kids{a}})
	for i := range 70 {
		w.send("a", i)
		w.advance(0)
	}
	equal(t, "stashed", 64, stashed)
}

func TestPromisedOrders(t *testing.T) {
	w := simWorld(t)
	w.start(spec{})
	root := w.sys.Ref("root")
	for range 1024 {
		equal(t, "order", supervisor.Accepted, root.Send(supervisor.StopChild{ID: "nobody"}))
	}
	equal(t, "one more", supervisor.Refused, root.Send(supervisor.StopChild{ID: "nobody"}))
	w.advance(0)
	equal(t, "MaxChildren", 1<<20, supervisor.MaxChildrenUnlessSaid)
}

func TestPromisedParallelism(t *testing.T) {
	w := simWorld(t)
	now, most := 0, 0
	w.start(spec{Strategy: supervisor.Dynamic, Children: kids{w.log.Child("", probe{OnStop: func(ctx, supervisor.Reason) {
		now++
		most = max(most, now)
		w.sim.Sleep(time.Second)
		now--
	}})}})
	for i := range 300 {
		w.startChild("", fmt.Sprint(i))
	}
	w.stop()
	equal(t, "at a time", 256, most)
}

func TestPromisedStack(t *testing.T) {
	w := simWorld(t)
	var deep func(n int)
	deep = func(n int) {
		if n == 0 {
			panic("deep")
		}
		deep(n - 1)
	}
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	w.do("a", func(ctx) error { deep(90); return nil })
	w.advance(0)
	equal(t, "stack", 4<<10, len(w.events.of(supervisor.EventExited, "a")[0].Reason.Stack))
}

func nothingToDo(context.Context) (any, error) { return nil, nil }
