package actors_test

import (
	"fmt"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

const trackerPath = actors.Root + "/areas/tracker"

func hard(r *access.Rules) {
	for i := range r.Doors {
		r.Doors[i].Egress = access.EgressMechanical
		for k := range r.Doors[i].Readers {
			r.Doors[i].Readers[k].AntiPassback = access.AntiPassbackHard
		}
	}
}

// through lets a person pass a reader.
func (h *house) through(door int, reader string, who uint64) {
	h.t.Helper()
	h.card(door, reader, who)
	h.quiet()
	h.contact(door).Set(true)
	h.quiet()
	h.contact(door).Set(false)
	h.quiet()
}

// decisions are the kinds and reasons of a door's decisions about a person.
func (h *house) decisions(who string) (list []string) {
	for _, e := range h.journal.events {
		if (e.Kind == access.KindGranted || e.Kind == access.KindDenied) && string(e.Cardholder) == who {
			list = append(list, e.Kind.String()+" "+e.Reason.String())
		}
	}
	return list
}

func (h *house) last(who string) string {
	list := h.decisions(who)
	if len(list) == 0 {
		return "nothing"
	}
	return list[len(list)-1]
}

// The areas' answer to a question of a life that is over must not be taken for
// the answer to a question of the next one.
func TestAnAnswerToAnEarlierLifeIsNotTaken(t *testing.T) {
	h, s := stalledHouse(t, 2, sim.Options{}, hard)
	h.start()
	h.through(2, "in", 2) // p-2 is in the hall: not to be let in again
	s.path = trackerPath
	h.card(1, "in", 1)
	h.quiet()
	h.panics(logic1, "", 1)
	h.b.Poke(logic1)
	h.quiet()
	h.sim.Advance(0)
	h.card(1, "in", 2)
	h.quiet()
	s.resume()
	h.sim.Advance(time.Second)
	if got := h.last("p-2"); got != "denied anti_passback" {
		t.Errorf("p-2: %s, all %v", got, h.decisions("p-2"))
	}
	h.stopClean()
}

// A passage that has not reached the disk when the areas' actor restarts is not
// forgotten.
func TestAPassageOnItsWayToDiskIsNotForgotten(t *testing.T) {
	for name, hold := range map[string]sim.Hold{
		"waits":    {Start: time.Hour},
		"on disk":  {Result: time.Hour},
		"no crash": {},
	} {
		t.Run(name, func(t *testing.T) {
			slow := false
			h := newHouse(t, 1, sim.New(1, sim.Options{Hold: func(_, name string) sim.Hold {
				if slow && name == "commit" {
					return hold
				}
				return sim.Hold{}
			}}), hard)
			h.probed()
			h.start()
			slow = true
			h.card(1, "in", 1)
			h.sim.Advance(150 * time.Millisecond)
			h.contact(1).Set(true)
			h.sim.Quiesce()
			h.contact(1).Set(false)
			h.sim.Advance(time.Second)
			h.panics(trackerPath, "", 1)
			h.b.Poke(trackerPath)
			h.sim.Advance(time.Second)
			slow = false
			h.card(1, "in", 1)
			h.sim.Advance(2 * time.Hour)
			if got := h.last("p-1"); got != "denied anti_passback" {
				t.Errorf("p-1: %v", h.decisions("p-1"))
			}
			h.stopClean()
		})
	}
}

// Passages during the rebuild are kept, whatever the rebuild reads.
func TestPassagesDuringTheRebuildAreKept(t *testing.T) {
	for name, hold := range map[string]sim.Hold{
		"read late": {Start: 10 * time.Second}, "read early": {Result: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			slow := false
			h := newHouse(t, 2, sim.New(1, sim.Options{Hold: func(_, name string) sim.Hold {
				if slow && name == "rebuild" {
					return hold
				}
				return sim.Hold{}
			}}), hard, func(r *access.Rules) {
				for i := range r.Doors {
					r.Doors[i].AreaVerdict = access.Granted
				}
			})
			h.probed()
			h.start()
			h.through(1, "in", 2)
			h.through(1, "in", 3)
			slow = true
			h.panics(trackerPath, "", 1)
			h.b.Poke(trackerPath)
			h.sim.Advance(time.Second)
			h.card(1, "in", 1)
			h.card(2, "out", 2)
			h.sim.Advance(100 * time.Millisecond) // the areas' time is up
			h.contact(1).Set(true)
			h.contact(2).Set(true)
			h.sim.Quiesce()
			h.contact(1).Set(false)
			h.contact(2).Set(false)
			h.sim.Advance(time.Minute)
			slow = false
			for _, row := range []struct {
				who  string
				n    uint64
				want string
			}{{"p-1", 1, "denied anti_passback"}, {"p-2", 2, "granted credential"}, {"p-3", 3, "denied anti_passback"}} {
				h.card(1, "in", row.n)
				h.sim.Advance(10 * time.Second)
				if got := h.last(row.who); got != row.want {
					t.Errorf("%s: %v, want %s", row.who, h.decisions(row.who), row.want)
				}
			}
			h.stopClean()
		})
	}
}

