package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/edge/httpapi"
)

// scales are limits that remember what was set.
type scales struct {
	set   map[string]uint64
	sets  int
	warm  int
	err   error
	blind error
}

func (s *scales) Status() (httpapi.LimitsStatus, error) {
	return httpapi.LimitsStatus{Figures: map[string]uint64{"goroutines": 12}, Thresholds: s.set, GCCycles: 9}, s.blind
}

func (s *scales) WarmUp() { s.warm++ }

func (s *scales) Set(thresholds map[string]uint64) error {
	s.sets++
	if s.err == nil {
		s.set = maps.Clone(thresholds)
	}
	return s.err
}

func TestLimits(t *testing.T) {
	l := &scales{blind: errors.New("no /proc")}
	o := optionsFor(newFake(0))
	o.Limits = l
	s := serve(t, o)
	for _, c := range []struct {
		method, path, auth string
		err                error
		status             int
		code               string
		sets               bool
	}{
		{"GET", "/api/limits", "", nil, 200, "", false},
		{"POST", "/api/limits?goroutines=80", "", nil, 401, "token_missing", false},
		{"DELETE", "/api/limits", "", nil, 401, "token_missing", false},
		{"POST", "/api/limits/warm-up", "", nil, 401, "token_missing", false},
		{"POST", "/api/limits?goroutines=80&files=70", bearer, nil, 200, "", true},
		{"POST", "/api/limits?goroutines=80", bearer, fmt.Errorf("%w: x", httpapi.ErrBadLimit), 400, "bad_limit", true},
		{"POST", "/api/limits?goroutines=80", bearer, errors.New(strings.Repeat("x", 1e5)), 503, "limits_not_saved", true},
		{"POST", "/api/limits", bearer, nil, 400, "bad_limit", false},
		{"POST", "/api/limits?goroutines=many", bearer, nil, 400, "bad_limit", false},
		{"POST", "/api/limits?goroutines=-1", bearer, nil, 400, "bad_limit", false},
		{"POST", "/api/limits?goroutines=1&goroutines=2", bearer, nil, 400, "bad_limit", false},
		{"POST", "/api/limits?%zz", bearer, nil, 400, "bad_limit", false},
		{"DELETE", "/api/limits", bearer, nil, 200, "", true},
		{"POST", "/api/limits/warm-up", bearer, nil, 200, "", false},
	} {
		l.sets, l.err = 0, c.err
		r := s.do(c.method, c.path, authorization(c.auth)...)
		if r.status != c.status || c.code != "" && r.code(t) != c.code || (l.sets == 1) != c.sets || len(r.body) > 1000 {
			t.Errorf("%s %s: %d %s, set %d times", c.method, c.path, r.status, r.body, l.sets)
		}
		if strings.HasSuffix(c.path, "files=70") {
			same(t, map[string]uint64{"goroutines": 80, "files": 70}, l.set)
		}
	}
	if l.warm != 1 || len(l.set) != 0 {
		t.Errorf("warmed up %d times, %v", l.warm, l.set)
	}
	none := serve(t, optionsFor(newFake(0)))
	same(t, []int{404, 404, 404, 404}, []int{
		none.get("/api/limits").status, none.get("/api/profiling").status, none.post("/api/diag").status, none.get("/debug/pprof/").status,
	})
}

func authorization(auth string) []string {
	if auth == "" {
		return nil
	}
	return []string{"Authorization", auth}
}

// aSwitch is profiling without a timer.
type aSwitch struct {
	on   bool
	said []string
	err  error
}

func (p *aSwitch) On(d time.Duration, by access.OperatorID) error {
	p.said = append(p.said, fmt.Sprint("on ", d, " ", by))
	p.on = p.err == nil
	return p.err
}

func (p *aSwitch) Off(by access.OperatorID) error {
	p.said = append(p.said, fmt.Sprint("off ", by))
	p.on = false
	return p.err
}

func (p *aSwitch) Status() httpapi.ProfilingStatus { return httpapi.ProfilingStatus{On: p.on} }

