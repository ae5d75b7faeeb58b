package links_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/links"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/edge/redis"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

var (
	machine    = supervisor.NewReal(1)
	errOutage  = errors.New("outage")
	everything = site.Links{
		Heartbeat: site.Heartbeat{URL: &url.URL{Scheme: "http", Host: "127.0.0.1:1", Path: "/"}, EveryS: 5},
		Redis:     site.Redis{Addr: "127.0.0.1:1", Channel: "event:sync"},
	}
)

// building is a journal in memory, and what the links said.
type building struct {
	mu     sync.Mutex
	events []access.Event
	gone   uint64 // up to this number they are dropped
	notes  []error
	sent   uint64
	health actors.Health
}

// add records events; the numbers go on where they were.
func (b *building) add(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range n {
		seq := b.gone + uint64(len(b.events)) + 1
		b.events = append(b.events, access.Event{
			Seq: seq, Kind: access.KindGranted, Door: "front", Time: sim.Epoch.Add(time.Duration(seq) * time.Second),
			Source: access.Source{Name: "door/front", Boot: 7, Run: 1, Number: seq},
		})
	}
}

// drop does what retention does.
func (b *building) drop(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events, b.gone = b.events[n:], b.gone+uint64(n)
}

func (b *building) Events(after uint64, limit int) ([]access.Event, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := 0
	if after > b.gone {
		from = min(int(after-b.gone), len(b.events))
	}
	return b.events[from:min(from+limit, len(b.events))], nil
}

func (b *building) LastEvent() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.gone + uint64(len(b.events))
}

func (b *building) Health() actors.Health { return b.health }

func (b *building) NoteLink(_ string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = append(b.notes, err)
}

func (b *building) NoteSent(_ string, seq uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = seq
}

// noted is how often the links said that they work, and that they do not.
func (b *building) noted() (good, bad int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, err := range b.notes {
		if err == nil {
			good++
		} else {
			bad++
		}
	}
	return good, bad
}

// centre is a poster that notes its beats.
type centre struct {
	now    func() time.Time
	fail   error
	at     []time.Time
	bodies []string
	closed int
	under  func() // called in a beat
}

func (k *centre) Beat(_ context.Context, _ string, body []byte) error {
	k.at, k.bodies = append(k.at, k.now()), append(k.bodies, string(body))
	if k.under != nil {
		k.under()
	}
	return k.fail
}

func (k *centre) Close() { k.closed++ }

// server is a messenger that keeps what was published.
type server struct {
	fail   error
	ack    int // of a batch, if it fails
	texts  []string
	calls  int
	closed int
}

func (s *server) Publish(_ context.Context, messages [][]byte) (int, error) {
	s.calls++
	n := len(messages)
	if s.fail != nil {
		n = min(n, s.ack)
	}
	for _, m := range messages[:n] {
		s.texts = append(s.texts, string(m))
	}
	return n, s.fail
}

func (*server) Listen(context.Context, func(), func(string) error) error { return errOutage }

func (s *server) Close() { s.closed++ }

// said is what was published, in short: e7 for an event, gap 1+6 new_link.
func (s *server) said(t *testing.T) (list []string) {
	t.Helper()
	for _, text := range s.texts {
		var m redis.Message
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		switch m.Type {
		case "event":
			list = append(list, fmt.Sprintf("e%d", m.Event.Seq))
		case "gap":
			list = append(list, fmt.Sprintf("gap %d+%d %s", m.Gap.First, m.Gap.Count, m.Gap.Why))
		default:
			list = append(list, m.Type)
		}
	}
	s.texts = nil
	return list
}

// house is the links in virtual time.
type house struct {
	t    *testing.T
	sim  *sim.Sim
	b    *building
	dir  string
	l    *links.Links
	sys  *supervisor.System
	post *centre
	chat *server
}

func newHouse(t *testing.T, which site.Links, hold func(owner, name string) sim.Hold) *house {
	h := &house{t: t, b: &building{health: actors.Health{Ready: true}}, dir: t.TempDir(), sim: sim.New(1, sim.Options{Hold: hold})}
	h.post, h.chat = &centre{now: h.sim.Now}, &server{}
	h.start(which)
	return h
}

func (h *house) start(which site.Links) {
	h.t.Helper()
	h.l = links.New(links.Options{
		Building: h.b, ID: "hq", Boot: 7, Version: "test", Data: h.dir, Links: which, Executor: h.sim, Log: zerolog.Nop(),
	})
	if which.Heartbeat.URL != nil {
		h.l.SetHeartbeat(5*time.Second, 8*time.Second, func() links.Poster { return h.post })
	}
	if which.Redis.Addr != "" {
		h.l.SetRedis(func() links.Messenger { return h.chat })
	}
	var err error
	if h.sys, err = supervisor.Start(tree(h.l), supervisor.Options{Executor: h.sim}); err != nil {
		h.t.Fatal(err)
	}
	h.sim.Advance(time.Millisecond)
}

func tree(l *links.Links) supervisor.SupervisorSpec {
	return supervisor.SupervisorSpec{Budget: supervisor.Isolating(3, time.Minute), Children: l.Specs()}
}

func (h *house) stop() {
	h.t.Helper()
	if report := h.sys.Stop(); !report.Complete || report.Zombies != 0 {
		h.t.Errorf("%+v", report)
	}
}
