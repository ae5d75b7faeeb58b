package soak

import (
	"cmp"
	"fmt"
	"math"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// allocation is a place in the code that allocates, and what is alive of what it
// allocated.
type allocation struct {
	frames         []string // "function file:line", innermost first
	objects, bytes float64
}

// heap is the allocations of a process by their stacks.
type heap map[string]allocation

// readHeap is what is alive in this process, after a collection that makes the
// profile current.
func readHeap() heap {
	runtime.GC()
	runtime.GC()
	var records []runtime.MemProfileRecord
	n, ok := runtime.MemProfile(nil, false)
	for !ok {
		records = make([]runtime.MemProfileRecord, n+n/4+64)
		n, ok = runtime.MemProfile(records, false)
	}
	all := make(heap, n)
	for i := range records[:n] {
		r := &records[i]
		k := scale(float64(r.InUseObjects()), float64(r.InUseBytes()), runtime.MemProfileRate)
		if frames := framesOf(r.Stack()); len(frames) > 0 {
			all.add(allocation{frames, k * float64(r.InUseObjects()), k * float64(r.InUseBytes())})
		}
	}
	return all
}

// framesOf names the functions of a stack, without the allocator's own.
func framesOf(stack []uintptr) (frames []string) {
	for next, more := runtime.CallersFrames(stack), true; more; {
		var f runtime.Frame
		f, more = next.Next()
		if len(frames) > 0 || !strings.HasPrefix(f.Function, "runtime.") {
			frames = append(frames, fmt.Sprintf("%s %s:%d", f.Function, f.File, f.Line))
		}
	}
	return frames
}

// scale is how many objects stand for one that was sampled.
func scale(objects, size float64, rate int) float64 {
	if rate <= 1 || objects <= 0 {
		return 1
	}
	return 1 / (1 - math.Exp(-size/objects/float64(rate)))
}

// parseHeap reads a heap profile in the text form of package runtime/pprof
// (debug=1): "objects: bytes [...] @ addresses", then a line for each frame. What
// was sampled is scaled up. rate is how many bytes lie between two samples, on
// average; 1: every object is in it. A profile that cannot be read is empty.
func parseHeap(text []byte) (all heap, rate int) {
	all = heap{}
	var s *allocation
	flush := func() {
		if s != nil && len(s.frames) > 0 {
			all.add(*s)
		}
		s = nil
	}
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "heap profile: "):
			_, after, _ := strings.Cut(line, "@ heap/")
			double, _ := strconv.Atoi(strings.TrimSpace(after))
			rate = double / 2
		case strings.HasPrefix(line, "#\t") && s != nil:
			if f := strings.Fields(line); len(f) >= 4 {
				name, _, _ := strings.Cut(f[2], "+0x")
				s.frames = append(s.frames, name+" "+f[3])
			}
		case strings.HasPrefix(line, "# runtime.MemStats"):
			flush()
		default:
			flush()
			s = parseRecord(line, rate)
		}
	}
	flush()
	return all, rate
}

// parseRecord reads "objects: bytes [objects: bytes] @ ...", nil for another line.
func parseRecord(line string, rate int) *allocation {
	counts, _, ok := strings.Cut(line, " [")
	objects, size, two := strings.Cut(counts, ": ")
	n, err1 := strconv.ParseFloat(objects, 64)
	b, err2 := strconv.ParseFloat(size, 64)
	if !ok || !two || err1 != nil || err2 != nil {
		return nil
	}
	k := scale(n, b, rate)
	return &allocation{objects: n * k, bytes: b * k}
}

func (a heap) add(s allocation) {
	key := strings.Join(s.frames, "\n")
	old := a[key]
	s.objects += old.objects
	s.bytes += old.bytes
	a[key] = s
}

// grown is what the heap has more than before, the most bytes first.
func (a heap) grown(before heap) (list []allocation) {
	for key, s := range a {
		s.objects -= before[key].objects
		s.bytes -= before[key].bytes
		if s.objects > 0 && s.bytes > 0 && !s.measures() {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b allocation) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), slices.Compare(a.frames, b.frames))
	})
	return list
}

// through keeps the allocations with one of these functions in their stack; all of them
// for no function.
func through(list []allocation, functions ...string) []allocation {
	if len(functions) == 0 {
		return list
	}
	var out []allocation
	for _, s := range list {
		if slices.ContainsFunc(functions, func(f string) bool { return s.calls(f) }) {
			out = append(out, s)
		}
	}
	return out
}

func (s *allocation) calls(function string) bool {
	return slices.ContainsFunc(s.frames, func(f string) bool { return strings.HasPrefix(f, function) })
}

// String is the allocation in a line: what it holds more, where, and who called.
func (s *allocation) String() string {
	chain := s.house()
	return fmt.Sprintf("+%.0f objects, +%.0f bytes: %s", s.objects, s.bytes, strings.Join(chain, " < "))
}

// house is the innermost frame and then those of the house's own code, as far as
// they say something.
func (s *allocation) house() (chain []string) {
	for i, f := range s.frames {
		if i == 0 || (strings.HasPrefix(f, "gatehouse/") && !strings.HasPrefix(f, "gatehouse/supervisor")) {
			chain = append(chain, shortFrame(f))
		}
	}
	return chain[:min(len(chain), 4)]
}

// shortFrame is "function (file.go:line)" without the folders of this machine.
func shortFrame(frame string) string {
	function, place, ok := strings.Cut(frame, " ")
	if !ok {
		return frame
	}
	return function + " (" + path.Base(place) + ")"
}

// measures says whether it is the soak that allocates, in order to measure.
func (s *allocation) measures() bool {
	return slices.ContainsFunc([]string{"readHeap", "parseHeap", "placesOf", "parseTree", "newStock", "openFiles", "(*account)", "(*building).stock"}, func(f string) bool {
		return s.calls("gatehouse/bench/soak." + f)
	}) || s.calls("gatehouse/cmd/gatehouse.(*control)") || s.calls("gatehouse/edge/httpapi.PprofHandler")
}

// freeTimers counts the timers of Go's own that are no actor's, by who made them.
// Those that the executor makes for actors are in the ledger.
func (a heap) freeTimers() map[string]int {
	free := map[string]int{}
	for _, s := range a {
		if !slices.ContainsFunc(hints[gateTimers], s.calls) {
			continue
		}
		if by := s.caller(); by != "" && !strings.HasPrefix(by, "gatehouse/supervisor.") && !s.calls("testing.(*M)") {
			free["timers of "+shortFrame(by)] += int(s.objects)
		}
	}
	return free
}

// caller is the innermost frame of the house's own code, "" without one.
func (s *allocation) caller() string {
	i := slices.IndexFunc(s.frames, func(f string) bool { return strings.HasPrefix(f, "gatehouse/") })
	if i < 0 {
		return ""
	}
	return s.frames[i]
}
