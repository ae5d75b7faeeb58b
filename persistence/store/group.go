package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
)

// The tables of people. Each is a bucket of groups: a record holds all rows whose
// key hashes to its number (u32, big-endian), and every group exists, empty or
// not. So a missing group is damage, and a key that a sound group lacks is
// unknown for certain.
//
// The checksums of all groups are in memory, in the bucket "sums" in pieces of
// sumPiece, and their checksum is in the meta record: a group that is sound but
// out of date, as a wrong page number can bring back, is found too.
const (
	tableCards = iota
	tableHolders
	tableIDs
	tableCount

	perGroup  = 16 // rows in a group of a new table
	maxPerRow = 32 // more than this on average: the table is made anew, larger
	sumPiece  = 256
)

var tableBuckets = [tableCount]string{"cards", "holders", "ids"}

func tableOf(bucket string) (int, bool) {
	i := slices.Index(tableBuckets[:], bucket)
	return i, i >= 0
}

// tableMeta is what the meta record says of a table.
type tableMeta struct {
	Groups uint32 // a power of two
	Rows   int
	Sum    uint32 // of the groups' checksums
}

// groupsFor is how many groups a new table of so many rows has.
func groupsFor(rows int) uint32 {
	n := uint32(1)
	for int(n)*perGroup < rows {
		n *= 2
	}
	return n
}

func (m tableMeta) full() bool { return m.Rows > int(m.Groups)*maxPerRow }

