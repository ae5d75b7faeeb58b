package supervisor

// Watchers is how many monitors are noted at a place.
func Watchers(r Ref) int {
	r.n.lock.Lock()
	defer r.n.lock.Unlock()
	return len(r.n.watchers)
}
