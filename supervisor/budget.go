package supervisor

import (
	"math"
	"time"
)

// window remembers the restarts of the last Period, Intensity at most; memory and
// time do not depend on how many there were before.
type window struct{ at []time.Time }

// allow counts a restart at now and reports whether it is within the budget.
// As in OTP, a restart exactly Period after another is still in its window.
func (w *window) allow(b Budget, now time.Time) bool {
	if b.Period == 0 {
		b = Budget{b.Isolating, 1, 5 * time.Second}
	}
	if b.Intensity == 0 {
		return false
	}
	for len(w.at) > 0 && now.Sub(w.at[0]) > b.Period {
		w.at = w.at[1:]
	}
	within := len(w.at) < b.Intensity
	if !within {
		w.at = w.at[1:]
	}
	w.at = append(w.at, now)
	return within
}

// delays turns the failures of one child into waiting times.
type delays struct{ failures int }

// next counts a failure and returns how long to wait before the restart.
// stable: the life that failed had run for ResetAfter, all is forgiven.
func (d *delays) next(b Backoff, stable bool, random func() float64) time.Duration {
	if stable {
		d.failures = 0
	}
	d.failures++
	if d.failures == 1 {
		return 0
	}
	return b.jittered(backoffAt(b, d.failures-2), random)
}

func (b Backoff) jittered(wait time.Duration, random func() float64) time.Duration {
	if b.Jitter == 0 {
		return wait
	}
	return wait - time.Duration(float64(wait)*b.Jitter*random())
}

func (b Backoff) resetAfter() time.Duration { return orDefault(b.ResetAfter, 10*time.Second) }

func backoffAt(b Backoff, n int) time.Duration {
	low, high := orDefault(b.Min, 100*time.Millisecond), backoffCap(b)
	wait := float64(low) * math.Pow(orDefault(b.Factor, 2), float64(n))
	if wait > float64(high) || math.IsInf(wait, 0) {
		return high
	}
	return time.Duration(wait)
}

func backoffCap(b Backoff) time.Duration {
	return max(orDefault(b.Max, 30*time.Second), b.Min)
}
