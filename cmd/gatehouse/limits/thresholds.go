package limits

import (
	"fmt"
	"maps"
	"slices"

	"gatehouse/edge/httpapi"
)

// Names are the figures that have thresholds, by name, in the order in which they are shown.
var Names = []string{HeapInUse, HeapFromSystem, NextGC, Goroutines, Files}

// Names of figures.
const (
	HeapInUse      = "heap_in_use_bytes"
	HeapFromSystem = "heap_from_system_bytes"
	NextGC         = "next_gc_bytes"
	Goroutines     = "goroutines"
	Files          = "files"
)

// Figures are the values of a reading that have thresholds, by name.
func (r Reading) Figures() map[string]uint64 {
	return map[string]uint64{
		HeapInUse: r.HeapInUse, HeapFromSystem: r.HeapFromSystem, NextGC: r.NextGC, Goroutines: r.Goroutines, Files: r.Files,
	}
}

// The margin of a baseline: a threshold is its P95 and so many percent more, but at
// least room for what a quiet building may begin to do: some clients with their
// connections, a backup.
const (
	Margin        = 50
	roomBytes     = 32 << 20
	roomCount     = 64
	filesPercent  = 90 // of what the process may open: never above, also without a baseline
	memoryPercent = 95 // of the memory limit: the same for the heap in use
)

// P95 is the value that 95 % of the values do not exceed, by nearest rank; 0 of none.
func P95(values []uint64) uint64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := (95*len(sorted) + 99) / 100
	return sorted[rank-1]
}

// Thresholds are a baseline's P95s with a margin of so many percent.
func Thresholds(p95 map[string]uint64, percent uint64) map[string]uint64 {
	out := map[string]uint64{}
	for name, n := range p95 {
		room := uint64(roomBytes)
		if name == Goroutines || name == Files {
			room = roomCount
		}
		out[name] = n + max(n*percent/100, room)
	}
	return out
}

// check refuses what is no threshold, with httpapi.ErrBadLimit.
func check(thresholds map[string]uint64) error {
	for _, name := range slices.Sorted(maps.Keys(thresholds)) {
		if !slices.Contains(Names, name) {
			return fmt.Errorf("%w: %q", httpapi.ErrBadLimit, name)
		}
		if n := thresholds[name]; n == 0 || n > most {
			return fmt.Errorf("%w: %s of %d", httpapi.ErrBadLimit, name, n)
		}
	}
	return nil
}

// most bounds a threshold: above it a sum could overflow.
const most = 1 << 60

// inForce are the thresholds that hold for a process of this reading: the
// baseline's, and those that hold anyway. 0 is none.
func inForce(baseline map[string]uint64, r Reading, memory int64) map[string]uint64 {
	out := maps.Clone(baseline)
	if out == nil {
		out = map[string]uint64{}
	}
	lower := func(name string, n uint64) {
		if n > 0 && (out[name] == 0 || n < out[name]) {
			out[name] = n
		}
	}
	lower(Files, r.FilesLimit/100*filesPercent)
	lower(HeapInUse, uint64(memory)/100*memoryPercent)
	return out
}
