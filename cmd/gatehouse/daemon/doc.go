// Package daemon opens what a building runs on, in the order of design rule 6:
// data directory, outputs at rest by the boot image, then store and journal,
// then the tree. serve, demo and replay share it.
//
// It must not know command lines, signals or the web.
package daemon