// Areas that could not be read back are an alarm, and are read once they can be.
func TestTheAreasComeBackAfterADiskError(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}), hard)
	h.probed()
	h.start()
	h.through(1, "in", 1)
	h.through(1, "in", 2)
	h.journal.blind = errDisk
	h.panics(trackerPath, "", 1)
	h.b.Poke(trackerPath)
	h.sim.Advance(time.Second)
	if h.b.Health().Ready {
		t.Error("no alarm")
	}
	h.through(1, "out", 2) // unknown is consistent with anything
	if got := h.last("p-2"); got != "granted credential" {
		t.Errorf("p-2: %s", got)
	}
	h.journal.blind = nil
	h.sim.Advance(5 * time.Second)
	if health := h.b.Health(); !health.Ready {
		t.Errorf("%v", health.Degraded)
	}
	h.through(1, "in", 1)
	h.through(1, "in", 2)
	if a, b := h.last("p-1"), h.last("p-2"); a != "denied anti_passback" || b != "granted credential" {
		t.Errorf("p-1 %s, p-2 %s", a, b)
	}
	h.sim.Advance(time.Minute)
	if l := h.b.Ledger(); l.Timers != 0 {
		t.Errorf("%d timers are left", l.Timers)
	}
	h.stopClean()
}

// Numbers of reservations are never given twice, also after a failed rebuild: a
// door's late cancel must not hit another person's reservation.
func TestReservationsAreNumberedAnewOnce(t *testing.T) {
	h := newHouse(t, 2, sim.New(1, sim.Options{}))
	h.probed()
	h.journal.blind = errDisk
	h.start()
	h.card(1, "in", 1) // the first reservation of life 1, held by door 1
	h.sim.Quiesce()
	h.panics(trackerPath, "", 1)
	h.b.Poke(trackerPath)
	h.sim.Advance(time.Second)
	h.card(2, "in", 2) // the first reservation of life 2
	h.sim.Advance(4100 * time.Millisecond)
	// Door 1's strike time is over: it cancelled what it held.
	h.card(1, "in", 2)
	h.sim.Quiesce()
	if got := h.last("p-2"); got != "denied reserved" {
		t.Errorf("p-2 is admitted twice: %v", h.decisions("p-2"))
	}
	h.journal.blind = nil
	h.sim.Advance(time.Minute)
	h.stopClean()
}

// Many people pass at the same moment; the areas miss none.
func TestABurstOfPassagesIsNotLost(t *testing.T) {
	const n = 20
	h, s := stalledHouse(t, n, sim.Options{}, hard)
	h.start()
	for i := range n {
		h.card(i+1, "in", uint64(i+1))
	}
	h.quiet()
	s.path = trackerPath
	for i := range n {
		h.contact(i + 1).Set(true)
	}
	h.quiet()
	s.resume()
	h.sim.Advance(time.Minute)
	for i := range n {
		h.contact(i + 1).Set(false)
	}
	h.sim.Advance(time.Minute)
	for i := range n {
		h.card(i+1, "in", uint64(i+1))
	}
	h.quiet()
	for i := range n {
		if got := h.last(fmt.Sprintf("p-%d", i+1)); got != "denied anti_passback" {
			t.Errorf("p-%d: %s", i+1, got)
		}
	}
	h.stopClean()
}

