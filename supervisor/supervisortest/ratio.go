package supervisortest

import (
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"time"
)

// rounds is odd, so that there is a median.
const rounds = 9

// Ratio is how many times more processor time a takes than b: the ratio of the
// medians of rounds that alternate. Processor time, because the wall clock also
// counts what other processes do on a busy machine; without the collector, whose
// work falls into this round or that.
func Ratio(a, b func()) float64 {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var as, bs []time.Duration
	for range rounds {
		runtime.GC()
		as = append(as, took(a))
		bs = append(bs, took(b))
	}
	slices.Sort(as)
	slices.Sort(bs)
	return float64(as[rounds/2]) / float64(max(bs[rounds/2], 1))
}

func took(f func()) time.Duration {
	begin := spent()
	f()
	return spent() - begin
}

// spent is the processor time of this process so far.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // Linux has no such case
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
