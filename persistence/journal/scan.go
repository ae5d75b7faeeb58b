package journal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"

	"gatehouse/access"
)

// indexEvery is how many sequences lie between two offsets of the sparse index.
const indexEvery = 256

// state is what is known of a segment's acknowledged part.
type state struct {
	header
	end   int64  // of the last valid trailer
	tail  int64  // begin of the last batch; end if there is none
	last  uint64 // sequence of the last event; first-1 if there is none
	chain [sha256.Size]byte
	index []int64 // offset of the events first, first+256, ...
	torn  int64   // bytes after end
	seen  seen
}

// scanner walks a segment from its first frame and checks every byte.
type scanner struct {
	state
	w      *window
	path   string
	hash   hash.Hash
	staged []access.Event // of the batch that is being read
	marks  []int64        // index entries of that batch
}

// scanSegment reads a whole segment. building "" fits every building.
func scanSegment(f file, path, building string) (*state, error) {
	size, err := f.Size()
	if err != nil {
		return nil, readError(path, err)
	}
	s := &scanner{w: newWindow(f, size, 256<<10), path: path, hash: sha256.New()}
	if err := s.readHeader(building); err != nil {
		return nil, err
	}
	for s.end < size && s.torn == 0 {
		if err := s.batch(); err != nil {
			return nil, err
		}
	}
	return &s.state, nil
}

func readError(path string, err error) error {
	return fmt.Errorf("cannot read %s: %w; check the disk", path, err)
}

func (s *scanner) corrupt(at int64, last uint64, why string) error {
	return &CorruptError{Path: s.path, Offset: at, After: last, Why: why}
}

func (s *scanner) readHeader(building string) error {
	b, err := s.w.at(0, int(min(headerLen, s.w.size)))
	if err != nil {
		return readError(s.path, err)
	}
	h, err := decodeHeader(b)
	if errors.Is(err, ErrVersion) {
		return fmt.Errorf("%s: %w; run the gatehouse that wrote it", s.path, err)
	}
	if err != nil {
		return s.corrupt(0, 0, err.Error())
	}
	if building != "" && h.building != building {
		return fmt.Errorf("%s is a %w (%q, this is %q); move it away or restore the store it belongs to",
			s.path, ErrBuilding, h.building, building)
	}
	s.header, s.end, s.tail, s.last = h, headerLen, headerLen, h.first-1
	s.chain = sha256.Sum256(b)
	s.seen = newSeen()
	return nil
}

// batch reads the batch at end and moves end behind its trailer, or finds that
// the rest of the file is torn (s.torn) or damaged.
func (s *scanner) batch() error {
	s.hash.Reset()
	s.hash.Write(s.chain[:])
	s.staged, s.marks = s.staged[:0], s.marks[:0]
	for pos := s.end; ; {
		f, n, err := s.w.frame(pos)
		if errors.Is(err, errBad) || errors.Is(err, errShort) {
			return s.classify(pos, err)
		}
		if err != nil {
			return readError(s.path, err)
		}
		if f.isTrailer() {
			return s.finish(pos, &f)
		}
		if err := s.stage(pos, &f); err != nil {
			return err
		}
		s.hash.Write(s.w.raw(pos, n))
		pos += int64(n)
	}
}

// stage takes an event of a batch whose trailer is still to come.
func (s *scanner) stage(pos int64, f *frame) error {
	before := s.last + uint64(len(s.staged))
	if f.seq != before+1 {
		return s.corrupt(pos, before, fmt.Sprintf("event %d stands where %d should", f.seq, before+1))
	}
	if len(s.staged) == MaxBatch {
		return s.corrupt(pos, before, "a batch does not end")
	}
	e, err := f.event()
	if errors.Is(err, ErrVersion) {
		return fmt.Errorf("%s, event %d: %w; run the gatehouse that wrote it", s.path, f.seq, err)
	}
	if err != nil {
		return s.corrupt(pos, before, err.Error())
	}
	if (f.seq-s.first)%indexEvery == 0 {
		s.marks = append(s.marks, pos)
	}
	s.staged = append(s.staged, e)
	return nil
}

// finish takes the staged events for acknowledged.
func (s *scanner) finish(pos int64, f *frame) error {
	last := s.last + uint64(len(s.staged))
	sum := s.hash.Sum(nil)
	if f.seq != last || f.mono != int64(len(s.staged)) || len(s.staged) == 0 || string(f.payload) != string(sum) {
		return s.corrupt(pos, last, "the chain of batches is broken: bytes before this trailer were changed")
	}
	for i := range s.staged {
		s.seen.note(&s.staged[i], s.staged[i].Seq)
	}
	s.index = append(s.index, s.marks...)
	s.tail, s.end, s.last = s.end, pos+trailerLen, last
	s.chain = [sha256.Size]byte(sum)
	return nil
}

// classify tells a torn last batch from damage; package doc, "Torn or damaged".
// bad is the offset of the first frame that cannot be read.
func (s *scanner) classify(bad int64, why error) error {
	found, later, err := s.search(bad + 1)
	if err != nil {
		return readError(s.path, err)
	}
	lost, err := s.lostSector()
	if err != nil {
		return readError(s.path, err)
	}
	short := errors.Is(why, errShort) && !found
	if later || !short && !lost {
		return s.corrupt(bad, s.last+uint64(len(s.staged)), why.Error())
	}
	s.torn = s.w.size - s.end
	return nil
}

// search looks for frames behind a bad one. found: there is any. later: there is
// a trailer that cannot be the one of the batch that begins at end.
func (s *scanner) search(pos int64) (found, later bool, err error) {
	most := uint64(s.w.size-s.end) / frameHead
	for pos <= s.w.size-frameHead {
		f, n, err := s.w.frame(pos)
		if errors.Is(err, errBad) || errors.Is(err, errShort) || err == nil && f.seq-s.last-1 >= most {
			pos++
			continue
		}
		if err != nil {
			return false, false, err
		}
		found, pos = true, pos+int64(n)
		own := f.seq-uint64(f.mono) == s.last && pos == s.w.size
		if f.isTrailer() && !own {
			return true, true, nil
		}
	}
	return found, false, nil
}

// lostSector reports whether a sector behind end, or the part of one, holds
// nothing but zeros: one that was never written.
func (s *scanner) lostSector() (bool, error) {
	const sector = 512
	for pos := s.end; pos < s.w.size; {
		next := min(pos/sector*sector+sector, s.w.size)
		b, err := s.w.at(pos, int(next-pos))
		if err != nil {
			return false, err
		}
		if allZero(b) {
			return true, nil
		}
		pos = next
	}
	return false, nil
}
