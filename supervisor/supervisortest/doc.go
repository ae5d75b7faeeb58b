// Package supervisortest holds what tests of actor trees need: probes, a log of
// what they did, gates that block on request, checks for leaks and dead letters,
// and what a test must know about its own build. It must not know what a tree
// is about, nor what it runs on: the simulation is the caller's to bring.
package supervisortest
