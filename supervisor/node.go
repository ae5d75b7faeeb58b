package supervisor

import (
	"context"
	"runtime/pprof"
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
	name     string // of its process: the system's prefix and the path
	path     string
	box      atomic.Pointer[mailbox] // of the current life
	labels   atomic.Pointer[context.Context]
	epoch    atomic.Uint64

	timers, workers, zombies atomic.Int64
	refusals                 [lanes]atomic.Uint64
	announced                atomic.Int64 // when a refusal was last an event, unix ns

	lock     sync.Mutex
	state    State
	living   uint64 // epoch of the life that may say how it is; 0 between lives
	restarts uint64
	last     string // reason of the last exit
	until    time.Time
	watchers map[*monitor]struct{} // of the life that runs here
	crashes  *crashes
	givenUp  bool // it missed its deadline while the system stopped
}

func newNode(sys *System, parent *node, spec *ChildSpec) *node {
	n := &node{sys: sys, parent: parent, spec: spec, name: sys.prefix + spec.ID}
	if parent != nil {
		n.name = parent.name + "/" + spec.ID
	}
	n.path = n.name[len(sys.prefix):]
	sys.places[n.path] = n
	if spec.Supervisor != nil {
		for i := range spec.Supervisor.Children {
			n.children = append(n.children, newNode(sys, n, &spec.Supervisor.Children[i]))
		}
	}
	return n
}

// label marks the goroutine of a turn as the actor's.
func (n *node) label() {
	ctx := n.labels.Load()
	if ctx == nil {
		made := pprof.WithLabels(context.Background(), pprof.Labels(labelActor, n.name))
		ctx = &made
		n.labels.Store(ctx)
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
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.living != epoch {
		return
	}
	n.state, n.living = StateStopped, 0
	if r.Kind != ExitShutdown || n.last == "" {
		n.last = r.String()
	}
}

// setAway is how the supervisor says why nobody lives here, and until when.
func (n *node) setAway(s State, until time.Time) {
	n.lock.Lock()
	defer n.lock.Unlock()
	n.state, n.until = s, until
}

// forgetTry: nobody will live here any more.
func (n *node) forgetTry() {
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.state == StateRestarting || n.state == StateFailed {
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
	for i := range n.refusals {
		sum += n.refusals[i].Load()
	}
	return sum
}

// countRefusal counts, and makes at most one event a second of it.
func (n *node) countRefusal(l Lane) {
	n.refusals[l].Add(1)
	now := n.sys.exec.Now().UnixNano()
	last := n.announced.Load()
	if now-last < int64(time.Second) && last != 0 || !n.announced.CompareAndSwap(last, now) {
		return
	}
	n.sys.emit(Event{Kind: EventRefused, Path: n.path, Incarnation: n.epoch.Load(), Count: n.refused()})
}
