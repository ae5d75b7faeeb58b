package main

import (
	"fmt"
	"runtime"

	"github.com/asynkron/protoactor-go/actor"

	"gatehouse/supervisor"
)

const (
	messages = 1_000_000
	places   = 1024 // of a mailbox
)

// kind is a stock mailbox, and what is asked of ours beside it.
type kind struct {
	name    string
	mailbox actor.MailboxProducer
	row     row
}

var (
	bounded   = kind{"Bounded(1024)", actor.Bounded(places), row{unit: "/s", higher: true, aim: ratioAtLeast(1)}}
	unbounded = kind{"Unbounded", actor.Unbounded(), row{unit: "ns", aim: ratioAtMost(1.4)}}
)

// tell sends messages to one actor until it has handled them all.
func tell(senders int, k kind) contest {
	r := k.row
	r.name, r.stock = fmt.Sprintf("tell %d->1, beside %s", senders, k.name), k.name
	figure := func(f func()) figures {
		rate := perSecond(messages, f)
		if r.unit == "ns" {
			return figures{1e9 / rate}
		}
		return figures{rate}
	}
	return contest{
		rows:  []row{r},
		ours:  func() figures { return tellOurs(senders, figure) },
		stock: func() figures { return tellStock(senders, k.mailbox, figure) },
	}
}

func tellOurs(senders int, figure func(func()) figures) figures {
	left, done := messages, make(chan struct{})
	sys, ref := single(places, func(_ *supervisor.Context, msg any) error {
		if left -= msg.(int); left == 0 {
			close(done)
		}
		return nil
	})
	defer sys.Stop()
	msg := any(1)
	return figure(func() {
		together(senders, func() {
			for range messages / senders {
				for !ref.Send(msg).OK() {
					runtime.Gosched() // as the stock mailbox does by itself
				}
			}
		})
		<-done
	})
}

func tellStock(senders int, mailbox actor.MailboxProducer, figure func(func()) figures) figures {
	left, done, down := messages, make(chan struct{}), make(chan struct{})
	system := protoactor()
	pid := system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		switch m := c.Message().(type) {
		case int:
			if left -= m; left == 0 {
				close(done)
			}
		case *actor.Stopped:
			close(down)
		}
	}, actor.WithMailbox(mailbox)))
	defer stopped(system, pid, down)
	msg := any(1)
	return figure(func() {
		together(senders, func() {
			for range messages / senders {
				system.Root.Send(pid, msg)
			}
		})
		<-done
	})
}

// fullMailbox compares a send that is refused with one that is accepted, both
// to an actor that is busy.
func fullMailbox() contest {
	const n = 1 << 16
	side := func(full bool) func() figures {
		return func() figures {
			entered, gate := make(chan struct{}), make(chan struct{})
			sys, ref := single(n, func(_ *supervisor.Context, msg any) error {
				if msg == "wait" {
					close(entered)
					<-gate
				}
				return nil
			})
			defer sys.Stop()
			defer close(gate)
			ref.Send("wait")
			<-entered
			msg := any(1)
			send := func() {
				for range n {
					ref.Send(msg)
				}
			}
			if full {
				send()
			}
			var rate float64
			made := mallocs(func() { rate = perSecond(n, send) })
			return figures{1e9 / rate, made / n}
		}
	}
	return contest{
		rows: []row{
			{name: "send to a full mailbox", unit: "ns", aim: ratioAtMost(2), stock: "our accepted send"},
			{name: "send to a full mailbox, allocations", aim: oursAtMost(0.01), stock: "our accepted send"},
		},
		ours: side(true), stock: side(false),
	}
}
