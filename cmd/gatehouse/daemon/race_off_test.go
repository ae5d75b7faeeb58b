//go:build !race

package daemon_test

const everyCut = 1
