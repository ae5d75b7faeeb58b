package journal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"slices"

	"gatehouse/access"
)

// link is where a segment must end because another one follows it.
type link struct {
	last  uint64
	chain [sha256.Size]byte
	known bool // the chain
}

// scanner walks a segment from its first frame and checks every byte.
type scanner struct {
	segment
	tail int64 // begin of the last batch; end if there is none
	torn int64 // bytes of an unacknowledged batch after end

	w      *window
	link   *link // nil: the newest segment, whose end is to be found out
	seen   *seen
	hash   hash.Hash
	texts  texts
	pos    int64          // of the next frame that belongs to no batch yet
	staged []access.Event // of the batch that is being read
	marks  []entry        // index entries of that batch

	// Salvaging goes on behind damage.
	salvaging bool
	loose     bool // the chain is lost until the next trailer
	faults    []*CorruptError
}

func newScanner(f file, path string, l *link, marks *seen) (*scanner, error) {
	size, err := f.Size()
	if err != nil {
		return nil, readError(path, err)
	}
	s := &scanner{w: newWindow(f, size, 256<<10), link: l, seen: marks, hash: sha256.New(), texts: texts{}}
	s.path, s.bytes = path, size
	return s, nil
}

func readError(path string, err error) error {
	return fmt.Errorf("cannot read %s: %w; check the disk", path, err)
}

func (s *scanner) corrupt(at int64, last uint64, why string) *CorruptError {
	return &CorruptError{Path: s.path, Offset: at, After: last, Why: why, resume: at}
}

// begin takes the header for read.
func (s *scanner) begin(h header) {
	s.header = h
	s.pos, s.tail, s.end, s.last = h.size(), h.size(), h.size(), h.first-1
	s.firstWall, s.lastWall = noTime, noTime
}

// run reads the batches up to the end, or to the first damage.
func (s *scanner) run() error {
	raw, err := s.w.at(0, int(min(s.size(), s.w.size)))
	if err != nil {
		return readError(s.path, err)
	}
	s.chain = sha256.Sum256(raw)
	return s.batches()
}

func (s *scanner) batches() error {
	for s.torn == 0 && s.pos < s.w.size && (s.link == nil || s.last < s.link.last) {
		err := s.batch()
		damage, ok := errors.AsType[*CorruptError](err)
		if ok && s.salvaging {
			err = s.skip(damage)
		}
		if err != nil {
			return err
		}
	}
	damage := s.atLink()
	switch {
	case damage == nil:
		return nil
	case !s.salvaging:
		return damage
	case s.last < s.link.last:
		return s.skip(damage)
	}
	s.faults = append(s.faults, damage)
	s.count -= s.last - s.link.last // those stand in the next segment, too
	s.last, s.chain = s.link.last, s.link.chain
	s.lose(span{from: s.pos, to: s.pos, first: s.last + 1})
	return nil
}

// atLink says what is wrong with the end of a segment that another one follows.
func (s *scanner) atLink() *CorruptError {
	switch {
	case s.link == nil:
		return nil
	case s.last < s.link.last:
		return s.corrupt(s.pos, s.last, fmt.Sprintf("it ends before event %d, its last", s.link.last))
	case s.last > s.link.last:
		return s.corrupt(s.pos, s.last, fmt.Sprintf("its last event should be %d", s.link.last))
	case s.link.known && !s.loose && s.chain != s.link.chain:
		return s.corrupt(s.pos, s.last, "the chain does not go on in the next segment")
	}
	return nil
}

// batch reads the batch at pos and moves end behind its trailer, or finds that
// the rest of the file is torn (s.torn) or damaged.
func (s *scanner) batch() error {
	s.hash.Reset()
	s.hash.Write(s.chain[:])
	s.staged, s.marks = s.staged[:0], s.marks[:0]
	for pos := s.pos; ; {
		f, n, err := s.w.frame(pos)
		switch {
		case errors.Is(err, errBad) || errors.Is(err, errShort):
			return s.classify(pos, err)
		case err != nil:
			return readError(s.path, err)
		case f.isTrailer():
			return s.finish(pos, &f)
		case !f.isEvent():
			return s.foreign(pos)
		}
		if err := s.stage(pos, n, &f); err != nil {
			return err
		}
		s.hash.Write(s.w.raw(pos, n))
		pos += int64(n)
	}
}

// foreign: the newest segment has no footer, and no other one ends before its link.
func (s *scanner) foreign(pos int64) error {
	why := "the segment that was begun after this one is missing"
	if s.link != nil {
		why = fmt.Sprintf("it ends before event %d, its last", s.link.last)
	}
	damage := s.corrupt(pos, s.last+uint64(len(s.staged)), why)
	damage.resume = s.w.size
	return damage
}

// stage takes an event of a batch whose trailer is still to come.
func (s *scanner) stage(pos int64, n int, f *frame) error {
	before := s.last + uint64(len(s.staged))
	if f.seq != before+1 {
		return s.corrupt(pos, before, fmt.Sprintf("event %d stands where %d should", f.seq, before+1))
	}
	if len(s.staged) == MaxBatch {
		return s.corrupt(pos, before, "a batch does not end")
	}
	e, err := f.eventWith(s.texts)
	if errors.Is(err, ErrVersion) {
		return fmt.Errorf("%s, event %d: %w; run the gatehouse that wrote it", s.path, f.seq, err)
	}
	if err != nil {
		damage := s.corrupt(pos, before, err.Error())
		damage.resume += int64(n)
		return damage
	}
	if slots := uint64(len(s.index) + len(s.marks)); f.seq-s.first >= slots*indexEvery {
		s.marks = append(s.marks, entry{pos, f.wall})
	}
	s.staged = append(s.staged, e)
	return nil
}

