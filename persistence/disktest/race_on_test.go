//go:build race

package disktest_test

// defaultCuts: the race detector makes a cut ten times slower, and CI runs this
// test without it, too.
const defaultCuts = 18
