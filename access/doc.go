// Package access holds the words of physical access control and the two pure
// functions that everything else carries out: Decide (who may pass) and Step
// (what a door does next).
//
// It must not know files, clocks, actors, devices or networks. Time, the
// resolved cardholder and the answer of the areas come in as arguments; what is
// to be done comes out as values. Zero values are safe: a zero Verdict is
// Denied, a zero Mode is Locked.
package access
