package index

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"

	"gatehouse/access"
)

// TestMemoryOfASearch does not depend on how long the journal is.
func TestMemoryOfASearch(t *testing.T) {
	short, long := bytesOfSearches(t, 20_000), bytesOfSearches(t, 200_000)
	t.Logf("%d bytes for a page of 20,000 events, %d of 200,000", short, long)
	if long > short+short/4 {
		t.Error("a page takes more memory of a long journal")
	}
}

// bytesOfSearches is what is allocated for the first page of rare events, of those
// that nobody made, and of all.
func bytesOfSearches(t *testing.T, n int) uint64 {
	r := rand.New(rand.NewPCG(1, 1))
	m := &memory{}
	m.grow(r, n, 0)
	for i := range m.events {
		if i%2000 == 0 {
			m.events[i].Cardholder = "rare"
		}
	}
	x := New(t.TempDir(), m)
	advance(t, x)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, f := range []access.Filter{{Cardholder: "rare"}, {Cardholder: "nobody"}, {}} {
		for _, newest := range []bool{false, true} {
			if _, err := x.Find(context.Background(), access.Search{Filter: f, Newest: newest, At: uint64(n) / 2, Limit: 5}); err != nil {
				t.Fatal(err)
			}
		}
	}
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
