package supervisor_test

import (
	"errors"
	"fmt"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

// guard watches others and says how they ended.
type guard struct{}

func (guard) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case string:
		c.Monitor(c.Lookup("root/" + m))
	case supervisor.MonitorDown:
		fmt.Printf("%q life %d: %v\n", m.Path, m.Incarnation, m.Reason)
	}
	return nil
}

// fragile crashes with the error that it is sent.
type fragile struct{}

func (fragile) Receive(_ *supervisor.Context, msg any) error {
	err, _ := msg.(error)
	return err
}

// A Monitor watches the life that runs at an address now. Its end is exactly one
// MonitorDown, also when nobody lives there.
func ExampleContext_Monitor() {
	s := sim.New(1, sim.Options{})
	sys, err := supervisor.Start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{
			{ID: "guard", New: func() supervisor.Actor { return guard{} }},
			{ID: "web", New: func() supervisor.Actor { return fragile{} }},
		},
	}, supervisor.Options{Executor: s})
	if err != nil {
		fmt.Println(err)
		return
	}

	sys.Ref("root/guard").Send("web")
	sys.Ref("root/guard").Send("nobody")
	s.Quiesce()
	sys.Ref("root/web").Send(errors.New("no memory"))
	s.Quiesce()
	sys.Stop()
	// Output:
	// "" life 0: error: the actor is not running
	// "root/web" life 1: error: no memory
}

// A Subscription is a bounded stream of what happens. The tree never waits for
// its reader: what does not fit is dropped and counted. It ends with the tree.
func ExampleSystem_Subscribe() {
	s := sim.New(1, sim.Options{})
	sys, err := supervisor.Start(supervisor.SupervisorSpec{
		Children: []supervisor.ChildSpec{
			{ID: "web", New: func() supervisor.Actor { return fragile{} }},
		},
	}, supervisor.Options{Executor: s})
	if err != nil {
		fmt.Println(err)
		return
	}
	events := sys.Subscribe(16)

	sys.Ref("root/web").Send(errors.New("no memory"))
	s.Quiesce()
	sys.Stop()
	for e := range events.C() {
		fmt.Println(e.Kind, e.Path, e.Incarnation)
	}
	fmt.Println("dropped:", events.Dropped())
	// Output:
	// exited root/web 1
	// crashed root/web 1
	// restarting root/web 0
	// starting root/web 2
	// ready root/web 2
	// exited root/web 2
	// exited root 1
	// dropped: 0
}
