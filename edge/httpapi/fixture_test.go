package httpapi_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/edge/httpapi"
	"gatehouse/persistence/index"
	"gatehouse/supervisor"
)

const token = "a-token-that-is-as-long-as-the-ones-we-make-ourselves"

// patience is what a test waits at most for what should happen at once.
const patience = 30 * time.Second

var machine = supervisor.NewReal(1)

// fake is a building of two doors whose answers a test sets.
type fake struct {
	mu       sync.Mutex
	events   []access.Event
	watchers map[chan struct{}]bool
	commands []string
	report   actors.CommandReport
	err      error // of commands
	readErr  error
	read     int // events that were read
	pruned   int // the journal begins after this many
	health   actors.Health
	doors    []actors.DoorStatus // besides the two
	reindex  int                 // how often the index was thrown away
	hold     chan struct{}       // a command waits until it is closed
	began    chan struct{}       // told when a command begins
	search   chan struct{}       // likewise a search, of which began is told too
	throw    any                 // a command panics with it
	failed   []string            // NoteRequestFailed was told
	text     string              // of the tree
}

func newFake(events int) *fake {
	f := &fake{
		watchers: map[chan struct{}]bool{}, began: make(chan struct{}, 1),
		report: actors.CommandReport{Saved: true}, health: actors.Health{Ready: true, Degraded: []string{}},
	}
	f.add(events)
	return f
}

func (f *fake) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		seq := uint64(len(f.events) + 1)
		e := access.Event{Seq: seq, Kind: access.KindGranted, Door: "front", Reason: access.ReasonCredential}
		if seq%3 == 0 {
			e.Kind, e.Door, e.Reason = access.KindDenied, "back", access.ReasonNoLevel
		}
		f.events = append(f.events, e)
	}
	for c := range f.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (f *fake) Doors() []actors.DoorStatus {
	return append([]actors.DoorStatus{
		{ID: "front", Actor: "running"},
		{ID: "back", Mode: access.LockedDown, Standing: access.LockedDown, Actor: "running"},
	}, f.doors...)
}

func (f *fake) Door(id access.DoorID) (actors.DoorStatus, error) {
	for _, d := range f.Doors() {
		if d.ID == id {
			return d, nil
		}
	}
	return actors.DoorStatus{}, fmt.Errorf("%w: %q", actors.ErrUnknownDoor, id)
}

func (f *fake) Command(cmd access.Command, doors ...access.DoorID) (actors.CommandReport, error) {
	return f.note(fmt.Sprintf("%v clear=%t by %s at %v", cmd.Mode, cmd.Clear, cmd.Operator, doors))
}

func (f *fake) ResetFire(by access.OperatorID, doors ...access.DoorID) (actors.CommandReport, error) {
	return f.note(fmt.Sprintf("reset fire by %s at %v", by, doors))
}

func (f *fake) note(what string) (actors.CommandReport, error) {
	if f.hold != nil {
		f.began <- struct{}{}
		<-f.hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commands = append(f.commands, what)
	if f.throw != nil {
		panic(f.throw)
	}
	return f.report, f.err
}

func (f *fake) Events(after uint64, limit int) ([]access.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readErr != nil || after >= uint64(len(f.events)) {
		return nil, f.readErr
	}
	rest := f.events[max(after, uint64(f.pruned)):]
	rest = rest[:min(limit, len(rest))]
	f.read += len(rest)
	return append([]access.Event(nil), rest...), nil
}

func (f *fake) LastEvent() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return uint64(len(f.events))
}

// Find has an index that was never made: it reads the events.
func (f *fake) Find(ctx context.Context, s access.Search) (access.Found, error) {
	if f.search != nil {
		f.began <- struct{}{}
		<-f.search
	}
	return index.New("", journal{f}).Find(ctx, s)
}

func (f *fake) IndexLag() uint64 { return 7 }

func (f *fake) Reindex() error {
	f.reindex++
	return f.err
}

type journal struct{ *fake }

func (j journal) Read(after uint64, limit int) ([]access.Event, error) { return j.Events(after, limit) }
func (j journal) Last() uint64                                         { return j.LastEvent() }

func (f *fake) Health() actors.Health { return f.health }

func (f *fake) NoteRequestFailed(detail string, count uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = append(f.failed, fmt.Sprintf("%d of %s", count, detail))
}

// told is what NoteRequestFailed was, and how many commands came.
func (f *fake) told() (failed []string, commands int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed, len(f.commands)
}

func (f *fake) Links() []actors.LinkStatus {
	lag := uint64(3)
	return []actors.LinkStatus{{Name: "redis", State: actors.LinkDown, LastError: "refused", Lag: &lag}}
}

func (f *fake) Devices() []actors.DeviceStatus {
	return []actors.DeviceStatus{{ID: "rig", Driver: "virtual", State: actors.DeviceOK, Checks: 2}}
}

func (f *fake) Archive() (actors.ArchiveStatus, bool) {
	return actors.ArchiveStatus{Last: 40, Waiting: 2, Bytes: 4096}, true
}

func (f *fake) Counts() (kinds, denials []actors.Count) {
	return []actors.Count{{Name: "granted", Value: 4}}, []actors.Count{{Name: "no_level", Value: 2}}
}

func (f *fake) Watch() (grown <-chan struct{}, stop func(), ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := make(chan struct{}, 1)
	f.watchers[c] = true
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers, c)
	}, true
}

func (f *fake) watching() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watchers)
}

func (f *fake) Tree() httpapi.Tree {
	return httpapi.Tree{JSON: map[string]string{"id": "building"}, Text: cmp.Or(f.text, "building running\n")}
}

