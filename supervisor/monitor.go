package supervisor

import (
	"cmp"
	"errors"
	"maps"
	"slices"
)

// Monitor names one watch over one life. It is unique in its system.
type Monitor uint64

// MonitorDown is delivered once for each Monitor, when the life that it watches
// has ended. Incarnation is 0 when there was none.
type MonitorDown struct {
	Monitor     Monitor
	Path        string
	Incarnation uint64
	Reason      Reason
}

// MaxMonitors is how many lives one life may watch at the same time.
const MaxMonitors = 1 << 16

// ErrMonitors is the reason in the MonitorDown of a Monitor beyond MaxMonitors.
var ErrMonitors = errors.New("this life watches too many others")

// monitor is the record of a watch: in its watcher's map, under that mailbox's
// lock, and in the watched place's, under that place's, which guards over too. No
// two of these locks are ever held together, so that two actors that watch each
// other may end together. down is written once, before it is queued.
type monitor struct {
	id      Monitor
	watcher *shell
	place   *node // nil: nobody
	over    bool
	down    MonitorDown
}

// Monitor watches the life that runs at this address now: its end comes as one
// MonitorDown, in the Normal lane, behind all that the life itself had sent in
// that lane or in Control. When nobody lives there it comes at once, with
// ExitError and ErrDown; beyond MaxMonitors likewise, with ErrMonitors. It is
// never refused by a full mailbox. A Monitor ends with the life that made it. It is
// 0, and no word comes, when this life is over or was abandoned, and when twice
// MaxMonitors watch or have their word waiting.
func (c *Context) Monitor(to Ref) Monitor {
	sh := c.sh
	m := &monitor{id: Monitor(sh.sys.monitors.Add(1)), watcher: sh, place: to.n}
	m.down = MonitorDown{Monitor: m.id, Path: to.Path()}
	switch fits, kept := sh.keepMonitor(m); {
	case !kept:
		return 0
	case !fits:
		m.end(0, Reason{Kind: ExitError, Err: ErrMonitors})
	case to.n == nil || !to.n.watch(m):
		m.end(0, Reason{Kind: ExitError, Err: ErrDown})
	}
	return m.id
}

// Demonitor ends a watch. After it no MonitorDown comes, even if it was waiting
// in the mailbox. It reports whether there was such a watch.
func (c *Context) Demonitor(id Monitor) bool {
	m := c.sh.takeMonitor(id)
	if m == nil {
		return false
	}
	m.forget()
	return true
}

// keepMonitor notes a watch at its watcher.
func (sh *shell) keepMonitor(m *monitor) (fits, kept bool) {
	sh.box.mu.Lock()
	defer sh.box.mu.Unlock()
	if sh.box.detached || len(sh.monitors) >= 2*MaxMonitors {
		return false, false
	}
	fits = len(sh.monitors) < MaxMonitors
	if sh.monitors == nil {
		sh.monitors = map[Monitor]*monitor{}
	}
	sh.monitors[m.id] = m
	return fits, true
}

// takeMonitor takes a watch from its watcher, nil if there is none.
func (sh *shell) takeMonitor(id Monitor) *monitor {
	sh.box.mu.Lock()
	defer sh.box.mu.Unlock()
	m := sh.monitors[id]
	delete(sh.monitors, id)
	return m
}

// monitorDown hands the end of a watched life to the user, unless it was
// demonitored meanwhile.
func (sh *shell) monitorDown(m *monitor) {
	if sh.takeMonitor(m.id) != nil {
		sh.deliverAs(m.down, m)
	}
}

// dropMonitors forgets what this life watched.
func (sh *shell) dropMonitors() {
	sh.box.mu.Lock()
	all := sh.monitors
	sh.monitors = nil
	sh.box.mu.Unlock()
	for _, m := range all {
		m.forget()
	}
}

// tellMonitors tells all who watched this life.
func (sh *shell) tellMonitors(r Reason) {
	for _, m := range sh.node.endWatches() {
		m.end(sh.epoch, r)
	}
}

// end queues the watcher's message.
func (m *monitor) end(incarnation uint64, r Reason) {
	m.down.Incarnation, m.down.Reason = incarnation, r
	m.watcher.box.deliver(m)
}

// watch notes a watch at the life that runs here; false: none does. A watch that
// its watcher forgot meanwhile (it was abandoned) is not noted.
func (n *node) watch(m *monitor) bool {
	n.lock.Lock()
	defer n.lock.Unlock()
	switch {
	case n.living == 0:
		return false
	case m.over:
		return true
	case n.watchers == nil:
		n.watchers = map[*monitor]struct{}{}
	}
	n.watchers[m] = struct{}{}
	return true
}

// endWatches takes the watches of the life that has just ended, oldest first.
func (n *node) endWatches() []*monitor {
	n.lock.Lock()
	defer n.lock.Unlock()
	if len(n.watchers) == 0 {
		return nil // most have none, and sorting nothing is not free
	}
	all := slices.SortedFunc(maps.Keys(n.watchers), func(a, b *monitor) int { return cmp.Compare(a.id, b.id) })
	n.watchers = nil
	return all
}

// forget takes a watch off the watched place.
func (m *monitor) forget() {
	if m.place == nil {
		return
	}
	m.place.lock.Lock()
	defer m.place.lock.Unlock()
	m.over = true
	delete(m.place.watchers, m)
	if len(m.place.watchers) == 0 {
		m.place.watchers = nil
	}
}
