// Package replay pushes the badge events of a recording through a building on
// virtual devices, in virtual time and as fast as it can, into a real journal on
// disk, and says what came of them.
//
// It must not know how a card is decided, where people are held to be, or how a
// journal is written: a row is a card held to a reader, and all that the report
// says is read back from the journal.
//
// # Rows
//
// Rows are played in time order, rows of one minute in the order of the file and
// spread over it: of k rows the i-th (from 0) is played i*60s/k after its
// beginning. A row is fed when the tree of actors is quiet; if it is granted and
// the lock let go, somebody opens the door and closes it behind them.
//
// # Interrupted
//
// Every decision and every passage carries the row that it came from. A replay
// that was killed goes on where its journal ends: with the row after the last one
// decided, or with that one again if it was granted and nobody has gone through
// yet; the journal refuses the second copy of the grant. Everything else follows
// from the journal, so the report is that of a replay that was never interrupted.
package replay
