//go:build race

package daemon_test

// everyCut: the race detector makes a life ten times slower, and CI runs the
// sweeps without it, too.
const everyCut = 9
