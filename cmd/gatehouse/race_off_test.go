//go:build !race

package main

const defaultKills = 100

// defaultDrill is how many people TestDrill has.
const defaultDrill = 5_000

// defaultLive is how many people TestPeopleOfARunningBuilding imports.
const defaultLive = 3_000
