package limits

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
)

// Reading is the process at one moment. Sizes are in bytes.
type Reading struct {
	HeapInUse      uint64 // spans of the heap that hold something
	HeapFromSystem uint64 // all of the heap, also what was given back
	HeapLive       uint64 // what the last collection left
	NextGC         uint64 // size of the heap at which the next collection begins
	GCCycles       uint64
	Goroutines     uint64
	Files          uint64 // open file descriptors
	FilesLimit     uint64 // how many there may be; 0: not known
	RSSAnon        uint64 // memory of the process that belongs to no file; 0: not known
}

// Headroom is how many more files can be opened; 0 also if that is not known.
func (r Reading) Headroom() uint64 { return r.FilesLimit - min(r.Files, r.FilesLimit) }

// samples are read in one go, so that they fit one another.
var samples = []string{
	"/memory/classes/heap/objects:bytes", "/memory/classes/heap/unused:bytes", "/memory/classes/heap/free:bytes",
	"/memory/classes/heap/released:bytes", "/gc/heap/live:bytes", "/gc/heap/goal:bytes", "/gc/cycles/total:gc-cycles",
}

// Read takes a reading. It reads files, so it may block. The error says what could
// not be read; the rest is there.
func Read() (Reading, error) {
	list := make([]metrics.Sample, len(samples))
	for i, name := range samples {
		list[i].Name = name
	}
	metrics.Read(list)
	n := make([]uint64, len(list))
	for i, s := range list {
		if s.Value.Kind() == metrics.KindUint64 { // else this Go has no such figure
			n[i] = s.Value.Uint64()
		}
	}
	r := Reading{
		HeapInUse: n[0] + n[1], HeapFromSystem: n[0] + n[1] + n[2] + n[3], HeapLive: n[4], NextGC: n[5], GCCycles: n[6],
		Goroutines: uint64(runtime.NumGoroutine()), // without the runtime's own
	}
	var filesErr, rssErr error
	r.Files, r.FilesLimit, filesErr = openFiles()
	r.RSSAnon, rssErr = rssAnon()
	return r, errors.Join(filesErr, rssErr)
}

// fdDir has an entry for every open file of the process, on Linux.
const fdDir = "/proc/self/fd"

func openFiles() (open, limit uint64, err error) {
	d, err := os.Open(fdDir)
	if err != nil {
		return 0, 0, err
	}
	names, err := d.Readdirnames(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return 0, 0, err
	}
	limit, err = filesLimit()
	return uint64(max(len(names)-1, 0)), limit, err // without the one that read them
}

// rssAnon reads RssAnon of /proc/self/status, which is in kB.
func rssAnon() (uint64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		rest, found := strings.CutPrefix(string(line), "RssAnon:")
		if !found {
			continue
		}
		kb, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		return kb << 10, err
	}
	return 0, fmt.Errorf("/proc/self/status says no RssAnon")
}
