package daemon

import (
	"fmt"
	"math"
	"time"

	"gatehouse/access"
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
	clock   func() access.ClockQuality
	began   time.Time // the daemon
	trust   clockTrust
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
	list := l.journal.Segments()
	if l.archive != nil {
		taken = l.archive.reached(list)
	}
	all := keep.Choose(list, now, taken, needed)
	var doubt error
	if err := l.trust.doubt(now, now.Sub(l.began), newestOf(list), l.clock()); err != nil {
		keep.Age = 0
		if young := keep.Choose(list, now, taken, needed); young.Through < all.Through {
			all, doubt = young, fmt.Errorf("events older than retention.days (%d) stay: %w", l.conf.Days, err)
		}
	}
	out := actors.Removal{Through: all.Through, Lost: all.Untaken, Pressed: all.Bytes < needed, Doubt: doubt}
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

// newestOf is the time of a journal's newest event.
func newestOf(list []journal.Segment) (newest time.Time) {
	for _, s := range list {
		if s.Events > 0 {
			newest = s.Newest
		}
	}
	return newest
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
