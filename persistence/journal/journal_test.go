package journal

import (
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
)

func open(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := Open(Options{Dir: dir, Building: "b", Boot: 7})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func commit(t *testing.T, j *Journal, events []access.Event) {
	t.Helper()
	if err := j.Commit(events); err != nil {
		t.Fatal(err)
	}
}

func sealHeader(h []byte) { le.PutUint32(h[124:], crc32.Checksum(h[:124], castagnoli)) }

// The format stands on disks: this file must be readable for ever.
func TestFormatIsTheOneOnDisk(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(Options{Dir: dir, Building: "b", Boot: 7, life: Life([]byte("sixteen bytes id"))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	e := grant(9)
	e.Origin = access.Origin{File: "f.csv", Row: 5, Order: 4}
	e.Source.Name, e.Held, e.Operator, e.Detail = "x", "hall", "op", "why"
	e.Mode, e.Count, e.Cause = access.Blocked, 300, 8
	commit(t, j, []access.Event{e})
	got := hex.EncodeToString(contents(t, dir))
	if want := strings.ReplaceAll(golden, "\n", ""); got != want {
		t.Errorf("the format changed:\n%s", got)
	}
}

const golden = `
474154454a524e4c0300010000000000010000000000000007000000000000000100000000000000620000000000000000000000000000000000000000000000
000000000000000000000000000000000000000000000000000000000000000000000000000000007369787465656e2062797465732069640000000062097a6c
0000000000000000000000000000000000000000000000000000000000000000d22626fa68000000972cbfdb01000000000000001543057d5b2da118000058b4
36470c0001000100080110ffffffff0f180320092a07646f6f722d31323202696e3a06702d303431374206632d30343137480152076f7574736964655a086275
696c64696e676003680870057804820105662e6373768a01017892010468616c6c9a01026f70a001ac02aa010377687920000000cb96f6280100000000000000
1543057d5b2da1180100000000000000ffff010087d527ec676db0d244c0c8e483edea01a72ba7b6ea816265aaefc1cc1e8a86fe
`

// A journal of an older version goes on: its segment is sealed, the next one is of
// the newest version and carries the chain on.
func TestOlderVersionsGoOn(t *testing.T) {
	for name, golden := range map[string]string{"1": goldenV1, "2": goldenV2} {
		t.Run(name, func(t *testing.T) { oldGoesOn(t, golden) })
	}
}

func oldGoesOn(t *testing.T, golden string) {
	old, err := hex.DecodeString(strings.ReplaceAll(golden, "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put(t, dir, old)
	j := open(t, dir)
	commit(t, j, []access.Event{grant(10)})
	got, err := j.Read(0, 10)
	if err != nil || len(got) != 2 || got[0].Detail != "why" || got[1].Source.Number != 10 {
		t.Fatalf("%+v, %v", got, err)
	}
	life := j.Segments()[1].Life
	_ = j.Close()
	report, err := Verify(dir, "b")
	if err != nil || len(report.Segments) != 2 || !report.Segments[0].Sealed || report.Last != 2 || report.Life != life {
		t.Errorf("%+v, %v", report, err)
	}
	if report.Segments[0].Life != (Life{}) || life == (Life{}) {
		t.Errorf("the lives are %q and %q; the old segment has none", report.Segments[0].Life, life)
	}
	if now := contents(t, dir); !slices.Equal(now[:len(old)], old) {
		t.Error("the old events were changed")
	}
	put(t, dir, old[:headerLenV1+(headerLen-headerLenV1)*int(le.Uint16(old[8:])-1)]) // empty: its successor has the same name
	for _, left := range []string{boundsName, "0000000000000002.seg"} {
		_ = os.Remove(filepath.Join(dir, left))
	}
	commit(t, open(t, dir), []access.Event{grant(11)})
	if b := contents(t, dir); le.Uint16(b[8:]) != formatVersion {
		t.Error("an empty old segment was not replaced")
	}
}

// Two journals that are begun alike, as two restores of one backup are, can be told
// apart; one that is opened again stays the same, also in a later segment.
func TestLifeTellsJournalsApart(t *testing.T) {
	lives := map[Life]bool{}
	for range 2 {
		o := Options{Dir: "j", Building: "b", Boot: 7, Epoch: 3, First: 1000, SegmentBytes: 1, fs: newDisk(1)}
		for number := range uint64(3) {
			j, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			commit(t, j, []access.Event{grant(number + 1)})
			for _, s := range j.Segments() {
				lives[s.Life] = true
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(lives) != 2 || lives[Life{}] {
		t.Errorf("two journals have the lives %v", lives)
	}
}

// goldenV2 was written by format version 2: no life.
const goldenV2 = `
474154454a524e4c0200010000000000010000000000000007000000000000000100000000000000620000000000000000000000000000000000000000000000
0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000002d0bf126
0000000000000000000000000000000000000000000000000000000000000000d22626fa68000000972cbfdb01000000000000001543057d5b2da118000058b4
36470c0001000100080110ffffffff0f180320092a07646f6f722d31323202696e3a06702d303431374206632d30343137480152076f7574736964655a086275
696c64696e676003680870057804820105662e6373768a01017892010468616c6c9a01026f70a001ac02aa010377687920000000337085a10100000000000000
1543057d5b2da1180100000000000000ffff0100213b4c6e99882731f1cec5d7e35e0e94e89604a22ffdfc0fec9e3e34451e23ef
`

// goldenV1 was written by format version 1: a header of 128 bytes, no chain of a
// segment before.
const goldenV1 = `
474154454a524e4c0100010000000000010000000000000007000000000000000100000000000000620000000000000000000000000000000000000000000000
000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000f79c4d1d
68000000972cbfdb01000000000000001543057d5b2da118000058b436470c0001000100080110ffffffff0f180320092a07646f6f722d31323202696e3a0670
2d303431374206632d30343137480152076f7574736964655a086275696c64696e676003680870057804820105662e6373768a01017892010468616c6c9a0102
6f70a001ac02aa0103776879200000000b93c45201000000000000001543057d5b2da1180100000000000000ffff0100f881d5753ffe072bdb718b8073ad4985
8d79bc10466a1a7ef5ee8202a4d5c2c9
`

const segmentName = "0000000000000001.seg"

func seqs(events []access.Event) (out []uint64) {
	for i := range events {
		out = append(out, events[i].Seq)
	}
	return out
}

func TestCommitReadReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "journal")
	j := open(t, dir)
	if j.Last() != 0 {
		t.Fatalf("a new journal has %d events", j.Last())
	}
	var want []access.Event
	for len(want) < 1400 {
		var batch []access.Event
		for range 1 + len(want)%40 {
			batch = append(batch, grant(uint64(len(want)+len(batch)+1)))
		}
		commit(t, j, batch)
		want = append(want, batch...)
	}
	_ = j.Close()
	j = open(t, dir)
	var got []access.Event
	if err := j.Scan(func(e access.Event) error { got = append(got, e); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	for _, after := range []uint64{0, 1, 254, 255, 256, 257, 511, 512, 700, 1398, 1399, 1400, 9999} {
		for _, limit := range []int{-1, 0, 1, 3, 300, 1 << 40} {
			part, err := j.Read(after, limit)
			from := min(int(after), len(want))
			to := min(from+max(limit, 0), len(want))
			if err != nil || !slices.Equal(seqs(part), seqs(want[from:to])) {
				t.Fatalf("Read(%d, %d) = %d events, %v", after, limit, len(part), err)
			}
		}
	}
}

// A read begins at the index, not at the start of the file.
func TestReadDoesNotScanFromTheStart(t *testing.T) {
	d := newDisk(1)
	j, err := Open(Options{Dir: "j", Building: "b", fs: d})
	if err != nil {
		t.Fatal(err)
	}
	var batch []access.Event
	for i := range uint64(MaxBatch) {
		batch = append(batch, grant(i+1))
	}
	commit(t, j, batch)
	clear(d.names[filepath.Join("j", segmentName)].seen[headerLen : headerLen+100_000]) // unreadable from here on
	if got, err := j.Read(4000, 10); err != nil || got[0].Seq != 4001 {
		t.Errorf("read from the index: %v", err)
	}
	if _, err := j.Read(0, 10); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a damaged frame was read: %v", err)
	}
}

func TestRepeatsAreRefused(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	other := grant(1)
	other.Source.Run++
	unnumbered := grant(0)
	batch := []access.Event{grant(1), grant(2), grant(2), grant(1), other, unnumbered, unnumbered}
	commit(t, j, batch)
	if diff := cmp.Diff([]uint64{1, 2, 0, 0, 3, 4, 5}, seqs(batch)); diff != "" {
		t.Error(diff)
	}
	_ = j.Close()
	j = open(t, dir)
	before := contents(t, dir)
	batch = []access.Event{grant(1), grant(2), other}
	batch[0].Seq = 99 // must not survive
	commit(t, j, batch)
	if diff := cmp.Diff([]uint64{0, 0, 0}, seqs(batch)); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(before, contents(t, dir)) {
		t.Error("a batch of repeats was written")
	}
	commit(t, j, nil)
	if j.Last() != 5 {
		t.Errorf("last %d", j.Last())
	}
}

// A replay that was killed sends rows again from a new boot: their sources are
// new, their rows are not.
func TestRowsOfARecordingAreKeptOnce(t *testing.T) {
	row := func(boot, order uint64, kind access.Kind) access.Event {
		e := grant(order)
		e.Source.Boot, e.Kind = boot, kind
		e.Origin = access.Origin{File: "proxLog.csv", Row: 2 * order, Order: order}
		return e
	}
	dir := t.TempDir()
	j := open(t, dir)
	commit(t, j, []access.Event{
		row(1, 1, access.KindGranted), row(1, 2, access.KindDenied), row(1, 3, access.KindGranted), row(1, 4, access.KindPassage),
	})
	_ = j.Close() // killed; row 3's passage was not kept
	j = open(t, dir)
	otherFile := row(2, 1, access.KindGranted)
	otherFile.Origin.File = "other.csv"
	live := grant(1)
	live.Source.Boot = 3
	batch := []access.Event{
		row(2, 1, access.KindGranted), row(2, 2, access.KindDenied), row(2, 3, access.KindGranted), row(2, 3, access.KindTamper),
		row(2, 4, access.KindPassage), row(2, 5, access.KindGranted), otherFile, live,
	}
	otherFile.Source.Boot = 4
	batch[6] = otherFile
	commit(t, j, batch)
	if diff := cmp.Diff([]uint64{0, 0, 0, 5, 0, 6, 7, 8}, seqs(batch)); diff != "" {
		t.Error(diff)
	}
}

func TestSourcesAreBounded(t *testing.T) {
	s := newSeen()
	for i := range uint64(3*maxSources + 10) {
		e := grant(5)
		e.Source.Run = i
		e.Origin = access.Origin{File: strings.Repeat("x", int(i%200)), Order: i + 1}
		s.note(&e, i+1)
		s.keep()
		if len(s.sources.marks) > maxSources {
			t.Fatalf("%d sources remembered", len(s.sources.marks))
		}
	}
	for i := uint64(3*maxSources + 10 - keepSources); i < 3*maxSources+10; i++ {
		e := grant(5)
		e.Source.Run = i
		if !s.repeat(&e) {
			t.Fatalf("source %d of the newest %d was forgotten", i, keepSources)
		}
	}
}

func TestBatchesThatCannotBeKept(t *testing.T) {
	j := open(t, t.TempDir())
	if err := j.Commit(make([]access.Event, MaxBatch+1)); !errors.Is(err, ErrBatch) {
		t.Errorf("too many: %v", err)
	}
	if err := j.Commit([]access.Event{{Kind: reservedKinds}}); !errors.Is(err, ErrBatch) {
		t.Errorf("reserved kind: %v", err)
	}
	commit(t, j, []access.Event{grant(1)})
	if j.Last() != 1 {
		t.Error("a refused batch left something behind")
	}
}

func TestLongEventsAreCounted(t *testing.T) {
	j := open(t, t.TempDir())
	e := grant(1)
	e.Detail = strings.Repeat("x", 2*maxPayload)
	commit(t, j, []access.Event{e, grant(2)})
	if j.Cut() != 1 {
		t.Errorf("cut %d events, want 1", j.Cut())
	}
}

func TestLargestBatchSurvivesReopening(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	batch := make([]access.Event, MaxBatch)
	for i := range batch {
		batch[i] = grant(uint64(i + 1))
		batch[i].Detail = strings.Repeat("y", maxPayload)
	}
	commit(t, j, batch)
	if cap(j.batch.buf) > keepBuffer {
		t.Errorf("a buffer of %d bytes is kept", cap(j.batch.buf))
	}
	_ = j.Close()
	if j = open(t, dir); j.Last() != MaxBatch {
		t.Errorf("last %d", j.Last())
	}
}

func TestReadOnlyNeverWrites(t *testing.T) {
	dir := t.TempDir()
	if _, err := Verify(dir, ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no journal: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("Verify made %v", left)
	}
	j := open(t, dir)
	commit(t, j, []access.Event{grant(1)})
	_ = j.Close()
	torn := append(contents(t, dir), "torn"...)
	put(t, dir, torn)
	j, err := OpenReadOnly(dir, "")
	if err != nil || j.Last() != 1 || j.Torn() != 4 {
		t.Fatalf("%v", err)
	}
	if err := j.Commit([]access.Event{grant(2)}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("commit: %v", err)
	}
	if got, err := j.Read(0, 5); err != nil || len(got) != 1 {
		t.Errorf("read: %v", err)
	}
	_ = j.Close()
	if !slices.Equal(torn, contents(t, dir)) {
		t.Error("the file was changed")
	}
}

func TestCommitAfterClose(t *testing.T) {
	j := open(t, t.TempDir())
	_ = j.Close()
	if err := j.Commit([]access.Event{grant(1)}); !errors.Is(err, ErrBroken) {
		t.Errorf("%v", err)
	}
}

// Readers beside a writer see a growing prefix and nothing else.
func TestReadBesideCommit(t *testing.T) {
	j := open(t, t.TempDir())
	var wg sync.WaitGroup
	const all = 300
	for range 2 {
		wg.Go(func() {
			for after := uint64(0); after < all; {
				got, err := j.Read(after, 50)
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range got {
					if after++; e.Seq != after || e.Seq > j.Last() {
						t.Errorf("read %d, want %d", e.Seq, after)
						return
					}
				}
			}
		})
	}
	for i := range uint64(all) {
		commit(t, j, []access.Event{grant(i + 1)})
	}
	wg.Wait()
}

// One write, one sync, and no memory per event.
func TestCommitIsOneWriteAndOneSync(t *testing.T) {
	d := newDisk(1)
	j, err := Open(Options{Dir: "j", Building: "b", fs: d})
	if err != nil {
		t.Fatal(err)
	}
	batch := make([]access.Event, 100)
	number := uint64(0)
	ops := d.ops
	allocs := testing.AllocsPerRun(50, func() {
		for i := range batch {
			number++
			batch[i] = grant(number)
		}
		if err := j.Commit(batch); err != nil {
			t.Fatal(err)
		}
	})
	if got := d.ops - ops; got != 2*51 {
		t.Errorf("%d operations for 51 commits, want one write and one sync each", got)
	}
	if allocs > 20 {
		t.Errorf("%.0f allocations for a batch of 100 events", allocs)
	}
}

func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(map[int]string{1: "lone", 100: "hundred"}[n], func(b *testing.B) {
			j, err := Open(Options{Dir: b.TempDir(), Building: "b"})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = j.Close() }()
			batch := make([]access.Event, n)
			number := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				for i := range batch {
					number++
					batch[i] = grant(number)
				}
				if err := j.Commit(batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
