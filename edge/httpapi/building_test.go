package httpapi_test

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/devices/virtual"
	"gatehouse/edge/httpapi"
	"gatehouse/supervisor"
)

// memory is a journal and a store without a disk.
type memory struct {
	mu     sync.Mutex
	events []access.Event
	saved  map[access.DoorID]access.Mode
}

func (m *memory) Commit(events []access.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range events {
		events[i].Seq = uint64(len(m.events) + 1)
		m.events = append(m.events, events[i])
	}
	return nil
}

func (m *memory) Read(after uint64, limit int) ([]access.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rest := m.events[min(after, uint64(len(m.events))):]
	return append([]access.Event(nil), rest[:min(limit, len(rest))]...), nil
}

func (m *memory) Last() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.events))
}

func (m *memory) SaveDoors(changes []access.DoorMemory) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range changes {
		m.saved[c.Door] = c.Mode
	}
	return nil
}

func (m *memory) mode(id access.DoorID) access.Mode {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saved[id]
}

// edge is the actor that owns a server, as the daemon makes it.
type edge struct{ server *httpapi.Server }

func (e *edge) Start(c *supervisor.Context) error {
	return errors.Join(c.Loop("serve", e.server.Serve), c.Loop("drain", e.server.Drain))
}

func (e *edge) Receive(_ *supervisor.Context, msg any) error {
	if ended, ok := msg.(supervisor.LoopEnded); ok {
		return ended.Err
	}
	return nil
}

// narrow makes connections that buffer little.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	return c, err
}

// live is a real building on a virtual rig in real time, with the API in it.
type live struct {
	*site
	b     *actors.Building
	rig   *virtual.Rig
	disk  *memory
	moves chan bool // of the lock of "front"
}

func startBuilding(t *testing.T, change func(*httpapi.Options)) *live {
	t.Helper()
	h := &live{
		rig: virtual.New(virtual.Options{}), disk: &memory{saved: map[access.DoorID]access.Mode{}},
		moves: make(chan bool, 1000),
	}
	rules, err := access.Compile(access.Rules{Doors: []access.Door{{ID: "front"}, {ID: "back"}}})
	if err != nil {
		t.Fatal(err)
	}
	people, err := access.NewPeople(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.rig.OnMove(func(name string, release bool) {
		if name == "front/lock" {
			h.moves <- release
		}
	})
	h.b, err = actors.New(actors.Config{
		Name: "test", Boot: 7, Rules: rules, Directory: people, Journal: h.disk, Store: h.disk, Executor: machine,
		Wiring: map[access.DoorID]actors.Wiring{
			"front": {Lock: h.rig.Lock("front/lock")}, "back": {Lock: h.rig.Lock("back/lock")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := httpapi.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := optionsFor(httpapi.Of(h.b))
	if change != nil {
		change(&o)
	}
	server := httpapi.NewServer(httpapi.New(o), narrow{l}, httpapi.ServerOptions{Clock: machine})
	if err := h.b.Start(supervisor.ChildSpec{ID: "http", New: func() supervisor.Actor { return &edge{server} }}); err != nil {
		t.Fatal(err)
	}
	h.site = client(t, l.Addr())
	return h
}

func (h *live) stopBuilding() {
	h.t.Helper()
	if report := h.b.Stop(); !report.Complete || report.Zombies > 0 {
		h.t.Errorf("stop: %+v", report)
	}
}

func (h *live) moved(release bool) {
	h.t.Helper()
	moved := make(chan struct{})
	var got bool
	go func() {
		got = <-h.moves
		close(moved)
	}()
	if !machine.Wait(moved, patience) || got != release {
		h.t.Errorf("the lock did not move to release=%t", release)
	}
}

// TestTheTokenMovesTheLock of a real building, and nothing else does; the stream
// tells of it, and the stop leaves nothing.
func TestTheTokenMovesTheLock(t *testing.T) {
	before := goleak.IgnoreCurrent()
	h := startBuilding(t, nil)
	same(t, 200, h.get("/readyz").status)
	stream := h.listen("/api/events/stream?after=0&kind=mode_changed")
	for name, header := range map[string][]string{
		"no token":    nil,
		"wrong token": {"Authorization", "Bearer wrong"},
		"a page":      {"Authorization", "Bearer " + token, "Origin", "https://evil.example"},
		"rebound":     {"Authorization", "Bearer " + token, "Host", "evil.example"},
	} {
		if r := h.do(http.MethodPost, "/api/doors/front/unlock", header...); r.status < 400 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	for range 3 {
		same(t, 200, h.post("/api/doors/front/unlock").status)
		h.moved(true) // if a refused request had moved it, this would be the second unlock
		same(t, 200, h.post("/api/doors/front/lock").status)
		h.moved(false)
		stream.next()
		stream.next()
	}
	same(t, 0, len(h.moves))
	same(t, 404, h.post("/api/doors/nowhere/unlock").status)
	h.stopBuilding()
	if _, _, ok := stream.block(); ok {
		t.Error("the stream goes on after the stop")
	}
	stream.close()
	goleak.VerifyNone(t, before)
}

// TestLockdownOverHTTP: all doors at once, on disk when it is answered, and over
// the operator's own unlock.
func TestLockdownOverHTTP(t *testing.T) {
	h := startBuilding(t, nil)
	defer h.stopBuilding()
	same(t, 200, h.post("/api/lockdown").status)
	same(t, []access.Mode{access.LockedDown, access.LockedDown}, []access.Mode{h.disk.mode("front"), h.disk.mode("back")})
	r := h.post("/api/doors/front/unlock")
	if r.status != 409 || r.code(t) != "refused" || !strings.Contains(r.body, "lockdown") {
		t.Errorf("%d %s", r.status, r.body)
	}
	same(t, 200, h.post("/api/normal").status)
	same(t, access.Locked, h.disk.mode("back"))
	same(t, 200, h.post("/api/doors/front/fire-reset").status)
	if text := h.get("/api/tree", "Accept", "text/plain").body; !strings.Contains(text, "http running workers=2") {
		t.Errorf("the tree does not show the server:\n%s", text)
	}
	if body := h.get("/metrics").body; !strings.Contains(body, `gatehouse_doors{mode="locked"} 2`) {
		t.Errorf("metrics:\n%s", body)
	}
}

// TestTheBuildingNeverWaitsForAStream: clients that read nothing are cut off
// while commands are answered, and every goroutine of the server has its owner.
func TestTheBuildingNeverWaitsForAStream(t *testing.T) {
	logged := waitFor("slow stream cut off")
	h := startBuilding(t, func(o *httpapi.Options) {
		o.WriteLimit, o.Log = time.Second, zerolog.New(logged)
	})
	defer h.stopBuilding()
	const slow = 3
	for range slow {
		mute(t, h.port, "/api/events/stream?after=0")
	}
	stream := h.listen("/api/events/stream?after=0&kind=mode_changed")
	for _, stray := range h.b.Ledger().Unaccounted {
		if strings.Contains(stray.Stack, "net/http.(*conn)") && strings.Contains(stray.Stack, "erve") {
			t.Errorf("nobody owns %+v", stray)
		}
	}
	const rounds = 150
	for range rounds {
		same(t, 200, h.post("/api/doors/front/unlock").status)
		h.moved(true)
		same(t, 200, h.post("/api/doors/front/lock").status)
		h.moved(false)
		stream.next()
		stream.next()
	}
	for range slow {
		logged.wait(t)
	}
	h.site.eventually("all is on disk", func() bool { return h.b.Health().Waiting == 0 })
}
