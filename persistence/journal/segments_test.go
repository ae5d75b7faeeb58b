package journal

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
)

// meter counts what is read from and written to files, per path.
type meter struct {
	files
	read, written map[string]int64
	reads         int
}

func newMeter(f files) *meter {
	return &meter{files: f, read: map[string]int64{}, written: map[string]int64{}}
}

type metered struct {
	file
	m    *meter
	path string
}

func (m *meter) Open(path string, write bool) (file, error) {
	f, err := m.files.Open(path, write)
	if err != nil {
		return nil, err
	}
	return &metered{f, m, path}, nil
}

func (f *metered) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.file.ReadAt(b, off)
	f.m.read[f.path] += int64(n)
	f.m.reads++
	return n, err
}

func (f *metered) WriteAt(b []byte, off int64) (int, error) {
	n, err := f.file.WriteAt(b, off)
	f.m.written[f.path] += int64(n)
	return n, err
}

// filled makes a journal of n events.
func filled(t testing.TB, o Options, n int) {
	t.Helper()
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	batch := make([]access.Event, MaxBatch)
	for done := 0; done < n; done += len(batch) {
		batch = batch[:min(len(batch), n-done)]
		for i := range batch {
			batch[i] = grant(uint64(done + i + 1))
		}
		if err := j.Commit(batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// Opening reads the newest segment, and of the others headers, footers and the
// last one's marks. JOURNAL_EVENTS=10000000 makes it the real size.
func TestOpenReadsFootersAndTheNewestSegment(t *testing.T) {
	events, err := strconv.Atoi(os.Getenv("JOURNAL_EVENTS"))
	large := err == nil
	o := Options{Dir: filepath.Join(t.TempDir(), "journal"), Building: "b"}
	if !large {
		events, o.SegmentBytes = 200_000, 1<<20
	}
	filled(t, o, events)
	m := newMeter(diskFiles{})
	o.fs = m
	j, err := Open(o)
	if err != nil || j.Last() != uint64(events) {
		t.Fatalf("%v, last %d", err, j.Last())
	}
	defer func() { _ = j.Close() }()
	list := j.Segments()
	newest := list[len(list)-1]
	var older, whole int64
	for _, s := range list[:len(list)-1] {
		older += m.read[s.Path]
		whole += s.Bytes
	}
	t.Logf("%d events, %d segments, %d MB opened: read %d bytes of older segments, %d of the newest's %d",
		events, len(list), whole>>20, older, m.read[newest.Path], newest.Bytes)
	if most := int64(len(list)) * (headerLen*2 + footerLen); older > most+1000 {
		t.Errorf("%d bytes of the older segments were read, at most %d allowed", older, most)
	}
	if !large && len(list) < 15 {
		t.Errorf("%d segments only", len(list))
	}
	if got, err := j.Read(uint64(events/2), 3); err != nil || len(got) != 3 || got[0].Seq != uint64(events/2+1) {
		t.Errorf("a read in the middle: %v, %v", seqs(got), err)
	}
}

// BenchmarkOpen opens a journal of JOURNAL_EVENTS events, 200,000 by default.
func BenchmarkOpen(b *testing.B) {
	events, err := strconv.Atoi(os.Getenv("JOURNAL_EVENTS"))
	if err != nil {
		events = 200_000
	}
	o := Options{Dir: b.TempDir(), Building: "b"}
	filled(b, o, events)
	b.ReportAllocs()
	for b.Loop() {
		j, err := Open(o)
		if err != nil || j.Last() != uint64(events) {
			b.Fatal(err)
		}
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(events), "events")
}

// Reads of any part, forwards and backwards, are the same as on one segment, and
// take no more memory than they return.
func TestReadsOverManySegments(t *testing.T) {
	o := Options{Dir: t.TempDir(), Building: "b", SegmentBytes: 400_000}
	const n = 12_000
	filled(t, o, n)
	m := newMeter(diskFiles{})
	o.fs = m
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	list := j.Segments()
	if len(list) < 3 {
		t.Fatalf("%d segments", len(list))
	}
	edge := int(list[1].First)
	for _, after := range []int{0, 1, 1023, 1024, 1025, edge - 2, edge - 1, edge, edge + 1024, n - 1, n, n + 5} {
		for _, limit := range []int{0, 1, 5, 2000, n} {
			got, err := j.Read(uint64(after), limit)
			want := span{first: uint64(after + 1), count: uint64(max(0, min(limit, n-after)))}
			if err != nil || !isRun(got, want, 1) {
				t.Fatalf("Read(%d, %d) = %d events, %v", after, limit, len(got), err)
			}
			got, err = j.ReadBefore(uint64(after), limit)
			before := after
			if after == 0 || after > n {
				before = n + 1
			}
			want = span{first: uint64(before - 1), count: uint64(max(0, min(limit, before-1)))}
			if err != nil || !isRun(got, want, -1) {
				t.Fatalf("ReadBefore(%d, %d) = %d events, %v", after, limit, len(got), err)
			}
		}
	}
	clear(m.read)
	if _, err := j.Read(uint64(edge+1000), 10); err != nil {
		t.Fatal(err)
	}
	for path, n := range m.read {
		if n > 300_000 {
			t.Errorf("ten events cost %d bytes of %s", n, path)
		}
	}
}

// isRun reports whether events are count ones from first on.
func isRun(events []access.Event, want span, step int) bool {
	if uint64(len(events)) != want.count {
		return false
	}
	for i := range events {
		if events[i].Seq != want.first+uint64(i*step) || events[i].Source.Number != events[i].Seq {
			return false
		}
	}
	return true
}

// The writer's path takes no memory for an event.
func TestCommitAllocatesNothing(t *testing.T) {
	d := newMeter(diskFiles{})
	j, err := Open(Options{Dir: t.TempDir(), Building: "b", fs: d})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	batch := make([]access.Event, 64)
	number := uint64(0)
	next := func() {
		for i := range batch {
			number++
			batch[i] = grant(number)
		}
		if err := j.Commit(batch); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		next()
	}
	if allocs := testing.AllocsPerRun(100, next); allocs > 0 {
		t.Errorf("%.1f allocations for 64 events", allocs)
	}
}

// A lone event of 200 payload bytes costs its frame and a trailer.
func TestBytesOfALoneEvent(t *testing.T) {
	m := newMeter(diskFiles{})
	j, err := Open(Options{Dir: t.TempDir(), Building: "b", fs: m})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	e := grant(1)
	payload, _ := appendEvent(nil, &e)
	e.Detail = strings.Repeat("x", 200-len(payload)-4)
	if payload, _ = appendEvent(nil, &e); len(payload) != 200 {
		t.Fatalf("a payload of %d bytes", len(payload))
	}
	clear(m.written)
	commit(t, j, []access.Event{e})
	total := int64(0)
	for _, n := range m.written {
		total += n
	}
	t.Logf("%d bytes written for a lone event of 200 payload bytes", total)
	if total > 310 {
		t.Errorf("%d bytes written, at most 310 allowed", total)
	}
}

func TestEpochAndFirstAfterARestore(t *testing.T) {
	o := Options{Dir: t.TempDir(), Building: "b", Epoch: 3, First: 1001}
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, j, []access.Event{grant(1)})
	_ = j.Close()
	o.Epoch, o.First = 5, 0
	if j, err = Open(o); err != nil {
		t.Fatal(err)
	}
	commit(t, j, []access.Event{grant(1), grant(2)}) // the first is a repeat in any epoch
	list := j.Segments()
	_ = j.Close()
	if len(list) != 2 || list[0].Epoch != 3 || list[0].First != 1001 || list[1].Epoch != 5 || list[1].First != 1002 || list[1].Last != 1002 {
		t.Errorf("%+v", list)
	}
	o.Epoch = 4
	if j, err = Open(o); err != nil || len(j.Segments()) != 2 {
		t.Errorf("a lesser epoch: %v", err)
	}
	_ = j.Close()
	if r, err := Verify(o.Dir, "b"); err != nil || r.Epoch != 5 || r.Last != 1002 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRetentionChooses(t *testing.T) {
	now := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	var list []Segment
	for i := range uint64(5) {
		list = append(list, Segment{
			First: 100*i + 1, Last: 100*i + 100, Bytes: 10, Sealed: i < 4,
			Newest: now.AddDate(0, 0, int(i)-5), // five days ago to yesterday
		})
	}
	day := 24 * time.Hour
	tests := map[string]struct {
		r           Retention
		taken, free uint64
		want        Choice
	}{
		"keeps everything":       {Retention{}, 500, 0, Choice{}},
		"by age":                 {Retention{Age: 3*day + 1}, 500, 0, Choice{Through: 200, Bytes: 20}},
		"by size":                {Retention{Bytes: 25}, 500, 0, Choice{Through: 300, Bytes: 30}},
		"not what is wanted":     {Retention{Bytes: 25}, 250, 0, Choice{Through: 200, Bytes: 20}},
		"unless space is needed": {Retention{Bytes: 25}, 150, 25, Choice{Through: 300, Bytes: 30, Untaken: 150}},
		"never the newest":       {Retention{Bytes: 1, Age: 1}, 500, 1 << 40, Choice{Through: 400, Bytes: 40}},
		"nothing taken":          {Retention{Age: 1}, 0, 0, Choice{}},
	}
	for name, c := range tests {
		got := c.r.Choose(list, now, c.taken, int64(c.free))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestDrop(t *testing.T) {
	o := Options{Dir: t.TempDir(), Building: "b", SegmentBytes: 10_000}
	filled(t, o, 20_000)
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	list := j.Segments()
	through := list[2].First + 1
	if n, err := j.Drop(through); n != 2 || err != nil {
		t.Fatalf("dropped %d, %v", n, err)
	}
	if n, err := j.Drop(1 << 40); n != len(list)-3 || err != nil {
		t.Fatalf("dropped %d of %d, %v", n, len(list)-3, err)
	}
	newest := list[len(list)-1]
	if got, err := j.Read(0, 1); err != nil || len(got) != 1 || got[0].Seq != newest.First {
		t.Errorf("first is %v, %v", seqs(got), err)
	}
	commit(t, j, []access.Event{grant(20_001), grant(20_000)})
	_ = j.Close()
	if j, err = Open(o); err != nil || len(j.Gaps()) > 0 || j.Last() != 20_001 {
		t.Fatalf("after dropping: %v", err)
	}
	_ = j.Close()
	left, _ := filepath.Glob(filepath.Join(o.Dir, "*"+segmentSuffix)) // sorted
	if len(left) == 0 || left[0] != newest.Path {
		t.Errorf("left: %v, the oldest should be %s", left, newest.Path)
	}
	if err := os.Remove(filepath.Join(o.Dir, boundsName)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); !errors.Is(err, ErrCorrupt) {
		t.Errorf("segments that vanished without being dropped: %v", err)
	}
}

// Damage in a sealed segment costs the events it hits, once, and leaves a record.
func TestQuarantine(t *testing.T) {
	o := Options{Dir: t.TempDir(), Building: "b", SegmentBytes: 10_000}
	filled(t, o, 10_000)
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	path := j.Segments()[1].Path
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[headerLen+60] ^= 4
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = j.Read(j.Segments()[0].Last, 5)
	damage, ok := errors.AsType[*CorruptError](err)
	if !ok || damage.Path != path || damage.Offset != headerLen {
		t.Fatalf("%v", err)
	}
	gaps, err := j.Quarantine(damage)
	first := j.Segments()[1].First
	if err != nil || len(gaps) != 1 || gaps[0].First != first || gaps[0].Count != 1 || gaps[0].From != headerLen {
		t.Fatalf("%+v, %v", gaps, err)
	}
	got, err := j.Read(first-2, 3)
	if err != nil || !slices.Equal(seqs(got), []uint64{first - 1, first + 1, first + 2}) {
		t.Errorf("%v, %v", seqs(got), err)
	}
	record := []access.Event{gaps[0].Event()}
	commit(t, j, record)
	commit(t, j, record)
	if e := record[0]; e.Seq != 0 || e.Kind != access.KindGap || e.Count != 1 || j.Last() != 10_001 {
		t.Errorf("the record of the gap was kept twice, or is %+v", e)
	}
	_ = j.Close()
	if after, _ := os.ReadFile(path); !slices.Equal(after, raw) {
		t.Error("the damaged file was changed")
	}
	r, err := Verify(o.Dir, "b")
	if err != nil || !slices.Equal(r.Gaps, gaps) || r.Segments[1].Events != r.Segments[1].Last-first {
		t.Errorf("%+v, %v", r.Gaps, err)
	}
}
