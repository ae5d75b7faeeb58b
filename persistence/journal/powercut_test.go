package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
)

// life drives a journal on a disk that fails, as its owner would: it keeps a
// batch until it is acknowledged, opens the journal again after an error, and
// sends the batch again.
type life struct {
	d       *disk
	rnd     *rand.Rand
	j       *Journal
	sent    uint64         // numbers given out
	waiting []access.Event // not acknowledged
	acked   uint64         // every number up to here is acknowledged
	dropped uint64         // events up to here may be gone
	roll    int64          // SegmentBytes

	segments int // the most there were
}

func newLife(seed uint64) *life {
	return &life{d: newDisk(seed), rnd: rand.New(rand.NewPCG(seed, 2)), roll: 4000}
}

func (l *life) more() {
	for range 1 + l.rnd.IntN(20) {
		l.sent++
		e := grant(l.sent)
		e.Detail = strings.Repeat("x", l.rnd.IntN(200))
		l.waiting = append(l.waiting, e)
	}
}

// plan puts a fault on one of the next operations.
func (l *life) plan() {
	l.d.planned[l.d.ops+1+l.rnd.IntN(12)] = fault(l.rnd.IntN(3))
}

// turn does the next thing that the owner would do. A refusal to open is an error:
// no power cut may cause one.
func (l *life) turn() error {
	if l.d.off {
		l.d.reboot()
		l.j = nil
		l.plan()
	}
	if l.j == nil {
		j, err := Open(Options{Dir: "j", Building: "b", Boot: 1, SegmentBytes: l.roll, fs: l.d})
		if errors.Is(err, errPower) || errors.Is(err, errDisk) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		l.j = j
		if l.d.off { // while it sealed an older segment
			return nil
		}
		return l.check()
	}
	switch l.rnd.IntN(12) {
	case 0:
		_, _ = l.j.Drop(l.acked / 2) // may be cut, or fail
		l.dropped = l.acked / 2
		return nil
	case 1:
		_ = l.j.Close()
		l.j = nil
		return nil
	}
	if len(l.waiting) == 0 {
		l.more()
	}
	if err := l.j.Commit(l.waiting); err != nil {
		if l.rnd.IntN(2) == 0 {
			l.j = nil // a new process; otherwise the same one comes again
		}
		return nil
	}
	l.acked, l.waiting = l.sent, nil
	return nil
}

