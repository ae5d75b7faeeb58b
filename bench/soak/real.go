package soak

import "time"

// All of the clock on the wall is here: how long a soak takes is real.

// stopwatch returns how long ago it was called.
func stopwatch() func() time.Duration {
	begin := time.Now()
	return func() time.Duration { return time.Since(begin) }
}
