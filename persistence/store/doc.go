// Package store keeps what holds now: people, rules, and what each door must
// remember, in one bbolt file (store.db), and beside it the boot image
// (boot.image): all of it once more in one plain file, read at boot before any
// database is opened and when the database cannot be opened at all.
//
// Every change is one transaction; the image is replaced after it and before the
// change is acknowledged. What is in the store is also held in memory, so reads
// never touch the disk.
//
// It must not know actors, devices, clocks, the site file, or what a rule means.
//
// # Damage
//
// bbolt trusts what it maps: of a damaged file it reads wrong values, panics, or
// takes the process along (SIGBUS). So every record has a checksum, and before
// bbolt sees the file at all Open walks it by plain reads: meta pages, every page
// of the tree, key order, the free list, each page used exactly once, each
// record's checksum, the number of records. A fault is ErrCorrupt and the file is
// left byte-identical.
//
// bbolt has two meta pages and falls back to the older one when the newer is
// torn. The same would silently undo an acknowledged change when a bit flips
// there. Each change raises a revision that the image has too, so a store that is
// older than its image is ErrCorrupt. Limits: with the image gone as well, such a
// store is not told from a sound one; a sound meta page that is one change older
// than the disk once acknowledged is found by the image only.
//
// After a failed commit the store takes no more changes until it is opened again
// (ErrBroken): what a failed sync left is not known. Unlike the journal it does
// not write it again at opening.
package store
