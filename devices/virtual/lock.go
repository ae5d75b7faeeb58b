package virtual

// HistorySize is how many Drives a lock remembers.
const HistorySize = 64

// Lock is a lock, and the eye on its bolt. A new one is secured.
type Lock struct {
	name     string
	rig      *Rig
	bolt     turns[bool] // its mu guards the rest
	wanted   bool        // as last driven
	released bool        // where the bolt is
	jammed   bool
	closed   bool
	moves    uint64
	drives   uint64
	history  uint64 // the last drives, the newest in bit 0
	err      error
}

// Drive is devices.Lock's.
func (l *Lock) Drive(release bool) (err error) {
	l.bolt.hand(func() (bool, bool) {
		if err = refusal(l.name, l.closed, l.err); err != nil {
			return false, false
		}
		l.wanted = release
		l.drives++
		l.history <<= 1
		if release {
			l.history |= 1
		}
		return l.follow()
	}, l.moved)
	return err
}

// follow moves the bolt to where it is wanted, under mu.
func (l *Lock) follow() (released, moved bool) {
	if l.jammed || l.released == l.wanted {
		return l.released, false
	}
	l.released = l.wanted
	l.moves++
	return l.released, true
}

// moved tells the rig's hooks. They count as listeners: they may cancel and
// drive as they like.
func (l *Lock) moved(release bool) {
	for _, hook := range l.rig.moveHooks() {
		inListener(func() { hook(l.name, release) })
	}
}

// Released reports whether the bolt is withdrawn.
func (l *Lock) Released() bool {
	l.bolt.mu.Lock()
	defer l.bolt.mu.Unlock()
	return l.released
}

// Moves counts how often the bolt moved.
func (l *Lock) Moves() uint64 {
	l.bolt.mu.Lock()
	defer l.bolt.mu.Unlock()
	return l.moves
}

// Drives counts the calls of Drive that were taken, also those that asked for
// what was so already.
func (l *Lock) Drives() uint64 {
	l.bolt.mu.Lock()
	defer l.bolt.mu.Unlock()
	return l.drives
}

// History gives what the last Drives that were taken asked for, the oldest
// first, at most HistorySize.
func (l *Lock) History() []bool {
	l.bolt.mu.Lock()
	defer l.bolt.mu.Unlock()
	n := min(l.drives, HistorySize)
	history := make([]bool, n)
	for i := range history {
		history[i] = l.history>>(n-1-uint64(i))&1 == 1
	}
	return history
}

// Fail makes Drive return err and change nothing from now on; nil repairs.
func (l *Lock) Fail(err error) {
	l.bolt.mu.Lock()
	defer l.bolt.mu.Unlock()
	l.err = err
}

// Jam holds the bolt where it is although Drive succeeds. When the jam ends the
// bolt goes where it was last driven.
func (l *Lock) Jam(jammed bool) {
	l.bolt.hand(func() (bool, bool) {
		l.jammed = jammed
		return l.follow()
	}, l.moved)
}

func (l *Lock) setClosed(closed bool) {
	l.bolt.mu.Lock()
	defer l.bolt.mu.Unlock()
	l.closed = closed
}
