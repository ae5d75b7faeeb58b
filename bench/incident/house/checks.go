package house

import (
	"context"
	"fmt"
	"time"

	"gatehouse/supervisor"
)

// Device is what can be asked for its health.
type Device interface {
	Check(ctx context.Context) error
}

// Checks is an actor for each device: a timer, one check at a time, a deadline for
// each. A check that hangs is this device's only.
func Checks(list []Device, period, limit time.Duration) (children []supervisor.ChildSpec) {
	for i, d := range list {
		first := period * time.Duration(i+1) / time.Duration(len(list)) // spread
		children = append(children, supervisor.ChildSpec{
			ID: fmt.Sprintf("check-%d", i+1), New: func() supervisor.Actor { return &checker{d, first, period, limit} },
		})
	}
	return children
}

type checker struct {
	device               Device
	first, period, limit time.Duration
}

// Start arms the first check.
func (k *checker) Start(c *supervisor.Context) error {
	c.After("check", k.first)
	return nil
}

// Receive checks when it is time, and arms the next check when one is over.
func (k *checker) Receive(c *supervisor.Context, msg any) error {
	switch msg.(type) {
	case supervisor.Tick:
		return c.Task("check", k.limit, func(ctx context.Context) (any, error) {
			return nil, k.device.Check(ctx)
		})
	case supervisor.TaskDone:
		c.After("check", k.period)
	}
	return nil
}
