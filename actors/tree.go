package actors

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// Root is the path of the building's tree.
const Root = "building"

// place is one door: its rules, its wiring, and where its actors live.
type place struct {
	door    *access.Door
	wiring  Wiring
	source  string // of the events of its logic
	lock    supervisor.Ref
	logic   supervisor.Ref
	readers map[access.ReaderID]supervisor.Ref
	status  atomic.Pointer[DoorStatus]
	tallies map[access.ReaderID]*tally
	// What outlives the door's actors.
	life     atomic.Uint64 // of the logic
	fault    atomic.Bool   // the lock does not do as told,
	jammed   atomic.Bool   // although it is there
	tampered atomic.Bool   // as the journal knows it
}

const doorPrefix = "door/"

func doorOf(source string) (access.DoorID, bool) {
	id, ok := strings.CutPrefix(source, doorPrefix)
	return access.DoorID(id), ok
}

// DoorPath is where a door's supervisor is in the tree.
func DoorPath(id access.DoorID) string { return Root + "/doors/" + string(id) }

// spec is the tree of design section 4. edge are the caller's own children.
func (b *Building) spec(edge []supervisor.ChildSpec) supervisor.SupervisorSpec {
	children := []supervisor.ChildSpec{
		group("store",
			b.actor("journal", func() supervisor.Actor { return &recorder{b: b} }),
			b.actor("modes", func() supervisor.Actor { return &modes{b: b} }),
			b.peopleSpec()),
		group("feed", b.actor("feed", func() supervisor.Actor { return &feed{b: b} })),
		group("buses", b.buses()...),
		group("areas", b.areas()),
		group("doors", b.doors()...),
	}
	if links := b.links.specs; len(links) > 0 {
		children = append(children, group("links", links...))
	}
	if chores := b.chores(); len(chores) > 0 {
		children = append(children, group("chores", chores...))
	}
	if len(edge) > 0 {
		children = append(children, group("edge", edge...))
	}
	return supervisor.SupervisorSpec{
		Budget: supervisor.Escalating(3, 10*time.Second), Children: children, StopBudget: 20 * time.Second,
	}
}

// group is an isolating supervisor: a child of it that fails for ever harms
// nobody else.
func group(id string, children ...supervisor.ChildSpec) supervisor.ChildSpec {
	return supervisor.ChildSpec{ID: id, Supervisor: &supervisor.SupervisorSpec{
		Budget: supervisor.Isolating(3, time.Minute), Children: children, StopBudget: 15 * time.Second,
	}}
}

// backoff of the house: the first restart is immediate.
var backoff = supervisor.Backoff{
	Min: 100 * time.Millisecond, Max: 30 * time.Second, Factor: 2, Jitter: 0.2, ResetAfter: 10 * time.Second,
}

func (b *Building) actor(id string, make func() supervisor.Actor) supervisor.ChildSpec {
	return b.withProbe(supervisor.ChildSpec{ID: id, New: make, Backoff: backoff})
}

// withProbe lets a Probe see what an actor is about to do.
func (b *Building) withProbe(spec supervisor.ChildSpec) supervisor.ChildSpec {
	if probe := b.cfg.Probe; probe != nil {
		bare := spec.New
		spec.New = func() supervisor.Actor { return &probed{bare(), probe} }
	}
	return spec
}

// areas has lanes for all doors at the same moment: each reader has a card or
// two under way, and an opening can be the passage of a few people.
func (b *Building) areas() supervisor.ChildSpec {
	spec := b.actor("tracker", func() supervisor.Actor { return &tracker{b: b} })
	spec.Mailbox = supervisor.MailboxSpec{Control: 16 * (len(b.order) + 1), Normal: 16 * (len(b.order) + 4)}
	return spec
}

// peopleSpec has a lane for two cards of each reader at the same moment.
func (b *Building) peopleSpec() supervisor.ChildSpec {
	spec := b.actor("people", func() supervisor.Actor { return &people{b: b} })
	spec.Mailbox = supervisor.MailboxSpec{Normal: 4 * (len(b.order) + 16)}
	return spec
}

func (b *Building) buses() (children []supervisor.ChildSpec) {
	ids := make([]string, 0, len(b.cfg.Buses))
	for id := range b.cfg.Buses {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		run := b.cfg.Buses[id]
		children = append(children, b.actor("bus-"+id, func() supervisor.Actor { return &bus{run: run} }))
	}
	return append(children, b.actor("fire", func() supervisor.Actor { return &fire{b: b} }))
}

func (b *Building) doors() []supervisor.ChildSpec {
	children := make([]supervisor.ChildSpec, 0, len(b.order))
	for _, p := range b.order {
		children = append(children, supervisor.ChildSpec{
			ID: string(p.door.ID), Backoff: backoff,
			Supervisor: &supervisor.SupervisorSpec{
				Strategy: supervisor.RestForOne, Budget: supervisor.Escalating(1, 5*time.Second),
				Children: []supervisor.ChildSpec{
					b.actor("lock", func() supervisor.Actor { return &lock{b: b, p: p} }),
					b.actor("logic", func() supervisor.Actor { return &logic{b: b, p: p} }),
					{ID: "io", Supervisor: &supervisor.SupervisorSpec{
						Budget: supervisor.Escalating(1, 5*time.Second), Children: b.io(p),
					}},
				},
			},
		})
	}
	return children
}

func (b *Building) io(p *place) []supervisor.ChildSpec {
	children := make([]supervisor.ChildSpec, 0, len(partNames)+len(p.door.Readers))
	for what := contactPart; what <= tamperPart; what++ {
		if device := p.wiring.input(what); device != nil {
			children = append(children, b.actor(partNames[what], func() supervisor.Actor {
				return &input{b: b, p: p, what: what, device: device}
			}))
		}
	}
	for i := range p.door.Readers {
		rule := &p.door.Readers[i]
		if wiring := p.wiring.Readers[rule.ID]; wiring.Reader != nil {
			children = append(children, b.actor(readerID(rule.ID), func() supervisor.Actor {
				return &reader{b: b, p: p, rule: rule, wiring: wiring, tally: p.tallies[rule.ID]}
			}))
		}
	}
	return children
}

func readerID(id access.ReaderID) string { return "reader-" + string(id) }

// lookup finds the actors' addresses once the tree is built.
func (b *Building) lookup(find func(path string) supervisor.Ref) {
	b.journal, b.modes = find(Root+"/store/journal"), find(Root+"/store/modes")
	b.people = find(Root + "/store/people")
	b.indexer = find(Root + "/chores/index") // not valid without an index
	b.feed, b.tracker = find(Root+"/feed/feed"), find(Root+"/areas/tracker")
	for _, p := range b.order {
		path := DoorPath(p.door.ID)
		p.lock, p.logic = find(path+"/lock"), find(path+"/logic")
		for i := range p.door.Readers {
			id := p.door.Readers[i].ID
			if r := find(path + "/io/" + readerID(id)); r.Valid() {
				p.readers[id] = r
			}
		}
	}
}
