package house

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/devices/virtual"
	"gatehouse/edge/httpapi"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
	"gatehouse/supervisor"
)

// Options of a House. Dir is required.
type Options struct {
	Dir   string // empty; removed by the caller
	Doors int    // default 8
	// Links are added to the tree, at the place of links to other systems.
	Links []supervisor.ChildSpec
	// Store stands before the real one, which it is given; nil: the real one.
	Store func(actors.Store) actors.Store
	// Chores makes what the building does at night; nil: nothing.
	Chores func(*journal.Journal) (actors.Chores, error)
	// Devices are checked, as often as Checks says.
	Devices []actors.Device
	Checks  actors.Checks
	// Deadline is when the API answers at the latest; 0: as in the daemon.
	Deadline time.Duration
	// Journal is the directory of a journal that exists; "": a new one in Dir.
	Journal string
}

// House is a building that runs.
type House struct {
	Building *actors.Building
	Journal  *journal.Journal
	Addr     string // of the API
	Token    string // that a change needs

	store    *store.Store
	listener net.Listener
}

// Name is the building's id.
const Name = "incident"

const boot = 1

// Start opens everything in Dir and starts the building.
func Start(o Options) (h *House, err error) {
	h = &House{}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if h.Journal, err = journal.Open(journal.Options{
		Dir: cmp.Or(o.Journal, filepath.Join(o.Dir, "journal")), Building: Name, Boot: boot,
	}); err != nil {
		return h, err
	}
	if h.store, err = store.Open(store.Options{Dir: o.Dir, Random: rand.Reader}); err != nil {
		return h, err
	}
	if h.Token, _, err = httpapi.EnsureToken(o.Dir); err != nil {
		return h, err
	}
	exec := supervisor.NewReal(boot)
	if h.Building, err = h.building(o, exec); err != nil {
		return h, err
	}
	h.Building.Link(o.Links...)
	if h.listener, err = httpapi.Listen("127.0.0.1:0"); err != nil {
		return h, err
	}
	h.Addr = "http://" + h.listener.Addr().String()
	api := httpapi.New(httpapi.Options{Building: httpapi.Of(h.Building), Clock: exec, Token: h.Token, ID: Name, Log: zerolog.Nop(), Deadline: o.Deadline})
	return h, h.Building.Start(web(api, h.listener, exec))
}

func (h *House) building(o Options, exec supervisor.Executor) (*actors.Building, error) {
	rules, err := access.Compile(plan(max(o.Doors, 8)))
	if err != nil {
		return nil, err
	}
	people, err := access.NewPeople(nil, nil)
	if err != nil {
		return nil, err
	}
	c := actors.Config{
		Name: Name, Boot: boot, Rules: rules, Directory: people, Journal: h.Journal, Store: h.store,
		Executor: exec, Log: zerolog.Nop(), Clock: access.ClockSynchronised, Devices: o.Devices,
	}
	c.Wiring = wire(rules)
	if o.Store != nil {
		c.Store = o.Store(h.store)
	}
	if o.Chores != nil {
		if c.Chores, err = o.Chores(h.Journal); err != nil {
			return nil, err
		}
	}
	c.Chores.Checks = o.Checks
	return actors.New(c)
}

// plan is a house of so many doors, each with a reader.
func plan(doors int) (r access.Rules) {
	for i := range doors {
		r.Doors = append(r.Doors, access.Door{
			ID: DoorID(i), LockType: access.FailSecure, Egress: access.EgressMechanical, HasContact: true,
			Readers: []access.Reader{{ID: "in", Side: access.SideIn, Format: "H10302"}},
		})
	}
	return r
}

// DoorID is the id of the door with this number, from 0.
func DoorID(i int) access.DoorID { return access.DoorID(fmt.Sprintf("door-%d", i+1)) }

// wire gives every door the parts of a virtual one.
func wire(rules *access.Compiled) map[access.DoorID]actors.Wiring {
	rig := virtual.New(virtual.Options{})
	all := map[access.DoorID]actors.Wiring{}
	for _, d := range rules.Doors() {
		id := string(d.ID)
		all[d.ID] = actors.Wiring{
			Lock: rig.Lock(id + "/lock"), Contact: rig.Input(id + "/contact"),
			Readers: map[access.ReaderID]actors.ReaderWiring{
				"in": {Reader: rig.Reader(id + "/in"), Indicator: rig.Indicator(id + "/in")},
			},
		}
	}
	return all
}

// Stop stops the building in order and closes what it ran on.
func (h *House) Stop() error {
	report := h.Building.Stop()
	if !report.Complete || report.Zombies > 0 {
		return errors.Join(fmt.Errorf("not everything stopped: %v", report.Abandoned), h.close())
	}
	return h.close()
}

func (h *House) close() error {
	var errs []error
	if h.listener != nil {
		if err := h.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	if h.Journal != nil {
		errs = append(errs, h.Journal.Close())
	}
	return errors.Join(errs...)
}
