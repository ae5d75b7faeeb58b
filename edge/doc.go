// Package edge is what the ways to other systems share: an event as JSON, and a
// connection to one address that leaves nothing behind. Its sub-packages are those
// ways, a folder for each.
//
// It must not know actors beyond the facade, nor who uses it.
package edge
