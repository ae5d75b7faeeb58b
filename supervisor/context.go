package supervisor

import (
	"context"
	"time"
)

// Context is what an actor's methods can do. It belongs to one life of the
// actor and to the goroutine that runs its turn: it must not be kept or used by
// workers.
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
func (c *Context) Send(to Ref, msg any) Delivery {
	if c.sh.fenced.Load() {
		return Down
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
