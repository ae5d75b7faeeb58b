// Package links are the actors of the building's links to other systems: the
// heartbeat to a centre, and a channel of a Redis server. Each is an actor of the
// branch "links"; what it needs of the network it calls in workers of its own, one
// at a time, and what becomes of that is a state, an event for each change, and a
// time to wait.
//
// They read from the building and tell it how they are. They have no means to
// command a door: what comes in from outside can only make them look again.
package links
