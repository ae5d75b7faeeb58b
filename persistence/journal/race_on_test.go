//go:build race

package journal

// powerCutLives: the race detector makes a life six times slower.
const powerCutLives = 60

// rotRounds: make sweeps tries more, without the detector.
const rotRounds = 600
