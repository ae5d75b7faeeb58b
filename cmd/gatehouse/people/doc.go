// Package people changes people by way of a running daemon: an import, which is a file
// that was uploaded, and an erasure, one at a time, each in a task of an actor. What
// the journal could not be told of a change it is told again until it knows.
//
// It must not know HTTP, how a store keeps people, or what a rule means.
package people
