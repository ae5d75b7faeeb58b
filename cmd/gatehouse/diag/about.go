package diag

import (
	"runtime"
	"runtime/debug"
	"time"

	"gatehouse/actors"
	"gatehouse/edge/httpapi"
	"gatehouse/supervisor"
)

// readme is the first part of a bundle.
const readme = `What a running gatehouse wrote about itself. There is no name, card number, PIN
or token in it; ids of doors, devices and parts are as in the site file.

about.json       program, machine, and how it was started
config.json      what of the site file matters here
tree.txt, .json  the actors: state, restarts, queues; of reasons only their kind
health.json      what does not work
ledger.json      who owns each goroutine
goroutines.txt   goroutines by who started them and what they wait for
crashes.json     the last crashes, slow handlers and abandoned actors
limits.json      what the process uses, and its thresholds
metrics.txt      what /metrics says
heap.txt         what lives on the heap, by place
allocs.txt       what was allocated while it was watched, and since the start
waits.txt        where goroutines waited, for anything or for a lock
*.pb.gz          the same for go tool pprof FILE; block and mutex count since the start
trace.out        the last minute of the scheduler, for go tool trace trace.out
errors.txt       parts that could not be had; not there if all are
`

// about is the program, the machine and the time.
type about struct {
	Made       time.Time    `json:"made"`
	WatchedMS  int64        `json:"watched_ms"`
	Version    string       `json:"version"`
	Revision   string       `json:"revision,omitempty"`
	Go         string       `json:"go"`
	System     string       `json:"system"`
	CPUs       int          `json:"cpus"`
	GOMAXPROCS int          `json:"gomaxprocs"`
	Life       httpapi.Life `json:"life"`
}

func (d *Diagnosis) about(now time.Time, watch time.Duration) about {
	a := about{
		Made: now, WatchedMS: watch.Milliseconds(), Version: d.o.Version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH,
		CPUs: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0), Life: d.o.Life,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				a.Revision = s.Value
			}
		}
	}
	return a
}

// health is a building's without what it quotes.
func health(h actors.Health) actors.Health {
	shown := make([]string, len(h.Degraded))
	for i, text := range h.Degraded {
		shown[i] = wrong(text)
	}
	h.Degraded = shown
	return h
}

// inventory is a ledger without the labels that others than the runtime set.
type inventory struct {
	Actors      int64          `json:"actors"`
	Timers      int64          `json:"timers"`
	Workers     int64          `json:"workers"`
	Zombies     int64          `json:"zombies"`
	DeadTimers  uint64         `json:"dead_timers"`
	DeadStopped uint64         `json:"dead_stopped"`
	Goroutines  int            `json:"goroutines"`
	Owned       map[string]int `json:"owned"`
	Named       map[string]int `json:"named"`
	Unaccounted []stray        `json:"unaccounted"`
}

type stray struct {
	Count   int    `json:"count"`
	Creator string `json:"creator"`
	BeganIn string `json:"began_in"`
	Stack   string `json:"stack"`
}

func stock(l supervisor.Ledger) inventory {
	out := inventory{
		Actors: l.Actors, Timers: l.Timers, Workers: l.Workers, Zombies: l.Zombies, DeadTimers: l.DeadTimers, DeadStopped: l.DeadStopped,
		Goroutines: l.Goroutines, Owned: l.Owned, Named: l.Named, Unaccounted: []stray{},
	}
	for _, s := range l.Unaccounted {
		out.Unaccounted = append(out.Unaccounted, stray{s.Count, s.Creator, s.BeganIn, actors.WithoutValues(s.Stack)})
	}
	return out
}
