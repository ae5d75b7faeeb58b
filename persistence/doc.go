// Package persistence is what survives a power cut. Its sub-packages keep the
// two kinds of truth: journal what happened (append-only), store what holds now
// (people, rules, doors' modes); archive keeps copies of both for the day the box
// is gone. The package itself guards the data directory, one owner at a time, and
// replaces files durably, small notes of its own form among them.
//
// It must not know actors, devices, clocks or networks, and nothing of what an
// event means: it imports access for the words and nothing else of the house.
package persistence