// check: everything acknowledged is there, once, in order, unchanged; of the
// batch in flight all or nothing.
func (l *life) check() error {
	list := l.j.Segments()
	l.segments = max(l.segments, len(list))
	next := list[0].First - 1
	if next > l.dropped {
		return fmt.Errorf("event %d is gone, dropped up to %d", next, l.dropped)
	}
	err := l.j.Scan(func(e access.Event) error {
		next++
		want := grant(next)
		want.Seq, want.Detail = next, e.Detail
		if want != e { // cmp only when it must explain: this runs a million times
			return fmt.Errorf("event %d: %s", next, cmp.Diff(want, e))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if next != l.acked && next != l.sent || len(l.j.Gaps()) > 0 {
		return fmt.Errorf("acknowledged %d, sent %d, found %d", l.acked, l.sent, next)
	}
	return nil
}

func (l *life) run(turns int) error {
	l.plan()
	for range turns {
		if err := l.turn(); err != nil {
			return err
		}
		if l.rnd.IntN(8) == 0 {
			l.d.off = true // between two operations
		}
	}
	l.d.off = true
	for l.j == nil || l.d.off {
		if err := l.turn(); err != nil {
			return err
		}
	}
	return l.check()
}

// Hundreds of lives, each with many power cuts and disk errors at any operation.
func TestPowerCuts(t *testing.T) {
	lives := uint64(powerCutLives)
	if testing.Short() {
		lives = 50
	}
	var acked uint64
	segments := 0
	for seed := range lives {
		l := newLife(seed)
		if err := l.run(60); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		acked += l.acked
		segments += l.segments
	}
	if segments < 3*int(lives) {
		t.Errorf("at most %d segments in %d lives: the test does not reach far", segments, lives)
	}
	if acked < lives*20 {
		t.Errorf("only %d events acknowledged in %d lives: the test does not reach far", acked, lives)
	}
}

// The control: without syncs acknowledged events must be lost, or the simulation
// proves nothing.
func TestPowerCutsWithoutSyncLoseEvents(t *testing.T) {
	lost := 0
	for seed := range uint64(50) {
		l := newLife(seed)
		l.d.noSync = true
		if err := l.run(60); err != nil {
			lost++
		}
	}
	if lost == 0 {
		t.Error("syncs were left out and nothing was lost")
	}
	t.Logf("lost in %d of 50 lives", lost)
}

// A sync failed and the kernel forgot the pages: what Open then keeps must be
// durable on its own. The control leaves the rewriting out.
func TestOpenDoesNotTrustAFailedSync(t *testing.T) {
	for _, control := range []bool{false, true} {
		d := newDisk(1)
		d.noRewrite = control
		o := Options{Dir: "j", Building: "b", fs: d}
		j, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		d.planned[d.ops+2] = failClean // write, then this sync
		if err := j.Commit([]access.Event{grant(1)}); !errors.Is(err, ErrBroken) || !errors.Is(err, errDisk) {
			t.Fatalf("commit: %v", err)
		}
		if j, err = Open(o); err != nil || j.Last() != 1 {
			t.Fatalf("open again: %v", err)
		}
		d.reboot()
		if j, err = Open(o); err != nil {
			t.Fatal(err)
		}
		if lost := j.Last() == 0; lost != control {
			t.Errorf("rewriting left out %v: lost %v", control, lost)
		}
	}
}

// After an error the file is not written again: the next commit goes to a new
// segment, with the same numbers.
func TestAFailedFileIsNotWrittenAgain(t *testing.T) {
	for _, after := range []int{1, 2} { // the write, the sync
		for _, what := range []fault{failKeep, failClean} {
			d := newDisk(1)
			j, err := Open(Options{Dir: "j", Building: "b", fs: d})
			if err != nil {
				t.Fatal(err)
			}
			if err := j.Commit([]access.Event{grant(1)}); err != nil {
				t.Fatal(err)
			}
			d.planned[d.ops+after] = what
			failed := d.names[filepath.Join("j", segmentName)]
			batch := []access.Event{grant(2), grant(3)}
			if err := j.Commit(batch); !errors.Is(err, ErrBroken) || !errors.Is(err, errDisk) || batch[0].Seq != 0 || j.Last() != 1 {
				t.Fatalf("operation %d: %v, seq %d, last %d", after, err, batch[0].Seq, j.Last())
			}
			if got, err := j.Read(0, 10); err != nil || len(got) != 1 {
				t.Errorf("operation %d: reading after the failure: %d, %v", after, len(got), err)
			}
			before, dirty := string(failed.seen), len(failed.dirty)
			if err := j.Commit(batch); err != nil || batch[1].Seq != 3 {
				t.Fatalf("operation %d: again: %v, %v", after, err, seqs(batch))
			}
			if string(failed.seen) != before || len(failed.dirty) != dirty {
				t.Errorf("operation %d: the failed file was written again", after)
			}
			d.off = true
			d.reboot()
			if j, err = Open(Options{Dir: "j", Building: "b", fs: d}); err != nil || j.Last() != 3 || len(j.Segments()) != 2 {
				t.Errorf("operation %d: after a power cut: %v, last %d", after, err, j.Last())
			}
		}
	}
}

// Whatever operation of the first creation fails or is cut, the next Open makes
// or finds a whole journal.
func TestCreationIsAtomic(t *testing.T) {
	for at := 1; at <= 9; at++ {
		for _, what := range []fault{powerCut, failKeep, failClean} {
			for seed := range uint64(10) {
				d := newDisk(seed)
				o := Options{Dir: "j", Building: "b", fs: d}
				d.planned[at] = what
				_, first := Open(o)
				d.reboot()
				j, err := Open(o)
				if err != nil {
					t.Fatalf("operation %d, fault %d: first %v, then %v", at, what, first, err)
				}
				if err := j.Commit([]access.Event{grant(1)}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
