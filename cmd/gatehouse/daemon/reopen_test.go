package daemon

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
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

// A store that broke while the journal was told, or that a backup meets, is opened
// again although no door's mode changes.
func TestAStoreThatBrokeIsOpenedAgain(t *testing.T) {
	dir := t.TempDir()
	open := func(bool) (*store.Store, error) {
		return store.Open(store.Options{Dir: dir, Random: strings.NewReader("0123456789abcdef")})
	}
	s, err := open(false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Import(t.Context(), strings.NewReader("id\np-1\n"), store.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(journal.Options{Dir: JournalDir(dir), Building: "b"})
	if err != nil {
		t.Fatal(err)
	}
	live := &liveStore{open: open, s: s}
	d := &Daemon{store: live, journal: &liveJournal{Journal: j}, Building: &actors.Building{}}
	breaks := func() {
		if err := live.current().Retire(); err != nil { // as a failed commit does
			t.Fatal(err)
		}
	}
	breaks()
	if err := d.RecordOwed(); !errors.Is(err, store.ErrBroken) {
		t.Errorf("told by a broken store: %v", err)
	}
	if err := d.RecordOwed(); err != nil {
		t.Errorf("and again: %v", err)
	}
	if owed, err := live.current().Pending(); err != nil || len(owed) > 0 {
		t.Errorf("%d changes are owed, %v", len(owed), err)
	}
	breaks()
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := d.CopyStore(copied, time.Time{}); !errors.Is(err, store.ErrBroken) {
		t.Errorf("a copy of a broken store: %v", err)
	}
	if err := d.CopyStore(copied, time.Time{}); err != nil {
		t.Errorf("and again: %v", err)
	}
	if err := errors.Join(live.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
}

// A store that could not be opened for want of space takes no change, and says why.
func TestAnErasureWithoutAStore(t *testing.T) {
	d := &Daemon{storeErr: syscall.ENOSPC}
	if _, err := d.ErasePerson(t.Context(), "p-1", store.Author{}); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
}
