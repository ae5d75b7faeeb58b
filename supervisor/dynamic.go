package supervisor

import "fmt"

// StartChild tells a supervisor to start a child, by Ask (then the answer is the
// child's Ref, once it is ready) or by Send.
//
// A Dynamic supervisor adds a child of its kind; New, if set, makes its actor
// instead of the kind's. Other supervisors start one of theirs that is stopped;
// New must be nil. The errors are ErrRunning, ErrNoChild, ErrChildren, ErrIgnore
// (it did not want to run) and *ChildError (it could not start); no failure of
// this first start is a restart.
type StartChild struct {
	ID  string
	New func() Actor
}

// StopChild tells a supervisor to stop a child; asked, it answers nil when the
// child is down. A backoff is cancelled too. A Dynamic supervisor forgets the
// child; under the others it stays stopped until StartChild, or until a
// sibling's failure makes the strategy start it again, as in OTP. To stop one
// that is stopped is no error. ErrNoChild.
type StopChild struct{ ID string }

// administrative reports whether a supervisor takes the message.
func administrative(msg any) bool {
	switch unwrapCall(msg).(type) {
	case StartChild, StopChild:
		return true
	}
	return false
}

// adminLane is how many of them may wait.
const adminLane = 1024

// Defaults of Dynamic supervisors.
const (
	defaultMaxChildren = 1 << 20
	defaultParallelism = 256
)

// orders are what others asked of a child and wait for.
type orders struct{ start, stop []ReplyTo }

// orders makes the child's, if there is somebody to wait.
func (c *child) wait(to ReplyTo) (o *orders) {
	if c.orders == nil && to.Valid() {
		c.orders = &orders{}
	}
	return c.orders
}

func (c *child) waitForStart(to ReplyTo) {
	if o := c.wait(to); o != nil {
		o.start = append(o.start, to)
	}
}

func (c *child) waitForStop(to ReplyTo) {
	if o := c.wait(to); o != nil {
		o.stop = append(o.stop, to)
	}
}

// answer tells all who wait: that the child is ready (nil), or why it is down.
func (c *child) answer(down error) {
	o := c.orders
	c.orders, c.ordered = nil, false
	if o == nil {
		return
	}
	for _, to := range o.start {
		if down != nil {
			to.answer(nil, down)
		} else {
			to.answer(Ref{c.node}, nil)
		}
	}
	for _, to := range o.stop {
		if down != nil {
			to.answer(nil, nil)
		} else {
			c.waitForStop(to)
		}
	}
}

// administer carries out what a supervisor is told.
func (s *supervision) administer(msg any, to ReplyTo) {
	if s.sh.phase >= phaseEnding {
		to.answer(nil, ErrStopped)
		return
	}
	var err error
	switch m := msg.(type) {
	case StartChild:
		if s.spec.Strategy == Dynamic {
			err = s.add(m, to)
		} else {
			err = s.startChild(m, to)
		}
	case StopChild:
		err = s.stopChild(m.ID, to)
	}
	if err != nil {
		to.answer(nil, err)
	}
}

// add starts a child that was not there before.
func (s *supervision) add(m StartChild, to ReplyTo) error {
	if err := badID(m.ID); err != nil {
		return err
	}
	kind := &s.spec.Children[0]
	switch {
	case len(s.children) >= orDefault(s.spec.MaxChildren, defaultMaxChildren):
		return ErrChildren
	case kind.Supervisor != nil && m.New != nil:
		return fmt.Errorf("start %q: the children are supervisors, StartChild.New must be nil", m.ID)
	case kind.Supervisor == nil && kind.New == nil && m.New == nil:
		return fmt.Errorf("start %q: neither the kind nor StartChild has New", m.ID)
	case s.find(m.ID) != nil:
		return ErrRunning
	}
	c := &child{index: int32(len(s.children)), node: newNode(s.sh.sys, s.sh.node, kind, m.ID)}
	c.node.make, c.node.record = m.New, c
	s.children = append(s.children, c)
	s.sh.node.adopt(c.node)
	c.ordered = true
	c.waitForStart(to)
	s.spawn(c)
	return nil
}

// startChild starts a child of the spec that is stopped.
func (s *supervision) startChild(m StartChild, to ReplyTo) error {
	c := s.find(m.ID)
	switch {
	case c == nil:
		return ErrNoChild
	case m.New != nil:
		return fmt.Errorf("start %q: only a Dynamic supervisor adds children, StartChild.New must be nil", m.ID)
	case c.state != childStopped || c.due:
		return ErrRunning
	}
	c.held, c.barred = false, false
	c.waitForStart(to)
	if c.due = int(c.index) >= s.plan; !c.due { // else a plan is on its way to it
		c.ordered = true
		s.spawn(c)
	}
	return nil
}

func (s *supervision) stopChild(id string, to ReplyTo) error {
	c := s.find(id)
	if c == nil {
		return ErrNoChild
	}
	c.held, c.due = true, false
	c.waitForStop(to)
	switch c.state {
	case childStarting, childRunning:
		s.stop(c)
	case childStopping:
		c.told = true
	default:
		s.forgetTry(c)
		c.node.setAway(StateStopped, noTime)
		s.down(c, ErrStopped)
		s.proceed() // the plan may have waited for it
	}
	return nil
}

// find is the child with this id, nil if there is none.
func (s *supervision) find(id string) *child {
	n := s.sh.sys.place(s.sh.node.path + "/" + id)
	if n == nil || n.parent != s.sh.node {
		return nil
	}
	if s.spec.Strategy == Dynamic {
		return n.record
	}
	return s.children[n.index]
}

// down forgets a child that a Dynamic supervisor will not start again, and tells
// who waits that it is not running.
func (s *supervision) down(c *child, why error) {
	if s.spec.Strategy == Dynamic && s.sh.phase < phaseEnding {
		s.forget(c)
	}
	c.answer(why)
}

func (s *supervision) forget(c *child) {
	last := len(s.children) - 1
	moved := s.children[last]
	s.children[c.index], moved.index = moved, c.index
	s.children[last] = nil
	s.children = s.children[:last]
	s.sh.node.disown(c.node)
}
