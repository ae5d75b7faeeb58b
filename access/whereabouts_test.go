package access

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func later(d time.Duration) time.Time { return monday.Add(d) }

func ask(who CardholderID, door DoorID, reader ReaderID) PassageRequest {
	return PassageRequest{Cardholder: who, Door: door, Reader: reader}
}

func TestReserveConfirm(t *testing.T) {
	t.Parallel()
	w := NewWhereabouts(compiled(t, house()))
	got := w.Reserve(ask("ann", "entrance", "in"), monday, later(time.Second))
	same(t, AreaAnswer{Asked: true, Reservation: 1}, got)
	if _, known := w.Where("ann"); known || w.Occupancy("building") != 0 {
		t.Error("a reservation moved the person")
	}
	who, from, to, ok := w.Confirm(1, later(time.Millisecond))
	if who != "ann" || from != Outside || to != "building" || !ok {
		t.Errorf("confirmed %v %v %v %t", who, from, to, ok)
	}
	if area, known := w.Where("ann"); area != "building" || !known || w.Occupancy("building") != 1 {
		t.Errorf("ann is in %v", area)
	}
	if _, _, _, ok := w.Confirm(1, monday); ok {
		t.Error("confirmed twice")
	}
}

func TestReserveRefuses(t *testing.T) {
	t.Parallel()
	w := NewWhereabouts(compiled(t, house()))
	unavailable := AreaAnswer{Asked: true, Unavailable: true}
	same(t, unavailable, w.Reserve(ask("ann", "gate", "in"), monday, later(1)))
	same(t, unavailable, w.Reserve(ask("ann", "vault", "side"), monday, later(1)))
	same(t, unavailable, w.Reserve(ask("", "vault", "in"), monday, later(1)))
	w.Reserve(ask("ann", "entrance", "in"), monday, later(10))
	same(t, AreaAnswer{Asked: true, Reserved: true}, w.Reserve(ask("ann", "vault", "in"), later(9), later(19)))
	if w.Reservations() != 1 {
		t.Errorf("%d reservations", w.Reservations())
	}
}

func TestReserveAfterTheDeadline(t *testing.T) {
	t.Parallel()
	w := NewWhereabouts(compiled(t, house()))
	w.Reserve(ask("ann", "entrance", "in"), monday, later(10))
	got := w.Reserve(ask("ann", "vault", "in"), later(10), later(20))
	same(t, AreaAnswer{Asked: true, Reservation: 2}, got)
	if _, _, _, ok := w.Confirm(1, later(11)); ok {
		t.Error("a replaced reservation was confirmed")
	}
	if _, _, _, ok := w.Confirm(2, later(20)); ok {
		t.Error("confirmed after its deadline")
	}
	if w.Reservations() != 0 {
		t.Error("it is still there")
	}
}

func TestRenewedAtTheSameDoor(t *testing.T) {
	t.Parallel()
	w := NewWhereabouts(compiled(t, house()))
	w.Reserve(ask("ann", "vault", "in"), monday, later(10))
	if got := w.Reserve(ask("ann", "vault", "in"), later(5), later(15)); got.Reservation != 2 {
		t.Errorf("got %+v", got)
	}
	w.Cancel(1) // the door gives up its older grant: the newer one must not notice
	if _, _, _, ok := w.Confirm(2, later(12)); !ok {
		t.Error("the renewed reservation is gone")
	}
}

