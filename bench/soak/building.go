package soak

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/demo"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

// building is the demo's building in virtual time, with all that a script can do
// to it.
type building struct {
	*actors.Building
	sim    *sim.Sim
	site   *site.Site
	rig    *virtual.Rig
	books  *books
	audit  *access.Audit
	shelf  *shelf
	dead   map[string]bool // readers that hear nothing
	armed  map[string]bool // actors that panic at their next message
	far    map[string]*far
	disk   sim.Hold // of every commit and save
	panics int
}

// busOf is the made-up line that all doors hang on.
const busOf = "line-1"

// begin is a Monday, at midnight.
var begin = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// slack is how late the audit lets a door be secured.
const slack = time.Second

// newBuilding starts a building; edge are more children of its edge.
func newBuilding(seed uint64, people bool, edge func(*building) []supervisor.ChildSpec) (*building, error) {
	b := &building{
		site: demo.Site(seed), rig: virtual.New(virtual.Options{}), books: newBooks(),
		dead: map[string]bool{}, armed: map[string]bool{}, far: map[string]*far{},
	}
	b.sim = sim.New(seed, sim.Options{Start: begin, Hold: b.hold})
	b.shelf = &shelf{books: b.books, await: b.sim.Await, now: b.sim.Now}
	config, err := b.config()
	if err != nil {
		return nil, err
	}
	if b.Building, err = actors.New(config); err != nil {
		return nil, err
	}
	children := append([]supervisor.ChildSpec{b.link("centre"), b.link("redis")}, edge(b)...)
	if people {
		crowd, err := demo.NewCrowd(b.site, demo.Options{Seed: seed, Begin: begin})
		if err != nil {
			return nil, err
		}
		children = append(children, demo.ChildSpec(b.rig, crowd))
	}
	if err := b.Start(children...); err != nil {
		return nil, err
	}
	b.sim.Quiesce()
	return b, nil
}

// hold is how slow the disk is.
func (b *building) hold(_, name string) sim.Hold {
	if name == "commit" || name == "save" {
		return b.disk
	}
	return sim.Hold{}
}

func (b *building) link(id string) supervisor.ChildSpec {
	f := &far{await: b.sim.Await}
	b.far[id] = f
	return supervisor.ChildSpec{ID: id, New: func() supervisor.Actor { return &link{far: f} }}
}

func (b *building) config() (actors.Config, error) {
	rules, err := access.Compile(b.site.Rules)
	if err != nil {
		return actors.Config{}, err
	}
	people, err := access.NewPeople(b.site.Holders, b.site.Credentials)
	if err != nil {
		return actors.Config{}, err
	}
	b.audit = access.NewAudit(rules, slack)
	b.rig.OnMove(func(lock string, release bool) {
		door, _, _ := strings.Cut(lock, "/")
		b.audit.Drive(access.DoorID(door), release, b.sim.Now())
	})
	wiring, err := b.wiring()
	fire := make([]devices.Input, 0, len(b.site.FireInputs))
	for _, name := range b.site.FireInputs {
		fire = append(fire, b.rig.Input(name))
	}
	return actors.Config{
		Name: "soak", Boot: 1, Rules: rules, Directory: people, Wiring: wiring, Fire: fire,
		Buses:   map[string]func(context.Context) error{busOf: func(ctx context.Context) error { <-ctx.Done(); return nil }},
		Journal: b.books, Store: b.books, Clock: access.ClockVirtual, Executor: b.sim, Probe: b.probe, OnEvent: b.audit.Event,
		Chores: actors.Chores{Archive: b.shelf, Night: night},
	}, err
}

// fault is what an actor panics with.
const fault = "a fault of the soak"

func (b *building) probe(path string, msg any) {
	if _, starts := msg.(actors.Starting); !starts && b.armed[path] {
		delete(b.armed, path)
		b.panics++
		panic(fault)
	}
}

func (b *building) wiring() (map[access.DoorID]actors.Wiring, error) {
	if err := devices.NewRegistry(b.rig.Driver()).Open(b.site.Devices).Err(); err != nil {
		return nil, fmt.Errorf("the building's devices: %w", err)
	}
	all := map[access.DoorID]actors.Wiring{}
	for _, w := range b.site.Wiring {
		wired := actors.Wiring{
			Lock: b.rig.Lock(w.Lock), Contact: b.input(w.Contact), REX: b.input(w.REX), Tamper: b.input(w.Tamper),
			Readers: map[access.ReaderID]actors.ReaderWiring{},
		}
		for _, r := range w.Readers {
			wired.Readers[r.Reader] = actors.ReaderWiring{
				Reader: mortal{b.rig.Reader(r.Device), r.Device, b.dead}, Indicator: b.rig.Indicator(r.Indicator),
			}
		}
		all[w.Door] = wired
	}
	return all, nil
}

func (b *building) input(name string) devices.Input {
	if name == "" {
		return nil
	}
	return b.rig.Input(name)
}

// readers are the names of all readers, in the order of the site.
func (b *building) readers() (names []string) {
	for _, w := range b.site.Wiring {
		for _, r := range w.Readers {
			names = append(names, r.Device)
		}
	}
	return names
}

// mortal is a reader that can be dead: whoever holds a card to it is not heard.
type mortal struct {
	devices.Reader
	name string
	dead map[string]bool
}

// Listen listens while it lives.
func (m mortal) Listen(heard func(devices.CardRead)) (cancel func()) {
	return m.Reader.Listen(func(r devices.CardRead) {
		if !m.dead[m.name] {
			heard(r)
		}
	})
}

// stock takes stock of it. Timers of Go's own are counted where every allocation
// is in the profile.
func (b *building) stock(known ...string) (stock, error) {
	root, err := placesOf(b.Tree())
	if err != nil {
		return stock{}, err
	}
	s := newStock(root, b.Ledger(known...))
	s.clock, s.files = b.sim.Timers(), openFiles("self")
	return s, nil
}
