package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"

	"gatehouse/access"
)

// Read returns up to limit events with Seq > after, in order, from disk. It sees
// only what was acknowledged, and skips what is quarantined (Gaps) or was dropped.
// Errors: ErrCorrupt when the disk returns something else than was written.
func (j *Journal) Read(after uint64, limit int) ([]access.Event, error) {
	if limit <= 0 {
		return nil, nil
	}
	var events []access.Event
	err := j.walk(after, func(e access.Event) error {
		if events == nil {
			events = make([]access.Event, 0, min(limit, MaxBatch, int(j.Last()-e.Seq+1)))
		}
		events = append(events, e)
		if len(events) == limit {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return events, nil
}

var errEnough = errors.New("enough")

// ReadBefore returns up to limit events with Seq < before, the newest first;
// before 0 begins with the newest there is. Otherwise as Read.
func (j *Journal) ReadBefore(before uint64, limit int) ([]access.Event, error) {
	v := j.view()
	if before == 0 || before > v.last()+1 {
		before = v.last() + 1
	}
	var events []access.Event
	for before > v.first() && len(events) < limit {
		want := uint64(min(limit-len(events), indexEvery))
		from := max(v.first(), before-min(before, want))
		part, err := j.Read(from-1, int(before-from))
		if err != nil {
			return nil, err
		}
		for _, e := range slices.Backward(part) {
			if e.Seq < before {
				events = append(events, e)
			}
		}
		before = from
	}
	return events, nil
}

func (v *view) first() uint64 {
	if len(v.older) > 0 {
		return v.older[0].first
	}
	return v.active.first
}

// Scan gives every acknowledged event to visit, in order, until visit returns an
// error, which it returns.
func (j *Journal) Scan(visit func(access.Event) error) error {
	return j.walk(0, visit)
}

// walk visits the events with Seq > after.
func (j *Journal) walk(after uint64, visit func(access.Event) error) error {
	v := j.view()
	k := sort.Search(len(v.older), func(k int) bool { return v.older[k].last > after })
	for _, s := range v.older[k:] {
		err := s.walk(j.o.fs, after, visit)
		if errors.Is(err, fs.ErrNotExist) && j.dropped(s) {
			continue
		}
		if err != nil {
			return err
		}
	}
	if v.active.last <= after || v.active.count == 0 {
		return nil
	}
	return v.active.walk(j.o.fs, after, visit)
}

// dropped reports whether readers no longer see s.
func (j *Journal) dropped(s *segment) bool {
	v := j.view()
	return v.first() > s.last
}

// walk visits the events with Seq > after in one segment, beginning at the index
// entry before.
func (s *segment) walk(files files, after uint64, visit func(access.Event) error) error {
	if s.count == 0 {
		return nil
	}
	f, err := files.Open(s.path, false)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", &CorruptError{Path: s.path, After: s.first - 1, Why: "the file is missing", wrongFile: true}, err)
	}
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", s.path, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	from := max(after+1, s.first)
	slot := (from - s.first) / indexEvery
	at, err := s.entry(files, slot)
	if err != nil {
		return err
	}
	c := cursor{s: s, w: newWindow(f, s.end, int(min(64<<10, max(0, s.end-at.offset)))), pos: at.offset, seq: s.first + slot*indexEvery}
	return c.walk(from, visit)
}

// entry is a slot of the segment's sparse index.
func (s *segment) entry(files files, slot uint64) (entry, error) {
	if s.block == nil {
		return s.index[slot], nil
	}
	f, err := files.Open(s.block.path, false)
	if err != nil {
		return entry{}, fmt.Errorf("cannot open %s: %w", s.block.path, err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	e, err := readEntry(f, s.block.size, s.block.indexAt, slot)
	if err == nil && (e.offset < 0 || e.offset > s.end) {
		err = errBad
	}
	if err != nil {
		return entry{}, s.fault(s.block.path, s.block.indexAt, s.last, err)
	}
	return e, nil
}

// cursor walks the frames of a segment.
type cursor struct {
	s   *segment
	w   *window
	pos int64
	seq uint64 // of the next event
}

func (c *cursor) walk(from uint64, visit func(access.Event) error) error {
	gaps := c.s.gaps
	for len(gaps) > 0 && gaps[0].first+gaps[0].count <= c.seq && gaps[0].to <= c.pos {
		gaps = gaps[1:]
	}
	for c.pos < c.s.end && c.seq <= c.s.last {
		if len(gaps) > 0 && (c.pos >= gaps[0].from || c.seq >= gaps[0].first && gaps[0].count > 0) {
			c.pos, c.seq = max(c.pos, gaps[0].to), max(c.seq, gaps[0].first+gaps[0].count)
			gaps = gaps[1:]
			continue
		}
		f, n, err := c.w.frame(c.pos)
		if err == nil && !f.isTrailer() && f.seq != c.seq {
			err = errBad
		}
		if err != nil {
			return c.s.fault(c.s.path, c.pos, c.seq-1, err)
		}
		if !f.isTrailer() {
			if err := c.event(&f, from, visit); err != nil {
				return err
			}
		}
		c.pos += int64(n)
	}
	return nil
}

func (c *cursor) event(f *frame, from uint64, visit func(access.Event) error) error {
	c.seq++
	if f.seq < from {
		return nil
	}
	e, err := f.event()
	if err != nil {
		return c.s.fault(c.s.path, c.pos, f.seq-1, err)
	}
	return visit(e)
}

func (s *segment) fault(path string, pos int64, last uint64, err error) error {
	if isDamage(err) {
		return &CorruptError{Path: path, Offset: pos, After: last, Why: err.Error(), passing: errors.Is(err, errUnreadable)}
	}
	return fmt.Errorf("cannot read %s after event %d: %w; check the disk", path, last, err)
}
