package journal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
)

// pipe prepares groups by turns in two batches.
type pipe struct {
	j       *Journal
	batches [2]Batch
	at      int
}

func (p *pipe) prepare(events []access.Event) *Batch {
	b := &p.batches[p.at%2]
	p.j.Prepare(b, events)
	p.at++
	return b
}

// What is prepared and then committed is byte for byte what is committed at once,
// through rollovers, repeats, failed disks and groups that come again.
func TestPreparedIsTheSame(t *testing.T) {
	rolled := 0
	for seed := range uint64(150) {
		plain, ahead := newDisk(seed), newDisk(seed)
		open := func(d *disk) *Journal {
			j, err := Open(Options{Dir: "j", Building: "b", SegmentBytes: 3000, fs: d, life: pythonLife})
			if err != nil {
				t.Fatal(err)
			}
			return j
		}
		one, p := open(plain), &pipe{j: open(ahead)}
		rnd := rand.New(rand.NewPCG(seed, 1))
		group := func() (events []access.Event) {
			for range rnd.IntN(9) { // sometimes nothing
				e := grant(1 + rnd.Uint64N(400)) // sometimes a repeat
				e.Source.Name = fmt.Sprint("s", rnd.IntN(3))
				e.Detail = strings.Repeat("x", rnd.IntN(200))
				events = append(events, e)
			}
			return events
		}
		next := group()
		b := p.prepare(slices.Clone(next))
		for range 40 {
			now, was := next, b
			next = group()
			b = p.prepare(slices.Clone(next)) // beside the one before it
			for try := 0; ; try++ {
				if rnd.IntN(8) == 0 && try < 3 {
					at := fault(1 + rnd.IntN(2))
					plain.planned[plain.ops+1], ahead.planned[ahead.ops+1] = at, at
				}
				errOne, errAhead := one.Commit(now), p.j.CommitPrepared(was)
				if fmt.Sprint(errOne) != fmt.Sprint(errAhead) {
					t.Fatalf("seed %d: %v and %v", seed, errOne, errAhead)
				}
				if errOne == nil {
					break
				}
			}
		}
		for name, in := range plain.names {
			if other := ahead.names[name]; other == nil || !slices.Equal(in.seen, other.seen) {
				t.Fatalf("seed %d: %s differs", seed, name)
			}
		}
		if a, b := one.Segments(), p.j.Segments(); !cmp.Equal(a, b) {
			t.Fatalf("seed %d: %s", seed, cmp.Diff(a, b))
		} else if len(a) > 2 {
			rolled++
		}
	}
	if rolled < 100 {
		t.Errorf("only %d journals of several segments", rolled)
	}
}

// Seq is set as by Commit, and what is prepared in vain leaves nothing behind.
func TestPreparedInVain(t *testing.T) {
	j := open(t, t.TempDir())
	var b, unused Batch
	events := []access.Event{grant(1), grant(2)}
	j.Prepare(&b, events)
	j.Prepare(&unused, []access.Event{grant(1), grant(2), grant(3)})
	commit(t, j, []access.Event{grant(9)}) // came between
	if err := j.CommitPrepared(&b); err != nil || events[0].Seq != 0 || events[1].Seq != 0 {
		t.Errorf("repeats: %v, %+v", err, seqs(events))
	}
	events = []access.Event{grant(10), grant(11)}
	j.Prepare(&b, events)
	if err := j.CommitPrepared(&b); err != nil || !slices.Equal(seqs(events), []uint64{2, 3}) {
		t.Errorf("%v, %+v", err, seqs(events))
	}
	j.Prepare(&b, make([]access.Event, MaxBatch+1))
	if err := j.CommitPrepared(&b); err == nil {
		t.Error("too many events were committed")
	}
	commit(t, j, []access.Event{grant(12)})
	if report, err := Verify(j.o.Dir, "b"); err != nil || report.Last != 4 {
		t.Errorf("%+v, %v", report, err)
	}
}

// One group is prepared beside the commit of the one before it, without a race.
func TestPrepareBesideCommit(t *testing.T) {
	d := newDisk(1)
	j, err := Open(Options{Dir: "j", Building: "b", SegmentBytes: 20_000, fs: d})
	if err != nil {
		t.Fatal(err)
	}
	p := &pipe{j: j}
	ready, free := make(chan *Batch), make(chan struct{}, 1)
	number := uint64(0)
	const groups, each = 60, 20
	go func() {
		defer close(ready)
		for range groups {
			events := make([]access.Event, each)
			for i := range events {
				number++
				events[i] = grant(number)
			}
			b := p.prepare(events)
			free <- struct{}{} // the other one is committed by then
			ready <- b
		}
	}()
	for b := range ready {
		if err := p.j.CommitPrepared(b); err != nil {
			t.Fatal(err)
		}
		<-free
	}
	if report, err := verify(d, "j", "b"); err != nil || report.Last != groups*each {
		t.Errorf("%d, %v", report.Last, err)
	}
}

// What is prepared behind a group under way is used as it is, and takes no memory.
func TestPreparingIsNotInVainAndAllocatesNothing(t *testing.T) {
	p := &pipe{j: open(t, t.TempDir())}
	batches, number, at := [2][]access.Event{make([]access.Event, 64), make([]access.Event, 64)}, uint64(0), 0
	var before *Batch
	anew := 0
	step := func() {
		events := batches[at%2]
		at++
		for i := range events {
			number++
			events[i] = grant(number)
		}
		b := p.prepare(events)
		if before != nil {
			if before.from != p.j.shown.active.place() {
				anew++
			}
			if err := p.j.CommitPrepared(before); err != nil {
				t.Error(err)
			}
		}
		before = b
	}
	step()
	step()
	step()
	if allocs := testing.AllocsPerRun(50, step); allocs > 0 {
		t.Errorf("%v allocations for 64 events", allocs)
	}
	if anew > 0 {
		t.Errorf("%d of %d groups were encoded anew", anew, at)
	}
}

// A group that was prepared behind one which never came goes elsewhere in the chain,
// though another one of the same size came instead.
func TestPreparedBehindWhatNeverCame(t *testing.T) {
	j := open(t, t.TempDir())
	var never, b Batch
	j.Prepare(&never, []access.Event{grant(1)})
	j.Prepare(&b, []access.Event{grant(3)})
	commit(t, j, []access.Event{grant(2)})
	if b.from.end != j.shown.active.end || b.from.last != j.Last() {
		t.Fatal("the sizes differ: nothing is tested")
	}
	if err := j.CommitPrepared(&b); err != nil {
		t.Fatal(err)
	}
	if report, err := Verify(j.o.Dir, "b"); err != nil || report.Last != 2 {
		t.Errorf("%+v, %v", report, err)
	}
}
