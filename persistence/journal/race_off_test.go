//go:build !race

package journal

const powerCutLives = 250
