package supervisortest

import (
	"slices"
	"time"
)

// rounds is odd, so that there is a median.
const rounds = 9

// Ratio is how many times longer a takes than b: the ratio of the medians of
// rounds that alternate, so that a busy machine slows both. It is the only code
// of the tests that reads the clock.
func Ratio(a, b func()) float64 {
	var as, bs []time.Duration
	for range rounds {
		as = append(as, took(a))
		bs = append(bs, took(b))
	}
	slices.Sort(as)
	slices.Sort(bs)
	return float64(as[rounds/2]) / float64(max(bs[rounds/2], 1))
}

func took(f func()) time.Duration {
	begin := time.Now()
	f()
	return time.Since(begin)
}
