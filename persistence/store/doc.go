// Package store keeps what holds now: people, rules, and what each door must
// remember, in one bbolt file (store.db), and beside it the boot image
// (boot.image): the same once more in one plain file, read at boot before any
// database is opened and when the database cannot be opened at all.
//
// Every change is one transaction; the image is replaced after it and before the
// change is acknowledged. Rules, doors and up to 50,000 people are also held in
// memory, and recalled without waiting for anything. More people are looked up in
// the file (some ten reads, which the kernel's cache serves, but which may wait for
// the disk) and do not stand in the image: a building that large opens no door by
// card while its store cannot be opened.
//
// It must not know actors, devices, clocks, the site file, the journal, or what a
// rule means.
//
// # People
//
// People lie in three tables: holders by id, cards (each with its credential), and
// ids of credentials (each with its card). A table is a power of two of groups, by
// the hash of the key, and every group exists: one that is missing is damage, and
// who is missing in a sound one is unknown for certain. Small changes rewrite
// groups in place. Imports, erasures and growth write a new file beside the old
// one and give it the old one's name: visible at once, in little memory (rows are
// sorted by way of files in import.tmp), with nothing left of what was there. Only
// the last step keeps other changes away: doors are saved while people are sorted.
//
// # Changes
//
// Every change of rules or people is described (who, when, which ids, fingerprints
// before and after) in the transaction that makes it, and is Pending until the
// caller has committed it to the journal and says so (Settled). So a crash at any
// moment loses no description; one that is told twice has the same number. The
// values of the last 1,000 changes, 100 of each, stand in the change log, out of
// which an erasure takes those of the person.
//
// # Damage
//
// bbolt trusts what it maps: of a damaged file it reads wrong values, panics, runs
// in circles, or takes the process along (SIGBUS). So every record has a checksum,
// and before bbolt sees the file at all Open reads it by plain reads: sizes, meta
// pages, the free list, and of a file up to 16 MiB every page: key order, each page
// used exactly once. Of a larger one it reads everything but the people; Check
// reads those, too, in seconds. Lookups never go through bbolt: they read the pages
// on their way and believe nothing. The checksums of all groups are in memory, and
// theirs is in the meta record, so not even a group that was right once is taken
// for today's. A fault is ErrCorrupt, and the file is left byte-identical.
//
// bbolt has two meta pages and falls back to the older one when the newer is
// torn. The same would silently undo an acknowledged change when a bit flips
// there. Each change raises a revision that the image has too, so a store that is
// older than its image is ErrCorrupt. Limits: with the image gone as well, such a
// store is not told from a sound one; a sound meta page that is one change older
// than the disk once acknowledged is found by the image only. A change to a large
// file that is damaged where nobody read it can damage more of it; lookups find
// that.
//
// After a failed commit the store takes no more changes until it is opened again
// (ErrBroken); a store that is Retired then finds its people until the next one is
// open. What a failed sync left is in the page cache, looks as if it were on
// disk, and is not. So an opening writes a store up to 16 MiB again, byte for byte
// in a new file, and the boot image always, before anything is called durable. A
// larger one is written again, in as much free space, if a commit failed: the
// caller says so (Options.Rewrite), or the process before left the file
// store.doubt. Limit: of a large store whose process was killed within the commit
// that failed, or could not leave that file, a change that was never acknowledged
// may be read, be built upon, and be gone after a power cut.
//
// # Recovery
//
// With Options.Recover an opening sets a damaged store aside (store.db.bad-TIME; the
// newest three stay) and makes a new one, if that undoes nothing that was
// acknowledged: of the boot
// image, which is never older than what was acknowledged; where people are too
// many for it, of the image and the backup that has exactly its people. Otherwise
// the damaged file stays where it is: a person must say what may be given up. A
// backup that was restored by hand needs the image deleted, since that is newer.
//
// A store of schema 1 (people as JSON, all in memory) is migrated when it is
// opened; the file as it was stays as store.db.v1-backup. A newer schema is
// ErrVersion.
package store
