package journal

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// Retention says how long events are kept. The zero value keeps everything.
type Retention struct {
	Age   time.Duration // events older than this may go; 0: none by age
	Bytes int64         // the oldest may go while the journal takes more; 0: none by size
}

// Choice is what may be dropped.
type Choice struct {
	Through uint64 // the last event that may go; 0: nothing
	Bytes   int64  // what that frees
	// Untaken is how many of these events a required subscriber had not taken. Only
	// the want of space can make them go; a gap record says so.
	Untaken uint64
}

// Choose picks the oldest of a journal's segments that may go at the time now.
// Events behind taken are still wanted by a required subscriber and stay, unless
// free bytes must be gained for events to come. The segment that is being written
// always stays.
func (r Retention) Choose(segments []Segment, now time.Time, taken uint64, free int64) Choice {
	var c Choice
	total := int64(0)
	for _, s := range segments {
		total += s.Bytes
	}
	for _, s := range segments {
		old := r.Age > 0 && !s.Newest.IsZero() && s.Newest.Before(now.Add(-r.Age))
		large := r.Bytes > 0 && total-c.Bytes > r.Bytes
		wanted := s.Last > taken
		if !s.Sealed || c.Bytes >= free && (wanted || !old && !large) {
			break
		}
		c.Through, c.Bytes = s.Last, c.Bytes+s.Bytes
		if wanted {
			c.Untaken += s.Last - max(taken, s.First-1)
		}
	}
	return c
}

// Drop removes the oldest sealed segments as far as all of their events are at
// most through, for good, and returns how many. That they may be missing is noted
// first, so a crash in between leaves nothing that looks like damage.
func (j *Journal) Drop(through uint64) (int, error) {
	if j.readOnly {
		return 0, fmt.Errorf("%s: %w", j.o.Dir, ErrReadOnly)
	}
	j.keeping.Lock()
	defer j.keeping.Unlock()
	v := j.view()
	n := 0
	for n < len(v.older) && v.older[n].block != nil && v.older[n].last <= through {
		n++
	}
	if n == 0 {
		return 0, nil
	}
	if err := j.note(v.older[n-1].last + 1); err != nil {
		return 0, err
	}
	j.mu.Lock()
	j.shown.older = slices.Clone(j.shown.older[n:])
	j.mu.Unlock()
	for _, s := range v.older[:n] {
		for _, path := range []string{s.path, s.path + gapSuffix} {
			if err := j.o.fs.Remove(path); err != nil {
				return n, fmt.Errorf("cannot remove %s: %w; the next start removes it", path, err)
			}
		}
	}
	return n, syncDir(j.o.fs, filepath.Join(j.o.Dir, boundsName))
}
