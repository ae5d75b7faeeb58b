package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/access"
)

type answerPage struct {
	Events []struct {
		Seq          uint64
		Kind, Reason string
	}
	Next, Last uint64
	More       *bool // must always be there
}

func (s *site) page(query string) answerPage {
	s.t.Helper()
	var p answerPage
	r := s.get("/api/events" + query)
	if err := json.Unmarshal([]byte(r.body), &p); err != nil || r.status != 200 || p.More == nil {
		s.t.Fatalf("%d %v %s", r.status, err, r.body)
	}
	return p
}

// TestPages: coming again with after=next gives every event once, whatever the
// limit and the filter.
func TestPages(t *testing.T) {
	f := newFake(1100)
	s := serve(t, optionsFor(f))
	for query, want := range map[string]int{
		"": 1100, "&limit=7": 1100, "&limit=1000": 1100, "&kind=denied&limit=1000": 366,
		"&reason=no_level": 366, "&door=back&limit=150": 366, "&kind=granted&limit=9": 734, "&door=front&kind=denied": 0,
	} {
		var after, seen uint64
		got := 0
		for more := true; more; {
			p := s.page(fmt.Sprintf("?after=%d%s", after, query))
			for _, e := range p.Events {
				if e.Seq <= seen {
					t.Errorf("%s: event %d after %d", query, e.Seq, seen)
				}
				seen = e.Seq
				got++
			}
			same(t, 1100, p.Last)
			after, more = p.Next, *p.More
		}
		if got != want {
			t.Errorf("%s: %d events, not %d", query, got, want)
		}
	}
	same(t, 100, len(s.page("").Events))
}

// TestScanIsBounded: a filter that nothing matches does not read the whole
// journal in one go, and says where to go on.
func TestScanIsBounded(t *testing.T) {
	f := newFake(55_000)
	s := serve(t, optionsFor(f))
	for query, next := range map[string]uint64{"?kind=tamper": 50_000, "?kind=tamper&order=desc": 5001} {
		p := s.page(query)
		if len(p.Events) > 0 || p.Next != next || p.Last != 55_000 || !*p.More {
			t.Errorf("%s: %+v, more %t", query, p, *p.More)
		}
	}
	same(t, 2*50_000+2, f.read) // each asks what the first event is
	same(t, false, *s.page("?kind=tamper&after=50000").More)
	same(t, false, *s.page("?kind=tamper&order=desc&before=5001").More)
}

func TestBadQueries(t *testing.T) {
	f := newFake(5)
	s := serve(t, optionsFor(f))
	for query, says := range map[string]string{
		"after=x": "after", "after=-1": "after", "after=1.5": "after", "after=": "after", "after=99999999999999999999": "after",
		"limit=0": "limit", "limit=1001": "limit", "limit=x": "limit", "limit=18446744073709551615": "limit",
		"kind=opened": "kind", "kind=": "kind", "reason=because": "reason", "dor=front": "dor",
		"kind=none": "filters nothing", "reason=none": "filters nothing",
		"after=1&after=2": "after", "%zz": "query", "door=": "door", "cardholder=": "cardholder",
		"order=newest": "order", "order=": "order", "before=5": "before", "order=asc&before=5": "before",
		"order=desc&after=1": "after", "order=desc&before=x": "before", "from=yesterday": "from", "from=": "from",
		"until=2026-02-30": "until", "until=2026-03-02T11:00:00": "until", "from=2026-03-02&until=2026-03-02": "until",
	} {
		for _, path := range []string{"/api/events?", "/api/events/stream?"} {
			r := s.get(path + query)
			if r.status != 400 || r.code(t) != "bad_query" || !strings.Contains(r.body, says) {
				t.Errorf("%s: %d %s", query, r.status, r.body)
			}
		}
	}
	if r := s.get("/api/events?" + url.Values{"kind": {strings.Repeat("x", 5000)}}.Encode()); len(r.body) > 2000 {
		t.Errorf("%d bytes come back", len(r.body))
	}
	for _, header := range []string{"x", "-1"} {
		if r := s.get("/api/events/stream", "Last-Event-ID", header); r.status != 400 || r.code(t) != "bad_query" {
			t.Errorf("Last-Event-ID %s: %d %s", header, r.status, r.body)
		}
	}
}

// TestBeyondTheLastEvent: a client of an earlier journal is told so.
func TestBeyondTheLastEvent(t *testing.T) {
	s := serve(t, optionsFor(newFake(5)))
	for _, r := range []reply{
		s.get("/api/events?after=6"), s.get("/api/events/stream?after=6"), s.get("/api/events/stream", "Last-Event-ID", "6"),
	} {
		if r.status != 400 || r.code(t) != "beyond_last" {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	same(t, 5, s.page("?after=5").Next)
}

func TestUnreadableJournal(t *testing.T) {
	f := newFake(5)
	f.readErr = errors.New("disk on fire")
	s := serve(t, optionsFor(f))
	for _, path := range []string{"/api/events", "/api/events/stream?after=0"} {
		if r := s.get(path); r.status != 503 || r.code(t) != "journal_unreadable" {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
}

// TestEventJSON pins the names that clients read.
func TestEventJSON(t *testing.T) {
	f := newFake(0)
	f.events = []access.Event{{
		Seq: 1, Time: time.Date(2026, 3, 2, 11, 0, 0, 5, time.UTC), Clock: access.ClockSynchronised,
		Kind: access.KindDenied, Source: access.Source{Name: "door/front", Boot: 1<<64 - 1, Run: 2, Number: 3},
		Origin: access.Origin{File: "log.csv", Row: 4, Order: 5}, Door: "front", Reader: "in", Cardholder: "p-1",
		Credential: "c-1", Operator: "api", Reason: access.ReasonNoLevel, Mode: access.LockedDown,
		From: "outside", To: "hall", Held: "vault", Count: 6, Detail: "more", Cause: 7,
	}, {Seq: 2, Kind: access.KindModeChanged}, {Seq: 3, Kind: 999, Reason: 999, Mode: 99}}
	s := serve(t, optionsFor(f))
	var p struct{ Events []map[string]any }
	if err := json.Unmarshal([]byte(s.get("/api/events").body), &p); err != nil {
		t.Fatal(err)
	}
	none := map[string]any{"name": "", "boot": "0", "run": 0.0, "number": 0.0}
	same(t, []map[string]any{
		{
			"seq": 1.0, "time": "2026-03-02T11:00:00.000000005Z", "clock": "synchronised", "kind": "denied",
			"source": map[string]any{"name": "door/front", "boot": "18446744073709551615", "run": 2.0, "number": 3.0},
			"origin": map[string]any{"file": "log.csv", "row": 4.0}, "door": "front", "reader": "in",
			"cardholder": "p-1", "credential": "c-1", "operator": "api", "reason": "no_level", "mode": "locked_down",
			"from": "outside", "to": "hall", "held": "vault", "count": 6.0, "detail": "more", "cause": 7.0,
		},
		{"seq": 2.0, "time": "0001-01-01T00:00:00Z", "clock": "unknown", "kind": "mode_changed", "mode": "locked", "source": none},
		{"seq": 3.0, "time": "0001-01-01T00:00:00Z", "clock": "unknown", "kind": "kind(999)", "mode": "mode(99)", "reason": "reason(999)", "source": none},
	}, p.Events)
}