// hash spreads keys evenly; it is on disk: never change it.
func hash(key []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range key {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// groupOf is the leading bits of the hash, so that groups in order are hashes in
// order, whatever the number of groups.
func groupOf(hash uint64, groups uint32) uint32 {
	return uint32((hash >> 32) * uint64(groups) >> 32)
}

func groupKey(group uint32) []byte { return binary.BigEndian.AppendUint32(nil, group) }

type row struct{ key, value []byte }

func appendGroup(b []byte, rows []row) []byte {
	for _, r := range rows {
		b = append(binary.AppendUvarint(b, uint64(len(r.key))), r.key...)
		b = append(binary.AppendUvarint(b, uint64(len(r.value))), r.value...)
	}
	return b
}

func parseGroup(b []byte) (rows []row, err error) {
	r := rowReader{b: b}
	for len(r.b) > 0 {
		rows = append(rows, row{r.bytes(), r.bytes()})
	}
	return rows, r.err
}

// sums are the checksums of a table's groups.
type sums []uint32

func (s sums) bytes(from int) []byte {
	var b []byte
	for _, sum := range s[from:min(from+sumPiece, len(s))] {
		b = le.AppendUint32(b, sum)
	}
	return b
}

func (s sums) total() uint32 {
	sum := uint32(0)
	for from := 0; from < len(s); from += sumPiece {
		sum = crc32.Update(sum, castagnoli, s.bytes(from))
	}
	return sum
}

// sumKey is a piece's key: table u8, number of the piece u32.
func sumKey(table, piece int) string {
	return string(binary.BigEndian.AppendUint32([]byte{byte(table)}, uint32(piece)))
}

// piece is a piece of the checksums as a record.
func (s sums) piece(table, n int) change {
	return change{bucketSums, sumKey(table, n), s.bytes(n * sumPiece)}
}

func (s sums) pieces(table int) (list []change) {
	for n := 0; n*sumPiece < len(s); n++ {
		list = append(list, s.piece(table, n))
	}
	return list
}

// takeSums reads the checksums of all tables from their pieces.
func takeSums(m meta, pieces map[string][]byte) (all [tableCount]sums, err error) {
	for table, t := range m.Tables {
		for piece := 0; piece*sumPiece < int(t.Groups); piece++ {
			b := pieces[sumKey(table, piece)]
			for ; len(b) >= 4; b = b[4:] {
				all[table] = append(all[table], le.Uint32(b))
			}
		}
		if len(all[table]) != int(t.Groups) || all[table].total() != t.Sum || t.Groups&(t.Groups-1) != 0 {
			return all, fmt.Errorf("the checksums of the table %q are not those of its meta record", tableBuckets[table])
		}
	}
	return all, nil
}

// openGroup checks a group's record and returns its rows, which lie in record.
// A record that is not there is nil.
func openGroup(table int, group uint32, record []byte, sum uint32) ([]row, error) {
	bucket := tableBuckets[table]
	switch {
	case record == nil:
		return nil, fmt.Errorf("group %d of %q is missing", group, bucket)
	case len(record) < 4 || le.Uint32(record) != sum || recordSum(bucket, string(groupKey(group)), record[4:]) != sum:
		return nil, fmt.Errorf("the checksum of group %d of %q does not match", group, bucket)
	}
	rows, err := parseGroup(record[4:])
	if err != nil {
		return nil, fmt.Errorf("group %d of %q: %w", group, bucket, err)
	}
	return rows, nil
}

func find(rows []row, key []byte) (value []byte, ok bool) {
	for _, r := range rows {
		if bytes.Equal(r.key, key) {
			return r.value, true
		}
	}
	return nil, false
}

// verify checks every row of a group: that it belongs there and can be read.
func verify(table int, group, groups uint32, rows []row) error {
	for i, r := range rows {
		if groupOf(hash(r.key), groups) != group || i > 0 && bytes.Compare(rows[i-1].key, r.key) >= 0 {
			return fmt.Errorf("group %d of %q has a row that does not belong there", group, tableBuckets[table])
		}
		if err := verifyRow(table, r); err != nil {
			return fmt.Errorf("group %d of %q: %w", group, tableBuckets[table], err)
		}
	}
	return nil
}

func verifyRow(table int, r row) (err error) {
	switch table {
	case tableCards:
		_, err = parseCredential(r.key, r.value)
	case tableHolders:
		_, err = parseHolder(r.key, r.value)
	case tableIDs:
		_, err = parseCard(r.value)
	}
	return err
}

// edits are rows to put, or with value nil to remove, by table and key.
type edits [tableCount]map[string][]byte

func (e *edits) set(table int, key, value []byte) {
	if e[table] == nil {
		e[table] = map[string][]byte{}
	}
	e[table][string(key)] = value
}

func (e *edits) empty() bool {
	return len(e[tableCards])+len(e[tableHolders])+len(e[tableIDs]) == 0
}

// grouped returns a table's edits by group.
func (e *edits) grouped(table int, groups uint32) map[uint32][]row {
	m := map[uint32][]row{}
	for _, key := range slices.Sorted(maps.Keys(e[table])) {
		g := groupOf(hash([]byte(key)), groups)
		m[g] = append(m[g], row{[]byte(key), e[table][key]})
	}
	return m
}

// edit returns rows with the edits made, in the order of their keys.
func edit(rows, edits []row) []row {
	kept := slices.DeleteFunc(slices.Clone(rows), func(r row) bool {
		return slices.ContainsFunc(edits, func(e row) bool { return bytes.Equal(e.key, r.key) })
	})
	for _, e := range edits {
		if e.value != nil {
			kept = append(kept, e)
		}
	}
	slices.SortFunc(kept, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	return kept
}

// apply turns edits into records, and into the meta record and checksums that
// hold then. read gives a group as it is.
func (e *edits) apply(m *meta, all *[tableCount]sums, read func(table int, group uint32) ([]row, error)) (list []change, err error) {
	for table := range tableCount {
		t := &m.Tables[table]
		next := slices.Clone(all[table])
		pieces := map[int]bool{}
		byGroup := e.grouped(table, t.Groups)
		for _, g := range slices.Sorted(maps.Keys(byGroup)) {
			before, err := read(table, g)
			if err != nil {
				return nil, err
			}
			after := edit(before, byGroup[g])
			c := change{tableBuckets[table], string(groupKey(g)), appendGroup([]byte{}, after)}
			next[g] = recordSum(c.bucket, c.key, c.value)
			t.Rows += len(after) - len(before)
			list = append(list, c)
			pieces[int(g)/sumPiece] = true
		}
		all[table] = next
		t.Sum = next.total()
		for piece := range pieces {
			list = append(list, next.piece(table, piece))
		}
	}
	return list, nil
}
