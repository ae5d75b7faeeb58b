package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/cmd/gatehouse/limits"
	"gatehouse/cmd/gatehouse/links"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/edge/httpapi"
	"gatehouse/supervisor"
)

type serveCmd struct {
	Config string `short:"c" required:"" placeholder:"SITE.YAML" help:"Site file of the building."`
	Data   string `default:"data" placeholder:"DIR" help:"Data directory: journal, store, API token (default: ./data)."`
	HTTP   string `name:"http" placeholder:"ADDR" help:"Address of the API, host:port on loopback (default: the site file's)."`
}

// Run serves until a signal or until the building gives up.
func (c *serveCmd) Run(p *process) error {
	s, err := site.Load(c.Config, drivers()...)
	if err != nil {
		return withCode(exitMistakes, err)
	}
	log := p.logger()
	for _, w := range s.Warnings {
		log.Warn().Msg(w.String())
	}
	h := &host{
		p: p, log: log, site: s, addr: c.HTTP, data: c.Data, drivers: drivers(),
	}
	if p.tty {
		h.onReady = func(_ *daemon.Daemon, addr, tokenPath string) { banner(p.err, s, addr, tokenPath) }
	}
	return h.run()
}

// banner tells people on a terminal what they can do now.
func banner(w io.Writer, s *site.Site, addr, tokenPath string) {
	fmt.Fprintf(w, "\n%s\n  API    http://%s\n  token  %s (for commands: Authorization: Bearer ...)\n  doors  curl http://%s/api/doors\nCtrl-C stops in order.\n\n",
		s.Building.Name, addr, tokenPath, addr)
}

// host runs a building with its servers until it is told to stop. serve and
// demo share it.
type host struct {
	p       *process
	log     zerolog.Logger
	site    *site.Site
	addr    string
	data    string
	drivers []devices.Driver
	edge    []supervisor.ChildSpec // besides the servers
	onEvent func(access.Event)
	onReady func(d *daemon.Daemon, addr, tokenPath string)

	control *control // of a soak; nil: nobody plants faults

	backupNight func(after time.Time) (time.Time, bool)

	links  *links.Links
	memory limits.Memory
	limits *limits.Limits
	exec   *supervisor.Real
	listen net.Listener
	pprof  net.Listener
}

func (h *host) run() error {
	data, err := dataDir(h.data)
	if err != nil {
		return err
	}
	h.data = data
	if h.addr == "" {
		h.addr = h.site.HTTP.Addr
	}
	if h.site.Backup.Dir != "" {
		if h.backupNight, err = daemon.Night(h.site.Backup.At, h.site.Building.TimeZone); err != nil {
			return withCode(exitRefused, fmt.Errorf("backup: %w", err))
		}
	}
	h.exec = supervisor.NewReal(h.p.boot)
	h.limitMemory()
	d, err := daemon.Open(daemon.Options{
		Site: h.site, Data: data, Executor: h.exec, Drivers: h.drivers, Log: h.log,
		AskClock: daemon.MachineClock, Boot: h.p.boot, OnEvent: h.onEvent, Bind: h.bind, Machine: machineBoot(), Limits: h.limits, Probe: h.control.prober(),
	})
	if err != nil {
		h.unbind()
		return withCode(exitRefused, err)
	}
	ready := make(chan struct{})
	h.link(d)
	servers, tokenPath := h.servers(d, ready)
	if err := d.Start(append(servers, h.edge...)...); err != nil {
		h.unbind()
		return withCode(exitRefused, err)
	}
	close(ready)
	if d.Degraded() == nil { // else the data directory stays as it is
		h.noteAddress()
	}
	if h.control != nil {
		h.log.Info().Str("control", "http://"+h.control.listen.Addr().String()).Msg("faults may be planted")
	}
	h.log.Info().Str("building", h.site.Building.ID).Str("api", "http://"+h.listen.Addr().String()).
		Str("token", tokenPath).Int("doors", len(h.site.Rules.Doors)).Msg("building runs")
	if h.onReady != nil {
		h.onReady(d, h.listen.Addr().String(), tokenPath)
	}
	return h.wait(d)
}

// link adds the links that the site file asks for.
func (h *host) link(d *daemon.Daemon) {
	h.links = links.New(links.Options{
		Building: d.Building, ID: h.site.Building.ID, Boot: h.p.boot, Version: version, Data: h.data,
		Links: h.site.Links, Executor: h.exec, Log: h.log,
	})
	d.Building.Link(h.links.Specs()...)
}

// noteAddress tells the commands that work on a data directory where to ask.
func (h *host) noteAddress() {
	path := filepath.Join(h.data, addressFile)
	if err := os.WriteFile(path, []byte(h.listen.Addr().String()+"\n"), 0o600); err != nil {
		h.log.Warn().Err(err).Msg("commands beside the daemon will not find it")
	}
}

// forgetAddress comes before the data directory is given back: another daemon may
// take it at once.
func (h *host) forgetAddress() {
	if err := os.Remove(filepath.Join(h.data, addressFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.log.Warn().Err(err).Msg("commands on the data directory will look for a daemon that is gone")
	}
}

// bind takes the ports before anything is written.
func (h *host) bind() (err error) {
	if h.listen, err = httpapi.Listen(h.addr); err != nil {
		return err
	}
	if h.site.HTTP.PprofAddr != "" {
		h.pprof, err = httpapi.Listen(h.site.HTTP.PprofAddr)
	}
	return err
}

func (h *host) unbind() {
	for _, l := range []net.Listener{h.listen, h.pprof} {
		if l != nil {
			_ = l.Close() // nothing was served yet
		}
	}
}

// wait ends with the first signal, or when the building gives up by itself.
func (h *host) wait(d *daemon.Daemon) error {
	gaveUp := h.untilStop(d)
	if d.Degraded() == nil {
		h.forgetAddress()
	}
	report, err := d.Stop()
	stopped := h.log.Info().Int64("took_ms", report.Took.Milliseconds())
	if len(report.Abandoned) > 0 {
		stopped = stopped.Strs("abandoned", report.Abandoned)
	}
	stopped.Msg("stopped")
	switch {
	case gaveUp:
		return withCode(exitGaveUp, fmt.Errorf("the building gave up: %v", d.Building.Reason()))
	case err != nil:
		return withCode(exitCutShort, err)
	}
	return nil
}

// untilStop shows the tree of actors whenever it is asked for.
func (h *host) untilStop(d *daemon.Daemon) (gaveUp bool) {
	for {
		select {
		case <-h.p.show:
			fmt.Fprintln(h.p.out, d.Building.Tree())
		case <-h.p.ctx.Done():
			h.log.Info().Msg("stopping in order; a second signal stops at once")
			return false
		case <-d.Building.Down():
			return true
		}
	}
}
