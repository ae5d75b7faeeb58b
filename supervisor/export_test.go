package supervisor

import "time"

// Occupy takes the name of a place's process, as a stranger to the tree could,
// until free is called. False: the name was taken.
func (r Ref) Occupy() (free func(), ok bool) {
	s := r.n.sys
	pid, ok := s.proto.ProcessRegistry.Add(s.proto.DeadLetter, r.n.name)
	return func() { s.proto.ProcessRegistry.Remove(pid) }, ok
}

// Watchers is how many monitors are noted at a place.
func Watchers(r Ref) int {
	r.n.lock.Lock()
	defer r.n.lock.Unlock()
	return len(r.n.watchers)
}

// Ticks is how often the watch over handlers looked.
func Ticks(s *System) uint32 { return s.watch.tick.Load() }

// Taken is how many asks are noted whose address the actor took.
func Taken(r Ref) int {
	m := r.n.box.Load()
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.asks.taken)
}

// StacksTaken is how many stacks of stuck actors were asked for just now.
func StacksTaken(s *System) int { return s.stacks.n }

// StacksWithinASecond is how many profiles of this cost are taken within a second.
func StacksWithinASecond(cost time.Duration) (n int) {
	var l limiter
	for range 20 {
		if l.allow(time.Unix(1, 0), stacksPerSecond) {
			l.spend(cost)
			n++
		}
	}
	return n
}

// Leftovers is how many places are kept that are no more in the tree.
func Leftovers(s *System) int { return len(s.leftovers) }

// WindowOf is how many restarts are remembered after n of them, a step apart.
func WindowOf(b Budget, n int, step time.Duration) int {
	var w window
	for i := range n {
		w.allow(b, time.Unix(0, 0).Add(time.Duration(i)*step))
	}
	return len(w.at)
}

// MaxChildrenUnlessSaid is the default of SupervisorSpec.MaxChildren.
const MaxChildrenUnlessSaid = defaultMaxChildren
