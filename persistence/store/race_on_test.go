//go:build race

package store

// flipStride: the race detector makes a flip ten times slower, and finds nothing
// in it.
const (
	raceEnabled = true
	flipStride  = 5
)
