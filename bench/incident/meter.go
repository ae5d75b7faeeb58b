package incident

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// meter looks at its own process.
type meter struct {
	began time.Time
	done  atomic.Uint64 // what the column counts

	mu    sync.Mutex
	peak  Sample // since the last forget
	most  Sample // before it
	stats debug.GCStats
	read  []metrics.Sample
}

func newMeter() *meter {
	m := &meter{began: now()}
	for _, name := range []string{
		"/gc/heap/live:bytes", "/gc/cycles/total:gc-cycles",
		"/gc/heap/allocs:bytes", "/gc/heap/allocs:objects",
	} {
		m.read = append(m.read, metrics.Sample{Name: name})
	}
	return m
}

// look takes a sample.
func (m *meter) look() Sample {
	m.mu.Lock()
	defer m.mu.Unlock()
	metrics.Read(m.read)
	debug.ReadGCStats(&m.stats)
	s := Sample{
		At:         now().Sub(m.began).Seconds(),
		Goroutines: runtime.NumGoroutine(), // without the runtime's own, unlike the metric
		Heap:       m.read[0].Value.Uint64(),
		GCs:        m.read[1].Value.Uint64(),
		Bytes:      m.read[2].Value.Uint64(),
		Objects:    m.read[3].Value.Uint64(),
		PauseMS:    float64(m.stats.PauseTotal.Microseconds()) / 1000,
		Anon:       rssAnon(),
		Files:      openFiles(),
		Done:       m.done.Load(),
	}
	m.peak = greatest(m.peak, s)
	return s
}

// settled is look after a full collection, so that heap is what is alive now.
func (m *meter) settled() Sample {
	runtime.GC()
	runtime.GC()
	return m.look()
}

// top is the greatest of everything so far, or since the last forget.
func (m *meter) top() (ever, lately Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return greatest(m.most, m.peak), m.peak
}

// forget begins another peak.
func (m *meter) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.most, m.peak = greatest(m.most, m.peak), Sample{}
}

func greatest(a, b Sample) Sample {
	return Sample{
		At: b.At, Goroutines: max(a.Goroutines, b.Goroutines), Heap: max(a.Heap, b.Heap), Anon: max(a.Anon, b.Anon),
		Files: max(a.Files, b.Files), GCs: b.GCs, PauseMS: b.PauseMS, Bytes: b.Bytes, Objects: b.Objects, Done: b.Done,
	}
}

// rssAnon is the memory that the process holds beside files, 0 if unknown.
func rssAnon() uint64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kib, err := strconv.ParseUint(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// openFiles is how many descriptors are open, 0 if unknown. The one that it looks
// by does not count.
func openFiles() int {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	names, err := dir.Readdirnames(-1)
	if closeErr := dir.Close(); err != nil || closeErr != nil {
		return 0
	}
	return len(names) - 1
}

// median is the middle one of some figures, 0 of none.
func median(list []float64) float64 { return quantile(list, 0.5) }
