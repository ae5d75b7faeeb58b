package incident

import "fmt"

// Mark is what a published claim is called after the run.
type Mark string

// The marks.
const (
	Reproduced        Mark = "reproduced"
	ReproducedVariant Mark = "reproduced in a stated variant"
	NotReproducible   Mark = "not reproducible from what was published"
)

// Claim is one thing that was published, and what became of it here.
type Claim struct {
	Duty  int    `json:"duty"`
	What  string `json:"what"`
	Said  string `json:"said"`
	Found string `json:"found"`
	Mark  Mark   `json:"mark"`
	Why   string `json:"why"`
}

// near is how far a measured figure may be from a published one to be called the
// same. What was published "at least" may be exceeded by any amount.
const near = 0.25

func same(found, said float64) bool {
	return found >= said*(1-near) && found <= said*(1+near)
}

// verdict prefers the plain column over its variant.
func verdict(plain, variant bool) Mark {
	switch {
	case plain:
		return Reproduced
	case variant:
		return ReproducedVariant
	}
	return NotReproducible
}

// claims are those of all duties that ran.
func claims(r *Report) (list []Claim) {
	for _, d := range duties() {
		was, fix := r.Result(d.Number, Naive), r.Result(d.Number, Published)
		if was == nil || fix == nil && d.Fix != "" {
			continue
		}
		for _, c := range judged[d.Number](r, was, fix) {
			c.Duty = d.Number
			list = append(list, c)
		}
	}
	return list
}

// simulated is how much time a column stood for, in hours.
func simulated(r *Result, factor float64) float64 { return (r.Last.At - r.Ready.At) * factor / 3600 }

var judged = map[int]func(r *Report, was, fix *Result) []Claim{
	1: func(_ *Report, was, fix *Result) []Claim {
		hours := simulated(was, factorChecks)
		need := 2300 * min(1, hours/72) * (1 - near)
		return []Claim{
			{
				What: "goroutines after 72 h", Said: "2,300+", Found: fmt.Sprintf("%s after %.0f h", count(was.Last.Goroutines), hours),
				Mark: verdict(false, float64(was.Last.Goroutines) >= need),
				Why:  fmt.Sprintf("how many checks hang was not published; one in %d gives that figure", hangsOneIn),
			},
			{
				What: "goroutines with the fix", Said: "12 to 18", Found: fmt.Sprintf("%d", fix.Last.Goroutines),
				Mark: verdict(fix.Last.Goroutines <= 18, false),
				Why:  fmt.Sprintf("no more than that, but no door was checked any more: %.0f checks in the last quarter of the time", fix.Facts["checks_in_last_quarter"]),
			},
		}
	},
	2: func(r *Report, was, _ *Result) []Claim {
		minutes := float64(was.Requests) / (authRate * 60)
		found, grown := was.Facts["goroutines_in_load"], was.Facts["half_anon_growth_bytes"]/1e6/(minutes/2)
		var more, moreGrown float64
		if v := r.Variant(2); v != nil {
			more, moreGrown = v.Facts["goroutines_in_load"]/minutes, v.Facts["half_anon_growth_bytes"]/1e6/(minutes/2)
		}
		return []Claim{
			{
				What: "goroutines after a minute of 100 requests/s", Said: "15 -> 3,200",
				Found: fmt.Sprintf("%d -> %s; variant: %s", was.Ready.Goroutines, count(int(found)), count(int(more))),
				Mark:  verdict(same(found, 3200), more >= 3200),
				Why:   "100 a second that wait 2 s are 200 at a time, and the server's connections; without room in the channel every late answer stays, 6,000 in a minute",
			},
			{
				What: "memory", Said: "+8.2 MB/min", Found: fmt.Sprintf("%+.1f MB/min; variant: %+.1f", grown, moreGrown),
				Mark: verdict(same(grown, 8.2), moreGrown >= 8.2), Why: "RssAnon over the second half of the load",
			},
		}
	},
	3: func(_ *Report, was, _ *Result) []Claim {
		return []Claim{{
			What: "goroutines and connections stay", Said: "no figure", Found: fmt.Sprintf("%s goroutines, %s files of %s pushes", signed(was.Grew()), signed(was.Files()), count(int(was.Requests))),
			Mark: verdict(float64(was.Grew()) >= float64(was.Requests), false), Why: "as described",
		}}
	},
	4: func(_ *Report, was, _ *Result) []Claim {
		return []Claim{{
			What: "the loop does not end with its context", Said: "no figure", Found: fmt.Sprintf("%+d goroutines of %d subscriptions", was.Grew(), was.Requests),
			Mark: verdict(float64(was.Grew()) >= float64(was.Requests), false), Why: "as described",
		}}
	},
	5: func(_ *Report, was, fix *Result) []Claim {
		hours := simulated(was, factorHeartbeat)
		grew, left := was.Last.Goroutines-was.Base.Goroutines, fix.Last.Goroutines-fix.Base.Goroutines
		need := 720 * min(1, hours/2) * (1 - near)
		return []Claim{
			{
				What: "goroutines in 2 h", Said: "720+", Found: fmt.Sprintf("%s in %.1f h, %s beats", signed(grew), hours, count(int(was.Requests))),
				Mark: verdict(float64(grew) >= need, false), Why: "two for each connection whose body is not closed",
			},
			{
				What: "cured by one Ticker", Said: "yes", Found: fmt.Sprintf("%s in %.1f h, %s beats", signed(left), hours, count(int(fix.Requests))),
				Mark: verdict(float64(left) < need, false), Why: "a Ticker closes no body",
			},
		}
	},
	6: func(_ *Report, was, _ *Result) []Claim {
		return []Claim{{
			What: "copies in memory", Said: "no figure", Found: fmt.Sprintf("%+.0f MiB for %.0f MiB of events", growth(was)/mib, was.Facts["bytes"]/mib),
			Mark: verdict(growth(was) >= was.Facts["bytes"], false), Why: "as described",
		}}
	},
	7: func(_ *Report, was, fix *Result) []Claim { return poolClaims(was, fix) },
}

