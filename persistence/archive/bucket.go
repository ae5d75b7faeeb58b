package archive

import "time"

// Bucket turns a rate into waits; it holds no clock and waits for nothing. The
// zero value has no limit. One goroutine at a time uses it.
type Bucket struct {
	BytesPerSecond int64 // 0: no limit
	BurstBytes     int64 // what may pass at once after a pause, from 0

	paid time.Time // until then all has been passed at the rate
}

// Take says how long to wait after bytes passed at now, until more may: 0 to twice
// the time that the bytes take. A clock that jumps back costs no more than that,
// one that jumps forward gives no more than a burst.
func (b *Bucket) Take(now time.Time, bytes int) time.Duration {
	if b.BytesPerSecond <= 0 {
		return 0
	}
	cost := b.span(int64(bytes))
	earliest := now.Add(-b.span(b.BurstBytes))
	switch {
	case b.paid.Before(earliest):
		b.paid = earliest
	case b.paid.After(now.Add(cost)): // a timer may be early, a clock may be set back
		b.paid = now
	}
	b.paid = b.paid.Add(cost)
	return max(0, b.paid.Sub(now))
}

// span is how long bytes take at the rate.
func (b *Bucket) span(bytes int64) time.Duration {
	return time.Duration(float64(bytes) / float64(b.BytesPerSecond) * float64(time.Second))
}
