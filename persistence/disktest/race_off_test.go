//go:build !race

package disktest_test

const defaultCuts = 300