// Profiles are there only while profiling is on, and only for the token, also to
// read.
func TestProfiling(t *testing.T) {
	p := &aSwitch{}
	o := optionsFor(newFake(0))
	o.Profiling = p
	s := serve(t, o)
	profile := func(path, auth string, status int, code string) {
		t.Helper()
		r := s.do(http.MethodGet, path, authorization(auth)...)
		if r.status != status || code != "" && r.code(t) != code {
			t.Errorf("%s: %d %.300s", path, r.status, r.body)
		}
	}
	change := func(method, path, auth string, status int, said ...string) {
		t.Helper()
		p.said = nil
		if r := s.do(method, path, authorization(auth)...); r.status != status {
			t.Errorf("%s %s: %d %s", method, path, r.status, r.body)
		}
		same(t, said, p.said)
	}
	profile("/debug/pprof/", bearer, 404, "profiling_off")
	profile("/debug/pprof/heap", "", 404, "profiling_off")
	change("POST", "/api/profiling", "", 401)
	change("POST", "/api/profiling?minutes=31", bearer, 400)
	change("POST", "/api/profiling?minutes=0", bearer, 400)
	change("POST", "/api/profiling?hours=1", bearer, 400)
	change("POST", "/api/profiling?minutes=1&minutes=2", bearer, 400)
	change("POST", "/api/profiling?%zz", bearer, 400)
	change("POST", "/api/profiling", bearer, 200, "on 30m0s api")
	change("POST", "/api/profiling?minutes=5", bearer, 200, "on 5m0s api")
	profile("/debug/pprof/", "", 401, "token_missing")
	profile("/debug/pprof/heap", "", 401, "token_missing")
	profile("/debug/pprof/heap", "Bearer "+strings.Repeat("x", 52), 401, "token_wrong")
	profile("/debug/pprof/", bearer, 200, "")
	profile("/debug/pprof/heap?debug=1", bearer, 200, "")
	profile("/debug/pprof/cmdline", bearer, 200, "")
	profile("/debug/pprof/profile?seconds=61", bearer, 400, "bad_query")
	profile("/debug/pprof/trace?seconds=0", bearer, 400, "bad_query")
	profile("/debug/pprof/trace?seconds=NaN", bearer, 400, "bad_query")
	profile("/debug/pprof/trace?seconds=0.01", bearer, 200, "")
	if r := s.do(http.MethodPost, "/debug/pprof/symbol", "Authorization", bearer); r.status != 405 {
		t.Errorf("a POST: %d", r.status)
	}
	change("DELETE", "/api/profiling", "", 401)
	change("DELETE", "/api/profiling", bearer, 200, "off api")
	profile("/debug/pprof/heap", bearer, 404, "profiling_off")
	p.err = errors.New("the actor is not running")
	change("POST", "/api/profiling", bearer, 503, "on 30m0s api")
	profile("/debug/pprof/heap", bearer, 404, "profiling_off")
}

// clinic is a diagnosis that a test writes.
type clinic func(ctx context.Context, to io.Writer, watch time.Duration, metrics func(io.Writer) error) error

func (c clinic) Write(ctx context.Context, to io.Writer, watch time.Duration, metrics func(io.Writer) error) error {
	return c(ctx, to, watch, metrics)
}

