package journal

import (
	"errors"
	"fmt"

	"gatehouse/access"
)

// Read returns up to limit events with Seq > after, in order, from disk. It sees
// only what was acknowledged. Errors: ErrCorrupt when the disk returns something
// else than was written.
func (j *Journal) Read(after uint64, limit int) ([]access.Event, error) {
	s := j.view()
	if limit <= 0 || after >= s.last {
		return nil, nil
	}
	limit = int(min(uint64(limit), s.last-after))
	events := make([]access.Event, 0, min(limit, MaxBatch))
	err := j.walk(&s, after, func(e access.Event) error {
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

// Scan gives every acknowledged event to visit, in order, until visit returns an
// error, which it returns.
func (j *Journal) Scan(visit func(access.Event) error) error {
	s := j.view()
	return j.walk(&s, 0, visit)
}

// walk visits the events with Seq > after, beginning at the index entry before.
func (j *Journal) walk(s *state, after uint64, visit func(access.Event) error) error {
	if after >= s.last || len(s.index) == 0 {
		return nil
	}
	from := max(after+1, s.first)
	slot := (from - s.first) / indexEvery
	pos, expected := s.index[slot], s.first+slot*indexEvery
	w := newWindow(j.file, s.end, int(min(64<<10, s.end-pos)))
	for pos < s.end {
		f, n, err := w.frame(pos)
		if err != nil {
			return j.readFault(pos, expected-1, err)
		}
		pos += int64(n)
		if f.isTrailer() {
			continue
		}
		if f.seq != expected {
			return j.readFault(pos-int64(n), expected-1, errBad)
		}
		expected++
		if f.seq < from {
			continue
		}
		e, err := f.event()
		if err != nil {
			return j.readFault(pos-int64(n), f.seq-1, err)
		}
		if err := visit(e); err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) readFault(pos int64, last uint64, err error) error {
	if errors.Is(err, errBad) || errors.Is(err, errShort) || errors.Is(err, errPayload) {
		return &CorruptError{Path: j.path, Offset: pos, After: last, Why: err.Error()}
	}
	return fmt.Errorf("cannot read the journal after event %d: %w; check the disk", last, err)
}
