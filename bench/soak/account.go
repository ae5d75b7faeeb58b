package soak

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"gatehouse/bench/soak/trend"
)

// Finding is one gate that does not hold, and what stood out there.
type Finding struct {
	Gate  string        `json:"gate"`
	At    time.Duration `json:"at_ns"` // since the start, on the soak's clock
	What  string        `json:"what"`
	Names []string      `json:"names"` // the code that it came from, one line each
	Times int           `json:"times"` // at how many quiet moments
}

// account keeps what a soak has seen.
type account struct {
	declared *stock
	last     *stock
	samples  []trend.Sample
	early    heap // the heap when a quarter of the time was over
	quiet    int  // quiet moments
	found    map[string]*Finding
	lines    lines
}

func newAccount(l lines) *account { return &account{found: map[string]*Finding{}, lines: l} }

// declare notes what the tree owns when it was started and nothing has happened.
func (a *account) declare(s stock) { a.declared, a.last = &s, &s }

// settled says whether a stock is as declared. It notes nothing.
func (a *account) settled(s *stock) bool { return len(compare(a.declared, s)) == 0 }

// take notes the stock of a quiet moment, with all that is not as declared.
func (a *account) take(at time.Duration, s stock) {
	a.quiet++
	all := append(compare(a.declared, &s), explained(a.last, &s)...)
	for _, d := range all {
		a.note(at, d.gate, d.what, namesOf(d.strays))
	}
	a.lines.add(line{
		Kind: "quiet", At: at, Actors: s.ledger.Actors, Timers: s.ledger.Timers, Workers: s.ledger.Workers,
		Goroutines: s.ledger.Goroutines, Files: total(s.files), Dead: s.ledger.DeadStopped, Differences: len(all),
	})
	a.last = &s
}

// mostFindings bounds the findings: a leak that shows in a thousand places is
// told by the first of them.
const mostFindings = 60

// note adds a finding. What grows from one quiet moment to the next is one
// finding, told as it was seen last.
func (a *account) note(at time.Duration, gate, what string, names []string) {
	key := gate + ": " + number.ReplaceAllString(what, "#")
	f := a.found[key]
	if f == nil {
		if len(a.found) >= mostFindings {
			return
		}
		f = &Finding{Gate: gate, At: at}
		a.found[key] = f
	}
	f.What, f.Names = what, names
	f.Times++
}

// sample notes the live heap after a collection.
func (a *account) sample(at time.Duration, heap uint64) {
	a.samples = append(a.samples, trend.Sample{At: at, Value: float64(heap)})
	a.lines.add(line{Kind: "heap", At: at, Heap: heap})
}

func (a *account) growth() trend.Verdict { return trend.Judge(a.samples, trend.Options{}) }

// peak is the largest sample.
func (a *account) peak() (most float64) {
	for _, s := range a.samples {
		most = max(most, s.Value)
	}
	return most
}

// hints are the functions of the allocations that say where a difference comes
// from; a gate without any asks all of them.
var hints = map[string][]string{
	gateFiles:  {"net.newFD", "os.newFile", "net.(*netFD)", "net.(*sysDialer)", "os.(*File)"},
	gateTimers: {"time.newTimer", "time.AfterFunc", "time.NewTimer", "time.NewTicker"},
}

// finish judges the heap and names what was found by what the heap has more now
// than at a quarter of the time.
func (a *account) finish(at time.Duration, now heap) []Finding {
	v := a.growth()
	if v.Alarm {
		a.note(at, gateHeap, v.String(), nil)
	}
	grown := now.grown(a.early)
	for _, f := range a.found {
		list := through(grown, hints[f.Gate]...)
		if len(list) == 0 {
			list = grown
		}
		for _, s := range list[:min(len(list), mostNames)] {
			f.Names = append(f.Names, s.String())
		}
	}
	out := make([]Finding, 0, len(a.found))
	for _, key := range slices.Sorted(maps.Keys(a.found)) {
		out = append(out, *a.found[key])
	}
	order := gates()
	slices.SortStableFunc(out, func(x, y Finding) int {
		return cmp.Compare(slices.Index(order, x.Gate), slices.Index(order, y.Gate))
	})
	return out
}

// mostNames is how many allocation sites are named with a finding.
const mostNames = 8

func total(counts map[string]int) (n int) {
	for _, k := range counts {
		n += k
	}
	return n
}

// String is the finding in one line, its names below.
func (f Finding) String() string {
	text := fmt.Sprintf("%s: %s (at %d quiet moments, first on %s)", f.Gate, f.What, f.Times, day(f.At))
	for _, n := range f.Names {
		text += "\n    " + n
	}
	return text
}

// day is a time since the start in words.
func day(at time.Duration) string {
	if at < 24*time.Hour {
		return at.Truncate(time.Millisecond).String()
	}
	return fmt.Sprintf("day %d", at/(24*time.Hour))
}
