package soak

import (
	"os"
	"runtime"
	"testing"
)

// How many bytes lie between two samples of the heap: finely names what little
// leaks in days, every also counts timers but is slow, coarsely costs nothing.
const (
	finely   = 64
	every    = 1
	coarsely = 512 << 10
)

// profile sets the rate for a test.
func profile(t *testing.T, rate int) {
	runtime.MemProfileRate = rate
	t.Cleanup(func() { runtime.MemProfileRate = finely })
}

func TestMain(m *testing.M) {
	runtime.MemProfileRate = finely
	os.Exit(m.Run())
}
