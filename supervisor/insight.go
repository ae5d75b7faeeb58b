package supervisor

import (
	"fmt"
	"strings"
	"time"
)

// State of a place in the tree.
type State uint8

const (
	StateStopped State = iota
	StateStarting
	StateRunning
	StateStopping
	StateRestarting // waiting for its next life
	StateFailed     // beyond its budget; tried again at the backoff's cap
	StateIgnored    // it said that it does not want to run
)

var stateNames = [...]string{"stopped", "starting", "running", "stopping", "restarting", "failed", "ignored"}

func (s State) String() string { return stateNames[s] }

// MarshalText is the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// EventKind says what happened in a tree.
type EventKind uint8

const (
	EventStarting EventKind = iota
	EventReady
	EventExited
	EventRestarting // Wait until the next life begins
	EventFailed     // beyond its budget
	EventEscalated  // a supervisor gives up because of the child at Path
	EventAbandoned  // still running after its stop deadline; Detail is its stack
	// EventRefused: Count messages refused so far. At most one event a second: how
	// many came after it is in the next one, and at any time in Tree.Refused.
	EventRefused
	// EventCrashed: a life of an actor ended by an error or a panic. Of each place
	// the first crash is reported, then one a minute at most; Count is how many
	// there were since the last report, this one included.
	EventCrashed
	EventSlow // a handler has run for Wait, longer than HandlerLimit; Detail is its stack
)

var eventNames = [...]string{
	"starting", "ready", "exited", "restarting", "failed", "escalated", "abandoned", "refused", "crashed", "slow",
}

func (k EventKind) String() string { return eventNames[k] }

// Event is something that happened in a tree.
type Event struct {
	Time        time.Time
	Kind        EventKind
	Path        string
	Incarnation uint64
	Reason      Reason
	Wait        time.Duration
	Count       uint64
	Detail      string
}

// Tree is a place in the tree and what is below it, at one moment.
type Tree struct {
	ID          string     `json:"id"`
	Path        string     `json:"path"`
	Supervisor  bool       `json:"supervisor"`
	State       State      `json:"state"`
	Incarnation uint64     `json:"incarnation"`
	Restarts    uint64     `json:"restarts"`
	LastReason  string     `json:"last_reason,omitempty"`
	RetryAt     *time.Time `json:"retry_at,omitempty"`
	Queued      int        `json:"queued"`
	Refused     uint64     `json:"refused"`
	Timers      int64      `json:"timers"`
	Workers     int64      `json:"workers"`
	Zombies     int64      `json:"zombies"`
	// Busy is for how long the handler that runs now has run, at least, in steps of
	// a quarter of Options.HandlerLimit; 0 without that watch.
	Busy     time.Duration `json:"busy,omitempty"`
	Children []Tree        `json:"children,omitempty"`
}

// Tree is the whole tree as a value.
func (s *System) Tree() Tree { return s.root.tree() }

func (n *node) tree() Tree {
	t := Tree{
		ID: n.id(), Path: n.path, Supervisor: n.spec.Supervisor != nil,
		Incarnation: n.epoch.Load(), Refused: n.refused(),
		Timers: int64(n.timers.Load()), Workers: int64(n.workers.Load()), Zombies: int64(n.zombies.Load()),
	}
	n.lock.Lock()
	t.State, t.Restarts, t.LastReason = n.state, n.restarts, n.last
	if n.state == StateRestarting || n.state == StateFailed {
		t.RetryAt = n.until
	}
	n.lock.Unlock()
	if box := n.box.Load(); box != nil {
		t.Queued, t.Busy = box.queued(), n.sys.watch.busy(box)
	}
	for _, c := range n.below() {
		t.Children = append(t.Children, c.tree())
	}
	return t
}

// Find returns the place with this path in the tree, nil if there is none.
func (t *Tree) Find(path string) *Tree {
	if t.Path == path {
		return t
	}
	for i := range t.Children {
		if p := t.Children[i].Path; path == p || strings.HasPrefix(path, p+"/") {
			return t.Children[i].Find(path)
		}
	}
	return nil
}

// String is the tree as indented text.
func (t Tree) String() string {
	var b strings.Builder
	t.write(&b, 0)
	return b.String()
}

func (t *Tree) write(b *strings.Builder, depth int) {
	fmt.Fprintf(b, "%s%s %v", strings.Repeat("  ", depth), t.ID, t.State)
	for _, f := range []struct {
		name string
		n    int64
	}{
		{"restarts", int64(t.Restarts)},
		{"queued", int64(t.Queued)},
		{"refused", int64(t.Refused)},
		{"timers", t.Timers},
		{"workers", t.Workers},
		{"zombies", t.Zombies},
	} {
		if f.n != 0 {
			fmt.Fprintf(b, " %s=%d", f.name, f.n)
		}
	}
	if t.Busy != 0 {
		fmt.Fprintf(b, " busy=%v", t.Busy)
	}
	if t.LastReason != "" {
		fmt.Fprintf(b, " last=%q", t.LastReason)
	}
	b.WriteByte('\n')
	for i := range t.Children {
		t.Children[i].write(b, depth+1)
	}
}
