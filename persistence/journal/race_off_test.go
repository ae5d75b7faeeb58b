//go:build !race

package journal

const powerCutLives = 250

// rotRounds is how many damages TestSweepRot tries.
const rotRounds = 4000
