package journal

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse/access"
)

// sample makes a journal of three batches (1, 3 and 2 events) and returns its
// bytes and the offsets at which its batches end.
func sample(t *testing.T) (dir string, whole []byte, ends []int64) {
	t.Helper()
	dir = t.TempDir()
	j := open(t, dir)
	number := uint64(0)
	ends = []int64{headerLen}
	for _, n := range []int{1, 3, 2} {
		var batch []access.Event
		for range n {
			number++
			batch = append(batch, grant(number))
		}
		commit(t, j, batch)
		ends = append(ends, j.view().active.end)
	}
	kill(t, j)
	return dir, contents(t, dir), ends
}

func contents(t *testing.T, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, segmentName))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t *testing.T, dir string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, segmentName), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file that ends at any byte: whole batches are kept, the rest is cut off, and
// the journal goes on. Within the header it is damage: creation is atomic.
func TestTruncationAtEveryByte(t *testing.T) {
	dir, whole, ends := sample(t)
	events := []uint64{0, 1, 4, 6}
	for n := range int64(len(whole)) {
		put(t, dir, whole[:n])
		report, verr := Verify(dir, "b")
		d := newDisk(0) // an Open on the real one costs two syncs
		in := &inode{seen: slices.Clone(whole[:n]), platter: slices.Clone(whole[:n])}
		d.names[filepath.Join("j", segmentName)] = in
		j, err := Open(Options{Dir: "j", Building: "b", fs: d})
		if n < headerLen {
			if !errors.Is(err, ErrCorrupt) || !errors.Is(verr, ErrCorrupt) || !slices.Equal(in.seen, whole[:n]) {
				t.Fatalf("%d bytes: %v, %v", n, err, verr)
			}
			continue
		}
		if err != nil || verr != nil || !slices.Equal(contents(t, dir), whole[:n]) {
			t.Fatalf("%d bytes: %v, %v", n, err, verr)
		}
		kept, _ := slices.BinarySearch(ends, n+1)
		kept--
		if j.Last() != events[kept] || report.Last != j.Last() || j.Torn() != n-ends[kept] || report.Torn != j.Torn() {
			t.Fatalf("%d bytes: %d events, torn %d, %+v; want %d", n, j.Last(), j.Torn(), report, events[kept])
		}
		again := []access.Event{grant(5), grant(6), grant(7)}
		commit(t, j, again)
		if again[2].Seq != j.Last() || j.Last() != events[kept]+uint64(len(again))-skipped(events[kept]) {
			t.Fatalf("%d bytes: %d after going on", n, j.Last())
		}
	}
}

// skipped is how many of events 5, 6, 7 are repeats.
func skipped(last uint64) uint64 {
	if last == 6 {
		return 2
	}
	return 0
}

// Every flipped bit of an acknowledged journal is damage: never taken for a torn
// tail, never read as something else; and the file is left as it is.
func TestEveryFlippedBitIsFound(t *testing.T) {
	dir, whole, _ := sample(t)
	for i := range whole {
		for bit := range 8 {
			bent := slices.Clone(whole)
			bent[i] ^= 1 << bit
			requireCorrupt(t, dir, bent, i)
		}
		bent := slices.Clone(whole)
		bent[i] ^= 0xFF
		requireCorrupt(t, dir, bent, i)
	}
}

// The scan alone is what decides, so the flips need no file each; every 97th goes
// through Open all the same.
func requireCorrupt(t *testing.T, dir string, bent []byte, at int) {
	t.Helper()
	d := newDisk(0)
	d.names[filepath.Join("j", segmentName)] = &inode{seen: bent}
	err := (&loader{files: d, dir: "j", building: "b"}).load()
	var damage *CorruptError
	if !errors.As(err, &damage) {
		t.Fatalf("byte %d: %v", at, err)
	}
	if damage.Offset > int64(at) {
		t.Fatalf("byte %d: reported at %d, behind it", at, damage.Offset)
	}
	if at%97 != 0 {
		return
	}
	put(t, dir, bent)
	if _, err := Open(Options{Dir: dir, Building: "b"}); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("byte %d: Open: %v", at, err)
	}
	if !slices.Equal(contents(t, dir), bent) {
		t.Fatalf("byte %d: the damaged file was changed", at)
	}
}

func TestDamageSaysWhereAndWhatToDo(t *testing.T) {
	dir, whole, ends := sample(t)
	whole[ends[1]+40] ^= 1
	put(t, dir, whole)
	_, err := Open(Options{Dir: dir, Building: "b"})
	var damage *CorruptError
	if !errors.As(err, &damage) || damage.Offset != ends[1] || damage.After != 1 {
		t.Fatalf("%v, want damage at %d after event 1", err, ends[1])
	}
	if !strings.Contains(err.Error(), "the file was left as it is, gatehouse serve sets the damage aside") {
		t.Errorf("no hint in %q", err)
	}
}

// sectors makes a journal whose batches each span several sectors.
func sectors(t *testing.T) (dir string, whole []byte, ends []int64) {
	t.Helper()
	dir = t.TempDir()
	j := open(t, dir)
	for b := range uint64(3) {
		var batch []access.Event
		for i := range uint64(20) {
			batch = append(batch, grant(b*20+i+1))
		}
		commit(t, j, batch)
		ends = append(ends, j.view().active.end)
	}
	kill(t, j)
	return dir, contents(t, dir), ends
}

