package supervisortest_test

import (
	"fmt"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// Probes stand in for actors and note what happens to them; in the simulation
// an hour takes no time.
func Example() {
	s := sim.New(1, sim.Options{})
	log := &supervisortest.Log{}
	sys, err := supervisor.Start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{
			log.Child("a", supervisortest.Probe{}),
			log.Child("b", supervisortest.Probe{OnStart: func(c *supervisor.Context) error {
				c.After("late", time.Hour)
				return nil
			}}),
		},
	}, supervisor.Options{Executor: s})
	if err != nil {
		fmt.Println(err)
		return
	}

	sys.Ref("root/a").Send(supervisortest.Crash)
	s.Advance(time.Hour)
	sys.Stop()
	for _, line := range log.Lines() {
		fmt.Println(line)
	}
	// Output:
	// start root/a#1
	// start root/b#1
	// stop root/a#1 error: crash
	// start root/a#2
	// got root/b#1 {late 0}
	// stop root/b#1 shutdown
	// stop root/a#2 shutdown
}

// TestComesBack is what a test of a tree looks like: on the machine, so it waits
// for what it demands, and at the end nothing may be left, not one goroutine.
func TestComesBack(t *testing.T) { comesBack(t) }

// A test of a tree waits for what it demands, and at the end nothing may be
// left of the tree, not one goroutine. TestComesBack runs it.
func ExampleNoLeaks() {
	var t *testing.T // the test's own
	comesBack(t)
}

func comesBack(t *testing.T) {
	log := &supervisortest.Log{}
	x := supervisor.NewReal(1)
	sys, err := supervisor.Start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{log.Child("a", supervisortest.Probe{})},
	}, supervisor.Options{Executor: x})
	if err != nil {
		t.Fatal(err)
	}

	sys.Ref("root/a").Send(supervisortest.Crash)
	supervisortest.Eventually(t, x, "a second life", func() bool { return log.Has("start root/a#2") })

	sys.Stop()
	supervisortest.NoLeaks(t, sys)
}
