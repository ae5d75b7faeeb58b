// Package naive is the exhibit: the seven duties of the night written as they
// were, by people in a hurry, with nothing done to make them worse. Each file is
// one duty and compiles into nothing but the bench.
//
// It is exempt from the house's rules about goroutines, timers, the clock and
// time-outs, because breaking those is what it shows. Nothing may import it but
// bench/incident, and it must not know the house.
package naive
