package incident

import (
	"fmt"
	"strconv"
	"strings"
)

// measure is a row of a duty's table: what it is, and its text for a column.
type measure struct {
	Name string
	Text func(r *Result) string
}

// measures are the rows of every duty, those of one duty behind them.
func measures(d Duty) []measure {
	list := []measure{
		{"goroutines: before, ready, most", func(r *Result) string {
			return fmt.Sprintf("%d, %d, %s", r.Base.Goroutines, r.Ready.Goroutines, count(r.Peak.Goroutines))
		}},
		{"goroutines: at the end of the traffic", func(r *Result) string { return count(r.Last.Goroutines) }},
		{"goroutines: after the stop", func(r *Result) string {
			return fmt.Sprintf("%s (%s)", count(r.Left.Goroutines), signed(r.Grew()))
		}},
		{"files: most, after the stop", func(r *Result) string {
			return fmt.Sprintf("%s, %s (%s)", count(r.Peak.Files), count(r.Left.Files), signed(r.Files()))
		}},
		{"live heap, MiB: ready, most, after the stop", func(r *Result) string {
			return fmt.Sprintf("%.1f, %.1f, %.1f", inMiB(r.Ready.Heap), inMiB(r.Peak.Heap), inMiB(r.Left.Heap))
		}},
		{"RssAnon, MiB: ready, most, after the stop", func(r *Result) string {
			if r.Ready.Anon == 0 {
				return "not known here"
			}
			return fmt.Sprintf("%.1f, %.1f, %.1f", inMiB(r.Ready.Anon), inMiB(r.Peak.Anon), inMiB(r.Left.Anon))
		}},
		{"GC: cycles, pauses together, ms", func(r *Result) string {
			return fmt.Sprintf("%d, %.2f", r.Last.GCs-r.Ready.GCs, r.Last.PauseMS-r.Ready.PauseMS)
		}},
		{unitOf(d) + ": all, not answered well", func(r *Result) string {
			return fmt.Sprintf("%s, %s", count(int(r.Requests)), count(int(r.Failed)))
		}},
		{unitOf(d) + " per second of the run", func(r *Result) string { return count(int(r.PerSecond)) }},
		{"p50, p99 of " + timesOf[d.Number] + ", us", func(r *Result) string {
			if r.P99 == 0 {
				return "one only"
			}
			return fmt.Sprintf("%s, %s", figure(r.P50), figure(r.P99))
		}},
		{"allocated per " + oneOf(d) + ": bytes, allocations", func(r *Result) string {
			return fmt.Sprintf("%s, %s", figure(r.BytesEach), figure(r.AllocEach))
		}},
		{"the stop took, ms", func(r *Result) string {
			if r.StopHung {
				return "it hung"
			}
			return figure(r.StopMS)
		}},
	}
	for _, f := range factRows[d.Number] {
		list = append(list, measure{f.name, func(r *Result) string {
			v, ok := r.Facts[f.key]
			if !ok {
				return "-"
			}
			return figure(v / max(f.scale, 1))
		}})
	}
	return list
}

// unitOf is what a duty's requests are called.
func unitOf(d Duty) string {
	return map[int]string{1: "checks", 2: "requests", 3: "pushes", 4: "subscriptions", 5: "beats", 6: "archives", 7: "requests"}[d.Number]
}

// timesOf is what the p50 and p99 of a duty are the times of.
var timesOf = map[int]string{
	1: "the time between two checks of a door", 2: "an answer", 3: "the time between two connections",
	4: "the time from cancel to end (100,000 at most)", 5: "the time between two beats", 6: "an archive", 7: "a request",
}

// oneOf is one of them.
func oneOf(d Duty) string {
	if d.Number == 3 {
		return "push"
	}
	return strings.TrimSuffix(unitOf(d), "s")
}

// factRow shows a fact of one duty, divided by scale if there is one.
type factRow struct {
	key, name string
	scale     float64
}

var factRows = map[int][]factRow{
	1: {{key: "checks_hung", name: "checks that hung"}, {key: "checks_in_last_quarter", name: "checks made in the last quarter of the time"}},
	2: {
		{key: "goroutines_in_load", name: "goroutines: most at the steady rate"},
		{key: "goroutines_in_burst", name: "goroutines: most when 600 come at once"},
	},
	4: {{key: "ends_late", name: "subscriptions that did not end within 100 ms"}},
	5: {{key: "beats_after_stop", name: "beats after the stop"}},
	6: {
		{key: "bytes", name: "archived, MiB", scale: mib},
		{key: "took_s", name: "took, s"},
		{key: "bytes_per_s", name: "MiB/s", scale: mib},
	},
	7: {
		{key: "sustained_per_s", name: "requests/s with the wait until all was written between the waves"},
		{key: "gcs_per_100k", name: "GC cycles per 100,000 requests"},
		{key: "gcs_per_10s", name: "GC cycles per 10 s at full speed"},
	},
}

func inMiB(bytes uint64) float64 { return float64(bytes) / mib }

// figure writes a number with as many digits as it deserves.
func figure(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 1:
		return strconv.FormatFloat(v, 'f', 3, 64)
	case v < 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return count(int(v + 0.5))
}

// count writes a whole number with commas.
func count(n int) string {
	text := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, text = "-", text[1:]
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}

func signed(n int) string {
	if n > 0 {
		return "+" + count(n)
	}
	return count(n)
}

// headline is the one figure of a column that says most.
func headline(d Duty, r *Result) string {
	switch d.Number {
	case 6:
		return fmt.Sprintf("%+.0f MiB for %.0f MiB", growth(r)/mib, r.Facts["bytes"]/mib)
	case 7:
		return fmt.Sprintf("%s requests/s, p50 %s us, p99 %s us, %s B each", count(int(r.PerSecond)), figure(r.P50), figure(r.P99), figure(r.BytesEach))
	}
	text := fmt.Sprintf("%s goroutines, %s files left", signed(r.Grew()), signed(r.Files()))
	switch {
	case d.Number == 1 && r.Facts["checks_in_last_quarter"] == 0:
		text += "; no door checked any more"
	case d.Number == 2:
		text += fmt.Sprintf("; %s goroutines for %s at once", count(int(r.Facts["goroutines_in_burst"])), count(int(r.Facts["burst"])))
	case d.Number == 5 && r.Facts["beats_after_stop"] > 0:
		text += fmt.Sprintf("; %s beats after the stop", count(int(r.Facts["beats_after_stop"])))
	}
	return text
}

// named is a column with its name in the report.
type named struct {
	Name string
	*Result
}

// columns are those of a duty that ran, the variant after its column.
func (r *Report) columns(duty int) (list []named) {
	for i := range r.Results {
		x := &r.Results[i]
		if x.Duty != duty {
			continue
		}
		name := x.Column.Title()
		if x.Variant != "" {
			name += " (variant)"
		}
		list = append(list, named{name, x})
	}
	return list
}