// finish takes the staged events for acknowledged.
func (s *scanner) finish(pos int64, f *frame) error {
	last := s.last + uint64(len(s.staged))
	sum := s.hash.Sum(nil)
	whole := f.mono == int64(len(s.staged)) && len(s.staged) > 0 && string(f.payload) == string(sum)
	if f.seq != last {
		return s.corrupt(pos, last, fmt.Sprintf("a batch ends with event %d where %d should be its last", f.seq, last))
	}
	if !whole && !s.loose {
		s.staged, s.marks = s.staged[:0], s.marks[:0] // none of them can be trusted
		damage := s.corrupt(s.pos, s.last, "the chain of batches is broken: bytes were changed")
		damage.resume = pos + trailerLen
		return damage
	}
	s.take()
	s.tail, s.end, s.pos, s.loose = s.pos, pos+trailerLen, pos+trailerLen, false
	s.chain = [sha256.Size]byte(f.payload)
	return nil
}

// take keeps the staged events.
func (s *scanner) take() {
	for i := range s.staged {
		e := &s.staged[i]
		s.seen.note(e, e.Seq)
		s.lastWall = toWall(e.Time)
		if s.count++; s.count == 1 {
			s.firstWall = s.lastWall
		}
	}
	s.seen.keep()
	s.last += uint64(len(s.staged))
	s.index = append(s.index, s.marks...)
	s.staged, s.marks = s.staged[:0], s.marks[:0]
}

// classify tells a torn last batch from damage; docs/JOURNAL.md, "Torn or damaged".
// bad is the offset of the first frame that cannot be read.
func (s *scanner) classify(bad int64, why error) error {
	damage := s.corrupt(bad, s.last+uint64(len(s.staged)), why.Error())
	damage.resume++
	if s.link != nil {
		return damage // events that must be there are behind it
	}
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
		return damage
	}
	s.torn = s.w.size - s.end
	return nil
}

// search looks for frames behind a bad one. found: there is any. later: there is
// one that cannot be of the batch that begins at end, or its trailer.
func (s *scanner) search(pos int64) (found, later bool, err error) {
	for {
		f, at, n, err := s.next(pos, s.last+s.most(s.end))
		if err != nil || n == 0 {
			return found, false, err
		}
		found, pos = true, at+int64(n)
		own := f.seq-uint64(f.mono) == s.last && pos == s.w.size
		if !f.isEvent() && !(f.isTrailer() && own) {
			return true, true, nil
		}
	}
}

// most is how many events can stand in the bytes from pos on.
func (s *scanner) most(pos int64) uint64 { return uint64(max(0, s.w.size-pos)) / frameHead }

// next finds the first frame from pos on whose sequence may follow and is at most
// limit; n 0: there is none.
func (s *scanner) next(pos int64, limit uint64) (f frame, at int64, n int, err error) {
	for ; pos <= s.w.size-frameHead; pos++ {
		head, err := s.w.at(pos, frameHead)
		if err != nil {
			return frame{}, 0, 0, err
		}
		seq := le.Uint64(head[8:])
		own := le.Uint16(head[32:]) >= reservedKinds
		if seq > limit || seq < s.last || seq == s.last && !own {
			continue
		}
		f, n, err := s.w.frame(pos)
		if err == nil {
			return f, pos, n, nil
		}
		if !isDamage(err) {
			return frame{}, 0, 0, err
		}
	}
	return frame{}, 0, 0, nil
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

// skip sets damage aside and goes on at the next frame that can follow. What is
// staged before it stands in whole frames and is kept.
func (s *scanner) skip(damage *CorruptError) error {
	s.take()
	limit := s.last + s.most(damage.Offset)
	if s.link != nil {
		limit = s.link.last
	}
	f, at, n, err := s.next(damage.resume, limit)
	if err != nil {
		return readError(s.path, err)
	}
	seq := f.seq
	switch {
	case n == 0 && s.link == nil:
		at, seq = s.w.size, s.last+max(1, s.most(damage.Offset))
	case n == 0:
		at, seq = s.w.size, s.link.last
	case f.isEvent():
		seq--
	}
	if err := believable(s.path, seq-s.last); err != nil {
		return err
	}
	s.faults = append(s.faults, damage)
	s.lose(span{damage.Offset, at, s.last + 1, seq - s.last})
	s.pos, s.loose = at, true
	return nil
}

// maxLost is more events than any journal can have lost: a greater number comes
// from a file's name or a bounds file that does not belong here, and a gap takes
// memory by its events.
const maxLost = 1 << 30

func believable(path string, lost uint64) error {
	if lost <= maxLost {
		return nil
	}
	return fmt.Errorf("%s: %d events would be missing behind it, more than a journal can lose: a file in its directory does not belong there; move away the one whose name does not fit", path, lost)
}

// lose notes a span without its events; slots of the index that began in it begin
// behind it.
func (s *scanner) lose(g span) {
	s.gaps = append(s.gaps, g)
	s.last += g.count
	s.end = max(s.end, g.to)
	for uint64(len(s.index))*indexEvery+s.first <= s.last {
		s.index = append(s.index, entry{g.to, noTime})
	}
}

// copyOf is the scanner's segment, without what the scanner goes on using.
func (s *scanner) copyOf() *segment {
	seg := s.segment
	seg.index, seg.gaps = slices.Clone(s.index), slices.Clone(s.gaps)
	return &seg
}
