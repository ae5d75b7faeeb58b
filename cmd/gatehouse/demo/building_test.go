package demo

import (
	"io"
	"strings"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// books is a journal and a store in memory. What is written goes to the audit
// and is counted, not kept: a month of it would fill the memory.
type books struct {
	audit  *access.Audit
	seq    uint64
	last   map[access.Source]uint64
	kinds  map[access.Kind]int
	denied map[access.Reason]int
	held   int // grants that contradict where the person was held to be
}

func (b *books) Commit(events []access.Event) error {
	for i := range events {
		e := &events[i]
		source := e.Source
		source.Number = 0
		if b.last[source] >= e.Source.Number {
			continue
		}
		b.last[source] = e.Source.Number
		b.seq++
		e.Seq = b.seq
		b.note(e)
	}
	return nil
}

func (b *books) note(e *access.Event) {
	b.audit.Event(*e)
	b.kinds[e.Kind]++
	if e.Kind == access.KindDenied {
		b.denied[e.Reason]++
	}
	if e.Kind == access.KindGranted && e.Held != "" {
		b.held++
	}
}

func (b *books) Read(uint64, int) ([]access.Event, error) { return nil, nil }
func (b *books) Last() uint64                             { return b.seq }
func (b *books) SaveDoors([]access.DoorMemory) error      { return nil }

// house is the demo in simulation.
type house struct {
	t     *testing.T
	sim   *sim.Sim
	site  *site.Site
	rig   *virtual.Rig
	books *books
	b     *actors.Building
	crowd *Crowd
}

const slack = time.Second

func newHouse(t *testing.T, seed uint64) *house {
	t.Helper()
	return newHouseOf(t, seed, Site(seed), nil)
}

func newHouseOf(t *testing.T, seed uint64, s *site.Site, onEvent func(access.Event), edge ...supervisor.ChildSpec) *house {
	t.Helper()
	h := &house{
		t: t, sim: sim.New(seed, sim.Options{Start: monday}), site: s, rig: virtual.New(virtual.Options{}),
		books: &books{last: map[access.Source]uint64{}, kinds: map[access.Kind]int{}, denied: map[access.Reason]int{}},
	}
	rules, err := access.Compile(h.site.Rules)
	h.check(err)
	people, err := access.NewPeople(h.site.Holders, h.site.Credentials)
	h.check(err)
	h.books.audit = access.NewAudit(rules, slack)
	h.rig.OnMove(func(lock string, release bool) {
		door, _, _ := strings.Cut(lock, "/")
		h.books.audit.Drive(access.DoorID(door), release, h.sim.Now())
	})
	h.crowd, err = NewCrowd(h.site, Options{Seed: seed, Begin: monday})
	h.check(err)
	h.b, err = actors.New(actors.Config{
		Name: "demo", Boot: 1, Rules: rules, Directory: people, Wiring: h.wiring(),
		Fire: []devices.Input{h.rig.Input(fireInput)}, Journal: h.books, Store: h.books,
		Clock: access.ClockVirtual, Executor: h.sim, OnEvent: onEvent,
	})
	h.check(err)
	h.check(h.b.Start(append(edge, ChildSpec(h.rig, h.crowd))...))
	h.sim.Quiesce()
	if n := h.still().timers; n != 1 {
		t.Fatalf("%d timers at the start; only the crowd should wait", n)
	}
	return h
}

func (h *house) check(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) wiring() map[access.DoorID]actors.Wiring {
	all := map[access.DoorID]actors.Wiring{}
	input := func(name string) devices.Input {
		if name == "" {
			return nil
		}
		return h.rig.Input(name)
	}
	registry := devices.NewRegistry(h.rig.Driver())
	h.check(registry.Open(h.site.Devices).Err())
	for _, w := range h.site.Wiring {
		wired := actors.Wiring{
			Lock: h.rig.Lock(w.Lock), Contact: input(w.Contact), REX: input(w.REX), Tamper: input(w.Tamper),
			Readers: map[access.ReaderID]actors.ReaderWiring{},
		}
		for _, r := range w.Readers {
			wired.Readers[r.Reader] = actors.ReaderWiring{Reader: h.rig.Reader(r.Device), Indicator: h.rig.Indicator(r.Indicator)}
		}
		all[w.Door] = wired
	}
	return all
}

// still is what the tree owns when nothing is under way at any door.
type still struct{ actors, timers, workers, zombies int64 }

func (h *house) still() still {
	l := h.b.Ledger()
	return still{l.Actors, l.Timers, l.Workers, l.Zombies}
}

// settle waits, at most a virtual hour, until the tree owns what it did then.
// At night nobody is at a door for minutes on end.
func (h *house) settle(want still) {
	h.t.Helper()
	for range 360 {
		if h.still() == want {
			return
		}
		h.sim.Advance(10 * time.Second)
	}
	h.t.Errorf("never quiet again: %+v, was %+v at the start\n%v", h.still(), want, h.b.Tree())
}

// sound fails the test for what must never be.
func (h *house) sound() {
	h.t.Helper()
	list, count := h.books.audit.Violations()
	if count > 0 {
		h.t.Errorf("%d violations, the first of them:\n%s", count, strings.Join(list, "\n"))
	}
	if l := h.b.Ledger(); l.DeadTimers != 0 || l.HookPanics != 0 {
		h.t.Errorf("%d ticks for nobody, %d panics in hooks", l.DeadTimers, l.HookPanics)
	}
	tree := h.b.Tree()
	quietTree(h.t, &tree)
}

// quietTree: nothing was restarted, nothing refused.
func quietTree(t *testing.T, at *supervisor.Tree) {
	t.Helper()
	if at.Restarts != 0 || at.Refused != 0 || at.State != supervisor.StateRunning {
		t.Errorf("%s: %v, %d restarts, %d refused, last %q", at.Path, at.State, at.Restarts, at.Refused, at.LastReason)
	}
	for i := range at.Children {
		quietTree(t, &at.Children[i])
	}
}

// stop stops the building and looks for what is left.
func (h *house) stop() {
	h.t.Helper()
	report := h.b.Stop()
	if !report.Complete || report.Zombies != 0 {
		h.t.Errorf("not everything stopped: %+v", report)
	}
	h.books.audit.Finish(h.sim.Now())
	if l := h.b.Ledger(); l.Actors != 0 || l.Timers != 0 || l.Workers != 0 || h.sim.Timers() != 0 {
		h.t.Errorf("left after the stop: %d actors, %d timers, %d workers, %d timers of the clock", l.Actors, l.Timers, l.Workers, h.sim.Timers())
	}
	for _, d := range h.site.Rules.Doors {
		if h.rig.Lock(string(d.ID) + "/lock").Released() {
			h.t.Errorf("door %s is released after the stop", d.ID)
		}
	}
}

// busy fails unless the days held what a demo is there to show.
func (h *house) busy(days int) {
	h.t.Helper()
	for _, row := range []struct {
		what string
		n    int
		want int // a day, at least
	}{
		{"grants", h.books.kinds[access.KindGranted], 500},
		{"passages", h.books.kinds[access.KindPassage], 500},
		{"grants that came to nothing", h.books.kinds[access.KindNoPassage], 2},
		{"unknown cards", h.books.denied[access.ReasonUnknownCard], 10},
		{"denials by anti-passback", h.books.denied[access.ReasonAntiPassback], 1},
		{"contradictions let through", h.books.held, 1},
		{"doors held open", h.books.kinds[access.KindHeldOpen], 4},
		{"doors forced", h.books.kinds[access.KindForcedOpen], 1},
		{"releases by a button", h.books.kinds[access.KindReleased], 20},
		{"doors secured after a button", h.books.kinds[access.KindSecured], 20},
	} {
		if row.n < row.want*days {
			h.t.Errorf("%s: %d in %d days, want at least %d a day", row.what, row.n, days, row.want)
		}
	}
}

func TestADayInTheDemo(t *testing.T) {
	t.Parallel()
	s := Site(1)
	printer := NewPrinter(s, io.Discard, false)
	h := newHouseOf(t, 1, s, printer.OnEvent, printer.ChildSpec())
	begin := h.still()
	h.sim.Advance(27 * time.Hour)
	h.busy(1)
	h.settle(begin)
	h.sound()
	h.stop()
}

// The audit must see a release that nothing explains: here somebody moves a bolt
// behind the building's back.
func TestAReleaseWithoutACauseIsSeen(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1)
	h.sim.Advance(10 * time.Hour)
	h.sound()
	h.check(h.rig.Lock("d-12/lock").Drive(true))
	h.sim.Advance(time.Hour)
	h.books.audit.Finish(h.sim.Now())
	list, _ := h.books.audit.Violations()
	for _, want := range []string{"released without a cause", "not secured in time"} {
		if !strings.Contains(strings.Join(list, "\n"), "d-12: "+want) {
			t.Errorf("not found: %s; found %q", want, list)
		}
	}
	h.b.Stop()
}

// Done-when 7 of the first issue.
func TestSweepThirtyDays(t *testing.T) {
	for seed := range supervisortest.Seeds(t, 1) {
		h := newHouse(t, uint64(seed)+1)
		begin := h.still()
		const days = 30
		for range days {
			h.sim.Advance(24 * time.Hour)
		}
		h.sim.Advance(3 * time.Hour)
		h.busy(days)
		h.settle(begin)
		h.sound()
		h.stop()
		t.Logf("seed %d: %d events, %v, denied %v", seed+1, h.books.seq, h.books.kinds, h.books.denied)
	}
}
