package daemon_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
)

// A crash between store and journal, or between journal and store, is repaired at
// the next start: each change is in the journal once.
func TestAChangeIsRecordedOnce(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.stop()
	by := store.Author{Operator: "tester", Time: h.now}
	s, err := store.Open(store.Options{Dir: h.dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Import(t.Context(), strings.NewReader("id,name\np-9,Nine\n"), store.ImportOptions{Author: by}); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(journal.Options{Dir: filepath.Join(h.dir, "journal"), Building: "house", Boot: 99})
	if err != nil {
		t.Fatal(err)
	}
	power := errors.New("power cut")
	_, err = daemon.RecordChanges(s, func(events []access.Event) error { return errors.Join(j.Commit(events), power) }, access.ClockVirtual)
	if !errors.Is(err, power) {
		t.Fatal(err)
	}
	if _, err := s.Erase(t.Context(), "p-9", by); err != nil { // and nobody tells the journal
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		h.start()
		h.stop()
	}
	h.start()
	defer h.stop()
	var got []string
	events, err := h.d.Journal.Read(0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Source.Name == "store" {
			got = append(got, e.Kind.String()+" by "+string(e.Operator))
			if strings.Contains(e.Detail, "Nine") {
				t.Errorf("a name in %q", e.Detail)
			}
		}
	}
	want := []string{
		"rules_changed by site-file", "people_changed by site-file", "people_changed by tester", "person_erased by tester",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// People who are too many for the boot image are not unknown without a store: the
// directory failed, and the event says that.
func TestManyPeopleWithoutAStore(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.stop()
	s, err := store.Open(store.Options{Dir: h.dir})
	if err != nil {
		t.Fatal(err)
	}
	var people strings.Builder
	people.WriteString("id\n")
	for i := range 50_000 {
		fmt.Fprintf(&people, "p-%d\n", i+2)
	}
	if _, err := s.Import(t.Context(), strings.NewReader(people.String()), store.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.card("front", knownCard)
	h.wantReleased("front", true)
	h.stop()
	h.ruinStore()
	h.start()
	defer h.stop()
	h.card("front", knownCard)
	if e := h.newest(access.KindDenied); e.Reason != access.ReasonDirectoryFailed {
		t.Errorf("denied because of %v", e.Reason)
	}
}
