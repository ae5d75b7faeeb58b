package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/backup"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/cmd/gatehouse/people"
	"gatehouse/edge/httpapi"
	"gatehouse/supervisor"
	"gatehouse/supervisor/prom"
)

// servers are the children of the building's edge: the API, and pprof on a
// listener of its own if the site file asks for it. Without a token that can be
// used the doors work all the same; only commands are refused.
func (h *host) servers(d *daemon.Daemon, ready <-chan struct{}) (children []supervisor.ChildSpec, tokenPath string) {
	building := httpapi.Of(d.Building)
	token, tokenPath, err := httpapi.EnsureToken(h.data)
	if err != nil {
		h.log.Error().Err(err).Msg("commands over the API are refused")
		building = withoutToken{building, err}
	}
	in := h.look(d)
	backups, changes, age := h.backups(d), h.people(d), readAge(d.OldestRead, h.exec.Now)
	api := httpapi.New(httpapi.Options{
		Building: reads{building, age}, Clock: h.exec, Token: token, Hosts: h.site.HTTP.Hosts, Log: h.log, Version: version,
		ID: h.site.Building.ID, Life: in.life, Backups: backups, People: changes, Limits: in.limits, Profiling: in.profiling, Diagnosis: in.diagnosis,
		Collectors: append(h.collectors(d, backups, age), in.collectors()...),
	})
	children = append(children, h.server("http", api, h.listen, ready), backups.Spec(), changes.Spec())
	children = append(children, h.insightSpecs(in)...)
	if h.pprof != nil {
		children = append(children, h.server("pprof", httpapi.PprofHandler(h.site.HTTP.Hosts), h.pprof, ready))
	}
	if h.control != nil {
		h.control.building = d.Building
		children = append(children, h.server("control", h.control.handler(), h.control.listen, ready))
	}
	return children, tokenPath
}

// backups makes the backups. A building that runs on its boot image makes none by
// itself: its data directory stays as it is.
func (h *host) backups(d *daemon.Daemon) *backup.Service {
	conf := h.site.Backup
	o := backup.ServiceOptions{
		Source: d, Building: h.site.Building.ID, Data: h.data, Address: h.listen.Addr().String(), Recipients: conf.Recipients, Executor: h.exec, Log: h.log,
	}
	if conf.Dir != "" && d.Degraded() == nil {
		o.Night = &backup.Night{
			Dir: conf.Dir, Keep: int(conf.Keep), Recipients: conf.Recipients, Next: h.backupNight,
			Archiving: d.Building.Archiving, Note: d.Building.NoteBackup,
		}
	}
	return backup.NewService(o)
}

// people changes people.
func (h *host) people(d *daemon.Daemon) *people.Service {
	named := map[access.CardholderID]bool{}
	for _, p := range h.site.Holders {
		named[p.ID] = true
	}
	return people.NewService(people.Options{
		Source: d, Data: h.data, Operator: httpapi.Operator, FreeBytes: daemon.FreeBytes, Executor: h.exec, Log: h.log,
		Named: func(id access.CardholderID) bool { return named[id] },
	})
}

func (h *host) collectors(d *daemon.Daemon, backups *backup.Service, age func() time.Duration) []prometheus.Collector {
	list := []prometheus.Collector{prom.New(watched{d.Building}, prom.Options{}), oldestRead(age), h.links.Collector(d.Building.Links)}
	if h.site.Backup.Dir != "" {
		list = append(list, newestBackup(backups))
	}
	return list
}

func newestBackup(backups *backup.Service) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_backup_last_timestamp_seconds",
		Help: "When the newest backup in the directory of the nightly ones was made, in seconds since 1970; 0 while none is known.",
	}, func() float64 {
		if at := backups.Newest(); !at.IsZero() {
			return float64(at.Unix())
		}
		return 0
	})
}

// watched is a building as the collector of its tree sees it.
type watched struct{ *actors.Building }

// Counts are the runtime's, not those of events.
func (w watched) Counts() supervisor.Counts { return w.RuntimeCounts() }

// withoutToken is a building that says that it takes no commands, and why.
type withoutToken struct {
	httpapi.Building
	why error
}

// Health adds the reason to what is wrong.
func (w withoutToken) Health() actors.Health {
	h := w.Building.Health()
	h.Ready = false
	h.Degraded = append(h.Degraded, "commands over the API are refused: "+w.why.Error())
	return h
}

// readLimit is how long a copy of the store may take before it is a fault: until
// it ends, changes make the store grow, and may wait for it.
const readLimit = 30 * time.Second

// readAge is how long the oldest copy of the store has been going on, 0 without one.
func readAge(oldest func() (time.Time, bool), now func() time.Time) func() time.Duration {
	return func() time.Duration {
		begun, ok := oldest()
		if !ok {
			return 0
		}
		return max(0, now().Sub(begun))
	}
}

func oldestRead(age func() time.Duration) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_store_oldest_read_seconds",
		Help: "How long the oldest copy of the store has been going on; 0 without one. Above 30 the building is degraded.",
	}, func() float64 { return age().Seconds() })
}

// reads is a building that says when a copy of its store takes too long.
type reads struct {
	httpapi.Building
	age func() time.Duration
}

// Health adds that to what is wrong.
func (r reads) Health() actors.Health {
	h := r.Building.Health()
	if age := r.age(); age > readLimit {
		h.Ready = false
		h.Degraded = append(h.Degraded, fmt.Sprintf("a copy of the store has been going on for %v; look at the disk of the data directory", age.Truncate(time.Second)))
	}
	return h
}

func (h *host) server(id string, handler http.Handler, first net.Listener, ready <-chan struct{}) supervisor.ChildSpec {
	addr := first.Addr().String()
	return supervisor.ChildSpec{ID: id, New: func() supervisor.Actor {
		listener := first
		first = nil // a later life needs a listener of its own
		return &server{handler, listener, addr, h.exec, h.log, ready}
	}}
}

// server is a web server as an actor: its loops end with it.
type server struct {
	handler  http.Handler
	listener net.Listener // nil: listen again
	addr     string
	clock    httpapi.Clock
	log      zerolog.Logger
	ready    <-chan struct{} // closed when the building is up
}

// Start listens, if need be, and starts the loops.
func (s *server) Start(c *supervisor.Context) (err error) {
	if s.listener == nil {
		if s.listener, err = httpapi.Listen(s.addr); err != nil {
			return err
		}
	}
	srv := httpapi.NewServer(s.handler, s.listener, httpapi.ServerOptions{Clock: s.clock, Log: s.log})
	serve := func(ctx context.Context) error {
		select {
		case <-s.ready:
			return srv.Serve(ctx)
		case <-ctx.Done():
			return nil
		}
	}
	return errors.Join(c.Loop("serve", serve), c.Loop("drain", srv.Drain))
}

// Receive ends this life when a loop ended by itself.
func (s *server) Receive(_ *supervisor.Context, msg any) error {
	if ended, ok := msg.(supervisor.LoopEnded); ok {
		return errors.Join(errors.New("the web server ended by itself"), ended.Err)
	}
	return nil
}
