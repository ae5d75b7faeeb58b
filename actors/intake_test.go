package actors

import (
	"math/rand/v2"
	"slices"
	"testing"

	"gatehouse/access"
)

// The ring gives what two plain lists would, however it wraps, grows and shrinks.
func TestIntakeIsAQueue(t *testing.T) {
	for seed := range uint64(15) {
		random := rand.New(rand.NewPCG(seed, 5))
		var q intake
		var waiting, batch []access.Event
		var next, lost uint64
		out := false
		for range 400 {
			switch random.IntN(5) {
			case 0, 1: // a rush or a few
				for range random.IntN([]int{4, 3000}[random.IntN(2)]) {
					next++
					e := access.Event{Kind: access.KindGranted, Count: next}
					q.offer(e)
					if len(waiting)+len(batch) < intakeLimit {
						waiting = append(waiting, e)
					} else {
						lost++
					}
				}
			case 2:
				got := q.take()
				if !out && len(batch) == 0 {
					n := min(batchLimit, len(waiting))
					batch, waiting = append(batch, waiting[:n]...), waiting[n:]
				}
				want := batch
				if out {
					want = nil
				}
				if !slices.Equal(want, got) {
					t.Fatalf("seed %d: took %d events, want %d", seed, len(got), len(want))
				}
				out = out || len(batch) > 0
				if len(got) > 0 && random.IntN(2) == 0 {
					q.reuse(got)
				}
			case 3: // it failed
				q.giveBack()
				out = false
			case 4:
				if out {
					q.giveBack()
					q.done()
					batch, out = nil, false
				}
			}
			if q.depth() != len(waiting)+len(batch) {
				t.Fatalf("seed %d: depth %d, want %d", seed, q.depth(), len(waiting)+len(batch))
			}
		}
		if got := q.gap(); got != lost {
			t.Fatalf("seed %d: %d lost, want %d", seed, got, lost)
		}
	}
}

// Neither a lone event nor a rush allocates, once there was one before.
func TestRecordingAllocatesNothing(t *testing.T) {
	for _, rush := range []int{1, 100, 5000} {
		var q intake
		cycle := func() {
			for i := range rush {
				q.offer(access.Event{Kind: access.KindGranted, Count: uint64(i)})
			}
			for batch := q.take(); len(batch) > 0; batch = q.take() {
				q.giveBack()
				q.done()
				q.reuse(batch)
			}
		}
		if n := testing.AllocsPerRun(100, cycle); n > 0 {
			t.Errorf("%d events: %v allocations", rush, n)
		}
	}
}

// What a rush needed is given up when it is long over.
func TestARushLeavesNoRoomBehind(t *testing.T) {
	var q intake
	empty := func() {
		for batch := q.take(); len(batch) > 0; batch = q.take() {
			q.giveBack()
			q.done()
		}
	}
	for range intakeLimit {
		q.offer(access.Event{Kind: access.KindGranted})
	}
	empty()
	for range 10 {
		q.offer(access.Event{Kind: access.KindGranted})
		empty()
	}
	if len(q.ring) != ringKept {
		t.Errorf("room for %d events is left, want %d", len(q.ring), ringKept)
	}
}
