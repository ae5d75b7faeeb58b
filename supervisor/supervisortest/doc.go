// Package supervisortest holds what tests of actor trees need: probes, checks
// for leaks and dead letters, and what a test must know about its own build.
package supervisortest
