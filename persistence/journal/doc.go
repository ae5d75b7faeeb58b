// Package journal keeps what happened: access.Events, in order, in one
// append-only file that a power cut cannot tear apart unnoticed. What Commit
// acknowledged is on disk; what it did not acknowledge is not called so.
//
// It must not know what an event means, who asks, what time it is, or any actor.
//
// # File
//
// One segment, DIR/0000000000000001.seg; there is no rollover yet. All integers
// are little-endian.
//
//	header, 128 bytes, once
//	  0  magic "GATEJRNL"         8
//	  8  format version          u16   1
//	 10  length of building id   u16   at most 64
//	 12  reserved, 0             u32
//	 16  journal epoch           u64   raised by a restore, from 1
//	 24  boot id                 u64   the boot that created the segment
//	 32  first sequence          u64
//	 40  building id              64   padded with 0
//	104  reserved, 0              20
//	124  CRC32C of bytes 0..123  u32
//
//	frame, 36 bytes and the payload
//	  0  payload length          u32   at most 4096
//	  4  CRC32C of all the rest  u32
//	  8  sequence                u64
//	 16  wall time, ns           i64   least value: no time
//	 24  monotonic time, ns      i64
//	 32  kind                    u16   access.Kind; 65535: trailer
//	 34  version of the payload  u16   1
//	 36  payload                       protobuf wire format, see event.go
//
// A commit writes its events' frames and one trailer: a frame of kind 65535
// with the batch's last sequence, the wall time of its last event, the number of
// its events in place of the monotonic time, and as payload the chain hash,
// SHA-256(chain before || event frames of the batch). The first chain is
// SHA-256(header). Sequences have no gaps.
//
// # Torn or damaged
//
// A commit is one write and one sync, and the next one begins after that sync
// succeeded. So only the last batch of a file can be torn, and a torn batch
// lacks its end (the file is shorter than the batch) or whole 512-byte sectors
// (they read as zeros). Open cuts such a batch off: nobody was told that it is
// durable. Every other fault is damage to what was acknowledged, and is
// ErrCorrupt with the file left as it is:
//
//   - a bad frame that any frame of a later batch follows;
//   - a bad frame in the last batch that no missing sector explains, when all of
//     its bytes are there or valid frames follow it: a flipped bit.
//
// To tell, the bytes after a bad frame are searched for valid frames (checksum,
// and a sequence that can follow).
//
// Limits of the rule. A file cut short from outside, at a batch or within its
// last batch, looks like one that never grew further. A last batch that was
// acknowledged and of which the disk later returns a whole sector as zeros looks
// torn. A file system that shows old contents instead of zeros in sectors it
// never wrote makes a torn batch look damaged: refused rather than lost. Checksums
// and chain find accidents, not a forger who can rewrite the whole file.
//
// # After a failed write or sync
//
// The kernel may have forgotten the pages, so syncing again would prove nothing.
// The journal is closed for writing (ErrBroken, sticky) until its owner opens it
// again. Open writes the last batch again before it syncs, so what it then calls
// durable does not rest on the sync that failed; the same makes a batch durable
// that was written but not yet synced when the process was killed.
package journal
