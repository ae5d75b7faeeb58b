package access

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Places are what a map of them is, whatever is done to them.
func TestPlacesAreAMap(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		var p Places
		model := map[CardholderID]Place{}
		id := func() CardholderID {
			n := r.IntN(200)
			return CardholderID(fmt.Sprintf("%*d", 1+n%7, n)) // of many lengths, also blank at the front
		}
		for range 2000 {
			switch r.IntN(40) {
			case 0:
				seq := r.Uint64N(40)
				p.ForgetBefore(seq)
				maps.DeleteFunc(model, func(_ CardholderID, at Place) bool { return at.Seq < seq })
			case 1:
				p.Grow(r.IntN(50), r.IntN(500))
			default:
				who, at := id(), Place{AreaID(fmt.Sprintf("a-%d", r.IntN(5))), r.Uint64N(50)}
				p.Set(who, at)
				model[who] = at
			}
			who := id()
			got, ok := p.Get(who)
			if want, known := model[who]; got != want || ok != known || p.Len() != len(model) {
				t.Fatalf("seed %d: %q: %v, %v; want %v, %v; %d people, want %d", seed, who, got, ok, want, known, p.Len(), len(model))
			}
		}
		if diff := cmp.Diff(model, maps.Collect(p.All())); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
		count := map[AreaID]int{}
		for _, at := range model {
			count[at.Area]++
		}
		if diff := cmp.Diff(count, p.counts()); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
	}
	var none Places
	if _, ok := none.Get("x"); ok || none.Len() != 0 {
		t.Error("somebody is nowhere")
	}
}

// People who are somewhere take little memory: ids of eight bytes less than 40 bytes
// each, and a lookup takes none.
func TestPlacesAreSmall(t *testing.T) {
	const people = 200_000
	var before, after runtime.MemStats
	ids := make([]CardholderID, people)
	for i := range ids {
		ids[i] = CardholderID(fmt.Sprintf("p-%06d", i))
	}
	runtime.GC()
	runtime.ReadMemStats(&before)
	p := &Places{}
	p.Grow(people, people*8)
	for i, id := range ids {
		p.Set(id, Place{"hall", uint64(i)})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := float64(after.HeapAlloc-before.HeapAlloc) / people; each > 40 {
		t.Errorf("%.1f bytes a person", each)
	}
	if n := testing.AllocsPerRun(100, func() { p.Set(ids[7], Place{"hall", 1}); p.Get(ids[9]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	runtime.KeepAlive(p)
	runtime.KeepAlive(ids)
}