func TestDiagnosis(t *testing.T) {
	var asked []time.Duration
	begin, end := "", error(nil)
	o := optionsFor(newFake(0))
	o.Diagnosis = clinic(func(_ context.Context, to io.Writer, watch time.Duration, metrics func(io.Writer) error) error {
		asked = append(asked, watch)
		if begin != "" {
			if _, err := io.WriteString(to, begin); err != nil {
				return err
			}
		}
		return errors.Join(end, metrics(io.Discard))
	})
	s := serve(t, o)
	begin = "zip"
	r := s.post("/api/diag")
	if r.status != 200 || r.body != "zip" || r.header.Get("Content-Type") != "application/zip" {
		t.Errorf("%d %s %v", r.status, r.body, r.header)
	}
	s.post("/api/diag?seconds=300")
	same(t, []time.Duration{30 * time.Second, 300 * time.Second}, asked)
	asked = nil
	for path, status := range map[string]int{"/api/diag?seconds=0": 400, "/api/diag?seconds=301": 400, "/api/diag?minutes=1": 400} {
		if r := s.post(path); r.status != status || r.code(t) != "bad_query" {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	if r := s.do(http.MethodPost, "/api/diag"); r.status != 401 {
		t.Errorf("without the token: %d", r.status)
	}
	if r := s.do(http.MethodGet, "/api/diag", "Authorization", bearer); r.status != 405 {
		t.Errorf("a GET: %d", r.status)
	}
	same(t, nil, asked)
	begin, end = "", httpapi.ErrDiagnosisRuns
	if r := s.post("/api/diag"); r.status != 409 || r.code(t) != "diagnosis_runs" {
		t.Errorf("beside another one: %d %s", r.status, r.body)
	}
	end = errors.New(strings.Repeat("x", 1e5))
	if r := s.post("/api/diag"); r.status != 503 || r.code(t) != "diagnosis_failed" || len(r.body) > 1000 {
		t.Errorf("before anything was written: %d %s", r.status, r.body)
	}
}

// A diagnosis that fails in its midst has no proper end: nobody can take a part for
// the whole.
func TestADiagnosisCutShort(t *testing.T) {
	for _, size := range []int{10, 1 << 20} {
		o := optionsFor(newFake(0))
		o.Diagnosis = clinic(func(_ context.Context, to io.Writer, _ time.Duration, _ func(io.Writer) error) error {
			_, err := to.Write(make([]byte, size))
			return errors.Join(err, errors.New("cut short"))
		})
		s := serve(t, o)
		resp, err := s.client.Do(s.request(t.Context(), http.MethodPost, "/api/diag", nil, "Authorization", bearer))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err == nil || len(text) != size {
			t.Errorf("%d of %d bytes and %v", len(text), size, err)
		}
	}
}

// Who hangs up ends the watch.
func TestADiagnosisNobodyWaitsFor(t *testing.T) {
	began, ended := make(chan struct{}), make(chan error, 1)
	o := optionsFor(newFake(0))
	o.Diagnosis = clinic(func(ctx context.Context, to io.Writer, _ time.Duration, _ func(io.Writer) error) error {
		_, _ = io.WriteString(to, "zip")
		close(began)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	})
	s := serve(t, o)
	ctx, hangUp := context.WithCancel(t.Context())
	go func() { <-began; hangUp() }()
	if resp, err := s.client.Do(s.request(ctx, http.MethodPost, "/api/diag", nil, "Authorization", bearer)); err == nil {
		_, _ = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	if err := result(t, ended); !errors.Is(err, context.Canceled) {
		t.Errorf("the watch ended with %v", err)
	}
}

// /healthz says how often the daemon was started.
func TestHealthSaysHowTheLifeBeforeEnded(t *testing.T) {
	o := optionsFor(newFake(0))
	o.ID, o.Life = "house", httpapi.Life{Starts: 3, LastEnd: "killed"}
	same(t, "{\n  \"status\": \"alive\",\n  \"building\": \"house\",\n  \"starts\": 3,\n  \"last_end\": \"killed\"\n}\n", serve(t, o).get("/healthz").body)
}

// The runtime's own figures, in bounded buckets.
func TestTheRuntimeIsMeasured(t *testing.T) {
	text := serve(t, optionsFor(newFake(0))).get("/metrics").body
	for _, name := range []string{
		"go_gc_heap_live_bytes", "go_gc_cycles_total_gc_cycles_total", "go_sched_pauses_total_gc_seconds_count",
		"go_sched_latencies_seconds_count", "go_goroutines", "process_open_fds",
	} {
		if !strings.Contains(text, "\n"+name+" ") {
			t.Errorf("no %s", name)
		}
	}
	if n := strings.Count(text, "\ngo_sched_latencies_seconds_bucket{"); n < 5 || n > 20 {
		t.Errorf("%d buckets of the scheduler's latency", n)
	}
}

// A diagnosis takes longer than a request may, and nobody's place.
func TestADiagnosisHasNoDeadline(t *testing.T) {
	began, goOn := make(chan struct{}), make(chan struct{})
	s, clock := byHand(t, newFake(0), func(o *httpapi.Options) {
		o.Requests = 1
		o.Limits = &scales{}
		o.Diagnosis = clinic(func(_ context.Context, to io.Writer, _ time.Duration, _ func(io.Writer) error) error {
			close(began)
			<-goOn
			_, err := io.WriteString(to, "zip")
			return err
		})
	})
	got := make(chan reply, 1)
	go func() { got <- s.post("/api/diag") }()
	<-began
	same(t, 0, clock.waiting())
	clock.fire()
	if r := s.post("/api/limits/warm-up"); r.status != 200 {
		t.Errorf("beside it: %d %s", r.status, r.body)
	}
	close(goOn)
	if r := <-got; r.status != 200 || r.body != "zip" {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// Profiles over some time have no deadline; there is one at a time.
func TestLastingProfilesComeOneAtATime(t *testing.T) {
	p := &aSwitch{on: true}
	s, clock := byHand(t, newFake(0), func(o *httpapi.Options) { o.Requests, o.Profiling = 1, p })
	ctx, hangUp := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		for { // one of those below may have the place, or be the first
			resp, err := s.client.Do(s.request(ctx, http.MethodGet, "/debug/pprof/trace?seconds=60", nil, "Authorization", bearer))
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	s.eventually("the first one runs", func() bool {
		r := s.do(http.MethodGet, "/debug/pprof/trace?seconds=0.001", "Authorization", bearer)
		return r.status == 409 && r.code(t) == "profile_runs"
	})
	s.eventually("none has a deadline", func() bool { return clock.waiting() == 0 })
	clock.fire()
	s.idle()
	if r := s.do(http.MethodGet, "/debug/pprof/heap", "Authorization", bearer); r.status != 200 {
		t.Errorf("one without a time: %d", r.status)
	}
	hangUp()
	if err := result(t, ended); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	s.eventually("it ended", func() bool {
		return s.do(http.MethodGet, "/debug/pprof/trace?seconds=0.001", "Authorization", bearer).status == 200
	})
}
