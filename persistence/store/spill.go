package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const (
	partitions   = 64 // a power of two
	spillBytes   = 32 << 10
	partitionBit = 6
)

// place is where an entry stands in an import: its line, and in bytes from 1 the
// columns of its id and of its card. 0 is in the store before.
type place uint64

const maxColumn = 1<<16 - 1

func placeAt(line, id, card int) place {
	return place(line)<<32 | place(min(id, maxColumn))<<16 | place(min(card, maxColumn))
}

func (p place) line() int { return int(p >> 32) }
func (p place) id() int   { return int(p >> 16 & maxColumn) }
func (p place) card() int { return int(p & maxColumn) }

// entry is a row on its way into a new table. blank is a holder of whom the line
// says nothing but the id.
type entry struct {
	key, value []byte
	place      place
	blank      bool
}

// spill keeps entries by the leading bits of their keys' hashes: little in
// memory, the rest in a file for each partition.
type spill struct {
	dir   string // made when first needed
	name  string
	count int
	parts [partitions]struct {
		b    []byte
		file *os.File
	}
}

func (s *spill) add(e entry) error {
	p := &s.parts[hash(e.key)>>(64-partitionBit)]
	p.b = appendText(p.b, string(e.key))
	p.b = appendText(p.b, string(e.value))
	blank := uint64(0)
	if e.blank {
		blank = 1
	}
	p.b = binary.AppendUvarint(binary.AppendUvarint(p.b, uint64(e.place)), blank)
	s.count++
	if len(p.b) < spillBytes {
		return nil
	}
	return s.flush(int(hash(e.key) >> (64 - partitionBit)))
}

func (s *spill) flush(part int) (err error) {
	p := &s.parts[part]
	if p.file == nil {
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			return err
		}
		p.file, err = os.OpenFile(filepath.Join(s.dir, fmt.Sprintf("%s-%02d", s.name, part)), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
	}
	_, err = p.file.Write(p.b)
	p.b = p.b[:0]
	return err
}

// take returns a partition's entries in the order of their coming, once.
func (s *spill) take(part int) (list []entry, err error) {
	p := &s.parts[part]
	whole := p.b
	if p.file != nil {
		if _, err := p.file.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		early, err := io.ReadAll(bufio.NewReader(p.file))
		if err != nil {
			return nil, err
		}
		whole = append(early, p.b...)
	}
	p.b = nil
	r := rowReader{b: whole}
	for len(r.b) > 0 {
		e := entry{key: r.bytes(), value: r.bytes()}
		e.place, e.blank = place(r.number()), r.number() == 1
		list = append(list, e)
	}
	return list, errors.Join(r.err, s.close(part))
}

func (s *spill) close(part int) error {
	f := s.parts[part].file
	s.parts[part].file = nil
	if f == nil {
		return nil
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// discard gives back what was not taken.
func (s *spill) discard() {
	for part := range s.parts {
		_ = s.close(part) // of no use any more
	}
}
