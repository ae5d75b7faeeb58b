package actors_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

// memoryJournal is a Journal without a disk; it can be made to fail.
type memoryJournal struct {
	mu     sync.Mutex
	events []access.Event
	seen   map[access.Source]uint64
	fail   error  // of Commit
	blind  error  // of Read
	onEnd  func() // called once when a Read finds the end
}

func (j *memoryJournal) Commit(events []access.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail != nil {
		return j.fail
	}
	for i := range events {
		key := events[i].Source
		key.Number = 0
		if j.seen[key] >= events[i].Source.Number {
			continue
		}
		if j.seen == nil {
			j.seen = map[access.Source]uint64{}
		}
		j.seen[key] = events[i].Source.Number
		events[i].Seq = uint64(len(j.events) + 1)
		j.events = append(j.events, events[i])
	}
	return nil
}

func (j *memoryJournal) Read(after uint64, limit int) ([]access.Event, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.blind != nil || after >= uint64(len(j.events)) {
		if f := j.onEnd; f != nil {
			j.onEnd = nil
			f()
		}
		return nil, j.blind
	}
	list := j.events[after:]
	return append([]access.Event(nil), list[:min(limit, len(list))]...), nil
}

func (j *memoryJournal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return uint64(len(j.events))
}

func (j *memoryJournal) setFail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fail = err
}

// memoryStore is a Store without a disk.
type memoryStore struct {
	mu    sync.Mutex
	doors map[access.DoorID]access.DoorMemory
	saves int
	fail  error
	wrote []access.DoorMemory // all that was ever saved
}

func (s *memoryStore) SaveDoors(changes []access.DoorMemory) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.saves++
	s.wrote = append(s.wrote, changes...)
	for _, m := range changes {
		if s.doors == nil {
			s.doors = map[access.DoorID]access.DoorMemory{}
		}
		s.doors[m.Door] = m
	}
	return nil
}

// house is a building on a virtual rig with everything that a test may touch.
type house struct {
	t       testing.TB
	sim     *sim.Sim // nil in real time
	rig     *virtual.Rig
	b       *actors.Building
	journal *memoryJournal
	store   *memoryStore
	config  actors.Config
	crash   access.Card // a card that crashes the logic, if not zero
	probe   func(path, msg string)
}

// directory has person p-N with card N at facility 1, N from 1 on.
type directory struct {
	*access.People
	h *house
}

func (d directory) Recall(c access.Card) (access.Person, bool, bool) {
	if d.h.crash != (access.Card{}) && c == d.h.crash {
		panic("a card that crashes the door")
	}
	return d.People.Recall(c)
}

func testDoor(i int) access.Door {
	id := access.DoorID(fmt.Sprintf("door-%d", i))
	return access.Door{
		ID: id, Name: "Door " + string(id), Egress: access.EgressREX, StrikeTime: 5 * time.Second,
		HeldOpenTime: 30 * time.Second, RecordLimit: 150 * time.Millisecond, AreaTimeout: 100 * time.Millisecond,
		FireRelease: true, HasContact: true, HasREX: true,
		Readers: []access.Reader{
			{ID: "in", Side: access.SideIn, From: access.Outside, To: "hall", Format: "H10301", AntiPassback: access.AntiPassbackSoft},
			{ID: "out", Side: access.SideOut, From: "hall", To: access.Outside, Format: "H10301"},
		},
	}
}

