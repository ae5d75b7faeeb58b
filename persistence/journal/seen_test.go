package journal

import (
	"math/rand/v2"
	"testing"

	"gatehouse/access"
)

// Whatever batches come and fail, repeats are those that a list of all that was kept
// tells.
func TestSeenIsTheListOfAllThatWasKept(t *testing.T) {
	type key struct {
		source string
		file   string
		kind   access.Kind
	}
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		s, kept := newSeen(), map[key]uint64{}
		for seq := uint64(1); seq < 400; {
			batch := map[key]uint64{}
			greatest := func(k key) uint64 { return max(kept[k], batch[k]) }
			for range rnd.IntN(12) {
				e := access.Event{Kind: access.Kind(1 + rnd.IntN(2))}
				source, origin := key{source: string(rune('a' + rnd.IntN(3)))}, key{file: "f", kind: e.Kind}
				e.Source.Name, e.Source.Number = source.source, uint64(rnd.IntN(60))
				if rnd.IntN(3) == 0 {
					e.Origin.File, e.Origin.Order = origin.file, uint64(1+rnd.IntN(60))
				}
				n, order := e.Source.Number, e.Origin.Order
				want := n > 0 && n <= greatest(source) || order > 0 && order <= greatest(origin)
				if got := s.repeat(&e); got != want {
					t.Fatalf("seed %d, event %d: a repeat: %v, want %v", seed, seq, got, want)
				}
				if want {
					continue
				}
				s.note(&e, seq)
				seq++
				if n > 0 {
					batch[source] = n
				}
				if order > 0 {
					batch[origin] = order
				}
			}
			if rnd.IntN(4) == 0 {
				s.revert()
				continue
			}
			s.keep()
			for k, n := range batch {
				kept[k] = n
			}
		}
	}
}