// poolClaims are the gains that sync.Pool was said to bring. Rates and latencies are
// of another machine, so that only their ratio can be compared.
func poolClaims(was, fix *Result) []Claim {
	rate := ratio(was, fix, func(x Round) float64 { return x.PerSecond })
	p99 := ratio(was, fix, func(x Round) float64 { return x.P99 })
	gcs := part(fix.Facts["gcs_per_100k"], was.Facts["gcs_per_100k"])
	bytes := part(fix.BytesEach, was.BytesEach)
	return []Claim{
		{
			What: "requests/s", Said: "8,200 -> 14,500 (1.77 times)", Found: fmt.Sprintf("%s -> %s (%.2f times)", count(int(was.PerSecond)), count(int(fix.PerSecond)), rate),
			Mark: verdict(rate-1 >= 0.77*(1-near), false), Why: "median of the rounds' ratios; JSON and the write cost more than the entry did",
		},
		{
			What: "p99", Said: "127 -> 31 ms (a quarter)", Found: fmt.Sprintf("%s -> %s us (%.2f)", figure(was.P99), figure(fix.P99), p99),
			Mark: verdict(p99 <= 31.0/127*(1+near), false), Why: "median of the rounds' ratios",
		},
		{
			What: "GC cycles", Said: "42 -> 6 in 10 s (a seventh)",
			Found: fmt.Sprintf("%.1f -> %.1f in 100,000 requests (%.2f)", was.Facts["gcs_per_100k"], fix.Facts["gcs_per_100k"], gcs),
			Mark:  verdict(gcs <= 6.0/42*(1+near), false), Why: "counted per request, since the rates differ",
		},
		{
			What: "bytes per request", Said: "168 -> 24 B", Found: fmt.Sprintf("%.0f -> %.0f B", was.BytesEach, fix.BytesEach),
			Mark: verdict(same(was.BytesEach, 168) && same(fix.BytesEach, 24), false), Why: "the entry's own bytes go; the time's text is allocated as before",
		},
		{
			What: "GC pressure", Said: "-92 %", Found: fmt.Sprintf("%+.0f %% bytes, %+.0f %% cycles", (bytes-1)*100, (gcs-1)*100),
			Mark: verdict(min(bytes, gcs) <= 0.08*(1+near), false), Why: "what was measured by was not published",
		},
	}
}

func part(a, b float64) float64 {
	if b == 0 {
		return 1
	}
	return a / b
}
