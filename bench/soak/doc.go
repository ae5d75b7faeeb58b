// Package soak runs a building for a long time, under traffic and faults, and
// says whether it still owns at the end what it owned at the beginning.
//
// There are two: a building in virtual time (RunVirtual), months in a minute, and
// the daemon in a process of its own (RunReal), for as long as one waits. Both
// take stock at quiet moments, when nothing is under way at any door: actors,
// timers, workers, goroutines and open files must be exactly those that the tree
// declared when it was started. The trend of the heap is the second gate. What
// breaks a gate is named: goroutines by who started them, the rest by the
// allocation sites that grew.
//
// It must not know how the daemon works inside, only what it shows of itself.
package soak
