package actors_test

import (
	"errors"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/supervisor/sim"
)

// preparingJournal counts what is prepared, and what of it is committed.
type preparingJournal struct {
	*memoryJournal
	prepared, used int
}

func (j *preparingJournal) Prepare(events []access.Event) (commit func() error) {
	j.prepared++
	return func() error {
		j.used++
		return j.Commit(events)
	}
}

// A rush is recorded whole, in order and once, whatever fails meanwhile, and some of
// its batches are got ready ahead: those whose preparation ends before the commit in
// front of them, which here the seed decides and on a machine the disk.
func TestARushIsPreparedAhead(t *testing.T) {
	const rush, seeds = 5000, 10
	for name, fails := range map[string]bool{"the disk works": false, "the disk fails meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			used := 0
			for seed := range uint64(seeds) {
				h := newHouse(t, 1, sim.New(seed, sim.Options{}))
				j := &preparingJournal{memoryJournal: h.journal}
				h.config.Journal = j
				h.start()
				before := int(h.journal.Last())
				if fails {
					h.journal.setFail(errors.New("no disk"))
				}
				em := h.b.Emitter("rush", 1)
				for i := range rush {
					em.Emit(access.Event{Kind: access.KindDoorOpened, Count: uint64(i + 1)})
				}
				h.quiet()
				h.journal.setFail(nil)
				h.sim.Advance(10 * time.Second)
				next := uint64(1)
				all, err := h.journal.Read(uint64(before), 2*rush)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range all {
					if e.Source.Name != "rush" {
						continue
					}
					if e.Count != next {
						t.Fatalf("seed %d: event %d where %d should be", seed, e.Count, next)
					}
					next++
				}
				if next != rush+1 {
					t.Errorf("seed %d: %d events of %d", seed, next-1, rush)
				}
				used += j.used
				h.b.Stop()
			}
			if used < 2*seeds {
				t.Errorf("%d prepared batches were used with %d seeds", used, seeds)
			}
		})
	}
}

// What is not prepared in time is committed as ever.
func TestAPreparationThatHangs(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{Hold: func(_, name string) sim.Hold {
		if name == "prepare" {
			return sim.Hold{Result: sim.Forever}
		}
		return sim.Hold{}
	}}))
	j := &preparingJournal{memoryJournal: h.journal}
	h.config.Journal = j
	h.start()
	em := h.b.Emitter("rush", 1)
	for range 3000 {
		em.Emit(access.Event{Kind: access.KindDoorOpened})
	}
	h.sim.Advance(time.Second)
	if waiting := h.b.Waiting(); waiting > 0 || j.used > 0 || j.prepared != 1 {
		t.Errorf("%d events wait; %d prepared, %d used", waiting, j.prepared, j.used)
	}
}

var _ actors.Preparer = (*preparingJournal)(nil)
