package daemon

import (
	"fmt"
	"math"
	"time"

	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/persistence/journal"
)

// liveRetention keeps a journal as long and as small as the site file says.
type liveRetention struct {
	conf    site.Retention
	journal segments
	dir     string
	free    func(dir string) (bytes int64, err error)
	archive *liveArchive // nil: nobody has to take events before they go
}

// Choose says what may go at the time now.
func (l *liveRetention) Choose(now time.Time) (actors.Removal, error) {
	needed, err := l.needed()
	if err != nil {
		return actors.Removal{}, err
	}
	keep := journal.Retention{
		Age: time.Duration(l.conf.Days) * 24 * time.Hour, Bytes: int64(l.conf.MaxMB) << 20,
	}
	taken := uint64(math.MaxUint64)
	if l.archive != nil {
		taken = l.archive.taken.Load()
	}
	list := l.journal.Segments()
	all := keep.Choose(list, now, taken, needed)
	out := actors.Removal{Through: all.Through, Lost: all.Untaken, Pressed: all.Bytes < needed}
	if l.archive == nil {
		if inTime := keep.Choose(list, now, taken, 0); all.Through > inTime.Through {
			out.Lost = all.Through - max(inTime.Through, list[0].First-1)
		}
	}
	if out.Lost > 0 {
		out.First = out.Through - out.Lost + 1
	}
	return out, nil
}

// needed is how many bytes have to be freed.
func (l *liveRetention) needed() (bytes int64, err error) {
	if l.conf.MinFreeMB == 0 {
		return 0, nil
	}
	free, err := l.free(l.dir)
	if err != nil {
		return 0, fmt.Errorf("the free space of %s is not known: %w", l.dir, err)
	}
	return max(0, int64(l.conf.MinFreeMB)<<20-free), nil
}

// Remove removes it for good.
func (l *liveRetention) Remove(what actors.Removal) error {
	_, err := l.journal.Drop(what.Through)
	return err
}