// Many people ask at the same moment; the areas answer all.
func TestABurstOfQuestionsIsAnswered(t *testing.T) {
	const n = 100
	h, s := stalledHouse(t, n, sim.Options{})
	h.start()
	s.path = trackerPath
	for i := range n {
		h.card(i+1, "in", uint64(i%20+1))
		h.card(i+1, "out", uint64(i%20+1))
	}
	h.quiet()
	s.resume()
	h.sim.Advance(time.Millisecond)
	for _, e := range h.journal.events {
		if e.Reason == access.ReasonAreaUnavailable {
			t.Fatalf("%+v", e)
		}
	}
	h.sim.Advance(time.Minute)
	h.stopClean()
}

// No answer in time: the configured verdict holds, and the late answer's
// reservation is given back.
func TestAreasThatDoNotAnswer(t *testing.T) {
	for verdict, want := range map[access.Verdict]string{
		access.Denied: "denied area_unavailable", access.Granted: "granted area_unavailable",
	} {
		t.Run(verdict.String(), func(t *testing.T) {
			h, s := stalledHouse(t, 2, sim.Options{}, func(r *access.Rules) {
				r.Doors[0].AreaVerdict = verdict
			})
			h.start()
			s.path = trackerPath
			h.card(1, "in", 1)
			h.sim.Advance(99 * time.Millisecond)
			if got := h.last("p-1"); got != "nothing" {
				t.Fatalf("decided before the time-out: %s", got)
			}
			h.sim.Advance(time.Millisecond)
			if got := h.last("p-1"); got != want || h.lock(1).Released() != (verdict == access.Granted) {
				t.Errorf("%s, released %v", got, h.lock(1).Released())
			}
			s.resume()
			h.card(2, "in", 1) // the reservation at door 1 came too late and is gone
			h.sim.Quiesce()
			if got := h.last("p-1"); got != "granted credential" {
				t.Errorf("at door 2: %s", got)
			}
			h.sim.Advance(time.Minute)
			h.stopClean()
		})
	}
}

// A lockdown that comes while the areas think is obeyed, whatever their verdict.
func TestALockdownWhileTheAreasThink(t *testing.T) {
	h, s := stalledHouse(t, 1, sim.Options{}, func(r *access.Rules) { r.Doors[0].AreaVerdict = access.Granted })
	h.start()
	s.path = trackerPath
	h.card(1, "in", 1)
	h.sim.Advance(50 * time.Millisecond)
	h.command(lockdown(), "door-1")
	h.sim.Advance(time.Second)
	if got := h.last("p-1"); got != "denied lockdown" || h.lock(1).Moves() != 0 {
		t.Errorf("%s, %d moves", got, h.lock(1).Moves())
	}
	s.resume()
	h.stopClean()
}

// A reservation that nobody confirms is over in time.
func TestAReservationExpires(t *testing.T) {
	h := newHouse(t, 2, sim.New(1, sim.Options{}))
	h.probed()
	h.start()
	h.card(1, "in", 1)
	h.sim.Quiesce()
	h.card(2, "in", 1)
	h.sim.Quiesce()
	if got := h.last("p-1"); got != "denied reserved" {
		t.Fatal(got)
	}
	h.panics(logic1, "", 1) // the door forgets the grant and confirms nothing
	h.b.Poke(logic1)
	h.sim.Advance(5150 * time.Millisecond)
	h.card(2, "in", 1)
	h.sim.Quiesce()
	if got := h.last("p-1"); got != "granted credential" {
		t.Errorf("after the deadline: %s", got)
	}
	h.sim.Advance(time.Minute)
	if l := h.b.Ledger(); l.Timers != 0 {
		t.Errorf("%d timers are left", l.Timers)
	}
	h.stopClean()
}

// One card at two doors in the same instant: one grant, whatever the order. The
// control has readers that lead nowhere, so that nobody reserves.
func TestSweepOneCardAtTwoDoors(t *testing.T) {
	plain := func(r *access.Rules) {
		for i := range r.Doors {
			r.Doors[i].Readers[0].From, r.Doors[i].Readers[0].To = "", ""
		}
	}
	first := map[access.DoorID]int{}
	for seed := range supervisortest.Seeds(t, 1000) {
		h := newHouse(t, 2, sim.New(uint64(seed), sim.Options{}), hard)
		h.start()
		h.card(1, "in", 1)
		h.card(2, "in", 1)
		h.sim.Quiesce()
		granted := h.all(access.KindGranted)
		denied := h.all(access.KindDenied)
		if len(granted) != 1 || len(denied) != 1 || denied[0].Reason != access.ReasonReserved {
			t.Fatalf("seed %d: %v", seed, h.decisions("p-1"))
		}
		first[granted[0].Door]++
	}
	if len(first) != 2 {
		t.Errorf("the same door always won: %v", first)
	}
	h := newHouse(t, 2, sim.New(1, sim.Options{}), plain)
	h.start()
	h.card(1, "in", 1)
	h.card(2, "in", 1)
	h.sim.Quiesce()
	if n := len(h.all(access.KindGranted)); n != 2 {
		t.Errorf("the control granted %d times: the sweep proves nothing", n)
	}
}

