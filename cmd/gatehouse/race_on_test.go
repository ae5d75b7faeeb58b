//go:build race

package main

// defaultKills: CI runs this test without the race detector, too.
const defaultKills = 5