func TestContradictions(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		place AreaID
		ask   PassageRequest
		want  AreaAnswer
	}{
		"entrance, seen leaving":          {Outside, ask("ann", "entrance", "in"), AreaAnswer{Asked: true, Reservation: 1}},
		"entrance, left unseen":           {"building", ask("ann", "entrance", "in"), AreaAnswer{Asked: true, Reservation: 1}},
		"entrance, held in the vault":     {"vault", ask("ann", "entrance", "in"), AreaAnswer{Asked: true, Held: "vault"}},
		"vault again":                     {"vault", ask("ann", "vault", "in"), AreaAnswer{Asked: true, Held: "vault"}},
		"vault from outside":              {Outside, ask("ann", "vault", "in"), AreaAnswer{Asked: true, Held: Outside}},
		"out without in, soft at an exit": {"building", ask("ann", "vault", "out"), AreaAnswer{Asked: true, Held: "building", Reservation: 1}},
		"leads nowhere":                   {"vault", ask("ann", "closet", "in"), AreaAnswer{Asked: true, Reservation: 1}},
	} {
		w := NewWhereabouts(compiled(t, house()))
		w.Apply(Event{Kind: KindPassage, Cardholder: "ann", To: row.place})
		if got := w.Reserve(row.ask, monday, later(1)); got != row.want {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// A denial at the out reader must not take away what the in reader granted.
func TestHardDenialKeepsTheReservation(t *testing.T) {
	t.Parallel()
	rules := house()
	rules.Doors[1].Egress = EgressMechanical // the exit is hard, too
	w := NewWhereabouts(compiled(t, rules))
	w.Apply(Event{Kind: KindPassage, Cardholder: "ann", To: "building"})
	w.Reserve(ask("ann", "vault", "in"), monday, later(10))
	same(t, AreaAnswer{Asked: true, Held: "building"}, w.Reserve(ask("ann", "vault", "out"), later(1), later(11)))
	if _, _, to, ok := w.Confirm(1, later(2)); !ok || to != "vault" {
		t.Error("the granted passage is lost")
	}
}

func TestExpireAndNext(t *testing.T) {
	t.Parallel()
	w := NewWhereabouts(compiled(t, house()))
	if _, ok := w.Next(); ok {
		t.Error("a deadline of nothing")
	}
	w.Reserve(ask("ann", "entrance", "in"), monday, later(20))
	w.Reserve(ask("bob", "entrance", "in"), monday, later(10))
	if at, ok := w.Next(); !ok || !at.Equal(later(10)) {
		t.Errorf("next is %v", at)
	}
	if n := w.Expire(later(9)); n != 0 {
		t.Errorf("%d expired early", n)
	}
	if n := w.Expire(later(10)); n != 1 || w.Reservations() != 1 {
		t.Errorf("%d expired", n)
	}
	w.Cancel(1)
	w.Cancel(1)
	if _, ok := w.Next(); ok || w.Reservations() != 0 {
		t.Error("something is left")
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	w := NewWhereabouts(compiled(t, house()))
	for _, e := range []Event{
		{Kind: KindPassage, Cardholder: "ann", To: "building"},
		{Kind: KindPassage, Cardholder: "bob", To: "building"},
		{Kind: KindPassage, Cardholder: "ann", To: "vault"},
		{Kind: KindPassage, Cardholder: "ann", To: "vault"},
		{Kind: KindGranted, Cardholder: "bob", To: "vault"},
		{Kind: KindNoPassage, Cardholder: "bob", To: "vault"},
		{Kind: KindPassage, Cardholder: "bob"},
		{Kind: KindPassage, To: "vault"},
	} {
		w.Apply(e)
	}
	if w.Occupancy("building") != 1 || w.Occupancy("vault") != 1 || w.Occupancy(Outside) != 0 {
		t.Errorf("occupancy %v", w.count)
	}
}

func TestNumberFrom(t *testing.T) {
	t.Parallel()
	w := NewWhereabouts(compiled(t, house()))
	w.NumberFrom(1 << 32)
	if got := w.Reserve(ask("ann", "entrance", "in"), monday, later(1)); got.Reservation != 1<<32 {
		t.Errorf("got %+v", got)
	}
	w.NumberFrom(0) // never backwards
	w.NumberFrom(7)
	if got := w.Reserve(ask("bob", "entrance", "in"), monday, later(1)); got.Reservation != 1<<32+1 {
		t.Errorf("got %+v", got)
	}
}

// TestWhereaboutsHold runs random requests and checks after each that everyone
// is in one place, the counts add up, and nobody has two reservations. A plain
// map of who was last moved where is the independent opinion.
func TestWhereaboutsHold(t *testing.T) {
	t.Parallel()
	rules := compiled(t, house())
	people := []CardholderID{"ann", "bob", "cyd"}
	readers := []PassageRequest{ask("", "entrance", "in"), ask("", "vault", "in"), ask("", "vault", "out"), ask("", "closet", "in")}
	rapid.Check(t, func(t *rapid.T) {
		w := NewWhereabouts(rules)
		now := monday
		expect := map[CardholderID]AreaID{}
		given := map[uint64]PassageRequest{}
		someone := func() CardholderID { return rapid.SampledFrom(people).Draw(t, "who") }
		t.Repeat(map[string]func(*rapid.T){
			"reserve": func(t *rapid.T) {
				request := rapid.SampledFrom(readers).Draw(t, "reader")
				request.Cardholder = someone()
				got := w.Reserve(request, now, now.Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "for"))))
				if got.Reservation != 0 {
					if _, twice := given[got.Reservation]; twice {
						t.Fatalf("number %d was given twice", got.Reservation)
					}
					given[got.Reservation] = request
				}
			},
			"confirm": func(t *rapid.T) {
				id := uint64(rapid.IntRange(0, int(w.last)+1).Draw(t, "id"))
				if who, _, to, ok := w.Confirm(id, now); ok {
					if given[id].Cardholder != who {
						t.Fatalf("%d moved %s", id, who)
					}
					expect[who] = to
				}
			},
			"cancel": func(t *rapid.T) { w.Cancel(uint64(rapid.IntRange(0, int(w.last)+1).Draw(t, "id"))) },
			"pass": func(t *rapid.T) {
				who, to := someone(), rapid.SampledFrom([]AreaID{Outside, "building", "vault"}).Draw(t, "to")
				w.Apply(Event{Kind: KindPassage, Cardholder: who, To: to})
				expect[who] = to
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 3).Draw(t, "wait")))
				w.Expire(now)
				if at, ok := w.Next(); ok && !at.After(now) {
					t.Fatal("an expired reservation is left")
				}
			},
			"": func(t *rapid.T) {
				if err := consistent(w, expect, people); err != nil {
					t.Fatal(err)
				}
			},
		})
	})
}

