//go:build unix

package links_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/links"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/edge/edgetest"
	"gatehouse/edge/heartbeat"
	"gatehouse/edge/redis"
	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// begin runs links on the machine.
func begin(t *testing.T, children ...supervisor.ChildSpec) *supervisor.System {
	t.Helper()
	sys, err := supervisor.Start(supervisor.SupervisorSpec{Budget: supervisor.Isolating(3, time.Minute), Children: children}, supervisor.Options{Executor: machine})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sys.Stop() })
	return sys
}

// The goroutines of the tests' own servers and receivers are not the tree's.
var ofTests = []string{
	"gatehouse/edge/edgetest.(*Server).accept", "gatehouse/edge/edgetest.(*Server).accept.func1",
	"gatehouse/cmd/gatehouse/links_test.receive.func1",
}

// accounts waits until every goroutine has an owner.
func accounts(t *testing.T, sys *supervisor.System) supervisor.Ledger {
	t.Helper()
	var l supervisor.Ledger
	supervisortest.Eventually(t, machine, "every goroutine has an owner", func() bool {
		l = sys.Ledger(ofTests...)
		return len(l.Unaccounted) == 0
	})
	return l
}

func settles(t *testing.T, before edgetest.Account) {
	t.Helper()
	for range 3000 {
		if now := edgetest.Take(); now.Goroutines <= before.Goroutines && now.Files <= before.Files {
			return
		}
		machine.Wait(nil, 10*time.Millisecond)
	}
	t.Errorf("left: %+v, before: %+v\n%s", edgetest.Take(), before, edgetest.Stacks())
}

