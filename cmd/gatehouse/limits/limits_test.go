package limits

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/actors"
	"gatehouse/edge/httpapi"
)

var someDay = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// bench is Limits whose reading a test sets.
type bench struct {
	*Limits
	reading Reading
	err     error
}

func newBench(t *testing.T, data, building string, memory int64) *bench {
	t.Helper()
	b := &bench{reading: Reading{HeapInUse: 1, HeapFromSystem: 2, NextGC: 3, Goroutines: 4, Files: 5, FilesLimit: 1000}}
	b.Limits = New(Options{
		Data: data, Building: building, Memory: Memory{Bytes: memory}, Now: func() time.Time { return someDay },
		Read: func() (Reading, error) { return b.reading, b.err },
	})
	return b
}

func (b *bench) thresholds(t *testing.T) map[string]uint64 {
	t.Helper()
	s, err := b.Status()
	if err != nil {
		t.Fatal(err)
	}
	return s.Thresholds
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestP95(t *testing.T) {
	hundred := make([]uint64, 100)
	for i := range hundred {
		hundred[i] = uint64(100 - i)
	}
	for _, c := range []struct {
		values []uint64
		want   uint64
	}{
		{nil, 0},
		{[]uint64{7}, 7},
		{[]uint64{1, 9}, 9},
		{hundred, 95},
		{hundred[:20], 99},
		{append([]uint64{1000}, hundred[:19]...), 100},
	} {
		if got := P95(c.values); got != c.want {
			t.Errorf("%v: %d, want %d", c.values, got, c.want)
		}
	}
}

func TestThresholdsHaveAMargin(t *testing.T) {
	same(t, "small", map[string]uint64{HeapInUse: 10 + 32<<20, Goroutines: 16 + 64, Files: 12 + 64},
		Thresholds(map[string]uint64{HeapInUse: 10, Goroutines: 16, Files: 12}, Margin))
	same(t, "large", map[string]uint64{HeapInUse: 3 << 29, Goroutines: 1500, Files: 2001},
		Thresholds(map[string]uint64{HeapInUse: 1 << 30, Goroutines: 1000, Files: 1334}, Margin))
}

// A baseline is in force at once and after a restart; another building's or a
// damaged one is said and not taken.
func TestABaselineIsKept(t *testing.T) {
	data := t.TempDir()
	b := newBench(t, data, "house", 0)
	if err := b.Load(nil); err != nil {
		t.Fatal(err)
	}
	same(t, "without a baseline", map[string]uint64{Files: 900}, b.thresholds(t))
	if err := b.Set(map[string]uint64{Goroutines: 80, Files: 76}); err != nil {
		t.Fatal(err)
	}
	want := map[string]uint64{Goroutines: 80, Files: 76}
	same(t, "at once", want, b.thresholds(t))
	again := newBench(t, data, "house", 0)
	if err := again.Load(nil); err != nil {
		t.Fatal(err)
	}
	same(t, "after a restart", want, again.thresholds(t))
	if s, _ := again.Status(); !s.Baseline.Equal(someDay) {
		t.Errorf("made %v", s.Baseline)
	}
	other := newBench(t, data, "barn", 0)
	if err := other.Load(nil); err == nil {
		t.Error("another building's baseline is taken")
	}
	same(t, "another building's", map[string]uint64{Files: 900}, other.thresholds(t))
	if err := again.Set(nil); err != nil {
		t.Fatal(err)
	}
	same(t, "taken away", map[string]uint64{Files: 900}, again.thresholds(t))
	if err := os.WriteFile(filepath.Join(data, FileName), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := newBench(t, data, "house", 0)
	if err := damaged.Load(nil); err == nil {
		t.Error("a damaged baseline is taken")
	}
	same(t, "damaged", map[string]uint64{Files: 900}, damaged.thresholds(t))
}

// What holds without a baseline also holds with one that says more.
func TestThresholdsThatHoldAnyway(t *testing.T) {
	b := newBench(t, t.TempDir(), "house", 1000)
	same(t, "without", map[string]uint64{Files: 900, HeapInUse: 950}, b.thresholds(t))
	if err := b.Set(map[string]uint64{Files: 5000, HeapInUse: 5000, NextGC: 7}); err != nil {
		t.Fatal(err)
	}
	same(t, "with", map[string]uint64{Files: 900, HeapInUse: 950, NextGC: 7}, b.thresholds(t))
	b.reading.FilesLimit = 0 // it cannot be read
	same(t, "an unknown limit", map[string]uint64{Files: 5000, HeapInUse: 950, NextGC: 7}, b.thresholds(t))
}

// While a disk hangs under one change of the thresholds, the next are told so and
// wait for nothing: they would take up the places of commands.
func TestADiskThatHangsUnderTheThresholds(t *testing.T) {
	l := New(Options{Data: t.TempDir(), Building: "b", Now: func() time.Time { return time.Time{} }})
	l.write.Lock()
	if err := l.Set(map[string]uint64{Goroutines: 100}); !errors.Is(err, errSetting) {
		t.Errorf("%v", err)
	}
	l.write.Unlock()
	if err := l.Set(map[string]uint64{Goroutines: 100}); err != nil {
		t.Error(err)
	}
}

func TestThresholdsThatAreRefused(t *testing.T) {
	data := t.TempDir()
	b := newBench(t, data, "house", 0)
	for _, bad := range []map[string]uint64{{"rss": 1}, {Files: 0}, {Files: 1 << 61}, {Files: 1, "": 2}} {
		if err := b.Set(bad); !errors.Is(err, httpapi.ErrBadLimit) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	frozen := errors.New("degraded")
	if err := b.Load(frozen); err != nil {
		t.Fatal(err)
	}
	if err := b.Set(map[string]uint64{Files: 1}); !errors.Is(err, frozen) || errors.Is(err, httpapi.ErrBadLimit) {
		t.Errorf("degraded: %v", err)
	}
	if list, err := os.ReadDir(data); err != nil || len(list) > 0 {
		t.Errorf("%v in the data directory, %v", list, err)
	}
	same(t, "in force", map[string]uint64{Files: 900}, b.thresholds(t))
}

// What cannot be read is no figure: not one of value 0.
func TestFiguresThatCannotBeRead(t *testing.T) {
	b := newBench(t, t.TempDir(), "house", 0)
	b.reading.Files, b.reading.FilesLimit, b.err = 0, 0, errors.New("no /proc")
	got, err := b.Figures(context.Background())
	if !errors.Is(err, b.err) {
		t.Error(err)
	}
	same(t, "figures", []actors.Figure{
		{Name: HeapInUse, Value: 1}, {Name: HeapFromSystem, Value: 2}, {Name: NextGC, Value: 3}, {Name: Goroutines, Value: 4},
	}, got)
}

// The reading is of this very process: what it opens, starts and collects shows.
func TestAReadingOfThisProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc here")
	}
	if _, err := Read(); err != nil { // whatever the first one opens
		t.Fatal(err)
	}
	before, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	const (
		files, goroutines = 100, 1000
		few               = 10 // of the test runner and of the runtime, which come and go
	)
	var open []*os.File
	for range files / 2 {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, r, w)
	}
	leave, left := make(chan struct{}), make(chan struct{})
	for range goroutines {
		go func() { <-leave; left <- struct{}{} }()
	}
	ballast := make([]byte, 64<<20)
	for i := range ballast {
		ballast[i] = 1
	}
	New(Options{}).WarmUp()
	after, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(ballast)
	near := func(was, is uint64, more int) bool { return int(is-was) >= more-few && int(is-was) <= more+few }
	if !near(before.Files, after.Files, files) || !near(after.Headroom(), before.Headroom(), files) {
		t.Errorf("%d files more: %+v, %+v", files, before, after)
	}
	if !near(before.Goroutines, after.Goroutines, goroutines) {
		t.Errorf("%d goroutines more: %+v, %+v", goroutines, before, after)
	}
	if after.GCCycles-before.GCCycles < 3 {
		t.Errorf("three collections: %+v, %+v", before, after)
	}
	for what, n := range map[string]uint64{
		"heap in use": after.HeapInUse, "heap from the system": after.HeapFromSystem, "heap live": after.HeapLive,
		"next GC": after.NextGC, "RssAnon": after.RSSAnon,
	} {
		if n < 64<<20 {
			t.Errorf("%s: %d bytes with 64 MiB in use", what, n)
		}
	}
	close(leave)
	for range goroutines {
		<-left
	}
	for _, f := range open {
		_ = f.Close()
	}
}
