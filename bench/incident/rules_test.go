package incident

import (
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fabricated is a report of columns that measured exactly what is given.
func fabricated(list ...Result) *Report {
	r := &Report{Results: list}
	r.judge()
	return r
}

func at(goroutines, files int) Sample { return Sample{Goroutines: goroutines, Files: files} }

// What a claim is called follows from the figures, and from nothing else.
func TestMarksFollowFromFigures(t *testing.T) {
	minute := func(goroutines, growth float64) map[string]float64 {
		return map[string]float64{"goroutines_in_load": goroutines, "half_anon_growth_bytes": growth * 1e6 / 2}
	}
	auth := func(plain, variant map[string]float64) *Report {
		return fabricated(
			Result{Duty: 2, Column: Naive, Requests: 6000, Facts: plain},
			Result{Duty: 2, Column: Naive, Variant: "x", Requests: 6000, Facts: variant},
			Result{Duty: 2, Column: Published, Requests: 6000},
		)
	}
	rounds := func(rate, p99 float64) []Round { return []Round{{PerSecond: rate, P99: p99}} }
	pool := func(gain, p99, gcs, bytes float64) *Report {
		return fabricated(
			Result{Duty: 7, Column: Naive, Rounds: rounds(8200, 127), BytesEach: 168, Facts: map[string]float64{"gcs_per_100k": 42}},
			Result{Duty: 7, Column: Published, Rounds: rounds(8200*gain, p99), BytesEach: bytes, Facts: map[string]float64{"gcs_per_100k": gcs}},
		)
	}
	const load, memory = "goroutines after a minute of 100 requests/s", "memory"
	for _, c := range []struct {
		what string
		r    *Report
		want map[string]Mark
	}{
		{"as published", auth(minute(3200, 8.2), minute(0, 0)), map[string]Mark{load: Reproduced, memory: Reproduced}},
		{"a quarter off", auth(minute(4001, 10.3), minute(0, 0)), map[string]Mark{load: NotReproducible, memory: NotReproducible}},
		{"by the variant", auth(minute(200, 0), minute(6000, 16)), map[string]Mark{load: ReproducedVariant, memory: ReproducedVariant}},
		{"by neither", auth(minute(200, 0), minute(3000, 8)), map[string]Mark{load: NotReproducible, memory: NotReproducible}},
		{"the pool does it", pool(1.77, 31, 6, 24), map[string]Mark{
			"requests/s": Reproduced, "p99": Reproduced, "GC cycles": Reproduced, "bytes per request": Reproduced, "GC pressure": NotReproducible,
		}},
		{"the pool does little", pool(1.05, 120, 12, 48), map[string]Mark{
			"requests/s": NotReproducible, "p99": NotReproducible, "GC cycles": NotReproducible, "bytes per request": NotReproducible,
		}},
	} {
		got := map[string]Mark{}
		for _, claim := range c.r.Claims {
			if _, asked := c.want[claim.What]; asked {
				got[claim.What] = claim.Mark
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
}

// Each thing that may be left of this house breaks a gate by itself.
func TestWhateverIsLeftBreaksAGate(t *testing.T) {
	sound := func() *Result {
		return &Result{Duty: 1, Column: House, Base: at(4, 9), Left: at(4, 9), House: &Accounts{Rest: Account{Goroutines: 24}}}
	}
	broken := func(r *Result) (n int) {
		j := &judge{}
		j.ends(r)
		for _, g := range j.list {
			if !g.OK {
				n++
			}
		}
		return n
	}
	if n := broken(sound()); n != 0 {
		t.Errorf("%d gates are broken by nothing", n)
	}
	for what, harm := range map[string]func(*Result){
		"no ledger":                  func(r *Result) { r.House = nil },
		"25 goroutines at rest":      func(r *Result) { r.House.Rest.Goroutines = 25 },
		"a stray at rest":            func(r *Result) { r.House.Rest.Unaccounted = 1 },
		"a stray after the traffic":  func(r *Result) { r.House.Quiet.Unaccounted = 1 },
		"a stray after the stop":     func(r *Result) { r.House.Left.Unaccounted = 1 },
		"an actor":                   func(r *Result) { r.House.Left.Actors = 1 },
		"a timer":                    func(r *Result) { r.House.Left.Timers = 1 },
		"a worker":                   func(r *Result) { r.House.Left.Workers = 1 },
		"a zombie":                   func(r *Result) { r.House.Left.Zombies = 1 },
		"a goroutine of the process": func(r *Result) { r.Left.Goroutines++ },
		"a file":                     func(r *Result) { r.Left.Files++ },
		"a stop that hangs":          func(r *Result) { r.StopHung = true },
		"a stop with an error":       func(r *Result) { r.Error = "x" },
	} {
		r := sound()
		harm(r)
		if broken(r) != 1 {
			t.Errorf("%s: %d gates are broken, want 1", what, broken(r))
		}
	}
	linked := sound()
	linked.House.Links, linked.House.Rest.Goroutines = 2, 26
	if broken(linked) != 0 {
		t.Error("a link may have a goroutine of its own")
	}
}

// Columns take turns in the order in which they came, none before all are there,
// and one that leaves holds up nobody.
func TestTurns(t *testing.T) {
	turns := newTurns(3)
	var mu sync.Mutex
	var order []int
	var all sync.WaitGroup
	for i := range 3 {
		who := &outside{}
		all.Go(func() {
			for range 5 - i { // they leave one after the other
				turns.take(who)
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
			}
			turns.leave(who)
		})
	}
	all.Wait()
	first := order[:3]
	for n := range 3 { // as long as all three are there, each round is like the first
		if got := order[3*n : 3*n+3]; !slices.Equal(got, first) {
			t.Errorf("round %d is %v, the first was %v", n+1, got, first)
		}
	}
	if len(order) != 5+4+3 {
		t.Errorf("%d turns", len(order))
	}
}

// One that never comes does not hold up the others.
func TestTurnsWithoutOneThatNeverComes(t *testing.T) {
	turns := newTurns(2)
	turns.leave(&outside{})
	who := &outside{}
	turns.take(who)
	turns.leave(who)
}

func TestFigures(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.0361: "0.036", 2.84: "2.8", 99.95: "100.0", 1234567: "1,234,567"} {
		if got := figure(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
	if got := count(-1234) + " " + signed(5) + " " + signed(0); got != "-1,234 +5 0" {
		t.Errorf("got %q", got)
	}
	if got := quantile([]float64{5, 1, 4, 2, 3}, 0.5); got != 3 {
		t.Errorf("the median is %v", got)
	}
	for v, want := range map[float64]float64{0: 1, 0.7: 1, 1.2: 2, 600: 1000, 2100: 5000} {
		if got := niceStep(v); got != want {
			t.Errorf("a step for %v is %v, want %v", v, got, want)
		}
	}
}

// A curve keeps its peaks however many samples there are.
func TestThinKeepsPeaks(t *testing.T) {
	samples := make([]Sample, 5000)
	samples[4321].Goroutines = 77
	points := thin(samples, func(s Sample) float64 { return float64(s.Goroutines) })
	if len(points) > maxPoints || !slices.ContainsFunc(points, func(p point) bool { return p.Y == 77 }) {
		t.Errorf("%d points, and the peak is not among them", len(points))
	}
}
