package main

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
	"gatehouse/edge/edgetest"
	"gatehouse/supervisor/supervisortest"
)

// TestLinksOfADaemon: a served building with a heartbeat that works and a Redis
// server that is not there. It is ready, says what is down, and measures both.
func TestLinksOfADaemon(t *testing.T) {
	s, err := site.Load(filepath.Join("testdata", "site.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile(filepath.Join("..", "..", "docs", "API.md"))
	if err != nil {
		t.Fatal(err)
	}
	centre := edgetest.Serve(t, edgetest.Says("\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"))
	s.Links = site.Links{
		Heartbeat: site.Heartbeat{URL: &url.URL{Scheme: "http", Host: centre.Addr, Path: "/"}, EveryS: 1},
		Redis:     site.Redis{Addr: edgetest.RefusedAddr(t), Channel: "event:sync"},
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log, rig := &written{}, virtual.New(virtual.Options{})
	p := &process{out: io.Discard, err: log, ctx: ctx, now: clock.Now, boot: 7}
	var metrics, ready, health string
	h := &host{
		p: p, log: p.logger(), site: s, data: filepath.Join(t.TempDir(), "data"), drivers: []devices.Driver{rig.Driver()},
		onReady: func(d *daemon.Daemon, at, _ string) {
			supervisortest.Eventually(t, clock, "both links are known", func() bool {
				list := d.Building.Links()
				return len(list) == 2 && list[0].State == actors.LinkUp && list[1].State == actors.LinkDown
			})
			metrics, ready, health = body(t, at, "/metrics"), body(t, at, "/readyz"), body(t, at, "/api/health")
			stop()
		},
	}
	if code := report(p, h.run()); code != exitOK {
		t.Fatalf("ended with %d: %s", code, log)
	}
	for _, line := range []string{
		`gatehouse_link_up{link="heartbeat"} 1`, `gatehouse_link_up{link="redis"} 0`,
		`gatehouse_link_failures_total{link="heartbeat"} 0`, `gatehouse_link_messages_total{kind="unknown",link="redis"} 0`,
		`gatehouse_ready 1`, `supervisor_place_state{path="building/links/redis",state="running"} 1`,
	} {
		if !strings.Contains(metrics, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
	names := slices.Compact(regexp.MustCompile(`(?m)^# TYPE (gatehouse_link_\w+) `).FindAllString(metrics, -1))
	if len(names) < 4 {
		t.Errorf("%d metrics of links", len(names))
	}
	for _, line := range names {
		if name := strings.Fields(line)[2]; !strings.Contains(string(manual), "`"+name+"{") {
			t.Errorf("docs/API.md says nothing of %s", name)
		}
	}
	var told struct {
		Links []struct{ Name, State string }
	}
	if err := json.Unmarshal([]byte(health), &told); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]struct{ Name, State string }{{"heartbeat", "up"}, {"redis", "down"}}, told.Links); diff != "" {
		t.Errorf("/api/health: %s", diff)
	}
	if !strings.Contains(ready, `"ready": true`) || !strings.Contains(ready, "link redis: connect: ") {
		t.Errorf("readyz: %s", ready)
	}
}
