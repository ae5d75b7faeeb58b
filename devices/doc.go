// Package devices says what the hardware of a door can do, in interfaces small
// enough that every technology fits them, and keeps the registry of drivers.
//
// It must not know doors' rules, people, actors or the journal. A driver never
// starts a goroutine: one that must block exposes Run, and the actor that owns
// the bus makes a worker of it. One that need not block (virtual) calls its
// listeners from whoever moves it.
package devices
