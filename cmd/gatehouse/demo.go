package main

import (
	"errors"
	"fmt"
	"os"

	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/cmd/gatehouse/demo"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
	"gatehouse/edge/httpapi"
	"gatehouse/supervisor"
)

type demoCmd struct {
	Data  string  `placeholder:"DIR" help:"Data directory (default: a new one, removed at the end)."`
	HTTP  string  `name:"http" default:"127.0.0.1:8480" placeholder:"ADDR" help:"Address of the API, host:port on loopback (default: ${default})."`
	Speed float64 `default:"60" help:"How many times faster than the clock people come and go; strike times and alarms keep their pace."`
	Seed  uint64  `default:"1" help:"Seed of the people and of all they do."`

	Faults controlFlags `embed:""`
}

// Run runs the demo until a signal.
func (c *demoCmd) Run(p *process) (err error) {
	if c.Speed <= 0 {
		return withCode(exitUsage, fmt.Errorf("--speed %v: give a number above 0", c.Speed))
	}
	if c.Data == "" {
		if c.Data, err = os.MkdirTemp("", "gatehouse-demo-"); err != nil {
			return withCode(exitRefused, fmt.Errorf("no data directory: %w; name one with --data", err))
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.Data)) }()
	}
	s := demo.Site(c.Seed)
	rig := virtual.New(virtual.Options{})
	now := p.now()
	crowd, err := demo.NewCrowd(s, demo.Options{Seed: c.Seed, Speed: c.Speed, Begin: now, Day: demo.Morning(s, now)})
	if err != nil {
		return err
	}
	control, err := c.Faults.use(s, rig)
	if err != nil {
		return withCode(exitRefused, err)
	}
	people := demo.ChildSpec(rig, crowd)
	if control != nil {
		people = control.people(crowd)
	}
	out, colour := p.out, false
	if f, ok := out.(*os.File); ok {
		colour = demo.Colour(f, os.LookupEnv)
		out = demo.Unblocked(f)
	}
	printer := demo.NewPrinter(s, out, colour)
	printer.Gone = func(error) { p.cancel() } // | head, say: the demo has no other purpose
	h := &host{
		p: p, log: p.logger(), site: s, addr: c.HTTP, data: c.Data,
		drivers: []devices.Driver{rig.Driver()},
		edge:    []supervisor.ChildSpec{printer.ChildSpec(), people},
		onEvent: printer.OnEvent, control: control,
		onReady: func(_ *daemon.Daemon, addr, tokenPath string) {
			banner(out, s, addr, tokenPath)
		},
	}
	err = h.run()
	if errors.Is(err, httpapi.ErrPortInUse) {
		err = withCode(exitRefused, fmt.Errorf("%w, as in gatehouse demo --http 127.0.0.1:8490 or make demo ARGS='--http 127.0.0.1:8490'", err))
	}
	return errors.Join(err, printer.Flush(p.now()))
}
