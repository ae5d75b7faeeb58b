package soak

import (
	"bufio"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"gatehouse/supervisor"
)

// clients are those who use the daemon's API, well and badly, as a tree of their
// own: they end together, and all of their connections with them.
type clients struct {
	d      *daemonProcess
	doors  []string
	to     string // directory for backups
	sealed string // whom backups are sealed to
	seed   uint64
	counts map[string]*atomic.Int64
}

func newClients(d *daemonProcess, doors []string, seed uint64, to, sealed string) *clients {
	c := &clients{d: d, doors: doors, to: to, sealed: sealed, seed: seed, counts: map[string]*atomic.Int64{}}
	for name := range c.deeds() {
		c.counts[name] = &atomic.Int64{}
	}
	return c
}

// deed is what a client does again and again, and how long it pauses between.
type deed struct {
	pause time.Duration
	do    func(context.Context, *rand.Rand)
}

func (c *clients) deeds() map[string]deed {
	return map[string]deed{
		"requests":     {50 * time.Millisecond, c.request},
		"commands":     {300 * time.Millisecond, c.command},
		"streams":      {20 * time.Millisecond, c.stream},
		"slow streams": {time.Second, c.slow},
		"rude clients": {100 * time.Millisecond, c.rude},
		"backups":      {4 * time.Second, c.backup},
	}
}

// start starts them all.
func (c *clients) start(clock *supervisor.Real) (*supervisor.System, error) {
	var spec supervisor.SupervisorSpec
	spec.Budget.Isolating = true
	for name, d := range c.deeds() {
		loop := func(ctx context.Context) error {
			r := rand.New(rand.NewPCG(c.seed, uint64(len(name))))
			for ctx.Err() == nil {
				d.do(ctx, r)
				c.counts[name].Add(1)
				clock.Wait(ctx.Done(), d.pause)
			}
			return nil
		}
		spec.Children = append(spec.Children, supervisor.ChildSpec{ID: name, New: func() supervisor.Actor { return &client{loop} }})
	}
	return supervisor.Start(spec, supervisor.Options{Root: "clients", Executor: clock})
}

// client runs one loop.
type client struct{ loop func(context.Context) error }

// Start starts the loop.
func (k *client) Start(c *supervisor.Context) error { return c.Loop("go", k.loop) }

// Receive has nothing to do.
func (k *client) Receive(*supervisor.Context, any) error { return nil }

func (c *clients) door(r *rand.Rand) string { return c.doors[r.IntN(len(c.doors))] }

// What fails is counted by the daemon and shows in its stock; a client goes on.

func (c *clients) request(ctx context.Context, r *rand.Rand) {
	paths := []string{"/api/doors", "/api/events?order=desc", "/api/tree", "/metrics", "/readyz", "/api/doors/" + c.door(r), "/api/events?kind=granted&limit=1000", "/nowhere"}
	_, _ = c.d.ask(ctx, http.MethodGet, c.d.api+paths[r.IntN(len(paths))])
}

func (c *clients) command(ctx context.Context, r *rand.Rand) {
	verbs := []string{"lock", "lockdown", "normal", "unlock"}
	_, _ = c.d.ask(ctx, http.MethodPost, c.d.api+"/api/doors/"+c.door(r)+"/"+verbs[r.IntN(len(verbs))])
}

func (c *clients) open(ctx context.Context) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.d.api+"/api/events/stream", nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Last-Event-ID", "0")
	endless := &http.Client{Transport: c.d.client.Transport}
	answer, err := endless.Do(r)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// stream reads a few lines of the stream of events and goes.
func (c *clients) stream(ctx context.Context, r *rand.Rand) {
	body, err := c.open(ctx)
	if err != nil {
		return
	}
	defer body.Close() //nolint:errcheck // it is left on purpose
	lines := bufio.NewScanner(body)
	for range r.IntN(200) {
		if !lines.Scan() {
			return
		}
	}
}

// slow opens the stream and reads nothing, for as long as it is let.
func (c *clients) slow(ctx context.Context, _ *rand.Rand) {
	body, err := c.open(ctx)
	if err != nil {
		return
	}
	defer body.Close() //nolint:errcheck // it is left on purpose
	c.d.clock.Wait(ctx.Done(), 5*time.Second)
}

// rude sends half a request and resets the connection.
func (c *clients) rude(ctx context.Context, _ *rand.Rand) {
	at, err := url.Parse(c.d.api)
	if err != nil {
		return
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", at.Host)
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, "POST /api/doors/d-01/unlock HTTP/1.1\r\nHost: "+at.Host+"\r\nContent-Le")
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func (c *clients) backup(ctx context.Context, _ *rand.Rand) {
	query := url.Values{"to": {c.to}, "recipient": {c.sealed}}
	_, _ = c.d.ask(ctx, http.MethodPost, c.d.api+"/api/backup?"+query.Encode())
}
