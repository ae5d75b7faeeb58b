// Package index finds events in the journal without reading all of it: by door,
// cardholder, kind, reason and time. It is a help, never the truth: it names the
// events that may match, the journal is read, and what it does not know for sure
// is read as well. So an answer is complete whatever became of the index's files,
// and they can be thrown away at any time.
//
// It must not know what a journal's file looks like, what an event means, what
// time it is, or any actor.
//
// # Terms, blocks and groups
//
// A term is a field of an event with its value, hashed to 32 bits; two values with
// the same hash cost a needless look. A block is 1,024 consecutive sequences
// (sequence / 1024). Its table has, for each term that occurs in it, the places
// where it does, and the earliest and latest wall time: clocks jump, so a time
// never says anything about a place. A group is 64 blocks; its tables have, for
// each term, the blocks where it occurs. There are 16 of them, by the term's hash,
// so that none is large.
//
// # Files
//
// DIR/NNNNNNNNNNNN.idx is a shelf: all tables of 1,024 blocks, NNNNNNNNNNNN being
// the first block. Little-endian:
//
//	    0  magic "GATEINDX"             8
//	    8  format version              u32   1
//	   12  CRC32C of bytes 0..11       u32
//	   16  slots, 16 bytes each: 1,024 blocks, then 16 groups of 16 tables
//	         0  where the table stands  u32   0: there is none
//	         4  its length              u32
//	         8  CRC32C of the table     u32
//	        12  CRC32C of the slot's number, counted through all shelves (u64),
//	            and the 12 bytes before  u32
//	20496  tables, in the order in which they were written
//
// A table is written once, before its slot, and never synced: a slot or a table
// that is damaged, torn or missing is found by its checksums, its block is read
// from the journal, and the next Advance makes it again. Only whole blocks are
// written; the table of the newest one is kept in memory. A shelf goes when the
// journal has dropped all of its events.
//
// Why no bbolt: without checksums in its branch pages a flipped bit can lead a
// lookup past a record, or round in circles until the stack ends, which no recover
// catches. Records that are found by their number need no tree.
package index