// wrong is what centres do in the trees of the test below.
func wrong(t *testing.T) map[string]*edgetest.Server {
	const end = "\r\n\r\n"
	return map[string]*edgetest.Server{
		"silent":   edgetest.Serve(t, edgetest.Silent),
		"closes":   edgetest.Serve(t, edgetest.Closes),
		"resets":   edgetest.Serve(t, edgetest.Resets),
		"garbage":  edgetest.Serve(t, edgetest.Says(end, "hello\r\n")),
		"no":       edgetest.Serve(t, edgetest.Says(end, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")),
		"half":     edgetest.Serve(t, edgetest.Says(end, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")),
		"redirect": edgetest.Serve(t, edgetest.Says(end, "HTTP/1.1 302 Go\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")),
		"endless":  edgetest.Serve(t, edgetest.SaysForEver(end, "HTTP/1.1 200 OK\r\n\r\n", "x")),
	}
}

// TestBrokenCentresInATree: hundreds of failed beats later the tree owns what it
// owned, and after its stop nothing is left.
func TestBrokenCentresInATree(t *testing.T) {
	before := edgetest.Take()
	servers := wrong(t)
	var children []supervisor.ChildSpec
	buildings := map[string]*building{}
	for name, s := range servers {
		b := &building{health: actors.Health{Ready: true}}
		buildings[name] = b
		l := links.New(links.Options{Building: b, ID: "hq", Data: t.TempDir(), Links: onlyHeartbeat, Executor: machine, Log: zerolog.Nop()})
		limits := heartbeat.Limits{Dial: time.Minute, TLS: time.Minute, Write: time.Minute, Header: time.Minute, Body: time.Minute, Whole: 5 * time.Minute}
		if name == "silent" {
			limits.Header = 2 * time.Millisecond
		}
		if name == "half" {
			limits.Body = 2 * time.Millisecond
		}
		l.SetHeartbeat(time.Millisecond, limits.Whole, func() links.Poster {
			return heartbeat.New(heartbeat.Options{URL: &url.URL{Scheme: "http", Host: s.Addr, Path: "/"}, Limits: limits, Now: machine.Now})
		})
		l.SetHaste()
		children = append(children, supervisor.ChildSpec{ID: name, Supervisor: &supervisor.SupervisorSpec{Budget: supervisor.Isolating(3, time.Minute), Children: l.Specs()}})
	}
	sys := begin(t, children...)
	fail := func(n int) {
		for name, b := range buildings {
			supervisortest.Eventually(t, machine, name+" failed often", func() bool {
				_, bad := b.noted()
				return bad >= n
			})
		}
	}
	fail(50)
	accounts(t, sys)
	fail(250)
	l := accounts(t, sys)
	if n := len(servers); l.Timers > int64(2*n) || l.Workers > int64(n) || l.Zombies != 0 {
		t.Errorf("%d links own %d timers, %d workers and %d zombies", n, l.Timers, l.Workers, l.Zombies)
	}
	for name, b := range buildings {
		if good, _ := b.noted(); good != 0 {
			t.Errorf("%s: %d beats worked", name, good)
		}
	}
	sys.Stop()
	for _, s := range servers {
		s.Stop()
	}
	supervisortest.NoLeaks(t, sys)
	settles(t, before)
}

// At rest a heartbeat costs no goroutine, only its connection.
func TestAHeartbeatAtRest(t *testing.T) {
	before := edgetest.Take()
	cert, certFile, _ := edgetest.Certificate(t)
	s := edgetest.ServeTLS(t, cert, edgetest.Says("\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"))
	b := &building{health: actors.Health{Ready: true}}
	which := site.Links{Heartbeat: site.Heartbeat{URL: &url.URL{Scheme: "https", Host: s.Addr, Path: "/"}, EveryS: 3600, Files: site.TLSFiles{CA: certFile}}}
	l := links.New(links.Options{Building: b, ID: "hq", Data: t.TempDir(), Links: which, Executor: machine, Log: zerolog.Nop()})
	sys := begin(t, l.Specs()...)
	supervisortest.Eventually(t, machine, "a beat", func() bool {
		good, _ := b.noted()
		return good == 1
	})
	supervisortest.Eventually(t, machine, "no goroutine is the link's", func() bool {
		return sys.Ledger(ofTests...).Owned["root/heartbeat"] == 0
	})
	accounts(t, sys)
	sys.Stop()
	s.Stop()
	supervisortest.NoLeaks(t, sys)
	settles(t, before)
}

// receiver is another system that takes what the building publishes and drops
// repeats.
type receiver struct {
	client *redis.Client
	ready  chan struct{}
	ended  chan error

	mu     sync.Mutex
	next   uint64
	faults []string
	states int
}

func receive(t *testing.T, addr string, next uint64) *receiver {
	r := &receiver{client: redis.New(options(addr, time.Minute)), ready: make(chan struct{}), ended: make(chan error, 1), next: next}
	go func() {
		r.ended <- r.client.Listen(context.Background(), func() { close(r.ready) }, func(text string) error {
			r.take(text)
			return nil
		})
	}()
	select {
	case <-r.ready:
	case err := <-r.ended:
		t.Fatal(err)
	}
	return r
}

func (r *receiver) take(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var m redis.Message
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		r.faults = append(r.faults, err.Error())
		return
	}
	switch {
	case m.Type == "state":
		r.states++
	case m.Type == "gap":
		r.next = max(r.next, m.Gap.First+m.Gap.Count)
	case m.Event == nil || m.Event.Seq < r.next: // a hint of the test's, or a repeat
	case m.Event.Seq > r.next:
		r.faults = append(r.faults, fmt.Sprintf("%d where %d is due", m.Event.Seq, r.next))
	default:
		r.next++
	}
}

func (r *receiver) has(next uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next == next
}

func (r *receiver) end(t *testing.T) {
	t.Helper()
	r.client.Close()
	<-r.ended
	if len(r.faults) > 0 {
		t.Error(r.faults)
	}
}

func options(addr string, limit time.Duration) redis.Options {
	limits := redis.Limits{Dial: time.Minute, TLS: time.Minute, Answer: limit, Quiet: limit}
	return redis.Options{Addr: addr, Channel: "event:sync", Limits: limits, Now: machine.Now}
}

// gated publishes only while somebody receives: Redis keeps nothing for who comes
// later, and the test wants every event.
type gated struct {
	*redis.Client
	gate *sync.RWMutex
}

func (g gated) Publish(ctx context.Context, messages [][]byte) (int, error) {
	g.gate.RLock()
	defer g.gate.RUnlock()
	return g.Client.Publish(ctx, messages)
}

// TestAnOutageOfRedis: the server is killed, and hangs. What was recorded meanwhile
// is published afterwards, in order, and no goroutine is left of any of it.
func TestAnOutageOfRedis(t *testing.T) {
	s := edgetest.Redis(t)
	before := edgetest.Take()
	b := &building{health: actors.Health{Ready: true}}
	var gate sync.RWMutex
	l := links.New(links.Options{Building: b, ID: "hq", Data: t.TempDir(), Links: onlyRedis, Executor: machine, Log: zerolog.Nop()})
	l.SetRedis(func() links.Messenger { return gated{redis.New(options(s.Addr, time.Second)), &gate} })
	gate.Lock()
	sys := begin(t, l.Specs()...)
	r := receive(t, s.Addr, 1)
	gate.Unlock()
	up := func() {
		t.Helper()
		good, _ := b.noted()
		supervisortest.Eventually(t, machine, "the link works", func() bool {
			now, _ := b.noted()
			return now > good
		})
	}
	up()
	b.add(100)
	next := uint64(101)
	supervisortest.Eventually(t, machine, "the first events", func() bool { return r.has(next) })
	for name, outage := range map[string]struct{ begin, end func() }{
		"killed": {s.Kill, s.Start},
		"hangs":  {s.Pause, s.Resume},
	} {
		_, bad := b.noted()
		outage.begin()
		b.add(600)
		next += 600
		supervisortest.Eventually(t, machine, name+": the link says so", func() bool {
			_, now := b.noted()
			return now > bad
		})
		accounts(t, sys)
		gate.Lock()
		outage.end()
		r.end(t)
		from := r.next
		r = receive(t, s.Addr, from)
		gate.Unlock()
		supervisortest.Eventually(t, machine, name+": what was recorded meanwhile", func() bool { return r.has(next) })
		up()
	}
	ledger := accounts(t, sys)
	if n := ledger.Owned["root/redis"]; n > 2 { // the loop that listens, and a task that may just be looking
		t.Errorf("the link owns %d goroutines", n)
	}
	sys.Stop()
	r.end(t)
	supervisortest.NoLeaks(t, sys)
	settles(t, before)
}

// TestMessagesFromOutside: hints are followed, everything else is counted and dropped.
func TestMessagesFromOutside(t *testing.T) {
	s := edgetest.Redis(t)
	before := edgetest.Take()
	b := &building{health: actors.Health{Ready: true}}
	l := links.New(links.Options{Building: b, ID: "hq", Data: t.TempDir(), Links: onlyRedis, Executor: machine, Log: zerolog.Nop()})
	l.SetRedis(func() links.Messenger { return redis.New(options(s.Addr, time.Minute)) })
	sys := begin(t, l.Specs()...)
	supervisortest.Eventually(t, machine, "the link works", func() bool {
		good, _ := b.noted()
		return good > 0
	})
	r := receive(t, s.Addr, 1)
	send := redis.New(options(s.Addr, time.Minute))
	var texts [][]byte
	for _, text := range []string{
		`{"type":"hint","want":"state"}`,
		`{"type":"command","door":"front","action":"unlock"}`, `{"type":"hint","want":"unlock"}`, `{"type":"hint","want":"unlock"}`,
		"garbage", strings.Repeat("x", 5000), `{"type":"event","building":"lab","event":{"seq":1}}`,
	} {
		texts = append(texts, []byte(text))
	}
	if _, err := send.Publish(context.Background(), texts); err != nil {
		t.Fatal(err)
	}
	supervisortest.Eventually(t, machine, "the state that was asked for", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.states == 1
	})
	want := map[string]uint64{"state": 1, "unknown": 3, "garbage": 1, "oversized": 1, "other": 1, "own": 1, "events": 0}
	supervisortest.Eventually(t, machine, "all counted", func() bool {
		for what := range redis.TakenEnd {
			if l.Taken(what) != want[what.String()] {
				return false
			}
		}
		return true
	})
	send.Close()
	sys.Stop()
	r.client.Close()
	<-r.ended
	supervisortest.NoLeaks(t, sys)
	settles(t, before)
}
