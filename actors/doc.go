// Package actors is the building as a tree of actors: thin shells round
// access.Decide and access.Step, which hold the rules, and round the devices,
// the journal and the store, which are given to it.
//
// Building is the facade that the edge and the commands use. The tree is
//
//	building
//	|- store    journal, modes, people
//	|- feed     feed
//	|- buses    one per device that must block; fire
//	|- areas    tracker
//	|- doors    one supervisor per door: lock -> logic -> io (contact, rex, tamper, readers)
//	|- chores   archive, retention, health, limits; each if there is one
//	`- edge     whatever the caller adds: servers
//
// It must not know a driver, a file format, a database or a protocol, and it
// decides nothing that package access could decide.
package actors
