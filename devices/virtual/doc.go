// Package virtual is a whole rig of doors in memory: a driver on one side, and
// on the other what people and hardware do to it. Tests, demo, replay and bench
// share it.
//
// It must not know actors, rules, time or files, and it starts no goroutine:
// who moves a part calls its listeners.
//
// All of it is safe for concurrent use. The listeners of one part hear its
// values one at a time and all in one order. Present, Set and Drive return when
// the listeners were told, with one exception: called from within a listener
// while that part is busy, they leave the value to whoever is busy with it, so
// that a chain of listeners can never deadlock.
//
// After cancel returned the listener is not running and is not called again.
// For that cancel waits for a call under way in another goroutine; do not hold a
// lock meanwhile that the listener wants. Called from within any listener of a
// virtual part it does not wait, which makes a listener free to cancel itself;
// only a listener that cancels one of another part, at the very moment that
// another goroutine calls it, may see that last call end later.
package virtual
