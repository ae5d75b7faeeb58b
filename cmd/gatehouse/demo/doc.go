// Package demo is a made-up building with people in it: a site of 12 doors and
// 200 cardholders, a crowd that comes, goes and misbehaves, and a printer that
// shows live events on a terminal.
//
// The crowd meets the building as people do, through readers, buttons and leaves
// of doors, and learns only whether a door opened. The package must not know how
// the daemon stores, decides or serves, and it opens no file but the terminal.
package demo
