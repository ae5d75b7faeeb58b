package replay

import (
	"fmt"
	"time"
)

const (
	// meterEvery is how many rows pass between two looks at the real clock,
	// meterWait how long the meter keeps silent.
	meterEvery = 64
	meterWait  = 2 * time.Second
)

// meter tells people how far the replay is and how fast.
type meter struct {
	opts   *Options
	all    int // rows of the recording
	before int // rows that an earlier life played
	began  time.Time
	told   time.Time
}

func (m *meter) start() {
	m.began = m.opts.Clock()
	m.told = m.began
	if m.before > 0 {
		fmt.Fprintf(m.opts.Err, "replay: going on after row %d of %d\n", m.before, m.all)
	}
}

// fed tells now and then; rows is how many this life has played.
func (m *meter) fed(rows int) {
	if rows%meterEvery != 0 {
		return
	}
	if now := m.opts.Clock(); now.Sub(m.told) >= meterWait {
		m.told = now
		fmt.Fprintf(m.opts.Err, "replay: row %d of %d, %.0f rows/s\n", m.before+rows, m.all, rate(rows, now.Sub(m.began)))
	}
}

func (m *meter) finish(rows int) {
	took := m.opts.Clock().Sub(m.began)
	fmt.Fprintf(m.opts.Err, "replay: %d rows in %s, %.0f rows/s\n", rows, took.Round(time.Millisecond), rate(rows, took))
}

func rate(rows int, took time.Duration) float64 {
	if took <= 0 {
		return 0 // too fast to tell
	}
	return float64(rows) / took.Seconds()
}