// site is a server under test.
type site struct {
	t      testing.TB
	url    string
	port   string
	client *http.Client
	cancel context.CancelFunc
	served chan error
	drain  chan error
	api    *httpapi.API // of byHand
}

func optionsFor(b httpapi.Building) httpapi.Options {
	return httpapi.Options{Building: b, Clock: machine, Token: token}
}

// serve runs the API on a port of its own until the test ends.
func serve(t testing.TB, o httpapi.Options) *site {
	return serveAs(t, httpapi.New(o), httpapi.ServerOptions{Clock: machine})
}

func serveAs(t testing.TB, h http.Handler, o httpapi.ServerOptions) *site {
	t.Helper()
	l, err := httpapi.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := client(t, l.Addr())
	s.cancel, s.served, s.drain = cancel, make(chan error, 1), make(chan error, 1)
	server := httpapi.NewServer(h, l, o)
	go func() { s.served <- server.Serve(ctx) }()
	go func() { s.drain <- server.Drain(ctx) }()
	t.Cleanup(func() { s.stop() })
	return s
}

// client is a site that somebody else serves.
func client(t testing.TB, at net.Addr) *site {
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	_, port, _ := net.SplitHostPort(at.String())
	return &site{t: t, url: "http://" + at.String(), port: port, client: &http.Client{Transport: transport}}
}

// stop ends the server; the errors are those of the first call.
func (s *site) stop() (served, drained error) {
	s.t.Helper()
	s.cancel()
	return result(s.t, s.served), result(s.t, s.drain)
}

func result(t testing.TB, c chan error) error {
	t.Helper()
	done := make(chan struct{})
	var err error
	go func() {
		err = <-c
		c <- nil // for a second stop
		close(done)
	}()
	if !machine.Wait(done, patience) {
		t.Fatal("the server does not end")
	}
	return err
}

// reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// problem is the code of an error.
func (r reply) code(t testing.TB) string {
	t.Helper()
	var p struct{ Code, Message, Hint string }
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		t.Fatalf("no JSON: %v in %q", err, r.body)
	}
	if p.Message == "" || p.Hint == "" || !strings.HasSuffix(p.Message, ".") {
		t.Errorf("an error needs a sentence and a hint: %q", r.body)
	}
	return p.Code
}

func (s *site) do(method, path string, header ...string) reply {
	s.t.Helper()
	return s.send(method, path, nil, header...)
}

func (s *site) get(path string, header ...string) reply {
	s.t.Helper()
	return s.do(http.MethodGet, path, header...)
}

// post makes a change with the token.
func (s *site) post(path string) reply {
	s.t.Helper()
	return s.do(http.MethodPost, path, "Authorization", "Bearer "+token)
}

func (s *site) send(method, path string, body io.Reader, header ...string) reply {
	s.t.Helper()
	resp, err := s.client.Do(s.request(s.t.Context(), method, path, body, header...))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(text)}
}

func (s *site) request(ctx context.Context, method, path string, body io.Reader, header ...string) *http.Request {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	return req
}

// listener is a client of the stream.
type listener struct {
	t     testing.TB
	resp  *http.Response
	lines *bufio.Scanner
	close func()
	id    string // the last one
}

func (s *site) listen(path string, header ...string) *listener {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	resp, err := s.client.Do(s.request(ctx, http.MethodGet, path, nil, append(header, "Accept", "text/event-stream")...))
	if err != nil {
		cancel()
		s.t.Fatal(err)
	}
	l := &listener{t: s.t, resp: resp, lines: bufio.NewScanner(resp.Body)}
	l.lines.Buffer(nil, 1<<20)
	l.close = func() { cancel(); resp.Body.Close() }
	s.t.Cleanup(l.close)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		text, _ := io.ReadAll(resp.Body)
		s.t.Fatalf("no stream: %s %s", resp.Status, text)
	}
	return l
}

// block reads to the next empty line and returns data and comment; ok is false
// at the end of the stream.
func (l *listener) block() (data, comment string, ok bool) {
	for l.lines.Scan() {
		field, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch field {
		case "id":
			l.id = value
		case "data":
			data = value
		case "":
			if value == "" {
				return data, comment, true
			}
			comment = value
		}
	}
	return "", "", false
}

// next is the sequence number of the next event.
func (l *listener) next() uint64 {
	l.t.Helper()
	for {
		data, _, ok := l.block()
		if !ok {
			l.t.Fatal("the stream ended")
		}
		if data == "" {
			continue
		}
		var e struct{ Seq uint64 }
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			l.t.Fatal(err)
		}
		if fmt.Sprint(e.Seq) != l.id {
			l.t.Errorf("event %d has the id %s", e.Seq, l.id)
		}
		return e.Seq
	}
}

// signals is a log whose lines can be waited for.
type signals struct {
	word string
	c    chan struct{}
}

func waitFor(word string) *signals { return &signals{word, make(chan struct{}, 100)} }

func (s *signals) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(s.word)) {
		s.c <- struct{}{}
	}
	return len(p), nil
}

func (s *signals) wait(t testing.TB) {
	t.Helper()
	if !machine.Wait(s.c, patience) {
		t.Fatalf("the log does not say %q", s.word)
	}
}

// eventually asks until it is so: for what ends by itself soon after the test
// could see its cause. Every question is a round trip to the server.
func (s *site) eventually(what string, so func() bool) {
	s.t.Helper()
	for range 5000 {
		if so() {
			return
		}
		s.get("/healthz")
	}
	s.t.Fatalf("not %s", what)
}

func same[T any](t testing.TB, want, got T) {
	t.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
