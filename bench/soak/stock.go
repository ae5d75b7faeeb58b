package soak

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gatehouse/supervisor"
)

// stock is what a process owns at one moment.
type stock struct {
	places map[string]place // by path
	ledger supervisor.Ledger
	clock  int            // timers armed on a virtual clock; 0 where time is real
	free   map[string]int // timers of Go's own that no actor has, by who made them; nil: not counted
	files  map[string]int // open files, by what they are
	lives  uint64         // of all actors since the start
}

func newStock(root place, l supervisor.Ledger) stock {
	s := stock{places: map[string]place{}, ledger: l}
	root.each(func(p *place) {
		one := *p
		one.Children = nil
		s.places[p.Path] = one
		s.lives += p.Incarnation
	})
	return s
}

// Gates are the names of what is compared.
const (
	gateActors     = "actors"
	gateTimers     = "timers"
	gateWorkers    = "workers"
	gateMailboxes  = "mailboxes"
	gateGoroutines = "goroutines"
	gateFiles      = "files"
	gateDead       = "dead letters"
	gateHeap       = "heap"
	gateRules      = "rules"
)

// Gates is all of them, in the order of a report.
func gates() []string {
	return []string{gateActors, gateTimers, gateWorkers, gateMailboxes, gateGoroutines, gateFiles, gateDead, gateHeap, gateRules}
}

// difference is one thing that is not as declared.
type difference struct {
	gate, what string
	strays     []supervisor.Stray
}

// compare lists what a quiet process owns beside what was declared, and what it
// lacks. The order is always the same.
func compare(declared, now *stock) []difference {
	out := append(comparePlaces(declared, now), compareCounts(declared, now)...)
	for _, d := range []struct {
		gate     string
		was, now map[string]int
	}{
		{gateTimers, declared.free, now.free},
		{gateGoroutines, declared.goroutines(), now.goroutines()},
		{gateFiles, declared.files, now.files},
	} {
		for _, what := range keys(d.was, d.now) {
			if d.was[what] != d.now[what] {
				out = append(out, different(d.gate, "%s: %d, declared %d", what, d.now[what], d.was[what]))
			}
		}
	}
	return append(out, strays(now.ledger.Unaccounted)...)
}

func different(gate, format string, args ...any) difference {
	return difference{gate: gate, what: fmt.Sprintf(format, args...)}
}

// comparePlaces compares the trees, place by place.
func comparePlaces(declared, now *stock) (out []difference) {
	add := func(gate, format string, args ...any) {
		out = append(out, different(gate, format, args...))
	}
	for _, path := range keys(declared.places, now.places) {
		was, expected := declared.places[path]
		is, there := now.places[path]
		switch {
		case !expected:
			add(gateActors, "%s is %s and was never declared", path, is.State)
			continue
		case !there:
			add(gateActors, "%s is gone", path)
			continue
		case is.State != was.State:
			add(gateActors, "%s is %s, declared %s", path, is.State, was.State)
		}
		if is.Timers != was.Timers {
			add(gateTimers, "%s has %d, declared %d", path, is.Timers, was.Timers)
		}
		if is.Workers != was.Workers || is.Zombies != 0 {
			add(gateWorkers, "%s has %d and %d zombies, declared %d and none", path, is.Workers, is.Zombies, was.Workers)
		}
		if is.Queued != 0 {
			add(gateMailboxes, "%s has %d messages waiting", path, is.Queued)
		}
	}
	return out
}

// compareCounts compares the runtime's own counters with the tree: what is left
// of a place that is no more stands in no tree.
func compareCounts(declared, now *stock) (out []difference) {
	var sum place
	running := int64(0)
	for _, p := range now.places {
		sum.Timers += p.Timers
		sum.Workers += p.Workers
		if p.State == supervisor.StateRunning.String() {
			running++
		}
	}
	l := now.ledger
	for _, d := range []struct {
		gate, what string
		is, want   int64
	}{
		{gateActors, "lives of actors, running places in the tree", l.Actors, running},
		{gateTimers, "armed timers, timers in the tree", l.Timers, sum.Timers},
		{gateTimers, "timers armed on the clock, declared", int64(now.clock), int64(declared.clock)},
		{gateWorkers, "running workers, workers in the tree", l.Workers, sum.Workers},
		{gateWorkers, "zombies, declared", l.Zombies, 0},
		{gateDead, "ticks for nobody, expected", int64(l.DeadTimers), 0},
		{gateDead, "panics in hooks, expected", int64(l.HookPanics), 0},
	} {
		if d.is != d.want {
			out = append(out, difference{gate: d.gate, what: fmt.Sprintf("%s: %d, %d", d.what, d.is, d.want)})
		}
	}
	return out
}

// goroutines is the process's goroutines by their owner.
func (s *stock) goroutines() map[string]int {
	all := map[string]int{}
	for path, n := range s.ledger.Owned {
		all["of "+path] = n
	}
	for name, n := range s.ledger.Named {
		if name != "turns" && name != "timers" && name != "ending" { // of the executor: they come and go
			all["of the process ("+name+")"] = n
		}
	}
	return all
}

func strays(list []supervisor.Stray) (out []difference) {
	for _, s := range list {
		out = append(out, difference{
			gate: gateGoroutines, what: fmt.Sprintf("%d that nobody owns, started by %s", s.Count, cmp.Or(s.Creator, "one that is gone")),
			strays: []supervisor.Stray{s},
		})
	}
	return out
}

// explained compares the dead letters of two quiet moments: where no life ended
// between them, none may have been left behind.
func explained(before, now *stock) []difference {
	dead := now.ledger.DeadStopped - before.ledger.DeadStopped
	lives := now.lives - before.lives
	if dead == 0 || lives > 0 {
		return nil
	}
	return []difference{{gate: gateDead, what: fmt.Sprintf("%d since the last quiet moment, and no life ended", dead)}}
}

// keys is the keys of two maps, each once, in order.
func keys[V any](a, b map[string]V) []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(all)
	return slices.Compact(all)
}

// namesOf is where the goroutines of strays began, each in a line.
func namesOf(list []supervisor.Stray) (names []string) {
	for _, s := range list {
		frames := strings.Split(strings.TrimSpace(s.Stack), "\n")
		names = append(names, fmt.Sprintf("%d x began in %s, started by %s", s.Count, shortFrame(frames[len(frames)-1]), s.Creator))
	}
	return names
}
