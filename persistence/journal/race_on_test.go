//go:build race

package journal

// powerCutLives: the race detector makes a life six times slower.
const powerCutLives = 60
