package incident

import (
	"slices"
	"sync"
	"time"
)

// quantile is the value below which the part q of the list lies, 0 of none. It
// sorts the list.
func quantile(list []float64, q float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[int(float64(len(list)-1)*q)]
}

// gaps are the times between things that come one after the other, in us.
type gaps struct {
	mu   sync.Mutex
	last time.Time
	list []float64
}

// maxGaps bounds what is kept.
const maxGaps = 100_000

// note says that one has come.
func (g *gaps) note() {
	at := now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.last.IsZero() && len(g.list) < maxGaps {
		g.list = append(g.list, float64(at.Sub(g.last).Nanoseconds())/1000)
	}
	g.last = at
}

func (g *gaps) quantiles() (p50, p99 float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return quantile(g.list, 0.5), quantile(g.list, 0.99)
}
