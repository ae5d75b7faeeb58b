package redis_test

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/edge"
	"gatehouse/edge/edgetest"
	"gatehouse/edge/redis"
	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

var machine = supervisor.NewReal(1)

// generous are limits that a machine which is merely slow does not reach.
var generous = redis.Limits{Dial: time.Minute, TLS: time.Minute, Answer: time.Minute, Quiet: time.Minute}

// short is how long a step may take that never ends.
const short = 2 * time.Millisecond

// fault is one thing that a server can do wrong.
type fault struct {
	name   string
	addr   string         // where the server is; "": at one that does serve
	serve  func(net.Conn) // likewise
	tls    bool
	secure bool // the server does speak TLS,
	trust  bool // and its certificate is known
	limits func(*redis.Limits)
	names  string
	large  bool   // what is sent
	want   string // in the error
}

// The library's first words are HELLO; every command of ours ends like this.
const commandEnd = "\r\n"

const hello = "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:1\r\n" +
	"$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n"

// after answers HELLO and then is served by next.
func after(next func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		b := make([]byte, 4096)
		if _, err := c.Read(b); err != nil {
			return
		}
		if _, err := c.Write([]byte(hello)); err == nil {
			next(c)
		}
	}
}

func dialLimit(l *redis.Limits) { l.Dial = short }
func tlsLimit(l *redis.Limits)  { l.TLS = short }
func answers(l *redis.Limits)   { l.Answer = short }

func faults(t *testing.T) []fault {
	says := func(text string) func(net.Conn) { return edgetest.Says(commandEnd, text) }
	forEver := func(first, more string) func(net.Conn) { return edgetest.SaysForEver(commandEnd, first, more) }
	return append(connectFaults(t), []fault{
		{name: "refuses", addr: edgetest.RefusedAddr(t), want: "connection refused"},
		{name: "resets", serve: edgetest.Resets},
		{name: "closes", serve: edgetest.Closes},
		{name: "no such name", addr: "redis.invalid:6379", names: edgetest.RefusedAddr(t), want: "lookup"},
		{name: "name server hangs", addr: "redis.invalid:6379", names: edgetest.SilentNames(t), limits: dialLimit, want: "lookup"},
		{name: "handshake hangs", tls: true, serve: edgetest.Silent, limits: tlsLimit, want: "TLS: "},
		{name: "handshake is garbage", tls: true, serve: edgetest.SaysForEver("", "", "+OK\r\n"), want: "TLS: "},
		{name: "certificate of a stranger", tls: true, secure: true, serve: edgetest.Silent, want: "unknown authority"},
		{name: "greeting hangs", serve: edgetest.Silent, limits: answers, want: "i/o timeout"},
		{name: "greeting hangs under TLS", tls: true, secure: true, trust: true, serve: edgetest.Silent, limits: answers, want: "i/o timeout"},
		{name: "greeting stops half way", serve: says("*14\r\n$6\r\nserver\r\n"), limits: answers, want: "i/o timeout"},
		{name: "answer hangs", serve: after(edgetest.Silent), limits: answers, want: "i/o timeout"},
		{name: "answer stops half way", serve: after(says("*3\r\n$9\r\nsubscr")), limits: answers},
		{name: "resets after the greeting", serve: after(edgetest.Resets)},
		{name: "closes after the greeting", serve: after(edgetest.Closes)},
		{name: "garbage", serve: says("HTTP/1.1 400 Bad Request\r\n\r\n"), want: "does not speak"},
		{name: "zeros", serve: forEver("", strings.Repeat("\x00", 4096)), want: "more than"},
		{name: "line without end", serve: forEver("+", "xxxx"), want: "more than"},
		{name: "text of a gigabyte", serve: after(forEver("$999999999\r\n", "xxxx")), want: "more than"},
		{name: "list of a million", serve: after(says("*999999\r\n")), want: "does not speak"},
		{name: "lists all the way down", serve: after(forEver("", "*1\r\n")), want: "does not speak"},
		{name: "wrong types", serve: after(says("*1\r\n:1\r\n"))},
		{name: "wrong message", serve: after(says("*3\r\n$7\r\nmessage\r\n:1\r\n:2\r\n"))},
		{name: "loading", serve: says("-LOADING Redis is loading the dataset in memory\r\n"), want: "LOADING"},
		{name: "wants a password", serve: after(says("-NOAUTH Authentication required.\r\n")), want: "NOAUTH"},
		{name: "reads nothing", serve: after(edgetest.Deaf), limits: answers, large: true},
	}...)
}

