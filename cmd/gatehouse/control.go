package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/demo"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
	"gatehouse/edge/httpapi"
	"gatehouse/supervisor"
)

// controlFlags are the soak's (bench/soak): a demo whose faults are planted from
// outside. The building itself is as always; each of its actors may be told to
// panic, each virtual device to fail.
type controlFlags struct {
	Control   string `hidden:"" placeholder:"ADDR" help:"Serve faults and the ledger at this address, host:port on loopback."`
	Archive   string `hidden:"" placeholder:"DIR" help:"Archive each minute into this directory, in parts of 1 MB."`
	Recipient string `hidden:"" placeholder:"age1..." help:"Whom the archive is sealed to."`
	Heartbeat string `hidden:"" placeholder:"URL" help:"Tell there every second that the building lives."`
	Redis     string `hidden:"" placeholder:"HOST:PORT" help:"Publish events there."`
}

// control plants faults in a demo and shows what its process owns.
type control struct {
	listen   net.Listener
	building *actors.Building
	rig      *virtual.Rig
	site     *site.Site
	paused   atomic.Bool // the people wait

	mu     sync.Mutex
	armed  map[string]bool // actors that panic at their next message
	panics int
}

// errPlanted is what an actor panics with, and what a broken device says.
var errPlanted = errors.New("a fault that the soak planted")

// use makes the demo's site one that archives, and takes the address.
func (f controlFlags) use(s *site.Site, rig *virtual.Rig) (*control, error) {
	if f.Archive != "" {
		s.Journal.SegmentMB = 1
		s.Archive = site.Archive{Dir: f.Archive, At: "* * * * *", Recipients: []string{f.Recipient}, RateMBPerS: 8}
	}
	if err := f.link(s); err != nil {
		return nil, err
	}
	if f.Control == "" {
		return nil, nil
	}
	l, err := httpapi.Listen(f.Control)
	return &control{listen: l, rig: rig, site: s, armed: map[string]bool{}}, err
}

// link has the demo talk to other systems.
func (f controlFlags) link(s *site.Site) error {
	if f.Heartbeat != "" {
		u, err := url.Parse(f.Heartbeat)
		if err != nil {
			return fmt.Errorf("--heartbeat: %w", err)
		}
		s.Links.Heartbeat = site.Heartbeat{URL: u, EveryS: 1}
	}
	if f.Redis != "" {
		s.Links.Redis = site.Redis{Addr: f.Redis, Channel: "event:sync"}
	}
	return nil
}

// prober is what the building's actors are probed by, nil where nobody plants
// faults.
func (c *control) prober() func(path string, msg any) {
	if c == nil {
		return nil
	}
	return c.probe
}

// probe panics where that was asked for. A life may begin, or its end would be the
// supervisor's and not the actor's.
func (c *control) probe(path string, msg any) {
	if _, starts := msg.(actors.Starting); starts {
		return
	}
	c.mu.Lock()
	planted := c.armed[path]
	delete(c.armed, path)
	if planted {
		c.panics++
	}
	c.mu.Unlock()
	if planted {
		panic(errPlanted)
	}
}

// people is the crowd as a child of the edge: it waits while it is told to.
func (c *control) people(crowd *demo.Crowd) supervisor.ChildSpec {
	spec := demo.ChildSpec(c.rig, crowd)
	make := spec.New
	spec.New = func() supervisor.Actor { return &patient{make(), &c.paused} }
	return spec
}

// patient is a crowd that waits while it is told to. It has one timer, as ever.
type patient struct {
	supervisor.Actor
	paused *atomic.Bool
}

const waitsAgain = 100 * time.Millisecond

// Start starts the crowd.
func (p *patient) Start(c *supervisor.Context) error { return p.Actor.(supervisor.Starter).Start(c) }

// Receive puts off what is due while the crowd has to wait.
func (p *patient) Receive(c *supervisor.Context, msg any) error {
	if tick, ok := msg.(supervisor.Tick); ok && p.paused.Load() {
		c.After(tick.Key, waitsAgain)
		return nil
	}
	return p.Actor.Receive(c, msg)
}

func (c *control) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/debug/pprof/", httpapi.PprofHandler(nil))
	mux.HandleFunc("GET /ledger", c.ledger)
	mux.HandleFunc("POST /panic", func(_ http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.armed[r.FormValue("path")] = true
	})
	mux.HandleFunc("POST /break", func(_ http.ResponseWriter, r *http.Request) { c.fail(r.FormValue("door"), errPlanted) })
	mux.HandleFunc("POST /fire", func(http.ResponseWriter, *http.Request) { c.fire(true) })
	mux.HandleFunc("POST /cards", func(_ http.ResponseWriter, r *http.Request) { c.cards(r.FormValue("n")) })
	mux.HandleFunc("POST /quiet", func(http.ResponseWriter, *http.Request) { c.quiet() })
	mux.HandleFunc("POST /go", func(http.ResponseWriter, *http.Request) { c.paused.Store(false) })
	return mux
}

// ledger answers what the process owns, and with gc what is alive after a
// collection of garbage.
func (c *control) ledger(w http.ResponseWriter, r *http.Request) {
	var answer struct {
		Ledger supervisor.Ledger
		Heap   uint64
		Panics int
	}
	if r.FormValue("gc") != "" {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		answer.Heap = m.HeapAlloc
	}
	answer.Ledger = c.building.Ledger("main.onSignals")
	c.mu.Lock()
	answer.Panics = c.panics
	c.mu.Unlock()
	_ = json.NewEncoder(w).Encode(answer) // who asked notices
}

// fail has all devices of a door fail, or mends them.
func (c *control) fail(door string, err error) {
	for _, w := range c.site.Wiring {
		if string(w.Door) != door {
			continue
		}
		c.rig.Lock(w.Lock).Fail(err)
		if w.Contact != "" {
			c.rig.Input(w.Contact).Fail(err)
		}
		for _, r := range w.Readers {
			c.rig.Indicator(r.Indicator).Fail(err)
		}
	}
}

func (c *control) fire(active bool) {
	for _, in := range c.site.FireInputs {
		c.rig.Move(in, active)
	}
}

// cards holds so many cards that nobody has to every reader.
func (c *control) cards(text string) {
	n, _ := strconv.Atoi(text) // of what is no number, none
	format, err := access.ParseFormat("H10301")
	if err != nil {
		return
	}
	for i := range n {
		bits, raw, err := format.Encode(access.Card{Facility: 250, Number: uint64(1 + i)})
		if err != nil {
			return
		}
		for _, w := range c.site.Wiring {
			for _, r := range w.Readers {
				c.rig.Present(r.Device, devices.CardRead{Bits: bits, Raw: raw})
			}
		}
	}
}

// quiet has the people wait, mends all devices and shuts all doors.
func (c *control) quiet() {
	c.paused.Store(true)
	c.mu.Lock()
	clear(c.armed)
	c.mu.Unlock()
	c.fire(false)
	for _, w := range c.site.Wiring {
		c.fail(string(w.Door), nil)
		for _, input := range []string{w.REX, w.Contact, w.Tamper} {
			if input != "" {
				c.rig.Move(input, false)
			}
		}
	}
}
