package disktest

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
)

const (
	sectorBytes = 512
	rootID      = 1
)

// medium is the disk itself, in memory.
type medium struct {
	mu     sync.Mutex
	thaw   chan struct{}    // closed when whoever waits is to look again
	nodes  map[uint64]*node // of this boot
	lastID uint64
	ops    int // changes and syncs so far
	cutAt  int // at this one the power goes; 0: never
	failAt int // this one fails; 0: none
	failed int // how many did
	off    bool
	stuck  int // syncs that wait on a frozen disk
	faults Faults
}

// node is a file or a directory.
type node struct {
	id      uint64
	dir     bool
	name    string           // its latest
	data    []byte           // as programs see it
	names   map[string]*node // likewise
	platter []byte           // what was synced: sectors, some perhaps behind the length
	size    int64            // the length that was synced
	durable map[string]*node // likewise
	pending []change         // since the last sync, in order
}

// change is one thing that a power cut keeps or loses as a whole.
type change struct {
	kind      changeKind
	off       int64 // of a sector
	data      []byte
	length    int64
	drop, add string // a name goes, a name comes
	child     *node
}

type changeKind int

const (
	sector changeKind = iota
	length
	naming
)

func newMedium() *medium {
	m := &medium{thaw: make(chan struct{})}
	m.format()
	return m
}

// format empties the disk and turns it on.
func (m *medium) format() {
	m.nodes = map[uint64]*node{}
	root := &node{id: rootID, dir: true, names: map[string]*node{}, durable: map[string]*node{}}
	m.nodes[rootID] = root
	m.lastID = max(m.lastID, rootID)
	m.on()
}

func (m *medium) on() {
	m.ops, m.cutAt, m.failAt, m.failed = 0, 0, 0, 0
	m.off, m.faults = false, Faults{}
	m.wake()
}

// wake lets those who wait on a frozen disk look again.
func (m *medium) wake() {
	close(m.thaw)
	m.thaw = make(chan struct{})
}

func (m *medium) cut() {
	m.off = true
	m.wake()
}

// add makes a new node, of a number that was never used.
func (m *medium) add(n *node) *node {
	m.lastID++
	n.id = m.lastID
	m.nodes[n.id] = n
	return n
}

// outcome is what becomes of a change or a sync.
type outcome int

const (
	works outcome = iota
	fails         // it is not done
	cuts          // it is under way when the power goes
)

// step counts a change or a sync.
func (m *medium) step() outcome {
	m.ops++
	switch m.ops {
	case m.cutAt:
		m.cut()
		return cuts
	case m.failAt:
		m.failed++
		return fails
	}
	return works
}

// fault is what an operation on n fails with before it did anything.
func (m *medium) fault(n *node, of func(*Faults) syscall.Errno) syscall.Errno {
	if m.off {
		return syscall.EIO
	}
	if m.faults.Name != "" && !strings.HasPrefix(n.name, m.faults.Name) {
		return 0
	}
	return of(&m.faults)
}

// write is one write of a program.
func (n *node) write(data []byte, off int64) {
	end := off + int64(len(data))
	if end > int64(len(n.data)) {
		n.resize(end)
	}
	copy(n.data[off:], data)
	for off < end {
		next := min(off/sectorBytes*sectorBytes+sectorBytes, end)
		n.pending = append(n.pending, change{kind: sector, off: off, data: slices.Clone(n.data[off:next])})
		off = next
	}
}

func (n *node) resize(size int64) {
	n.data = sized(n.data, size)
	n.pending = append(n.pending, change{kind: length, length: size})
}

func sized(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

// rename changes a directory: a name goes, a name comes, or both at once.
func (n *node) rename(drop, add string, child *node) {
	delete(n.names, drop)
	if add != "" {
		n.names[add] = child
		child.name = add
	}
	n.pending = append(n.pending, change{kind: naming, drop: drop, add: add, child: child})
}

// sync takes all pending changes to the platter.
func (n *node) sync() {
	for _, c := range n.pending {
		n.keep(c)
	}
	n.pending = nil
}

// forget is what a sync that failed leaves: lengths and names come with the next
// one, but the contents are taken for written, as in Linux, and never are.
func (n *node) forget() {
	n.pending = slices.DeleteFunc(n.pending, func(c change) bool { return c.kind == sector })
}

// keep takes one change to the platter.
func (n *node) keep(c change) {
	switch c.kind {
	case length:
		n.size = c.length
		n.platter = n.platter[:min(int64(len(n.platter)), n.size)]
	case sector:
		if end := c.off + int64(len(c.data)); end > int64(len(n.platter)) {
			n.platter = sized(n.platter, end)
		}
		copy(n.platter[c.off:], c.data)
	case naming:
		delete(n.durable, c.drop)
		if c.add != "" {
			n.durable[c.add] = c.child
		}
	}
}

// reboot turns the power off and on: only what survives is there.
func (m *medium) reboot(seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, sectorBytes))
	old := m.nodes
	for _, id := range slices.Sorted(maps.Keys(old)) {
		old[id].settle(rnd)
	}
	root := old[rootID]
	m.format()
	m.revive(m.nodes[rootID], root.durable)
}

// revive makes the nodes of the next boot.
func (m *medium) revive(into *node, durable map[string]*node) {
	for _, name := range slices.Sorted(maps.Keys(durable)) {
		was := durable[name]
		n := &node{dir: was.dir, name: name, data: slices.Clone(was.platter), platter: was.platter, size: was.size}
		if was.dir {
			n.names, n.durable = map[string]*node{}, map[string]*node{}
		}
		into.names[name], into.durable[name] = m.add(n), n
		m.revive(n, was.durable)
	}
}

// settle takes to the platter what a power cut leaves of the pending changes.
func (n *node) settle(rnd *rand.Rand) {
	all := len(n.pending)
	if all == 0 {
		n.platter = sized(n.platter, n.size)
		return
	}
	survives := func(int) bool { return false }
	switch rnd.IntN(4) {
	case 1:
		end := rnd.IntN(all + 1)
		survives = func(i int) bool { return i < end }
	case 2:
		survives = func(int) bool { return rnd.IntN(2) == 0 }
	case 3:
		lost := rnd.IntN(all)
		survives = func(i int) bool { return i != lost }
	}
	for i, c := range n.pending {
		if survives(i) {
			n.keep(c)
		} else if grows := c.length - n.size; c.kind == length && grows > 0 && rnd.IntN(2) == 0 {
			n.size = c.length - rnd.Int64N(grows) - 1
		}
	}
	n.platter, n.pending = sized(n.platter, n.size), nil
}

// used is how many bytes all files take.
func (m *medium) used() (sum int64) {
	for _, n := range m.nodes {
		sum += int64(len(n.data))
	}
	return sum
}