// kill ends a journal as SIGKILL does: without a note of how far it reached.
func kill(t *testing.T, j *Journal) {
	t.Helper()
	if err := errors.Join(j.Close(), os.Remove(filepath.Join(j.o.Dir, boundsName))); err != nil {
		t.Fatal(err)
	}
}

// A sector that was never written tears the last batch and damages any other.
func TestMissingSectors(t *testing.T) {
	dir, whole, ends := sectors(t)
	for at := 512; at < len(whole); at += 512 {
		holed := slices.Clone(whole)
		clear(holed[max(at, headerLen):min(at+512, len(holed))])
		put(t, dir, holed)
		j, err := Open(Options{Dir: dir, Building: "b"})
		if int64(at) < ends[1] {
			if !errors.Is(err, ErrCorrupt) || !slices.Equal(contents(t, dir), holed) {
				t.Errorf("sector at %d of acknowledged batches: %v", at, err)
			}
			continue
		}
		if err != nil || j.Last() != 40 {
			t.Errorf("sector at %d of the last batch: %v", at, err)
		}
	}
}

func TestZerosAndGarbageBehindTheEnd(t *testing.T) {
	dir, whole, _ := sample(t)
	put(t, dir, append(slices.Clone(whole), make([]byte, 3000)...))
	j, err := Open(Options{Dir: dir, Building: "b"})
	if err != nil || j.Last() != 6 || j.Torn() != 3000 {
		t.Fatalf("zeros: %v", err)
	}
	_ = j.Close()
	put(t, dir, append(slices.Clone(whole), []byte(strings.Repeat("garbage ", 500))...))
	if _, err := Open(Options{Dir: dir, Building: "b"}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("garbage: %v", err)
	}
}

// Frames that are whole but not where they belong.
func TestRearrangedBatches(t *testing.T) {
	dir, whole, ends := sample(t)
	part := func(i int) []byte { return whole[ends[i]:ends[i+1]] }
	tests := map[string][]byte{
		"batch left out":  slices.Concat(whole[:ends[1]], part(2)),
		"batch twice":     slices.Concat(whole, part(2)),
		"batches swapped": slices.Concat(whole[:ends[0]], part(1), part(0), part(2)),
		"trailer twice":   slices.Concat(whole, whole[len(whole)-trailerLen:]),
		"event changed":   withOtherEvent(whole, ends),
		"event skipped":   batchOf(whole[:ends[0]], 1, 3),
		"seq from 0":      batchOf(whole[:ends[0]], 0, 1),
	}
	for name, b := range tests {
		put(t, dir, b)
		if _, err := Open(Options{Dir: dir, Building: "b"}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// withOtherEvent changes the first event and its checksum: only the chain tells.
func withOtherEvent(whole []byte, ends []int64) []byte {
	b := slices.Clone(whole)
	f := b[ends[0] : ends[1]-trailerLen]
	f[16]++
	le.PutUint32(f[4:], checksum(f))
	return b
}

// batchOf puts a batch behind a header whose chain and trailer fit, with events of
// these sequences.
func batchOf(head []byte, seqs ...uint64) []byte {
	var batch []byte
	for i, seq := range seqs {
		e := grant(uint64(i + 1))
		batch, _ = appendEventFrame(batch, &e, seq)
	}
	before := sha256.Sum256(head)
	chain := sha256.Sum256(slices.Concat(before[:], batch))
	batch = appendTrailer(batch, uint64(len(seqs)), 0, len(seqs), chain[:])
	return slices.Concat(head, batch)
}

func TestOtherBuildingAndNewerFormat(t *testing.T) {
	dir, whole, _ := sample(t)
	if _, err := Open(Options{Dir: dir, Building: "c"}); !errors.Is(err, ErrBuilding) {
		t.Errorf("other building: %v", err)
	}
	if owner, err := Building(dir); owner != "b" || err != nil {
		t.Errorf("the journal is of %q, %v", owner, err)
	}
	h := (&header{building: "b", epoch: 1, first: 1}).encode()
	le.PutUint16(h[8:], formatVersion+1)
	sealHeader(h)
	put(t, dir, h)
	if _, err := Building(dir); !errors.Is(err, ErrVersion) {
		t.Errorf("owner of a newer format: %v", err)
	}
	if _, err := Open(Options{Dir: dir, Building: "b"}); !errors.Is(err, ErrVersion) {
		t.Errorf("newer format: %v", err)
	}
	put(t, dir, h[:headerLenV1-1])
	if _, err := Building(dir); !errors.Is(err, ErrCorrupt) {
		t.Errorf("owner of a header cut short: %v", err)
	}
	if _, err := Building(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("owner of nothing: %v", err)
	}
	put(t, dir, whole)
	for _, building := range []string{"", strings.Repeat("x", maxBuilding+1)} {
		if _, err := Open(Options{Dir: dir, Building: building}); err == nil {
			t.Errorf("building id %q accepted", building)
		}
	}
}
