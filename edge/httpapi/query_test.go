package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/access"
)

func seqs(p answerPage) (list []uint64) {
	for _, e := range p.Events {
		list = append(list, e.Seq)
	}
	return list
}

// TestNewestFirst: coming again with before=next gives every event once,
// backwards, whatever the limit and the filter, while others come in.
func TestNewestFirst(t *testing.T) {
	for query, want := range map[string]int{
		"": 1100, "&limit=7": 1100, "&limit=1000": 1100, "&kind=denied&limit=1000": 366,
		"&reason=no_level": 366, "&door=back&limit=150": 366, "&kind=granted&limit=9": 734, "&kind=tamper": 0,
	} {
		f := newFake(1100)
		s := serve(t, optionsFor(f))
		at, seen, got := "", uint64(1101), 0
		for more := true; more; {
			p := s.page("?order=desc" + query + at)
			for _, e := range p.Events {
				if e.Seq >= seen {
					t.Errorf("%s: event %d after %d", query, e.Seq, seen)
				}
				seen = e.Seq
				got++
			}
			f.add(1)
			at, more = fmt.Sprintf("&before=%d", p.Next), *p.More
		}
		if got != want {
			t.Errorf("%s: %d events, not %d", query, got, want)
		}
	}
}

func TestNewestFirstAtTheEnds(t *testing.T) {
	f := newFake(5)
	s := serve(t, optionsFor(f))
	for query, want := range map[string][]uint64{
		"?order=desc": {5, 4, 3, 2, 1}, "?order=desc&limit=2": {5, 4}, "?order=desc&before=3": {2, 1},
		"?order=desc&before=1": nil, "?order=desc&before=0": nil, "?order=desc&before=18446744073709551615": {5, 4, 3, 2, 1},
		"?order=asc&limit=2": {1, 2},
	} {
		p := s.page(query)
		same(t, want, seqs(p))
		same(t, strings.Contains(query, "limit=2"), *p.More)
		same(t, 5, p.Last)
	}
	f.pruned = 3
	same(t, []uint64{5, 4}, seqs(s.page("?order=desc")))
	same(t, false, *s.page("?order=desc").More)
	empty := serve(t, optionsFor(newFake(0))).page("?order=desc")
	same(t, false, *empty.More)
	same(t, 0, len(empty.Events))
}

// TestFilters by person and time: from is in, until is not.
func TestFilters(t *testing.T) {
	f := newFake(6)
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for i := range f.events {
		f.events[i].Time = noon.Add(time.Duration(i-3) * 6 * time.Hour) // 18:00 on the 1st to midnight of the 3rd
	}
	f.events[1].Cardholder, f.events[4].Cardholder = "p-1", "p-1"
	f.events[2].Cardholder = "p-12"
	s := serve(t, optionsFor(f))
	for query, want := range map[string][]uint64{
		"cardholder=p-1": {2, 5}, "cardholder=p-1&order=desc": {5, 2}, "cardholder=p-1&kind=denied": nil, "cardholder=p": nil,
		"from=2026-03-02": {2, 3, 4, 5, 6}, "until=2026-03-02": {1},
		"from=2026-03-02&until=2026-03-03": {2, 3, 4, 5}, "from=2026-03-02T12:00:00Z": {4, 5, 6},
		"from=2026-03-02T12:00:00.000000001Z": {5, 6}, "until=2026-03-02T12:00:00Z&order=desc": {3, 2, 1},
		"from=2026-03-02T13:00:00%2B01:00": {4, 5, 6}, "from=2026-03-02T13:00:00+01:00": {4, 5, 6},
		"from=2026-03-02T07:00:00-05:00&limit=1": {4},
	} {
		same(t, want, seqs(s.page("?"+query)))
	}
}

// TestStreamFilters: by person as by door; what goes backwards or ends is no stream.
func TestStreamFilters(t *testing.T) {
	f := newFake(6)
	f.events[3].Cardholder = "p-1"
	s := serve(t, optionsFor(f))
	same(t, 4, s.listen("/api/events/stream?after=0&cardholder=p-1").next())
	for _, query := range []string{"order=desc", "order=desc&before=3", "from=2026-03-02", "until=2026-03-02"} {
		for _, path := range []string{"/api/events/stream?", "/api/events?"} {
			r := s.get(path+query, "Accept", "text/event-stream")
			if r.status != 400 || r.code(t) != "bad_query" || !strings.Contains(r.body, "a stream takes no") {
				t.Errorf("%s%s: %d %s", path, query, r.status, r.body)
			}
		}
	}
}

// TestTextIsNotEscaped: hints can be copied from a terminal.
func TestTextIsNotEscaped(t *testing.T) {
	f := newFake(0)
	f.events = []access.Event{{Seq: 1, Kind: access.KindLockFault, Detail: "<a & b>"}}
	s := serve(t, optionsFor(f))
	for path, says := range map[string]string{"/api/events?x=1": "&kind=denied&", "/api/events": "<a & b>", "/api/<x>": "<x>"} {
		if r := s.get(path); !strings.Contains(r.body, says) {
			t.Errorf("%s: no %q in %s", path, says, r.body)
		}
	}
}

// TestUnknownPathNamesAll that there is.
func TestUnknownPathNamesAll(t *testing.T) {
	r := serve(t, optionsFor(newFake(0))).get("/api/door")
	for _, says := range []string{"/api/events", "POST /api/doors/ID/unlock", "fire-reset", "POST /api/lockdown", "POST /api/normal"} {
		if r.status != 404 || r.code(t) != "unknown_path" || !strings.Contains(r.body, says) {
			t.Errorf("no %q in %d %s", says, r.status, r.body)
		}
	}
}
