// Package heartbeat tells a centre every few seconds that a building lives and how
// it is: one HTTPS POST, one answer, every step of it bounded.
//
// It does without http.Client. A Transport keeps two goroutines for each idle
// connection and dials in a third, which outlives a call that gave up; here the
// caller's goroutine writes the request to one connection, reads the answer, and
// keeps the connection for the next beat. So a call that has returned has left
// nothing but that connection, and Close leaves nothing at all.
//
// It must not know actors, timers or when to beat: that is the caller's.
package heartbeat
