package trend_test

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"gatehouse/bench/soak/trend"
)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-4*max(1, math.Abs(b)) }

// The expected figures were worked out by hand from the definitions.
func TestMannKendallByHand(t *testing.T) {
	for _, row := range []struct {
		name   string
		values []float64
		want   trend.Kendall
	}{
		{"nothing", nil, trend.Kendall{P: 1}},
		{"one", []float64{7}, trend.Kendall{P: 1}},
		{"rises", []float64{1, 2, 3, 4, 5}, trend.Kendall{S: 10, Var: 50. / 3, Z: 2.204541, P: 0.027486}},
		{"falls", []float64{5, 4, 3, 2, 1}, trend.Kendall{S: -10, Var: 50. / 3, Z: -2.204541, P: 0.027486}},
		{"a tie", []float64{1, 2, 2, 3}, trend.Kendall{S: 5, Var: 138. / 18, Z: 1.444630, P: 0.148562}},
		{"two ties", []float64{1, 1, 2, 2, 2, 3}, trend.Kendall{S: 11, Var: (510. - 18 - 66) / 18, Z: 2.055566, P: 0.039825}},
		{"all the same", []float64{4, 4, 4, 4, 4, 4, 4, 4}, trend.Kendall{P: 1}},
		{"no order", []float64{2, 1, 4, 3}, trend.Kendall{S: 2, Var: 26. / 3, Z: 0.339683, P: 0.734095}},
	} {
		got := trend.MannKendall(row.values)
		if got.S != row.want.S || !near(got.Var, row.want.Var) || !near(got.Z, row.want.Z) || !near(got.P, row.want.P) {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.want)
		}
	}
}

// The probability of the approximation is compared with that of all 40,320 orders
// of eight values.
func TestMannKendallAgainstEveryOrder(t *testing.T) {
	count := map[int]int{}
	all := 0
	permute([]float64{1, 2, 3, 4, 5, 6, 7, 8}, 0, func(order []float64) {
		all++
		count[trend.MannKendall(order).S]++
	})
	seen := 0
	permute([]float64{1, 2, 3, 4, 5, 6, 7, 8}, 0, func(order []float64) {
		if seen++; seen%977 != 0 {
			return
		}
		k := trend.MannKendall(order)
		exact := 0
		for s, n := range count {
			if max(s, -s) >= max(k.S, -k.S) {
				exact += n
			}
		}
		if p := float64(exact) / float64(all); math.Abs(p-k.P) > 0.02 {
			t.Errorf("%v: p %.4f, of all orders %.4f", order, k.P, p)
		}
	})
}

func permute(list []float64, from int, visit func([]float64)) {
	if from == len(list) {
		visit(list)
		return
	}
	for i := from; i < len(list); i++ {
		list[from], list[i] = list[i], list[from]
		permute(list, from+1, visit)
		list[from], list[i] = list[i], list[from]
	}
}

func TestTheilSenByHand(t *testing.T) {
	at := func(values ...float64) (points []trend.Sample) {
		for i, v := range values {
			points = append(points, trend.Sample{At: time.Duration(i), Value: v})
		}
		return points
	}
	for _, row := range []struct {
		points []trend.Sample
		want   float64
	}{
		{nil, 0},
		{at(3), 0},
		{at(0, 1, 2, 10), 13. / 6}, // slopes 1, 1, 1, 10/3, 4.5, 8
		{at(0, 2, 4, 6, 1000), 2},  // one spike of five moves nothing
		{at(5, 5, 5), 0},
		{[]trend.Sample{{At: 1, Value: 1}, {At: 1, Value: 9}, {At: 3, Value: 5}}, 0}, // slopes 2 and -2
	} {
		if got := trend.TheilSen(row.points); !near(got, row.want) {
			t.Errorf("%v: %v, want %v", row.points, got, row.want)
		}
	}
}

func TestMinima(t *testing.T) {
	var samples []trend.Sample
	for i := range 20 {
		samples = append(samples, trend.Sample{At: time.Duration(i), Value: float64((i * 7) % 10)})
	}
	got := trend.Minima(samples, 0.25, 6) // 5 to 10, 11 to 16, and 17 to 19 fill no block
	want := []trend.Sample{{At: 10, Value: 0}, {At: 13, Value: 1}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%v, want %v", got, want)
	}
}

