package store

import (
	"fmt"
	"sync"
	"testing"

	"gatehouse/access"
)

// Lookups go on while people change, in place and by new tables: whoever is not
// changed is found every time.
func TestLookupsDuringChanges(t *testing.T) {
	const people = 300
	for _, inMemory := range []int{0, 1} {
		s, err := Open(Options{Dir: t.TempDir(), Random: random(), inMemory: inMemory})
		if err != nil {
			t.Fatal(err)
		}
		take(t, s)
		if _, err := s.Import(t.Context(), newCrowdCSV(people), ImportOptions{Author: author}); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		var readers sync.WaitGroup
		for range 2 {
			readers.Go(func() {
				for i := 0; ; i++ {
					p, ok, err := s.Lookup(access.Card{Facility: 7, Number: uint64(i%people + 1)})
					if err != nil || !ok || p.Cardholder.ID != access.CardholderID(fmt.Sprintf("p-%07d", i%people)) {
						t.Errorf("person %d: %+v, %v, %v", i%people, p, ok, err)
						return
					}
					select {
					case <-done:
						return
					default:
					}
				}
			})
		}
		for i := range 6 {
			id := fmt.Sprintf("x-%d", i)
			h := []access.Cardholder{{ID: access.CardholderID(id)}}
			c := []access.Credential{{ID: access.CredentialID(id), Holder: access.CardholderID(id), Card: access.Card{Number: 1000 + uint64(i)}}}
			if _, _, err := s.Take(rules, h, c, author); err != nil {
				t.Error(err)
			}
			save(t, s, access.DoorMemory{Door: "d1", Mode: []access.Mode{access.Locked, access.Blocked}[i%2]})
			if i%3 == 2 {
				if _, err := s.Erase(t.Context(), access.CardholderID(id), author); err != nil {
					t.Error(err)
				}
			}
		}
		close(done)
		readers.Wait()
		_ = s.Close()
	}
}

// Tables grow with those who come one by one: groups stay small.
func TestTablesGrow(t *testing.T) {
	s := open(t, t.TempDir())
	for i := range 6 {
		var h []access.Cardholder
		for k := range 40 << i {
			h = append(h, access.Cardholder{ID: access.CardholderID(fmt.Sprintf("p-%d-%d", i, k))})
		}
		if _, _, err := s.Take(rules, h, nil, author); err != nil {
			t.Fatal(err)
		}
		if m := s.all.meta.Tables[tableHolders]; m.full() || int(m.Groups) > m.Rows {
			t.Errorf("%+v", m)
		}
	}
	if got := len(all(t, s).Holders); got != 40*63 {
		t.Errorf("%d holders", got)
	}
}
