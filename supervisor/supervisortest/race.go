//go:build race

package supervisortest

// RaceEnabled says whether this build runs under the race detector. Seed
// sweeps skip when it does: they are single-threaded, so the detector finds
// nothing in them and makes them many times slower.
const RaceEnabled = true