// newHouse prepares a building of n doors; start starts it.
func newHouse(t testing.TB, n int, exec supervisor.Executor, change ...func(*access.Rules)) *house {
	t.Helper()
	h := &house{t: t, rig: virtual.New(virtual.Options{}), journal: &memoryJournal{}, store: &memoryStore{}}
	h.sim, _ = exec.(*sim.Sim)
	rules := access.Rules{
		Areas:  []access.Area{{ID: "hall"}},
		Levels: []access.Level{{ID: "all", Entries: []access.LevelEntry{{AllDoors: true, Schedule: access.Always}}}},
	}
	for i := range n {
		rules.Doors = append(rules.Doors, testDoor(i+1))
	}
	for _, f := range change {
		f(&rules)
	}
	compiled, err := access.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	h.config = actors.Config{
		Name: "test", Boot: 7, Rules: compiled, Directory: directory{testPeople(t), h},
		Memory: map[access.DoorID]access.DoorMemory{}, Wiring: map[access.DoorID]actors.Wiring{},
		Fire: []devices.Input{h.rig.Input("fire/fire")}, Journal: h.journal, Store: h.store,
		Clock: access.ClockVirtual, Executor: exec,
	}
	for _, d := range rules.Doors {
		h.config.Wiring[d.ID] = wire(h.rig, d)
	}
	return h
}

func testPeople(t testing.TB) *access.People {
	t.Helper()
	var holders []access.Cardholder
	var credentials []access.Credential
	for i := 1; i <= 20; i++ {
		who := access.CardholderID(fmt.Sprintf("p-%d", i))
		holders = append(holders, access.Cardholder{ID: who, Levels: []access.LevelID{"all"}})
		credentials = append(credentials, access.Credential{
			ID: access.CredentialID(fmt.Sprintf("c-%d", i)), Card: access.Card{Facility: 1, Number: uint64(i)}, Holder: who,
		})
	}
	people, err := access.NewPeople(holders, credentials)
	if err != nil {
		t.Fatal(err)
	}
	return people
}

func wire(rig *virtual.Rig, d access.Door) actors.Wiring {
	id := string(d.ID)
	w := actors.Wiring{
		Lock: rig.Lock(id + "/lock"), Contact: rig.Input(id + "/contact"),
		REX: rig.Input(id + "/rex"), Tamper: rig.Input(id + "/tamper"),
		Readers: map[access.ReaderID]actors.ReaderWiring{},
	}
	for _, r := range d.Readers {
		part := id + "/" + string(r.ID)
		w.Readers[r.ID] = actors.ReaderWiring{Reader: rig.Reader(part), Indicator: rig.Indicator(part)}
	}
	return w
}

// simHouse is a started building in simulation.
func simHouse(t testing.TB, n int, seed uint64, opts sim.Options) *house {
	t.Helper()
	h := newHouse(t, n, sim.New(seed, opts))
	h.start()
	return h
}

func (h *house) start() { h.t.Helper(); h.startWith() }

func (h *house) startWith(edge ...supervisor.ChildSpec) {
	h.t.Helper()
	b, err := actors.New(h.config)
	if err != nil {
		h.t.Fatal(err)
	}
	h.b = b
	if err := b.Start(edge...); err != nil {
		h.t.Fatal(err)
	}
	h.quiet()
}

func (h *house) quiet() {
	if h.sim != nil {
		h.sim.Quiesce()
	}
}

func (h *house) card(door int, reader string, number uint64) {
	h.t.Helper()
	format, err := access.ParseFormat("H10301")
	if err != nil {
		h.t.Fatal(err)
	}
	bits, raw, err := format.Encode(access.Card{Facility: 1, Number: number})
	if err != nil {
		h.t.Fatal(err)
	}
	h.rig.Present(fmt.Sprintf("door-%d/%s", door, reader), devices.CardRead{Bits: bits, Raw: raw})
}

func (h *house) lock(door int) *virtual.Lock { return h.rig.Lock(fmt.Sprintf("door-%d/lock", door)) }

func (h *house) contact(door int) *virtual.Input {
	return h.rig.Input(fmt.Sprintf("door-%d/contact", door))
}

// kinds are the kinds of the journal's events of a door, oldest first.
func (h *house) kinds(door int) (list []string) {
	for _, e := range h.journal.events {
		if e.Door == access.DoorID(fmt.Sprintf("door-%d", door)) {
			list = append(list, e.Kind.String())
		}
	}
	return list
}

var errDisk = errors.New("disk on fire")