func consistent(w *Whereabouts, expect map[CardholderID]AreaID, people []CardholderID) error {
	count := map[AreaID]int{}
	for _, who := range people {
		place, known := w.Where(who)
		want, moved := expect[who]
		if known != moved || place != want {
			return fmt.Errorf("%s is in %q, want %q", who, place, want)
		}
		if known {
			count[place]++
		}
	}
	for _, area := range []AreaID{Outside, "building", "vault"} {
		if w.Occupancy(area) != count[area] {
			return fmt.Errorf("%s holds %d, want %d", area, w.Occupancy(area), count[area])
		}
	}
	if len(w.holder) != len(w.reserved) || w.Reservations() > len(people) {
		return fmt.Errorf("%d reservations, %d numbers", len(w.reserved), len(w.holder))
	}
	for who, r := range w.reserved {
		if w.holder[r.id] != who || r.ask.Cardholder != who {
			return fmt.Errorf("reservation %d belongs to two", r.id)
		}
	}
	return nil
}

// What was read takes the place of what was known, but for those who moved since and
// those of whom it knows nothing.
func TestAdopt(t *testing.T) {
	w := NewWhereabouts(compiled(t, house()))
	for who, area := range map[CardholderID]AreaID{"moved": "hall", "stays": "hall", "read": "hall"} {
		w.Apply(Event{Kind: KindPassage, Cardholder: who, To: area})
	}
	p := &Places{}
	for _, who := range []CardholderID{"moved", "read", "new"} {
		p.Set(who, Place{"vault", 7})
	}
	w.Adopt(p, map[CardholderID]bool{"moved": true})
	for who, want := range map[CardholderID]AreaID{"moved": "hall", "stays": "hall", "read": "vault", "new": "vault"} {
		if got, _ := w.Where(who); got != want {
			t.Errorf("%s is in %q, want %q", who, got, want)
		}
	}
	w.Apply(Event{Kind: KindPassage, Cardholder: "new", To: "hall"})
	if hall, vault := w.Occupancy("hall"), w.Occupancy("vault"); hall != 3 || vault != 1 {
		t.Errorf("%d in the hall, %d in the vault", hall, vault)
	}
}
