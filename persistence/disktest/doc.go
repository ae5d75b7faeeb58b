// Package disktest is a disk for tests: a file system (FUSE) that forgets what
// was not synced when its power is cut, fills up, freezes and breaks on command.
// What runs on it is the product as it is, bbolt's memory map included.
//
// It must not know what is kept on it. Only tests may import it.
//
// # What a power cut leaves
//
// The disk keeps what programs see and, apart from it, the platter: what was
// synced. Between them lie the changes since, in order: 512-byte sectors,
// lengths, names. A sync of a file takes its own sectors and lengths to the
// platter, a sync of a directory its own names (create, rename, unlink), and
// neither anything else. A cut can be planned at the n-th change or sync: that
// one and all that follow fail (EIO). Then Reboot draws, for every file and every
// directory alone, what of its changes survives: none, a prefix, a random subset,
// or all but one; a length that does not may be any between the old and the new.
// What stood in no written sector reads as zeros.
//
// # One process serves, another is under test
//
// The disk is served by the test's own binary, started again: a page fault in a
// memory map waits in the kernel, where the Go runtime cannot stop it, so a
// process that served its own map would hang at its next collection of garbage.
// A reboot gives every file a new node number instead of mounting anew, so no
// page that the kernel kept of the time before is read afterwards.
package disktest
