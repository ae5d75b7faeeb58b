// Package redis is a channel of a Redis server to other systems: events go out as
// JSON, hints come in. docs/LINKS.md has every message.
//
// It uses go-redis for the protocol and for nothing else. Left alone, that library
// dials in goroutines of its own that outlive the call, retries, reconnects a lost
// subscription in the middle of a read, and after enough failed dials keeps a
// goroutine that dials for ever. So a client of it gets one connection here, that we
// have dialed, and both end together at the first error; whoever called decides when
// to try again. Its parser believes every length that the server names, so a guard
// reads along and ends the connection instead.
//
// It must not know actors, timers, the journal or what a hint leads to. It has no
// means to open a door, and no message that asks for it.
package redis
