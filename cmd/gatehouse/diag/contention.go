package diag

import (
	"runtime"
	"sync"
)

// While somebody wants them, one of so many waits is in the block and mutex
// profiles: at least each that takes as many nanoseconds, and every tenth lock.
const (
	blockRate     = 10_000
	mutexFraction = 10
)

// contention switches the block and mutex profiles, which are the process's, for
// those who want them.
type contention struct {
	mu    sync.Mutex
	users int
}

func (c *contention) want() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users++; c.users == 1 {
		runtime.SetBlockProfileRate(blockRate)
		runtime.SetMutexProfileFraction(mutexFraction)
	}
}

func (c *contention) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users--; c.users == 0 {
		runtime.SetBlockProfileRate(0)
		runtime.SetMutexProfileFraction(0)
	}
}
