package incident

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/bench/incident/house"
	"gatehouse/bench/incident/naive"
	"gatehouse/bench/incident/published"
)

// The traffic of duty 7.
const (
	waveSize    = 4000 // below the bound of the intake, so that nothing may be lost
	waveWorkers = 8
	recordTurns = 9
)

// Round is one turn of a column in duty 7: the medians of its waves.
type Round struct {
	PerSecond float64 `json:"per_s"`
	P50       float64 `json:"p50_us"`
	P99       float64 `json:"p99_us"`
	GCs       uint64  `json:"gcs"`
	Bytes     uint64  `json:"alloc_bytes"` // in the process, while it was the column's turn
	Objects   uint64  `json:"allocs"`
	Seconds   float64 `json:"s"`       // of the waves together
	Settled   float64 `json:"settled"` // with the time until all was written
}

// recorder writes down one request of a worker.
type recorder struct {
	record func(worker, i int)
	// settle waits until everything is where it belongs; nil: it is.
	settle func()
}

func runRecord(s *stage) error {
	r, a, err := startRecord(s)
	if err != nil {
		return err
	}
	s.ready(a)
	waves := s.pick(24, 3)
	s.turn(r, 1) // warm
	s.res.Facts["recorded"] = waveSize
	for range recordTurns {
		if _, err := s.ask(ask{What: "turn"}); err != nil {
			return err
		}
		s.res.Rounds = append(s.res.Rounds, s.turn(r, waves))
	}
	if _, err := s.ask(ask{What: "turns-over"}); err != nil {
		return err
	}
	s.res.Requests = uint64(recordTurns * waves * waveSize)
	s.res.Facts["recorded"] += float64(s.res.Requests)
	s.sumUp()
	s.finish(a)
	return nil
}

// sumUp takes the medians of the rounds.
func (s *stage) sumUp() {
	var rates, p50, p99 []float64
	var gcs, seconds, settled, bytes, objects float64
	for _, r := range s.res.Rounds {
		rates, p50, p99 = append(rates, r.PerSecond), append(p50, r.P50), append(p99, r.P99)
		gcs, seconds, settled = gcs+float64(r.GCs), seconds+r.Seconds, settled+r.Settled
		bytes, objects = bytes+float64(r.Bytes), objects+float64(r.Objects)
	}
	s.res.BytesEach, s.res.AllocEach = bytes/float64(s.res.Requests), objects/float64(s.res.Requests)
	s.res.PerSecond, s.res.P50, s.res.P99 = median(rates), median(p50), median(p99)
	s.res.Facts["gcs_per_100k"] = gcs / float64(s.res.Requests) * 100_000
	s.res.Facts["gcs_per_10s"] = gcs / seconds * 10
	s.res.Facts["sustained_per_s"] = float64(s.res.Requests) / settled
}

// turn sends a number of waves and waits after each until it is settled.
func (s *stage) turn(r *recorder, waves int) (out Round) {
	var rates, p50, p99 []float64
	times := make([]float64, waveSize)
	before := s.look()
	for range waves {
		took := wave(r, times)
		begin := now()
		if r.settle != nil {
			r.settle()
		}
		out.Seconds += took.Seconds()
		out.Settled += took.Seconds() + now().Sub(begin).Seconds()
		rates = append(rates, waveSize/took.Seconds())
		p50, p99 = append(p50, quantile(times, 0.5)), append(p99, quantile(times, 0.99))
		s.done.Add(waveSize)
	}
	after := s.look()
	out.GCs, out.Bytes, out.Objects = after.GCs-before.GCs, after.Bytes-before.Bytes, after.Objects-before.Objects
	out.PerSecond, out.P50, out.P99 = median(rates), median(p50), median(p99)
	return out
}

// wave sends waveSize requests by waveWorkers and notes how long each took, in us.
func wave(r *recorder, times []float64) time.Duration {
	var all sync.WaitGroup
	begin := now()
	for w := range waveWorkers {
		all.Add(1)
		mine := times[w*waveSize/waveWorkers : (w+1)*waveSize/waveWorkers]
		spawn(func() {
			defer all.Done()
			for i := range mine {
				from := now()
				r.record(w, i)
				mine[i] = float64(now().Sub(from).Nanoseconds()) / 1000
			}
		})
	}
	all.Wait()
	return now().Sub(begin)
}

// request is what is written down: the same words in every column.
var request = struct{ doors, requests []string }{doors: names("door-", 8), requests: names("r-", 64)}

func names(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, prefix+strconv.Itoa(i+1))
	}
	return list
}

func startRecord(s *stage) (*recorder, *act, error) {
	if s.spec.Column == House {
		return recordHere(s)
	}
	f, err := os.Create(filepath.Join(s.dir, "access.log"))
	if err != nil {
		return nil, nil, err
	}
	access := naive.NewLogger(f).Access
	if s.spec.Column == Published {
		access = published.NewLogger(f).Access
	}
	r := &recorder{record: func(w, i int) {
		_ = access(request.doors[w], "in", "c-4711", "p-30", "granted", request.requests[i%64]) // as it was
	}}
	return r, &act{stop: func() { _ = f.Close() }}, nil
}

// recordHere records an event by the way that every actor's events take.
func recordHere(s *stage) (*recorder, *act, error) {
	h, a, err := s.enter(house.Options{}, 0)
	if err != nil {
		return nil, nil, err
	}
	var sources [waveWorkers]actors.Emitter
	for w := range sources {
		sources[w] = h.Building.Emitter("bench-"+strconv.Itoa(w), 1)
	}
	r := &recorder{
		record: func(w, i int) {
			sources[w].Emit(access.Event{
				Kind: access.KindGranted, Door: access.DoorID(request.doors[w]), Reader: "in", Credential: "c-4711", Cardholder: "p-30",
			})
		},
		settle: func() { until(time.Minute, func() bool { return h.Building.Waiting() == 0 }) },
	}
	r.settle()
	from := h.Journal.Last()
	bare := a.stop
	a.stop = func() {
		r.settle()
		s.res.Facts["kept"] = float64(h.Journal.Last() - from)
		bare()
	}
	return r, a, nil
}
