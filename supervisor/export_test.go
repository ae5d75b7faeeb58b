package supervisor

// Watchers is how many monitors are noted at a place.
func Watchers(r Ref) int {
	r.n.lock.Lock()
	defer r.n.lock.Unlock()
	return len(r.n.watchers)
}

// Ticks is how often the watch over handlers looked.
func Ticks(s *System) uint32 { return s.watch.tick.Load() }
