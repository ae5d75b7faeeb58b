package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
)

// TestTheTreeIsMeasured: /metrics shows every actor of a served building, and
// docs/API.md names each metric of the tree, and of gatehouse.
func TestTheTreeIsMeasured(t *testing.T) {
	s, err := site.Load(filepath.Join("testdata", "site.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile(filepath.Join("..", "..", "docs", "API.md"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log, rig := &written{}, virtual.New(virtual.Options{})
	p := &process{out: io.Discard, err: log, ctx: ctx, now: clock.Now, boot: 7}
	var metrics string
	h := &host{
		p: p, log: p.logger(), site: s, data: filepath.Join(t.TempDir(), "data"), drivers: []devices.Driver{rig.Driver()},
		onReady: func(_ *daemon.Daemon, at, _ string) { metrics = body(t, at, "/metrics"); stop() },
	}
	if code := report(p, h.run()); code != exitOK {
		t.Fatalf("ended with %d: %s", code, log)
	}
	for _, line := range []string{
		`supervisor_place_state{path="building",state="running"} 1`,
		`supervisor_place_state{path="building/doors/front/logic",state="running"} 1`,
		`supervisor_place_workers{path="building/edge/http"} 2`,
	} {
		if !strings.Contains(metrics, "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, metrics)
		}
	}
	names := regexp.MustCompile(`(?m)^# TYPE (supervisor_\w+) `).FindAllStringSubmatch(metrics, -1)
	if len(names) != 14 {
		t.Errorf("%d metrics of the tree", len(names))
	}
	own := regexp.MustCompile(`(?m)^# TYPE (gatehouse_\w+) `).FindAllStringSubmatch(metrics, -1)
	if len(own) < 15 {
		t.Errorf("%d metrics of gatehouse", len(own))
	}
	for _, name := range append(names, own...) {
		if !regexp.MustCompile("`" + name[1] + "[`{]").Match(manual) {
			t.Errorf("docs/API.md says nothing of %s", name[1])
		}
	}
}
