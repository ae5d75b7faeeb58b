// Package journal keeps what happened: access.Events, in order, in append-only
// segments that a power cut cannot tear apart unnoticed. What Commit acknowledged
// is on disk; what it did not acknowledge is not called so.
//
// It must not know what an event means, who asks, what time it is, or any actor.
//
// docs/JOURNAL.md describes the files, what is torn and what is damaged, and the
// limits of telling them apart. In short:
//
//   - One chain of hashes runs through all segments. The newest one grows; the
//     others are sealed by a footer, which is what opening reads of them.
//   - A commit is one write and one sync. After a failed one the file is not
//     written again: the next commit begins a new segment.
//   - Damage is an error (CorruptError) until it is set aside (Quarantine): the
//     file stays as it is, a sidecar says what readers skip (Gaps).
//   - Opening writes the last batch again before it syncs, so what it calls
//     durable does not rest on a sync that failed; the same makes a batch durable
//     that was written but not yet synced when the process was killed.
package journal
