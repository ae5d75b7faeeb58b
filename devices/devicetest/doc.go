// Package devicetest is the contract that every driver passes (Run), and it
// records what readers and inputs say and plays it back (Recorder, Playback).
//
// It must not know any driver: how to stimulate the hardware, or its stand-in,
// comes in with the Harness. Nor does it start goroutines or read a clock by
// itself: those come in with the Harness as well.
//
// The contract reads devices.Reader's "after cancel returned, the listener is
// not called again" strictly, since nothing less can hold: cancel waits for a
// call of the listener that is under way in another goroutine. A listener may
// cancel itself, which does not wait. Close may be called a second time without
// harm, and no listener is called after it.
package devicetest
