package incident

import "time"

// Sample is what a column's process has at one moment.
type Sample struct {
	At         float64 `json:"at_s"` // since the column began
	Goroutines int     `json:"goroutines"`
	Heap       uint64  `json:"heap_live_bytes"` // found alive by the last GC cycle
	Anon       uint64  `json:"rss_anon_bytes"`  // 0 where the system does not say
	Files      int     `json:"files"`           // open descriptors; 0 where the system does not say
	GCs        uint64  `json:"gc_cycles"`
	PauseMS    float64 `json:"gc_pause_ms"` // all pauses so far together
	Bytes      uint64  `json:"alloc_bytes"` // ever allocated
	Objects    uint64  `json:"allocs"`
	Done       uint64  `json:"done"` // requests, checks or beats so far
}

// Result is what became of one column.
type Result struct {
	Duty    int    `json:"duty"`
	Column  Column `json:"column"`
	Variant string `json:"variant,omitempty"` // what was changed against the published text

	Base  Sample `json:"base"`  // before anything was started
	Ready Sample `json:"ready"` // started, no traffic yet
	Peak  Sample `json:"peak"`  // the greatest of each, not of one moment
	Last  Sample `json:"last"`  // before the stop
	Left  Sample `json:"left"`  // after the stop, and what it may need to take effect

	Requests  uint64  `json:"requests"`
	Failed    uint64  `json:"failed"` // timed out, refused or in error
	PerSecond float64 `json:"per_s"`
	P50       float64 `json:"p50_us"`
	P99       float64 `json:"p99_us"`
	BytesEach float64 `json:"bytes_each"`  // allocated in the process per request
	AllocEach float64 `json:"allocs_each"` // likewise
	StopMS    float64 `json:"stop_ms"`
	StopHung  bool    `json:"stop_hung"` // it did not end in StopLimit

	// Facts are what only this duty has; docs are in the duty's notes.
	Facts map[string]float64 `json:"facts,omitempty"`
	// House is what the ledger of this house says; nil in the other columns.
	House *Accounts `json:"house,omitempty"`

	Samples []Sample `json:"samples,omitempty"`
	Rounds  []Round  `json:"rounds,omitempty"` // of duty 7
	Error   string   `json:"error,omitempty"`
}

// Accounts are what a tree of this house owns.
type Accounts struct {
	Rest  Account `json:"rest"`  // ready, and nothing under way
	Quiet Account `json:"quiet"` // after the traffic, still running
	Left  Account `json:"left"`  // after the stop
	Links int     `json:"links"` // enabled links, which may have a goroutine each
}

// Account is one look at the ledger.
type Account struct {
	Goroutines  int      `json:"goroutines"` // more than before anything was started
	Unaccounted int      `json:"unaccounted"`
	Actors      int64    `json:"actors"`
	Timers      int64    `json:"timers"`
	Workers     int64    `json:"workers"`
	Zombies     int64    `json:"zombies"`
	Files       int      `json:"files"` // more than before anything was started
	Strays      []string `json:"strays,omitempty"`
}

// Column is one of the three ways to do a duty.
type Column string

// The columns.
const (
	Naive     Column = "naive"
	Published Column = "published"
	House     Column = "house"
)

// Title is what a reader calls the column.
func (c Column) Title() string {
	switch c {
	case Naive:
		return "as it was"
	case Published:
		return "the published fix"
	default:
		return "this house"
	}
}

// StopLimit is how long a column's clean stop may take.
const StopLimit = 10 * time.Second

// Grew is how many goroutines the stop left behind.
func (r *Result) Grew() int { return r.Left.Goroutines - r.Base.Goroutines }

// Files is how many descriptors the stop left behind.
func (r *Result) Files() int { return r.Left.Files - r.Base.Files }
