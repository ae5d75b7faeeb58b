package archive

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

// What archiving holds in memory does not grow with the segment, at most 8 MiB; no
// goroutine is started and none is left. ARCHIVE_MB is the greater of the two
// sizes (default 16), an eighth of it the smaller one.
func TestMemoryDoesNotGrow(t *testing.T) {
	great := int64(16)
	if text := os.Getenv("ARCHIVE_MB"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		check1(t, err)
		great = n
	}
	small := peak(t, great<<20/8)
	large := peak(t, great<<20)
	t.Logf("peak of live heap: %d KiB for %d MiB, %d KiB for %d MiB", small>>10, great/8, large>>10, great)
	if large > 8<<20 || large-small > 2<<20 {
		t.Errorf("live heap of %d bytes for %d MiB, %d bytes for %d MiB; at most 8 MiB, and 2 MiB more", small, great/8, large, great)
	}
}

// peak is the most live heap while a segment is archived, above what was before.
func peak(t *testing.T, size int64) int64 {
	dir, k := t.TempDir(), newKey(t)
	s := segment(t, dir, 1, 10, size)
	o := options(dir, k)
	before, goroutines := live(), runtime.NumGoroutine()
	most, passed, next := int64(0), int64(0), int64(0)
	o.Sealing.Pace = func(_ context.Context, n int) error {
		if passed += int64(n); passed >= next { // about 12 looks while sealing and reading back
			next += size / 8
			most = max(most, live())
		}
		if n := runtime.NumGoroutine(); n != goroutines {
			t.Errorf("%d goroutines, %d before", n, goroutines)
		}
		return nil
	}
	a := open(t, o)
	add(t, a, s)
	if entries(t, o.Dir)[0].Bytes != size {
		t.Errorf("not all was archived")
	}
	check1(t, a.Close())
	if rest := live() - before; rest > 256<<10 {
		t.Errorf("%d bytes stayed after archiving %d", rest, size)
	}
	return most - before
}

// live is the heap that is still referenced.
func live() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The process's own memory while many segments of 64 MiB are archived, one after
// the other as in a night: ARCHIVE_NIGHT_MB in all. The heap is left to the
// collector, so this depends on when it runs, and runs only when asked for (make
// bench-archive).
func TestMemoryOfANight(t *testing.T) {
	text := os.Getenv("ARCHIVE_NIGHT_MB")
	if text == "" {
		t.Skip("make bench-archive runs it")
	}
	all, err := strconv.Atoi(text)
	check1(t, err)
	dir, k := t.TempDir(), newKey(t)
	o := options(dir, k)
	most, passed := int64(0), int64(0)
	o.Sealing.Pace = func(_ context.Context, n int) error {
		if passed += int64(n); passed%(1<<20) < int64(n) {
			most = max(most, rssAnon(t))
		}
		return nil
	}
	a := open(t, o)
	debug.FreeOSMemory()
	before, goroutines := rssAnon(t), runtime.NumGoroutine()
	const size = 64 << 20
	for i := range uint64(all / 64) {
		s := segment(t, dir, i*1000+1, i*1000+1000, size)
		add(t, a, s)
		check1(t, os.Remove(s.Path))
	}
	t.Logf("%d segments of 64 MiB: RssAnon %.1f MiB before, at most %.1f MiB more; %d goroutines before, %d after",
		all/64, float64(before)/(1<<20), float64(most-before)/(1<<20), goroutines, runtime.NumGoroutine())
	if most-before > 16<<20 || runtime.NumGoroutine() != goroutines {
		t.Error("aims: at most 16 MiB more, no goroutine more")
	}
}

// rssAnon is the anonymous memory of this process in bytes.
func rssAnon(t *testing.T) int64 {
	b, err := os.ReadFile("/proc/self/status")
	check1(t, err)
	_, rest, _ := strings.Cut(string(b), "RssAnon:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	check1(t, err)
	return kib << 10
}
