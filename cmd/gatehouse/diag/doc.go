// Package diag looks into a running building when something is wrong with it: the
// bundle that gatehouse diag writes, the flight recorder, and the switch of pprof.
//
// A bundle leaves the machine, so it holds no card number, PIN, name or token. What
// goes in is on lists of what may (a field of the site file, a type, a word of the
// operating system); there is no list of what may not.
//
// It must not know how it is asked, beyond what httpapi wants of it.
package diag