// A card in the first moments of a life of the areas waits for them, and not
// longer than its door does.
func TestACardThatComesBeforeTheAreasAreReady(t *testing.T) {
	for hold, want := range map[time.Duration]string{
		50 * time.Millisecond: "granted credential", 150 * time.Millisecond: "denied area_unavailable",
	} {
		t.Run(hold.String(), func(t *testing.T) {
			slow := sim.Hold{Result: hold}
			h := newHouse(t, 2, sim.New(1, sim.Options{Hold: func(_, name string) sim.Hold {
				if name == "rebuild" {
					return slow
				}
				return sim.Hold{}
			}}))
			h.start()
			h.card(1, "in", 1)
			h.sim.Advance(time.Second)
			if got := h.last("p-1"); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if want != "granted credential" { // nothing stays reserved
				h.card(2, "in", 1)
				h.sim.Quiesce()
				if got := h.last("p-1"); got != "granted credential" {
					t.Errorf("at door 2: %s", got)
				}
			}
			h.sim.Advance(time.Minute)
			h.stopClean()
		})
	}
}

// A fire that begins while the areas think lets everybody with a valid card
// through, whatever the areas say.
func TestAFireWhileTheAreasThink(t *testing.T) {
	h, s := stalledHouse(t, 2, sim.Options{}, hard)
	h.start()
	h.through(2, "in", 1)
	s.path = trackerPath
	h.card(1, "in", 1)
	h.sim.Advance(50 * time.Millisecond)
	h.rig.Input("fire/fire").Set(true)
	h.sim.Quiesce()
	s.resume()
	h.sim.Advance(time.Second)
	if got := h.last("p-1"); got != "granted fire" {
		t.Errorf("p-1: %s", got)
	}
	h.stopClean()
}

// Events reach the disk while the areas read it back: what waited at the first
// look and a newer passage are found in their order.
func TestPassagesThatReachTheDiskDuringTheRebuild(t *testing.T) {
	slow := false
	h := newHouse(t, 1, sim.New(1, sim.Options{Hold: func(_, name string) sim.Hold {
		if slow && name == "commit" {
			return sim.Hold{Start: time.Hour}
		}
		return sim.Hold{}
	}}), hard)
	h.probed()
	var waiting []access.Event
	h.config.OnEvent = func(e access.Event) { waiting = append(waiting, e) }
	h.start()
	slow, waiting = true, nil
	h.card(1, "in", 1)
	h.sim.Advance(150 * time.Millisecond)
	h.contact(1).Set(true)
	h.sim.Quiesce()
	h.journal.onEnd = func() { // the first reading is at its end, the second comes
		for _, e := range append(waiting, access.Event{
			Kind: access.KindPassage, Cardholder: "p-1", From: "hall", To: access.Outside, Source: access.Source{Name: "door/elsewhere", Number: 1},
		}) {
			e.Seq = h.journal.events[len(h.journal.events)-1].Seq + 1
			h.journal.events = append(h.journal.events, e)
		}
	}
	h.panics(trackerPath, "", 1)
	h.b.Poke(trackerPath)
	h.sim.Advance(time.Second)
	h.contact(1).Set(false)
	slow = false
	h.sim.Advance(10 * time.Second)
	h.card(1, "in", 1)
	h.sim.Advance(200 * time.Millisecond)
	var last access.Event
	for _, e := range waiting {
		if e.Kind == access.KindGranted || e.Kind == access.KindDenied {
			last = e
		}
	}
	if last.Reason != access.ReasonCredential { // held to be outside
		t.Errorf("p-1: %v %v, held to be in %q", last.Kind, last.Reason, last.Held)
	}
}
