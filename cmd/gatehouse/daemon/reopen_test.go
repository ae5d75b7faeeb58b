package daemon

import (
	"testing"

	"gatehouse/access"
	"gatehouse/persistence/journal"
)

// A task of a recorder's life that is over may prepare its batch at any time: what
// another life has ready, or commits, stays what it is.
func TestPreparedBatchesAreApart(t *testing.T) {
	j, err := journal.Open(journal.Options{Dir: t.TempDir(), Building: "b"})
	if err != nil {
		t.Fatal(err)
	}
	l := &liveJournal{Journal: j}
	batch := func(count uint64) []access.Event { return []access.Event{{Kind: access.KindDoorOpened, Count: count}} }
	for n := range uint64(3) {
		ready := l.Prepare(batch(n))
		l.Prepare(batch(100))
		l.Prepare(batch(200))
		if err := ready(); err != nil {
			t.Fatal(err)
		}
		events, err := l.Read(n, 10)
		if err != nil || len(events) != 1 || events[0].Count != n {
			t.Errorf("acknowledged %d, on disk %+v, %v", n, events, err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
