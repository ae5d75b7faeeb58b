package soak

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"gatehouse/bench/soak/trend"
)

// Report is what a soak came to.
type Report struct {
	Mode     string         `json:"mode"`
	Seed     uint64         `json:"seed"`
	Machine  string         `json:"machine"`
	Soaked   time.Duration  `json:"soaked_ns"` // on the soak's clock
	Took     time.Duration  `json:"took_ns"`   // on the wall
	Events   uint64         `json:"events"`
	Faults   map[string]int `json:"faults"`
	Quiet    int            `json:"quiet"` // moments at which stock was taken
	Heap     trend.Verdict  `json:"heap"`
	Peak     float64        `json:"heap_peak"`         // the largest sample
	Skipped  []string       `json:"skipped,omitempty"` // what could not be tried here
	Findings []Finding      `json:"findings"`
}

// OK says that every gate holds.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

// Factor is how much faster than the clock on the wall it went.
func (r *Report) Factor() float64 {
	if r.Took <= 0 {
		return 0
	}
	return float64(r.Soaked) / float64(r.Took)
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "soak, %s: %s in %s (factor %.0f), %d events, seed %d\nmachine: %s\n",
		r.Mode, length(r.Soaked), r.Took.Truncate(100*time.Millisecond), r.Factor(), r.Events, r.Seed, r.Machine)
	b.WriteString("faults:")
	for _, what := range slices.Sorted(maps.Keys(r.Faults)) {
		fmt.Fprintf(&b, " %s %d,", what, r.Faults[what])
	}
	fmt.Fprintf(&b, "\nstock was taken at %d quiet moments; heap: %v, peak %.0f\n", r.Quiet, r.Heap, r.Peak)
	for _, what := range r.Skipped {
		fmt.Fprintf(&b, "*** NOT TRIED: %s ***\n", what)
	}
	for _, gate := range gates() {
		n := r.broken(gate)
		fmt.Fprintf(&b, "  %-13s %s\n", gate, map[bool]string{true: "holds", false: fmt.Sprintf("BROKEN (%d)", n)}[n == 0])
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%v\n", f)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) broken(gate string) (n int) {
	for _, f := range r.Findings {
		if f.Gate == gate {
			n++
		}
	}
	return n
}

func length(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	}
	return d.Truncate(time.Millisecond).String()
}

// line is one line of the soak's record, in JSON.
type line struct {
	Kind        string        `json:"kind"` // heap, quiet, report
	At          time.Duration `json:"at_ns,omitempty"`
	Heap        uint64        `json:"heap,omitempty"`
	Actors      int64         `json:"actors,omitempty"`
	Timers      int64         `json:"timers,omitempty"`
	Workers     int64         `json:"workers,omitempty"`
	Goroutines  int           `json:"goroutines,omitempty"`
	Files       int           `json:"files,omitempty"`
	Dead        uint64        `json:"dead_letters,omitempty"`
	Differences int           `json:"differences,omitempty"`
	Report      *Report       `json:"report,omitempty"`
}

// lines writes the record, nowhere if it is nil.
type lines struct{ to *json.Encoder }

func linesTo(w io.Writer) lines {
	if w == nil {
		return lines{}
	}
	return lines{json.NewEncoder(w)}
}

func (l lines) add(one line) {
	if l.to != nil {
		_ = l.to.Encode(one) // whoever reads it notices; the soak goes on
	}
}

// machine is what this runs on, in a line.
func machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for l := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(l, "model name"); ok {
				model = strings.Trim(name, " \t:\n")
				break
			}
		}
	}
	return fmt.Sprintf("%d cores, %s, %s %s/%s", runtime.NumCPU(), model, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