// series is what a counter of the size of 1,000 shows each minute: noise that
// remembers (AR(1)) of deviation 8, and a slope a minute.
func series(seed uint64, n int, memory, slope float64) (samples []trend.Sample) {
	r := rand.New(rand.NewPCG(seed, 1))
	noise := 8 * r.NormFloat64()
	for i := range n {
		samples = append(samples, trend.Sample{At: time.Duration(i) * time.Minute, Value: 1000 + slope*float64(i) + noise})
		noise = memory*noise + 8*math.Sqrt(1-memory*memory)*r.NormFloat64()
	}
	return samples
}

// alarms is the part of so many series that are an alarm.
func alarms(n, of int, memory, slope float64, o trend.Options) float64 {
	count := 0
	for seed := range uint64(of) {
		if trend.Judge(series(seed, n, memory, slope), o).Alarm {
			count++
		}
	}
	return float64(count) / float64(of)
}

// What the gate finds, and how often it cries wolf. The seeds are fixed, so are
// the figures. Raw is the control: without block minima noise that remembers is
// taken for a slope far more often.
func TestWhatTheGateFinds(t *testing.T) {
	const hour = time.Hour
	blocks, raw := trend.Options{Window: hour}, trend.Options{Window: hour, Block: 1}
	for _, row := range []struct {
		name          string
		n             int
		memory, slope float64
		o             trend.Options
		least, most   float64
	}{
		{"white noise", 90, 0, 0, blocks, 0, 0.04},
		{"noise that remembers", 90, 0.6, 0, blocks, 0, 0.04},
		{"noise that remembers, raw", 90, 0.6, 0, raw, 0.08, 0.25},
		{"0.2 a minute", 90, 0, 0.2, blocks, 0.3, 0.8},
		{"0.2 a minute, noise that remembers", 90, 0.6, 0.2, blocks, 0.25, 0.8},
		{"0.5 a minute, noise that remembers", 90, 0.6, 0.5, blocks, 0.95, 1},
		{"0.1 a minute for eight hours", 500, 0.6, 0.1, trend.Options{}, 0.99, 1},
		{"eight hours of noise", 500, 0.6, 0, trend.Options{}, 0, 0.06},
		{"falls", 500, 0, -0.5, trend.Options{}, 0, 0},
		{"0.3 % a day, for days", 5000, 0, 0.002, trend.Options{}, 0, 0},
		{"too short to judge", 90, 0, 5, trend.Options{}, 0, 0},
	} {
		got := alarms(row.n, min(1000, 50_000/row.n), row.memory, row.slope, row.o)
		t.Logf("%-36s %5.1f %% alarms", row.name, 100*got)
		if got < row.least || got > row.most {
			t.Errorf("%s: %.3f alarms, want %v to %v", row.name, got, row.least, row.most)
		}
	}
}

// A cache that is emptied now and then, and a nightly spike, are no growth.
func TestSawTeethAndSpikesAreQuiet(t *testing.T) {
	for name, value := range map[string]func(i int) float64{
		"saw-tooth":      func(i int) float64 { return 1000 + 200*float64(i%5) },
		"nightly spike":  func(i int) float64 { return 1000 + map[bool]float64{true: 5000}[i%6 == 0] },
		"a step at once": func(i int) float64 { return 1000 + map[bool]float64{true: 300}[i >= 10] },
	} {
		var samples []trend.Sample
		for i := range 240 {
			samples = append(samples, trend.Sample{At: time.Duration(i) * 4 * time.Hour, Value: value(i)})
		}
		if v := trend.Judge(samples, trend.Options{}); v.Alarm || !v.Judged {
			t.Errorf("%s: %v", name, v)
		}
	}
}

var churn [][]byte

// The noise of this machine's own heap after a forced collection is no alarm, at
// the six samples a day that the virtual soak takes.
func TestTheNoiseOfThisMachineIsQuiet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var samples []trend.Sample
	hold := make([]byte, 4<<20)
	for i := range 120 {
		churn = make([][]byte, 50+r.IntN(50))
		for j := range churn {
			churn[j] = make([]byte, 1+r.IntN(4096))
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		samples = append(samples, trend.Sample{At: time.Duration(i) * 4 * time.Hour, Value: float64(m.HeapAlloc)})
	}
	runtime.KeepAlive(hold)
	if v := trend.Judge(samples, trend.Options{}); v.Alarm || !v.Judged {
		t.Errorf("%v", v)
	} else {
		t.Log(v)
	}
}
