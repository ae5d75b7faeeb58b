// Package archive keeps sealed segments of the journal outside the box's own
// storage for years, and packs what replaces a dead box into one file: a stream
// is compressed (zstd), encrypted to public keys (age), synced, read back, and
// only then called archived.
//
// It must not know what an event or a segment's bytes mean, actors, the clock,
// or who decides what is archived when: it is given files and sequences, and
// whoever it is given may block it (Sealing.Pace) or end it (the context).
//
// docs/ARCHIVE.md has the formats, the keys, and how to do without gatehouse.
//
// # Files of an archive
//
//	DIR/0000000000000001.seg.zst.age  age(zstd(the segment)), nothing added
//	DIR/MANIFEST                      what is archived, one line a segment
//
// A directory belongs to one building, one epoch and one life of its journal: a
// restored journal counts on from an older sequence, so it needs another directory,
// and each further restore of the same backup needs one more. A segment is known by
// the root of its chain, never by its numbers alone (Archive.Holds).
// MANIFEST is lines of "CRC32C of the rest in hex, a space, JSON", the first one
// the Header, the others an Entry each, in the order of their sequences. It is
// replaced as a whole.
//
// # What "archived" means
//
// A segment is sealed into NAME.tmp, which is synced, then read again from the
// disk (its pages are dropped from the cache first, where the kernel lets one),
// opened and decompressed, and the result compared with what was read from the
// segment: length and SHA-256. Then it gets its name, the directory is synced,
// and the manifest takes it in. Only then Taken includes it. A crash before that
// leaves a .tmp, or a named file without a line; either is begun again.
//
// Without an identity (Sealing.Identities) the file is opened by its own key,
// which is kept in memory from sealing until it was read back. That proves all
// but one thing: that the recovery key belongs to the recipient. With the
// recovery key's identity it proves that as well, but a box that has the identity
// can read all its archives, and so can its thief. Better verify elsewhere.
//
// Limits. Checksums find accidents. Who can write to the directory knows the
// public keys as well and can put another file and another line in the place of
// one; the chain that runs through the journal's segments shows it, after they
// are extracted. A manifest and its files put back to an older state together
// look like that older state.
package archive
