//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
	"gatehouse/edge/edgetest"
	"gatehouse/edge/redis"
	"gatehouse/supervisor/supervisortest"
)

// TestNoMessageOpensADoor: whatever comes over the channel, no lock moves and no
// event says that anybody commanded anything.
func TestNoMessageOpensADoor(t *testing.T) {
	server := edgetest.Redis(t)
	s, err := site.Load(filepath.Join("testdata", "site.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.Links = site.Links{Redis: site.Redis{Addr: server.Addr, Channel: "event:sync"}}
	var texts [][]byte
	for _, word := range []string{"unlock", "lock", "open", "release", "mode", "lockdown", "normal", "fire-reset", "grant", "people", "state", "events"} {
		for _, kind := range []string{"hint", "command", "event", "state", "unlock", ""} {
			for _, door := range []string{"front", "back", "*"} {
				texts = append(texts, fmt.Appendf(nil, `{"v":1,"type":%q,"want":%q,"action":%q,"mode":"unlocked","door":%q,"building":%q,"event":{"kind":"released","door":%q}}`,
					kind, word, word, door, s.Building.ID, door))
			}
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log, rig := &written{}, virtual.New(virtual.Options{})
	p := &process{out: io.Discard, err: log, ctx: ctx, now: clock.Now, boot: 7}
	var events []access.Event
	h := &host{
		p: p, log: p.logger(), site: s, data: filepath.Join(t.TempDir(), "data"), drivers: []devices.Driver{rig.Driver()},
		onReady: func(d *daemon.Daemon, at, _ string) {
			defer stop()
			taken := func() (n uint64) {
				for line := range strings.Lines(body(t, at, "/metrics")) {
					var one uint64
					if strings.HasPrefix(line, "gatehouse_link_messages_total{") {
						fmt.Sscan(line[strings.Index(line, "} ")+2:], &one)
						n += one
					}
				}
				return n
			}
			supervisortest.Eventually(t, clock, "the link is up", func() bool { return d.Building.Links()[0].State == "up" })
			moves := rig.Lock("front/lock").Moves() + rig.Lock("back/lock").Moves()
			c := redis.New(redis.Options{
				Addr: server.Addr, Channel: "event:sync", Now: clock.Now,
				Limits: redis.Limits{Dial: time.Minute, TLS: time.Minute, Answer: time.Minute, Quiet: time.Minute},
			})
			defer c.Close()
			before := taken()
			if _, err := c.Publish(context.Background(), texts); err != nil {
				t.Error(err)
				return
			}
			supervisortest.Eventually(t, clock, "all were read", func() bool { return taken() >= before+uint64(len(texts)) })
			if now := rig.Lock("front/lock").Moves() + rig.Lock("back/lock").Moves(); now != moves {
				t.Errorf("locks moved %d times", now-moves)
			}
			if events, err = d.Building.Events(0, 1000); err != nil {
				t.Error(err)
			}
		},
	}
	if code := report(p, h.run()); code != exitOK {
		t.Fatalf("ended with %d: %s", code, log)
	}
	for _, e := range events {
		if e.Door != "" || e.Operator != "" && e.Operator != "site-file" {
			t.Errorf("event %d: %v of door %q by %q", e.Seq, e.Kind, e.Door, e.Operator)
		}
	}
	if len(events) == 0 {
		t.Error("no events were read")
	}
}