// A server that quotes what it was sent, as Redis does with a command that it does not
// know, gets the password into no error.
func TestAServerThatQuotesThePassword(t *testing.T) {
	long := strings.Repeat("hunter2", 20)
	for _, row := range []struct{ password, says, want string }{
		{"hunter2", "-ERR unknown command 'AUTH', with args beginning with: 'gate' 'hunter2' \r\n", "ERR unknown command 'AUTH'"},
		{long, "-ERR unknown command 'AUTH', with args beginning with: 'gate' '" + long[:100] + "' \r\n", "ERR unknown command 'AUTH'"},
		{"hunter2", "-WRONGPASS hunter2 is none of gate's\r\n", "WRONGPASS *** is none of gate's"},
	} {
		s := edgetest.Serve(t, edgetest.Says(commandEnd, row.says))
		c := redis.New(redis.Options{
			Addr: s.Addr, Username: "gate", Password: func() (string, error) { return row.password, nil },
			Channel: "event:sync", Limits: generous, Now: machine.Now,
		})
		_, published := c.Publish(t.Context(), nil)
		listened := c.Listen(t.Context(), func() {}, func(string) error { return nil })
		c.Close()
		for _, err := range []error{published, listened} {
			if err == nil || !strings.HasSuffix(err.Error(), row.want) {
				t.Errorf("%v, want ...%s", err, row.want)
			}
		}
	}
}

// TestFaults puts clients through every fault, again and again, in both directions:
// they say what is wrong, and leave nothing.
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
	list := faults(t)
	servers := make([]*edgetest.Server, len(list))
	for i, f := range list {
		switch {
		case f.secure:
			servers[i] = edgetest.ServeTLS(t, cert, f.serve)
		case f.serve != nil:
			servers[i] = edgetest.Serve(t, f.serve)
		}
	}
	before := edgetest.Take()
	var wait sync.WaitGroup
	for i, f := range list {
		wait.Go(func() {
			for range cycles / 2 {
				f.cycle(t, servers[i], edge.Files{CA: certFile})
			}
		})
	}
	wait.Wait()
	settles(t, before, servers...)
}

var (
	few  = [][]byte{[]byte("hello")}      // one: a server that answers once answers it
	many = [][]byte{make([]byte, 16<<20)} // more than the kernel takes for a peer that reads nothing
)

// cycle is two cycles in the life of one client, one for each direction.
func (f *fault) cycle(t *testing.T, s *edgetest.Server, trusted edge.Files) {
	o := redis.Options{Addr: f.addr, Channel: "event:sync", Limits: generous, Now: machine.Now, Nameserver: f.names}
	if s != nil {
		o.Addr = s.Addr
	}
	if f.limits != nil {
		f.limits(&o.Limits)
	}
	if f.tls {
		o.TLS = edge.Files{}.Config
	}
	if f.trust {
		o.TLS = func() (*tls.Config, error) { return trusted.Config() }
	}
	c := redis.New(o)
	defer c.Close()
	send := few
	if f.large {
		send = many
	}
	if _, err := c.Publish(context.Background(), send); err == nil || !strings.Contains(err.Error(), f.want) {
		t.Errorf("%s: publish: %v, want %q", f.name, err, f.want)
	}
	err := c.Listen(context.Background(), func() { t.Errorf("%s: ready", f.name) }, func(string) error { return nil })
	if err == nil || !strings.Contains(err.Error(), f.want) {
		t.Errorf("%s: listen: %v, want %q", f.name, err, f.want)
	}
	if f.large {
		s.Drop()
	}
}

// settles waits until the process holds no more than before. Servers that read
// nothing do not see that we have gone: they are dropped.
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
