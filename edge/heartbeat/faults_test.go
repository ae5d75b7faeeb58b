package heartbeat_test

import (
	"context"
	"net"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/edge"
	"gatehouse/edge/edgetest"
	"gatehouse/edge/heartbeat"
	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

var machine = supervisor.NewReal(1)

// generous are limits that a machine which is merely slow does not reach.
var generous = heartbeat.Limits{
	Dial: time.Minute, TLS: time.Minute, Write: time.Minute, Header: time.Minute, Body: time.Minute, Whole: 5 * time.Minute,
}

// short is how long a step may take that never ends.
const short = 2 * time.Millisecond

// fault is one thing that a centre can do wrong.
type fault struct {
	name   string
	addr   string         // where the centre is; "": at a server that does serve
	serve  func(net.Conn) // likewise
	https  bool
	secure bool // the server does speak TLS,
	trust  bool // and its certificate is known
	limits func(*heartbeat.Limits)
	names  string // name server
	body   int    // bytes; 0: a few
	want   string // in the error
}

const (
	requestEnd = "\r\n\r\n"
	okHeader   = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
)

func short1(step func(*heartbeat.Limits) *time.Duration) func(*heartbeat.Limits) {
	return func(l *heartbeat.Limits) { *step(l) = short }
}

var (
	dial   = short1(func(l *heartbeat.Limits) *time.Duration { return &l.Dial })
	shake  = short1(func(l *heartbeat.Limits) *time.Duration { return &l.TLS })
	write  = short1(func(l *heartbeat.Limits) *time.Duration { return &l.Write })
	header = short1(func(l *heartbeat.Limits) *time.Duration { return &l.Header })
	body   = short1(func(l *heartbeat.Limits) *time.Duration { return &l.Body })
	whole  = short1(func(l *heartbeat.Limits) *time.Duration { return &l.Whole })
)

// faults are all of them; elsewhere is where redirects point.
func faults(t *testing.T, elsewhere string) []fault {
	says := func(text string) func(net.Conn) { return edgetest.Says(requestEnd, text) }
	forEver := func(first, more string) func(net.Conn) { return edgetest.SaysForEver(requestEnd, first, more) }
	return append(connectFaults(t), []fault{
		{name: "refuses", addr: edgetest.RefusedAddr(t), want: "connection refused"},
		{name: "resets", serve: edgetest.Resets},
		{name: "closes", serve: edgetest.Closes},
		{name: "no such name", addr: "centre.invalid:80", names: edgetest.RefusedAddr(t), want: "lookup"},
		{name: "name server hangs", addr: "centre.invalid:80", names: edgetest.SilentNames(t), limits: dial, want: "lookup"},
		{name: "handshake hangs", https: true, serve: edgetest.Silent, limits: shake, want: "TLS: "},
		{name: "handshake is garbage", https: true, serve: edgetest.SaysForEver("", "", "SSH-2.0-OpenSSH\r\n"), want: "TLS: "},
		{name: "handshake is cut off", https: true, serve: edgetest.Closes, want: "TLS: "},
		{name: "certificate of a stranger", https: true, secure: true, serve: edgetest.Silent, want: "unknown authority"},
		{name: "reads nothing", serve: edgetest.Deaf, limits: write, body: large, want: "request: "},
		{name: "header hangs", serve: edgetest.Silent, limits: header, want: "i/o timeout"},
		{name: "header hangs under TLS", https: true, secure: true, trust: true, serve: edgetest.Silent, limits: header, want: "i/o timeout"},
		{name: "header stops half way", serve: says("HTTP/1.1 2"), limits: header, want: "answer"},
		{name: "header without end", serve: forEver("HTTP/1.1 200 OK\r\n", "X: y\r\n"), want: "longer than"},
		{name: "header line without end", serve: forEver("HTTP/1.1 200 OK\r\nX: ", "yyyyyyyyyy"), want: "longer than"},
		{name: "interim answers without end", serve: forEver("", "HTTP/1.1 102 Processing\r\n\r\n"), want: "does not come to an end"},
		{name: "body hangs", serve: says(okHeader), limits: body, want: "body: "},
		{name: "body stops half way", serve: says(okHeader + "12345"), limits: body, want: "body: "},
		{name: "body without end", serve: forEver("HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef"), want: "longer than"},
		{name: "chunks without end", serve: forEver("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\nabcd\r\n"), want: "longer than"},
		{name: "chunks that are none", serve: says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), want: "body: "},
		{name: "whole call", serve: says(okHeader), limits: whole},
		{name: "garbage", serve: says("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n\r\n"), want: "malformed HTTP"},
		{name: "zeros", serve: forEver("", strings.Repeat("\x00", 4096)), want: "longer than"},
		{name: "500", serve: says("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), want: "500 Internal Server Error"},
		{name: "switches protocols", serve: says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), want: "101"},
		{name: "redirect", serve: says("HTTP/1.1 307 Go\r\nLocation: http://" + elsewhere + "/x\r\nContent-Length: 0\r\n\r\n"), want: "points to " + elsewhere},
		{name: "redirect to nowhere", serve: says("HTTP/1.1 302 Go\r\nContent-Length: 0\r\n\r\n"), want: "302 Found"},
	}...)
}

// TestFaults puts clients through every fault, again and again: they say what is
// wrong, and leave nothing.
func TestFaults(t *testing.T) { allFaults(t, 100) }

// TestSweepFaults does so a thousand times.
func TestSweepFaults(t *testing.T) {
	if supervisortest.RaceEnabled {
		t.Skip("TestFaults has a hundred cycles for the race detector")
	}
	allFaults(t, 1000)
}

func allFaults(t *testing.T, cycles int) {
	cert, certFile, _ := edgetest.Certificate(t)
	elsewhere := edgetest.Serve(t, edgetest.Silent)
	list := faults(t, elsewhere.Addr)
	centres := make([]*edgetest.Server, len(list))
	for i, f := range list {
		switch {
		case f.secure:
			centres[i] = edgetest.ServeTLS(t, cert, f.serve)
		case f.serve != nil:
			centres[i] = edgetest.Serve(t, f.serve)
		}
	}
	before := edgetest.Take()
	var most peak
	var wait sync.WaitGroup
	for i, f := range list {
		wait.Go(func() {
			for range cycles / 2 {
				f.cycle(t, centres[i], certFile)
				most.look()
			}
		})
	}
	wait.Wait()
	settles(t, before, centres...)
	// Each row has one client, a server's handler for it, and what just ends.
	if n := most.goroutines - before.Goroutines; n > 20*len(list) {
		t.Errorf("up to %d goroutines at a time for %d clients", n, len(list))
	}
	if n := elsewhere.Accepted(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

var text = make([]byte, large)

// large is more than the kernel takes for a peer that reads nothing.
const large = 16 << 20

// cycle is two cycles, in the life of one client: a beat, and another one after its
// failure.
func (f *fault) cycle(t *testing.T, s *edgetest.Server, certFile string) {
	o := heartbeat.Options{URL: &url.URL{Scheme: "http", Host: f.addr, Path: "/beat"}, Limits: generous, Now: machine.Now, Nameserver: f.names}
	if f.https {
		o.URL.Scheme = "https"
	}
	if s != nil {
		o.URL.Host = s.Addr
	}
	if f.limits != nil {
		f.limits(&o.Limits)
	}
	if f.trust {
		o.Files = edge.Files{CA: certFile}
	}
	c := heartbeat.New(o)
	defer c.Close()
	for range 2 {
		err := c.Beat(context.Background(), "secret", text[:max(f.body, 200)])
		if err == nil || !strings.Contains(err.Error(), f.want) {
			t.Errorf("%s: %v, want %q", f.name, err, f.want)
		}
	}
	if f.body > 0 {
		s.Drop()
	}
}

// peak is the most that there ever was.
type peak struct {
	mu         sync.Mutex
	goroutines int
}

func (p *peak) look() {
	n := runtime.NumGoroutine()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.goroutines = max(p.goroutines, n)
}

// settles waits until the process holds no more than before.
// Servers that read nothing do not see that we have gone: they are dropped.
func settles(t *testing.T, before edgetest.Account, deaf ...*edgetest.Server) {
	t.Helper()
	var now edgetest.Account
	for range 3000 {
		for _, s := range deaf {
			if s != nil {
				s.Drop()
			}
		}
		if now = edgetest.Take(); now.Goroutines <= before.Goroutines && now.Files <= before.Files {
			return
		}
		machine.Wait(nil, 10*time.Millisecond)
	}
	t.Errorf("left: %+v, before: %+v\n%s", now, before, edgetest.Stacks())
}
