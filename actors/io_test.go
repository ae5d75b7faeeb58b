package actors_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/devices"
	"gatehouse/supervisor/sim"
)

const (
	logic1   = actors.Root + "/doors/door-1/logic"
	contact1 = actors.Root + "/doors/door-1/io/contact"
	reader1  = actors.Root + "/doors/door-1/io/reader-in"
)

// A contact that chatters faster than anybody looks: what the door holds it to
// be in the end is its level.
func TestAChatteringContactEndsAtItsLevel(t *testing.T) {
	for _, edges := range []int{100, 101} {
		for _, at := range []string{contact1, logic1} {
			t.Run(fmt.Sprint(edges, " ", at), func(t *testing.T) {
				h, s := stalledHouse(t, 1, sim.Options{})
				h.start()
				s.path = at
				for i := range edges {
					h.contact(1).Set(i%2 == 0)
					if at == logic1 {
						h.quiet() // one by one through the contact's own actor
					}
				}
				s.resume()
				h.sim.Advance(time.Second)
				if got, want := h.status("door-1").Open, edges%2 == 1; got != want {
					t.Errorf("open is %v, the contact says %v; refused %d", got, want, h.find(at).Refused)
				}
				if h.find(at).Refused == 0 {
					t.Error("nothing was refused: this test proves nothing")
				}
				h.stopClean()
			})
		}
	}
}

// A request to exit that meets a full lane is asked again until it is taken.
func TestARequestToExitIsNotLostToAFullLane(t *testing.T) {
	h, s := stalledHouse(t, 1, sim.Options{})
	h.start()
	s.path = logic1
	h.fill(logic1)
	h.rig.Input("door-1/rex").Set(true)
	h.quiet()
	h.rig.Input("door-1/rex").Set(false) // a short press
	h.quiet()
	s.resume()
	h.sim.Advance(25 * time.Millisecond)
	if !h.lock(1).Released() || len(h.all(access.KindReleased)) != 1 {
		t.Errorf("released %v, journal %v", h.lock(1).Released(), h.kinds(1))
	}
	h.stopClean()
}

// A request to exit that stays pressed is one request, however often its actor
// and the door's restart.
func TestAHeldRequestToExitIsOne(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	h.probed()
	h.start()
	h.rig.Input("door-1/rex").Set(true)
	h.sim.Advance(10 * time.Second)
	h.panics(logic1, "", 1)
	h.b.Poke(logic1)
	h.sim.Advance(10 * time.Second)
	if n := len(h.all(access.KindReleased)); n != 1 || h.lock(1).Moves() != 2 {
		t.Errorf("%d releases, %d moves", n, h.lock(1).Moves())
	}
	h.stopClean()
}

// Tamper that begins or ends while the door's logic is away is recorded when it
// is back, once.
func TestTamperIsRecordedOnceOverCrashes(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	h.probed()
	h.start()
	crash := func(level bool) {
		h.probe = func(path, _ string) {
			if path == logic1 {
				h.probe = nil
				h.rig.Input("door-1/tamper").Set(level)
				panic("injected")
			}
		}
		h.b.Poke(logic1)
		h.sim.Advance(time.Minute)
	}
	for _, level := range []bool{true, true, false, false} {
		crash(level)
	}
	if a, b := len(h.all(access.KindTamper)), len(h.all(access.KindTamperEnded)); a != 1 || b != 1 {
		t.Errorf("tamper %d times, ended %d times, want one each", a, b)
	}
	h.stopClean()
}

// A contact that cannot be read at the start is looked at again.
func TestAContactThatCannotBeRead(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	h.contact(1).Set(true)
	h.contact(1).Fail(errDisk)
	h.start()
	if h.status("door-1").ContactKnown {
		t.Fatal("the level is unknown, but not to the door")
	}
	h.contact(1).Fail(nil)
	h.sim.Advance(2 * time.Second)
	if s := h.status("door-1"); !s.ContactKnown || !s.Open {
		t.Errorf("the contact works again: %+v", s)
	}
	h.stopClean()
}

// Every read of a flood is decided or counted, over crashes of the reader and up
// to the stop.
func TestReadsAreCountedOverCrashes(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	h.probed()
	h.start()
	fed := 0
	flood := func() {
		for range 300 {
			h.card(1, "in", 99)
			fed++
		}
		h.sim.Round()
		h.sim.Round()
	}
	for range 5 {
		flood()
		h.panics(reader1, "", 1)
		h.b.Poke(reader1)
		h.sim.Advance(3 * time.Second / 10) // before the report is due
	}
	flood()
	h.stopClean()
	counted := uint64(len(h.all(access.KindDenied)))
	for _, e := range h.all(access.KindReadsRefused) {
		counted += e.Count
	}
	dead := h.b.Ledger().DeadStopped // waited in the mailbox of a life that ended
	if counted > uint64(fed) || counted+dead < uint64(fed) {
		t.Errorf("%d fed, %d decided or refused, %d dead letters", fed, counted, dead)
	}
}

// A denial shows at the reader where the card was, and nowhere else; an
// indicator that fails harms nobody; bits of no format are denied.
func TestAnIndicationReachesItsReader(t *testing.T) {
	h := simHouse(t, 2, 1, sim.Options{})
	shown := func(door int, reader string) devices.Show {
		return h.rig.Indicator(fmt.Sprintf("door-%d/%s", door, reader)).Shown()
	}
	before := shown(1, "out")
	h.rig.Present("door-1/in", devices.CardRead{Bits: 13, Raw: [16]byte{0xff}})
	h.sim.Quiesce()
	if got := shown(1, "in"); got.Beeps != 3 {
		t.Errorf("the reader shows %+v", got)
	}
	for _, other := range []devices.Show{shown(1, "out"), shown(2, "in"), shown(2, "out")} {
		if diff := cmp.Diff(before, other); diff != "" {
			t.Error("another reader shows it too:", diff)
		}
	}
	if d := h.all(access.KindDenied); len(d) != 1 || d[0].Reason != access.ReasonUnreadable {
		t.Errorf("unreadable bits: %+v", d)
	}
	h.rig.Indicator("door-1/in").Fail(errDisk)
	h.rig.Indicator("door-1/out").Fail(errDisk)
	h.answers(1)
	if n := h.find(reader1).Restarts; n != 0 {
		t.Errorf("an indicator that fails restarted its reader %d times", n)
	}
	h.stopClean()
}

// A reader waits for the word of its own life: that for a card of an earlier one
// must not let a second card through beside the first.
func TestAReaderHasOneCardUnderWay(t *testing.T) {
	h, s := stalledHouse(t, 1, sim.Options{})
	h.start()
	s.path = trackerPath // cards wait for the areas, for 100 ms
	h.card(1, "in", 1)
	h.sim.Advance(time.Millisecond)
	h.panics(reader1, "", 1)
	h.b.Poke(reader1)
	h.quiet()
	h.sim.Advance(time.Millisecond)
	for n := uint64(2); n < 12; n++ {
		h.card(1, "in", n)
	}
	h.sim.Advance(98 * time.Millisecond)
	if got := h.last("p-1"); got != "denied area_unavailable" {
		t.Fatalf("the first card: %s", got)
	}
	if n := h.find(trackerPath).Queued; n != 2 {
		t.Errorf("the areas are asked %d times, want 2: once for each life of the reader", n)
	}
	s.resume()
	h.sim.Advance(30 * time.Second)
	h.answers(1)
	h.stopClean()
}
