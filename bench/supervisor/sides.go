package main

import (
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"

	"gatehouse/supervisor"
)

// plain is an actor of ours that is one function.
type plain func(c *supervisor.Context, msg any) error

func (f plain) Receive(c *supervisor.Context, msg any) error { return f(c, msg) }

// tree starts a tree; one that cannot start leaves nothing to measure.
func tree(s supervisor.SupervisorSpec) *supervisor.System {
	sys, err := supervisor.Start(s, supervisor.Options{})
	if err != nil {
		panic(err)
	}
	return sys
}

// single is a tree of one actor, with that many places in its mailbox.
func single(places int, f plain) (*supervisor.System, supervisor.Ref) {
	sys := tree(supervisor.SupervisorSpec{Children: []supervisor.ChildSpec{{
		ID: "a", New: func() supervisor.Actor { return f },
		Mailbox: supervisor.MailboxSpec{Normal: places},
	}}})
	return sys, sys.Ref("root/a")
}

// protoactor is a stock system of its own; it has no stop, but is collected
// once its actors have stopped.
func protoactor() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
}

// stopped stops a stock actor and waits until it and its children are down.
func stopped(system *actor.ActorSystem, pid *actor.PID, down <-chan struct{}) {
	system.Root.Stop(pid)
	<-down
}
