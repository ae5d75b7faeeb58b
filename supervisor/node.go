package supervisor

import (
	"context"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Labels of the goroutines that work for an actor. The actor's is its process's
// name, such as s1/root/a: paths are the same in every system.
const (
	labelActor  = "actor"
	labelWorker = "worker"
)

// node is a place in the tree. It is made once, from the spec, and outlives the
// actors that live there.
type node struct {
	sys      *System
	parent   *node
	children []*node
	spec     *ChildSpec
	make     func() Actor // instead of the spec's New, of a Dynamic supervisor's child
	record   *child       // of a Dynamic supervisor's child
	name     string       // of its process: the system's prefix and the path
	path     string
	box      atomic.Pointer[mailbox] // of the current life
	labels   atomic.Pointer[context.Context]
	epoch    atomic.Uint64

	timers, workers, zombies atomic.Int32
	index                    int32 // among its siblings
	refusals                 atomic.Pointer[refusals]

	lock     sync.Mutex
	state    State
	givenUp  bool   // it missed its deadline while the system stopped
	living   uint64 // epoch of the life that may say how it is; 0 between lives
	restarts uint64
	last     string // reason of the last exit
	until    *time.Time
	watchers map[*monitor]struct{} // of the life that runs here
	crashes  *crashes
}

// refusals of a place, counted by lane. Most places never refuse.
type refusals struct {
	of        [lanes]atomic.Uint64
	announced atomic.Int64  // when it was last an event: time since the system began, never 0
	looked    atomic.Uint32 // tick of the watch in which the clock was read last
}

func newNode(sys *System, parent *node, spec *ChildSpec, id string) *node {
	n := &node{}
	n.init(sys, parent, spec, id)
	return n
}

// init makes the place, and those below it that the spec has.
func (n *node) init(sys *System, parent *node, spec *ChildSpec, id string) {
	n.sys, n.parent, n.spec, n.name = sys, parent, spec, sys.prefix+id
	if parent != nil {
		n.name = parent.name + "/" + id
	}
	n.path = n.name[len(sys.prefix):]
	sys.addPlace(n)
	if spec.Supervisor == nil || spec.Supervisor.Strategy == Dynamic {
		return
	}
	all := make([]node, len(spec.Supervisor.Children))
	n.children = make([]*node, 0, len(all))
	for i := range all {
		c := &spec.Supervisor.Children[i]
		all[i].init(sys, n, c, c.ID)
		n.adopt(&all[i])
	}
}

func (n *node) id() string { return n.path[strings.LastIndexByte(n.path, '/')+1:] }

// adopt takes in a child.
func (n *node) adopt(c *node) {
	n.lock.Lock()
	defer n.lock.Unlock()
	c.index = int32(len(n.children))
	n.children = append(n.children, c)
}

// disown forgets a child and all below it.
func (n *node) disown(c *node) {
	n.lock.Lock()
	last := len(n.children) - 1
	moved := n.children[last]
	n.children[c.index], moved.index = moved, c.index
	n.children[last] = nil
	n.children = n.children[:last]
	n.lock.Unlock()
	n.sys.forgetPlaces([]*node{c})
}

// disownAll forgets the children of a Dynamic supervisor whose life is over.
func (n *node) disownAll() {
	if n.spec.Supervisor == nil || n.spec.Supervisor.Strategy != Dynamic {
		return
	}
	n.lock.Lock()
	left := n.children
	n.children = nil
	n.lock.Unlock()
	for some := range slices.Chunk(left, 1000) { // a lookup waits no longer than that takes
		n.sys.forgetPlaces(some)
	}
}

// below is the children at this moment.
func (n *node) below() []*node {
	if n.spec.Supervisor == nil || n.spec.Supervisor.Strategy != Dynamic {
		return n.children // for good
	}
	n.lock.Lock()
	defer n.lock.Unlock()
	return slices.Clone(n.children)
}

// newActor makes the actor of a life.
func (n *node) newActor() Actor {
	if n.make != nil {
		return n.make()
	}
	return n.spec.New()
}

// label marks the goroutine of a turn as the actor's. keep: it will be needed again.
func (n *node) label(keep bool) {
	ctx := n.labels.Load()
	if ctx == nil {
		made := pprof.WithLabels(context.Background(), pprof.Labels(labelActor, n.name))
		ctx = &made
		if keep {
			n.labels.Store(ctx)
		}
	}
	pprof.SetGoroutineLabels(*ctx)
}

// setSpawned begins a life.
func (n *node) setSpawned(epoch uint64) {
	n.lock.Lock()
	defer n.lock.Unlock()
	n.state, n.living = StateStarting, epoch
	if epoch > 1 {
		n.restarts++
	}
}

// setState is how a life says how it is. One that is over has no say: its
// successor may live here already.
func (n *node) setState(s State, epoch uint64) {
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.living == epoch {
		n.state = s
	}
}

// setExited ends a life.
func (n *node) setExited(r Reason, epoch uint64) {
	why := r.String() // it may call the user's code
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.living != epoch {
		return
	}
	n.state, n.living = StateStopped, 0
	if r.Kind != ExitShutdown || n.last == "" {
		n.last = why
	}
}

// noTime: it will not be tried again.
var noTime time.Time

// setAway is how the supervisor says why nobody lives here, and until when.
func (n *node) setAway(s State, until time.Time) {
	n.lock.Lock()
	defer n.lock.Unlock()
	n.state, n.until = s, &until
}

// forgetTry: nobody will live here any more.
func (n *node) forgetTry() {
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.living == 0 && n.state != StateIgnored {
		n.state = StateStopped
	}
}

func (n *node) setGivenUp() {
	n.lock.Lock()
	defer n.lock.Unlock()
	n.givenUp = true
}

func (n *node) wasGivenUp() bool {
	n.lock.Lock()
	defer n.lock.Unlock()
	return n.givenUp
}

func (n *node) refused() (sum uint64) {
	r := n.refusals.Load()
	if r == nil {
		return 0
	}
	for i := range r.of {
		sum += r.of[i].Load()
	}
	return sum
}

// countRefusal counts, and makes at most one event a second of it.
func (n *node) countRefusal(l Lane) {
	r := n.refusals.Load()
	if r == nil {
		n.refusals.CompareAndSwap(nil, &refusals{})
		r = n.refusals.Load()
	}
	if r.of[l].Add(1) > 1 && n.sys.watch.same(&r.looked) {
		return // less than a second, and reading the clock costs more than the rest
	}
	now, last := int64(n.sys.clock())+1, r.announced.Load()
	if now-last < int64(time.Second) && last != 0 || !r.announced.CompareAndSwap(last, now) {
		return
	}
	n.tellRefused()
}

// tellRefused is apart so that an event has no room on the stack of each refusal.
func (n *node) tellRefused() {
	n.sys.emit(Event{Kind: EventRefused, Path: n.path, Incarnation: n.epoch.Load(), Count: n.refused()})
}
