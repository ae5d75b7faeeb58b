package supervisor

import "sync"

// Claim is a life's hold on the resource that its spec calls Exclusive. Whoever
// acts on the resource asks Held first. When the life is abandoned the claim is
// revoked; its successor starts when nothing of it runs any more, or earlier
// when the driver calls Release. Safe for concurrent use, also by workers.
type Claim struct {
	sh *shell

	mu       sync.Mutex
	revoked  chan struct{}
	gone     bool // revoked
	released bool
	next     func() // tells whoever waits for the resource
}

// Claim is this life's hold on its Exclusive resource, nil if its spec names none.
func (c *Context) Claim() *Claim { return c.sh.claim }

// Held reports whether the life may still act on the resource.
func (cl *Claim) Held() bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return !cl.gone && !cl.released
}

// Revoked is closed when the life has ended or was abandoned.
func (cl *Claim) Revoked() <-chan struct{} { return cl.revoked }

// Release is the driver's word that nothing of this life can reach the resource
// any more, for example because it closed the port under a handler that hangs.
func (cl *Claim) Release() {
	cl.mu.Lock()
	next := cl.next
	cl.released, cl.next = true, nil
	cl.mu.Unlock()
	if next != nil {
		next()
	}
}

func (cl *Claim) revoke() {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if !cl.gone {
		cl.gone = true
		close(cl.revoked)
	}
}

// freeOr reports whether the resource is free; if not, next is called once it is.
func (cl *Claim) freeOr(next func()) bool {
	if cl == nil {
		return true
	}
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if !cl.released {
		cl.next = next
	}
	return cl.released
}

// claims are the holds of a system, by place. Only exclusive places pay.
type claims struct {
	mu sync.Mutex
	of map[*node]*Claim
}

// take gives the resource to a new life.
func (c *claims) take(sh *shell) *Claim {
	cl := &Claim{sh: sh, revoked: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[*node]*Claim{}
	}
	c.of[sh.node] = cl
	return cl
}

func (c *claims) holder(n *node) *Claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[n]
}

// looked is called, under the mailbox's lock, when a handler or a worker of an
// abandoned life has returned: the last one frees the resource.
func (c *claims) looked(box *mailbox) {
	if box.node.spec.Exclusive == "" {
		return
	}
	if cl := c.holder(box.node); cl != nil && cl.sh.box == box && !box.zombie && cl.sh.live == 0 {
		cl.Release()
	}
}

// claimFreed tells a supervisor that a child's resource is free.
type claimFreed struct{ c *child }

// waitsForClaim puts off a start until the resource is free.
func (s *supervision) waitsForClaim(c *child) bool {
	if c.node.spec.Exclusive == "" {
		return false
	}
	box := s.sh.box
	if s.sh.sys.claims.holder(c.node).freeOr(func() { box.signal(claimFreed{c}) }) {
		return false
	}
	c.node.setAway(StateStarting, noTime)
	return true
}

func (s *supervision) claimFreed(c *child) {
	if c.state == childStarting && c.sh == nil {
		s.disarm(c)
		s.spawn(c)
	}
}
