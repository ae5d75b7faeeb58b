package links

import "time"

// jitter is by which part a wait is shortened at most, so that a thousand buildings
// do not come back to a centre in the same second.
const jitter = 0.2

// retry says how long to wait after a failure: first min, then twice as long each
// time, at most max. What worked for max makes the next failure a first one again;
// so a link that comes and goes makes few events.
type retry struct {
	min, max time.Duration
	failed   int
	worksFor time.Time // since then; zero: it does not
}

func (r *retry) worked(now time.Time) {
	if r.worksFor.IsZero() {
		r.worksFor = now
	}
}

// after is the wait after a failure; random is in [0, 1).
func (r *retry) after(now time.Time, random float64) time.Duration {
	if !r.worksFor.IsZero() && now.Sub(r.worksFor) >= r.max {
		r.failed = 0
	}
	r.worksFor = time.Time{}
	wait := r.max
	if r.failed < 30 {
		wait = min(r.max, r.min<<r.failed)
	}
	r.failed++
	return spread(wait, random)
}

func spread(d time.Duration, random float64) time.Duration {
	return d - time.Duration(jitter*random*float64(d))
}
