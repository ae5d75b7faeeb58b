package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
	"gatehouse/supervisor/supervisortest"
)

// written is what a process wrote; safe for concurrent use.
type written struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// A card at a served building's reader, seen through the API: who is known gets
// in; who is not is a denied event with its reason and without the card's number.
func TestCardsAtAServedBuilding(t *testing.T) {
	s, err := site.Load(filepath.Join("testdata", "site.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log, rig := &written{}, virtual.New(virtual.Options{})
	p := &process{out: io.Discard, err: log, ctx: ctx, now: clock.Now, boot: 7}
	moved, addr, done := make(chan bool, 8), make(chan string, 1), make(chan int, 1)
	rig.OnMove(func(_ string, release bool) { moved <- release })
	h := &host{
		p: p, log: p.logger(), site: s, data: filepath.Join(t.TempDir(), "data"), drivers: []devices.Driver{rig.Driver()},
		onReady: func(_ *daemon.Daemon, at, _ string) { addr <- at },
	}
	go func() { done <- report(p, h.run()) }()
	var at string
	select {
	case at = <-addr:
	case code := <-done:
		t.Fatalf("ended with %d: %s", code, log)
	}

	present(t, rig, 27182818284)
	supervisortest.Eventually(t, clock, "the denial is on disk", func() bool {
		return strings.Contains(body(t, at, "/api/events?kind=denied&reason=unknown_card"), `"door": "front"`)
	})
	present(t, rig, 31415926535)
	if release := <-moved; !release {
		t.Error("the lock was secured, not released")
	}
	supervisortest.Eventually(t, clock, "the grant is on disk", func() bool {
		return strings.Contains(body(t, at, "/api/events?kind=granted"), `"credential": "c-1"`)
	})
	everything := body(t, at, "/api/events") + body(t, at, "/api/tree") + body(t, at, "/metrics")
	stop()
	if code := <-done; code != exitOK {
		t.Errorf("exit code %d: %s", code, log)
	}
	for _, secret := range []string{"27182818284", "31415926535", "Quist"} {
		if strings.Contains(log.String(), secret) || strings.Contains(everything, secret) {
			t.Errorf("%s is in the log or in an answer:\n%s\n%s", secret, log, everything)
		}
	}
}

// The web server is an actor: when its listener is gone it listens again on the
// same address, and no door notices.
func TestTheWebServerComesBack(t *testing.T) {
	s, err := site.Load(filepath.Join("testdata", "site.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := &written{}
	p := &process{out: io.Discard, err: log, ctx: ctx, now: clock.Now, boot: 7}
	addr, done := make(chan string, 1), make(chan int, 1)
	h := &host{
		p: p, log: p.logger(), site: s, data: filepath.Join(t.TempDir(), "data"),
		drivers: []devices.Driver{virtual.New(virtual.Options{}).Driver()},
		onReady: func(_ *daemon.Daemon, at, _ string) { addr <- at },
	}
	go func() { done <- report(p, h.run()) }()
	at := <-addr
	body(t, at, "/healthz")
	if err := h.listen.Close(); err != nil {
		t.Fatal(err)
	}
	var tree string
	supervisortest.Eventually(t, clock, "it answers again", func() bool {
		client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get("http://" + at + "/api/tree")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		all, err := io.ReadAll(resp.Body)
		tree = string(all)
		return err == nil
	})
	if !strings.Contains(tree, "the web server ended by itself") || strings.Count(tree, `"restarts": 1`) != 1 {
		t.Errorf("the tree does not show exactly one restart and why:\n%s", tree)
	}
	stop()
	if code := <-done; code != exitOK {
		t.Errorf("exit code %d: %s", code, log)
	}
}

func present(t *testing.T, rig *virtual.Rig, number uint64) {
	t.Helper()
	format, err := access.ParseFormat("H10302")
	if err != nil {
		t.Fatal(err)
	}
	bits, raw, err := format.Encode(access.Card{Number: number})
	if err != nil {
		t.Fatal(err)
	}
	rig.Present("front/in", devices.CardRead{Bits: bits, Raw: raw})
}

func body(t *testing.T, addr, path string) string {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// broken panics at every write.
type broken struct{}

func (broken) Write([]byte) (int, error) { panic("a fault of ours") }

// A fault of ours is not taken for the end that --help asks for.
func TestAPanicIsNoSuccess(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the panic was swallowed")
		}
	}()
	code := run(&process{out: broken{}, err: io.Discard}, []string{"version"})
	t.Errorf("exit code %d", code)
}

// A served building on a terminal says where it is to be found; the log's times
// are UTC wherever the machine is.
func TestServeOnATerminal(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	ctx, stop := context.WithCancel(t.Context())
	log := &written{}
	p := &process{out: io.Discard, err: log, tty: true, ctx: ctx, now: clock.Now, boot: 7}
	c := &serveCmd{Config: filepath.Join("testdata", "site.yaml"), Data: filepath.Join(t.TempDir(), "data")}
	done := make(chan int, 1)
	go func() { done <- report(p, c.Run(p)) }()
	supervisortest.Eventually(t, clock, "the banner", func() bool {
		return strings.Contains(log.String(), "Ctrl-C stops in order.")
	})
	stop()
	if code := <-done; code != exitOK {
		t.Errorf("exit code %d", code)
	}
	banner := regexp.MustCompile(`\nHouse\n  API    http://127\.0\.0\.1:[0-9]+\n  token  .*api-token .*\n  doors  curl http://127\.0\.0\.1:[0-9]+/api/doors\nCtrl-C`)
	if !banner.MatchString(log.String()) {
		t.Errorf("got\n%s", log)
	}
}

func TestCommitOfTheBuild(t *testing.T) {
	info := func(pairs ...string) *debug.BuildInfo {
		b := &debug.BuildInfo{}
		for i := 0; i < len(pairs); i += 2 {
			b.Settings = append(b.Settings, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return b
	}
	for _, c := range []struct {
		info *debug.BuildInfo
		want string
	}{
		{nil, ""},
		{info(), ""},
		{info("vcs.revision", "0123456789abcdef", "vcs.modified", "false"), " (0123456789ab)"},
		{info("vcs.revision", "0123", "vcs.modified", "true"), " (0123+changes)"},
	} {
		if got := commit(c.info); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// On a terminal a log is for people, and colours can be had without. Its times are
// UTC in either form, wherever the machine is.
func TestLogOnATerminal(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	log := &written{}
	in := time.FixedZone("far", 5*3600)
	p := &process{err: log, tty: true, now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, in) }}
	l := p.logger()
	l.Error().Err(errors.New("it burns")).Msg("hello")
	if got := log.String(); got != "22:04:05Z ERR hello error=\"it burns\"\n" {
		t.Errorf("got %q", got)
	}
	log.text.Reset()
	p.tty = false
	l = p.logger()
	l.Info().Msg("hello")
	if got := log.String(); got != `{"level":"info","time":"2026-01-01T22:04:05Z","message":"hello"}`+"\n" {
		t.Errorf("not on a terminal: %q", got)
	}
}
