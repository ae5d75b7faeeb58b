package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	partitions = 64 // a power of two
	// maxPerKey is how many entries of one key there may be: all of them are settled
	// at once, in memory.
	maxPerKey    = 1000
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
	of    string // what a key is, in plain words
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

// take returns a partition's entries in the order of their coming, once. Of a key
// it returns maxPerKey at most; over is told the first one more.
func (s *spill) take(part int, over func(entry)) (list []entry, err error) {
	p := &s.parts[part]
	var early io.Reader = strings.NewReader("")
	if p.file != nil {
		if _, err := p.file.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		early = p.file
	}
	r := entryReader{r: bufio.NewReader(io.MultiReader(early, bytes.NewReader(p.b)))}
	p.b = nil
	count := map[string]int{}
	for e, ok := r.next(); ok; e, ok = r.next() {
		switch n := count[string(e.key)]; {
		case n < maxPerKey:
			list = append(list, e)
		case n == maxPerKey:
			over(e)
		}
		count[string(e.key)]++
	}
	return list, errors.Join(r.err, s.close(part))
}

// entryReader reads what add wrote.
type entryReader struct {
	r   *bufio.Reader
	err error
}

// next is the next entry; false at the end, or after an error.
func (r *entryReader) next() (e entry, ok bool) {
	if _, err := r.r.Peek(1); err != nil {
		if !errors.Is(err, io.EOF) {
			r.err = err
		}
		return e, false
	}
	e.key, e.value = r.text(), r.text()
	e.place, e.blank = place(r.number()), r.number() == 1
	return e, r.err == nil
}

func (r *entryReader) number() uint64 {
	n, err := binary.ReadUvarint(r.r)
	r.err = errors.Join(r.err, err)
	return n
}

func (r *entryReader) text() []byte {
	n := r.number()
	if n > maxLine { // no line is as long
		r.err = errors.Join(r.err, errRow)
	}
	if r.err != nil {
		return nil
	}
	b := make([]byte, n)
	_, r.err = io.ReadFull(r.r, b)
	return b
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
