//go:build race

package main

// defaultKills: CI runs this test without the race detector, too.
const defaultKills = 5

// defaultDrill is how many people TestDrill has.
const defaultDrill = 1_000

// defaultLive is how many people TestPeopleOfARunningBuilding imports.
const defaultLive = 500
