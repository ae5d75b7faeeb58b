package supervisor

import (
	"context"
	"time"
)

// Context is what an actor's methods can do. It belongs to one life of the
// actor and to the goroutine that runs its turn: it is not safe for concurrent
// use, and must not be kept or used by workers (they send by a Sender).
type Context struct {
	sh      *shell
	current *call // the ask being handled
	msg     any   // what is being handled
	stashed bool  // it was put aside
	taken   bool
	stop    bool
}

// Self is the actor's own address.
func (c *Context) Self() Ref { return Ref{c.sh.node} }

// Parent is the supervisor's address, nobody for the root.
func (c *Context) Parent() Ref { return Ref{c.sh.node.parent} }

// Incarnation counts the lives of this place in the tree, from 1.
func (c *Context) Incarnation() uint64 { return c.sh.epoch }

// Lookup finds the place with this path.
func (c *Context) Lookup(path string) Ref { return c.sh.sys.Ref(path) }

// Now is the time on the system's clock.
func (c *Context) Now() time.Time { return c.sh.sys.exec.Now() }

// Context ends when this life does, or when its stop deadline has passed. It is
// what a handler gives to a call that may block.
func (c *Context) Context() context.Context { return c.sh.context() }

// Send queues a message at another actor. A life that was abandoned gets Down.
func (c *Context) Send(to Ref, msg any) Delivery { return c.Sender().Send(to, msg) }

// Sender sends for one life of an actor. Unlike the Context its workers may use
// it: it is safe for concurrent use. The zero Sender is nobody's.
type Sender struct{ sh *shell }

// Sender is for this life's workers.
func (c *Context) Sender() Sender { return Sender{c.sh} }

// Send queues a message. Down once this life was abandoned: what it sends to its
// own address never reaches its successor. What it sends to another actor at the
// very moment of the fence may still arrive.
func (s Sender) Send(to Ref, msg any) Delivery {
	switch {
	case s.sh == nil || s.sh.fenced.Load():
		return Down
	case to.n == s.sh.node:
		return s.sh.box.post(msg)
	}
	return to.Send(msg)
}

// Asked reports whether somebody waits for an answer to the current message.
func (c *Context) Asked() bool { return c.current != nil }

// Reply answers the current message; false if nobody waits any longer, or if
// this life was abandoned.
func (c *Context) Reply(value any) bool { return c.replyTo().Reply(value) }

// ReplyTo is where the answer to the current message goes; it can be kept, or
// handed to a worker or another actor. When this life is over before it was
// used, the asker is told (ErrRestarted, ErrStopped). A handler that neither
// replies nor takes it leaves the asker with ErrNoAnswer, at once.
func (c *Context) ReplyTo() ReplyTo {
	to := c.replyTo()
	if to.Valid() {
		c.sh.box.took(c.current.to)
	}
	return to
}

func (c *Context) replyTo() ReplyTo {
	if c.current == nil || c.sh.fenced.Load() {
		return ReplyTo{}
	}
	c.taken = true
	to := c.current.to
	to.asked = c.sh
	return to
}

// Stop ends this life after the current message, with ExitNormal. From Start: the
// child became ready, and ended.
func (c *Context) Stop() { c.stop = true }

// Refused is how many messages this place has refused so far (all lives).
func (c *Context) Refused() uint64 { return c.sh.node.refused() }
