package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/access"
	"gatehouse/actors"
)

func TestCommands(t *testing.T) {
	f := newFake(0)
	s := serve(t, optionsFor(f))
	for _, path := range []string{
		"/api/doors/front/unlock", "/api/doors/front/lock", "/api/doors/back/lockdown", "/api/doors/back/normal",
		"/api/doors/front/fire-reset", "/api/lockdown", "/api/normal",
	} {
		if r := s.post(path); r.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	same(t, []string{
		"unlocked clear=false by api at [front]",
		"locked clear=false by api at [front]",
		"locked_down clear=false by api at [back]",
		"locked clear=true by api at [back]",
		"reset fire by api at [front]",
		"locked_down clear=false by api at [front back]",
		"locked clear=true by api at [front back]",
	}, f.commands)
}

// TestWhatACommandAnswers: with several doors the worst decides.
func TestWhatACommandAnswers(t *testing.T) {
	yes := actors.CommandResult{Door: "front", Accepted: true}
	held := actors.CommandResult{Door: "front", Accepted: true, Down: true}
	down := actors.CommandResult{Door: "back", Down: true}
	lockdown := actors.CommandResult{Door: "back", Refused: access.ReasonLockdown}
	fire := actors.CommandResult{Door: "back", Refused: access.ReasonFire}
	list := func(r ...actors.CommandResult) []actors.CommandResult { return r }
	for _, c := range []struct {
		name    string
		results []actors.CommandResult
		saved   bool
		err     error
		status  int
		code    string
		says    string
	}{
		{"done", list(yes), true, nil, 200, "", `"saved": true`},
		{"secured while down", list(held), true, nil, 200, "", `"down": true`},
		{"not on disk", list(yes), false, nil, 202, "", `"saved": false`},
		{"refused", list(lockdown), true, nil, 409, "refused", "lockdown"},
		{"fire is active", list(fire), true, nil, 409, "refused", "fire"},
		{"one of two refused", list(yes, lockdown), true, nil, 409, "refused", `"accepted": true`},
		{"refused and down", list(down, lockdown), false, nil, 409, "refused", "lockdown"},
		{"down", list(down), true, nil, 503, "door_down", "not running"},
		{"one of two down", list(yes, down), true, nil, 503, "door_down", `"accepted": true`},
		{"unknown", nil, false, fmt.Errorf("%w: %q", actors.ErrUnknownDoor, "x"), 404, "unknown_door", "x"},
		{"no answer", nil, false, errors.New("not confirmed"), 504, "not_confirmed", "not confirmed"},
	} {
		f := newFake(0)
		f.report, f.err = actors.CommandReport{Results: c.results, Saved: c.saved}, c.err
		r := serve(t, optionsFor(f)).post("/api/doors/front/unlock")
		if r.status != c.status || !strings.Contains(r.body, c.says) {
			t.Errorf("%s: %d %s", c.name, r.status, r.body)
		}
		if c.code != "" && r.code(t) != c.code {
			t.Errorf("%s: %s", c.name, r.body)
		}
	}
}

func TestDoors(t *testing.T) {
	s := serve(t, optionsFor(newFake(0)))
	var all struct {
		Doors []struct{ ID, Mode, Actor string }
	}
	if err := json.Unmarshal([]byte(s.get("/api/doors").body), &all); err != nil {
		t.Fatal(err)
	}
	same(t, []struct{ ID, Mode, Actor string }{{"front", "locked", "running"}, {"back", "locked_down", "running"}}, all.Doors)
	var one struct{ ID, Mode string }
	if err := json.Unmarshal([]byte(s.get("/api/doors/back").body), &one); err != nil {
		t.Fatal(err)
	}
	same(t, struct{ ID, Mode string }{"back", "locked_down"}, one)
}

// brokenLock is a door that believes to be released.
var brokenLock = actors.DoorStatus{ID: "cellar", Mode: access.Blocked, Released: true, LockFault: true}

// TestBrokenLock: nobody says that a door is released whose lock does not move.
func TestBrokenLock(t *testing.T) {
	f := newFake(0)
	f.doors = []actors.DoorStatus{brokenLock, {ID: "side", Released: true}}
	s := serve(t, optionsFor(f))
	for path, want := range map[string]any{"cellar": nil, "side": true, "front": false} {
		var d map[string]any
		if err := json.Unmarshal([]byte(s.get("/api/doors/"+path).body), &d); err != nil {
			t.Fatal(err)
		}
		same(t, want, d["released"])
	}
	same(t, 1, strings.Count(s.get("/api/doors").body, `"released": null`))
	for saved, status := range map[bool]int{true: 200, false: 202} {
		f.report = actors.CommandReport{Saved: saved, Results: []actors.CommandResult{
			{Door: "cellar", Accepted: true}, {Door: "side", Accepted: true},
		}}
		r := s.post("/api/doors/cellar/unlock")
		if r.status != status || !strings.Contains(r.body, `"warning": "The lock does not do as it is told at: cellar."`) {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	f.report.Results = f.report.Results[1:]
	if r := s.post("/api/doors/side/unlock"); strings.Contains(r.body, "warning") {
		t.Error(r.body)
	}
}

func TestHealth(t *testing.T) {
	f := newFake(0)
	s := serve(t, optionsFor(f))
	same(t, 200, s.get("/healthz").status)
	same(t, 200, s.get("/readyz").status)

	f.health = actors.Health{Degraded: []string{"journal: disk on fire"}}
	r := s.get("/readyz")
	if r.status != 503 || r.code(t) != "not_ready" || strings.Count(r.body, "disk on fire") != 1 ||
		!strings.Contains(r.body, `"1 part does not work; degraded names it."`) {
		t.Errorf("a dead disk: %d %s", r.status, r.body)
	}
	f.health.Degraded = slices.Repeat([]string{"building/doors/x failed"}, 1000)
	if r := s.get("/readyz"); r.status != 503 || len(r.body) > 5000 || !strings.Contains(r.body, "and 980 more") ||
		!strings.Contains(r.body, `"1000 parts do not work; degraded lists them."`) {
		t.Errorf("many dead doors: %d %s", r.status, r.body)
	}
	same(t, 200, s.get("/healthz").status)

	// A link that is down is told, and nothing waits for it.
	f.health = actors.Health{Ready: true, Degraded: []string{"link redis: connection refused"}}
	if r := s.get("/readyz"); r.status != 200 || !strings.Contains(r.body, "link redis: connection refused") {
		t.Errorf("a dead link: %d %s", r.status, r.body)
	}
}

func TestTree(t *testing.T) {
	s := serve(t, optionsFor(newFake(0)))
	same(t, "{\n  \"id\": \"building\"\n}\n", s.get("/api/tree").body)
	same(t, "building running\n", s.get("/api/tree", "Accept", "text/html, Text/Plain;q=0.5").body)
}

func TestMetrics(t *testing.T) {
	f := newFake(3)
	f.doors = []actors.DoorStatus{
		{ID: "side", Mode: access.DoubleLocked, Alarm: "held_open", Fire: true},
		{ID: "roof", Mode: access.DoubleLocked, Alarm: "held_open", Actor: "failed"},
		brokenLock,
	}
	o := optionsFor(f)
	o.Version = "1.2.3"
	more := prometheus.NewCounter(prometheus.CounterOpts{Name: "more_total", Help: "Of the caller's."})
	o.Collectors = []prometheus.Collector{more}
	s := serve(t, o)
	body := s.get("/metrics").body
	for _, line := range []string{
		`gatehouse_events_total{kind="granted"} 4`, `gatehouse_denials_total{reason="no_level"} 2`,
		`gatehouse_archive_last_sequence 40`, `gatehouse_archive_waiting_segments 2`, `gatehouse_archive_bytes_total 4096`,
		`gatehouse_events_waiting 0`,
		`gatehouse_events_last_sequence 3`, `gatehouse_doors{mode="locked"} 1`, `gatehouse_doors{mode="locked_down"} 1`,
		`gatehouse_doors{mode="unlocked"} 0`, `gatehouse_ready 1`, `gatehouse_http_streams 0`, `go_goroutines `,
		`gatehouse_alarms{kind="held_open"} 2`, `gatehouse_alarms{kind="forced_open"} 0`, `gatehouse_alarms{kind="lock_fault"} 1`, `gatehouse_alarms{kind="actor_failed"} 1`,
		`gatehouse_alarms{kind="fire_released"} 1`, `gatehouse_build_info{go="go1.`, `more_total 0`,
	} {
		if !strings.Contains(body, "\n"+line) {
			t.Errorf("no line %q in\n%s", line, body)
		}
	}
	if !strings.Contains(body, `version="1.2.3"} 1`) {
		t.Error("no version")
	}
}
