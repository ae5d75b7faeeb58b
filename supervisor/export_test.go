package supervisor

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
