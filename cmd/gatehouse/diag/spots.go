package diag

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"path"
	"runtime"
	"slices"
	"strings"
)

// topSpots is how many spots a list has.
const topSpots = 40

// spot is a place in the program (a site, as pprof says), with what was counted there.
type spot struct {
	at          string
	count, cost float64
}

// spots are counted by place, so that two moments can be compared.
type spots map[string]spot

// add counts what happened at a stack; below is how the place was reached.
func (s spots) add(stack []uintptr, count, cost float64) {
	at := place(stack)
	was := s[at]
	s[at] = spot{at, was.count + count, was.cost + cost}
}

// since is what was counted after an earlier moment.
func (s spots) since(before spots) spots {
	out := spots{}
	for at, now := range s {
		if d := (spot{at, now.count - before[at].count, now.cost - before[at].cost}); d.cost > 0 {
			out[at] = d
		}
	}
	return out
}

// place names the innermost function that is not Go's own runtime, and who called it.
func place(stack []uintptr) string {
	const most = 3
	var names []string
	frames := runtime.CallersFrames(stack)
	for more := true; more && len(names) < most; {
		var f runtime.Frame
		f, more = frames.Next()
		internal := strings.HasPrefix(f.Function, "runtime.") || strings.HasPrefix(f.Function, "internal/") || strings.HasPrefix(f.Function, "sync.")
		if f.Function != "" && (!internal || !more && len(names) == 0) {
			names = append(names, fmt.Sprintf("%s %s:%d", f.Function, path.Base(f.File), f.Line))
		}
	}
	return strings.Join(names, " < ")
}

// write lists the spots that cost most, as figure says it of one.
func (s spots) write(w io.Writer, title string, figure func(spot) string) error {
	list := make([]spot, 0, len(s))
	for _, one := range s {
		if one.cost > 0 {
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b spot) int { return cmp.Or(cmp.Compare(b.cost, a.cost), cmp.Compare(a.at, b.at)) })
	fmt.Fprintf(w, "%s: the first %d of %d places\n", title, min(topSpots, len(list)), len(list))
	for _, one := range list[:min(topSpots, len(list))] {
		if _, err := fmt.Fprintf(w, "%s  %s\n", figure(one), one.at); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

// memory is what lives on the heap and what was ever allocated, by place, in bytes.
type memory struct{ live, allocated spots }

// readMemory reads the sampled allocations and scales them to all, as pprof does.
func readMemory() memory {
	m := memory{spots{}, spots{}}
	for _, r := range records(func(p []runtime.MemProfileRecord) (int, bool) { return runtime.MemProfile(p, true) }) {
		count, bytes := scaled(r.InUseObjects(), r.InUseBytes())
		m.live.add(r.Stack(), count, bytes)
		count, bytes = scaled(r.AllocObjects, r.AllocBytes)
		m.allocated.add(r.Stack(), count, bytes)
	}
	return m
}

// records reads a profile that may grow while it is read.
func records[R any](read func([]R) (int, bool)) []R {
	n, _ := read(nil)
	for {
		list := make([]R, n+n/10+50)
		var ok bool
		if n, ok = read(list); ok {
			return list[:n]
		}
	}
}

// scaled undoes the sampling: of small objects only some are seen.
func scaled(objects, bytes int64) (allObjects, allBytes float64) {
	if objects == 0 || bytes == 0 {
		return 0, 0
	}
	scale := 1.0
	if rate := float64(runtime.MemProfileRate); rate > 1 {
		scale = 1 / (1 - math.Exp(-float64(bytes)/float64(objects)/rate))
	}
	return float64(objects) * scale, float64(bytes) * scale
}

// readWaits reads where goroutines waited: for a lock, or for anything.
func readWaits(read func([]runtime.BlockProfileRecord) (int, bool)) spots {
	s := spots{}
	for _, r := range records(read) {
		s.add(r.Stack(), float64(r.Count), float64(r.Cycles))
	}
	return s
}

func bytesAt(s spot) string { return fmt.Sprintf("%12.0f bytes %10.0f objects", s.cost, s.count) }

// shareOf says how much of all waiting was at a place: the clock of these profiles
// has no unit.
func shareOf(all spots) func(spot) string {
	sum := 0.0
	for _, s := range all {
		sum += s.cost
	}
	return func(s spot) string {
		return fmt.Sprintf("%5.1f %% of the waiting, %10.0f times", 100*s.cost/sum, s.count)
	}
}
