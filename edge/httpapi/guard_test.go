package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/edge/httpapi"
)

// TestEveryChangeNeedsTheToken: every path that changes something, and no
// command reaches the building without.
func TestEveryChangeNeedsTheToken(t *testing.T) {
	f := newFake(0)
	s := serve(t, optionsFor(f))
	for _, path := range []string{
		"/api/doors/front/unlock", "/api/doors/front/lock", "/api/doors/front/lockdown",
		"/api/doors/front/normal", "/api/doors/front/fire-reset", "/api/lockdown", "/api/normal",
		"/api/doors/nowhere/unlock", "/nowhere",
	} {
		for header, code := range map[string]string{
			"":                              "token_missing",
			"Bearer":                        "token_missing",
			"Bearer ":                       "token_missing",
			"Basic " + token:                "token_missing",
			token:                           "token_missing",
			"Bearer x" + token[1:]:          "token_wrong",
			"Bearer " + token + "x":         "token_wrong",
			"Bearer " + token[:10]:          "token_wrong",
			"Bearer " + token + " " + token: "token_wrong",
		} {
			r := s.do(http.MethodPost, path, "Authorization", header)
			if r.status != http.StatusUnauthorized || r.code(t) != code {
				t.Errorf("%s with %q: %d %s", path, header, r.status, r.body)
			}
			if !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer") || strings.Contains(r.body, token[:10]) {
				t.Errorf("%s: %v %s", path, r.header, r.body)
			}
		}
	}
	same(t, nil, f.commands)
	if r := s.do(http.MethodPost, "/api/doors/front/unlock", "Authorization", "bearer "+token); r.status != http.StatusOK {
		t.Errorf("with the token: %d %s", r.status, r.body)
	}
}

// TestWithoutATokenNothingChanges: an empty token is not one that an empty
// header matches.
func TestWithoutATokenNothingChanges(t *testing.T) {
	f := newFake(0)
	o := optionsFor(f)
	o.Token = ""
	s := serve(t, o)
	for _, header := range []string{"", "Bearer ", "Bearer x"} {
		r := s.do(http.MethodPost, "/api/lockdown", "Authorization", header)
		if r.status != http.StatusServiceUnavailable || r.code(t) != "no_token" {
			t.Errorf("%q: %d %s", header, r.status, r.body)
		}
	}
	same(t, nil, f.commands)
	if r := s.get("/api/doors"); r.status != http.StatusOK {
		t.Errorf("reading: %d", r.status)
	}
}

// TestOtherOrigins: a page of another origin gets nothing, not even with the
// token, and not even a GET.
func TestOtherOrigins(t *testing.T) {
	f := newFake(3)
	s := serve(t, optionsFor(f))
	for _, c := range []struct {
		header, value string
		ok            bool
	}{
		{"Sec-Fetch-Site", "cross-site", false},
		{"Sec-Fetch-Site", "same-site", false},
		{"Sec-Fetch-Site", "same-origin", true},
		{"Sec-Fetch-Site", "none", true},
		{"Origin", "https://evil.example", false},
		{"Origin", "null", false},
		{"Origin", "http://localhost:1", false},
		{"Origin", s.url, true},
	} {
		post := s.do(http.MethodPost, "/api/lockdown", c.header, c.value, "Authorization", "Bearer "+token)
		for what, r := range map[string]reply{"POST": post, "GET": s.get("/api/events", c.header, c.value)} {
			switch {
			case c.ok && r.status != http.StatusOK:
				t.Errorf("%s with %s %s: %d %s", what, c.header, c.value, r.status, r.body)
			case !c.ok && (r.status != http.StatusForbidden || r.code(t) != "cross_origin"):
				t.Errorf("%s with %s %s: %d %s", what, c.header, c.value, r.status, r.body)
			}
		}
		if cors := post.header.Get("Access-Control-Allow-Origin"); cors != "" {
			t.Errorf("CORS: %s", cors)
		}
	}
	same(t, 3, len(f.commands))
}

// TestHosts: on all routes.
func TestHosts(t *testing.T) {
	o := optionsFor(newFake(3))
	o.Hosts = []string{"doors.example"}
	s := serve(t, o)
	paths := []string{
		"/healthz", "/readyz", "/metrics", "/api/doors", "/api/doors/front", "/api/events",
		"/api/events/stream", "/api/tree", "/nowhere",
	}
	for _, host := range []string{
		"evil.example", "evil.example:" + s.port, "localhost:1", "localhost", "127.0.0.1", "192.168.0.1:" + s.port,
		"localhost.evil.example:" + s.port, "evil.example@localhost:" + s.port, "0.0.0.0:" + s.port, "doors.example.evil.example",
	} {
		for _, path := range paths {
			if r := s.get(path, "Host", host); r.status != http.StatusMisdirectedRequest || r.code(t) != "unknown_host" {
				t.Errorf("%s at host %s: %d %s", path, host, r.status, r.body)
			}
		}
		r := s.do(http.MethodPost, "/api/lockdown", "Host", host, "Authorization", "Bearer "+token)
		if r.status != http.StatusMisdirectedRequest {
			t.Errorf("a change at host %s: %d %s", host, r.status, r.body)
		}
	}
	for _, host := range []string{
		"localhost:" + s.port, "LOCALHOST:" + s.port, "127.0.0.1:" + s.port, "[::1]:" + s.port, "127.0.0.2:" + s.port,
		"doors.example", "Doors.Example:8443",
	} {
		if r := s.get("/api/doors", "Host", host); r.status != http.StatusOK {
			t.Errorf("host %s: %d %s", host, r.status, r.body)
		}
	}
}

// TestEveryAnswerIsHardened: also errors and metrics.
func TestEveryAnswerIsHardened(t *testing.T) {
	s := serve(t, optionsFor(newFake(0)))
	for _, path := range []string{"/healthz", "/metrics", "/api/doors", "/api/tree", "/nowhere", "/api/doors/nowhere"} {
		h := s.get(path).header
		got := []string{h.Get("X-Content-Type-Options"), h.Get("Cache-Control"), h.Get("Content-Security-Policy")}
		same(t, []string{"nosniff", "no-store", "default-src 'none'; frame-ancestors 'none'"}, got)
	}
}

// TestUnknownPathsAndMethods are JSON, too.
func TestUnknownPathsAndMethods(t *testing.T) {
	f := newFake(0)
	s := serve(t, optionsFor(f))
	for _, c := range []struct {
		method, path string
		status       int
		code, allow  string
	}{
		{"GET", "/", 404, "unknown_path", ""},
		{"GET", "/api", 404, "unknown_path", ""},
		{"GET", "/api/doors/front/unlock", 405, "method_not_allowed", "POST"},
		{"GET", "/api/lockdown", 405, "method_not_allowed", "POST"},
		{"POST", "/api/doors", 405, "method_not_allowed", "GET"},
		{"DELETE", "/api/doors/front", 405, "method_not_allowed", "GET"},
		{"OPTIONS", "/api/lockdown", 405, "method_not_allowed", "POST"},
		{"POST", "/api/doors/front/open", 404, "unknown_action", ""},
		{"GET", "/api/doors/nowhere", 404, "unknown_door", ""},
		{"GET", "/" + strings.Repeat("x", 5000), 404, "unknown_path", ""},
	} {
		r := s.do(c.method, c.path, "Authorization", "Bearer "+token)
		if r.status != c.status || r.code(t) != c.code || r.header.Get("Allow") != c.allow {
			t.Errorf("%s %.40s: %d %s %q", c.method, c.path, r.status, r.header.Get("Allow"), r.body)
		}
		if len(r.body) > 1000 {
			t.Errorf("%s: an answer of %d bytes", c.method, len(r.body))
		}
	}
	same(t, nil, f.commands)
}

// TestLargeBody: what is refused for its size changes nothing.
func TestLargeBody(t *testing.T) {
	f := newFake(0)
	s := serve(t, optionsFor(f))
	large := strings.NewReader(strings.Repeat("x", 5000))
	r := s.send(http.MethodPost, "/api/lockdown", large, "Authorization", "Bearer "+token)
	if r.status != http.StatusRequestEntityTooLarge || r.code(t) != "body_too_large" || len(f.commands) > 0 {
		t.Errorf("%d %s %v", r.status, r.body, f.commands)
	}
	small := strings.NewReader("{}")
	if r := s.send(http.MethodPost, "/api/lockdown", small, "Authorization", "Bearer "+token); r.status != http.StatusOK {
		t.Errorf("small: %d %s", r.status, r.body)
	}
}

// TestPprofIsGuarded and is not part of the API.
func TestPprofIsGuarded(t *testing.T) {
	s := serveAs(t, httpapi.PprofHandler(nil), httpapi.ServerOptions{Clock: machine})
	for host, status := range map[string]int{"localhost:" + s.port: 200, "evil.example:" + s.port: 421} {
		if r := s.get("/debug/pprof/goroutine?debug=1", "Host", host); r.status != status {
			t.Errorf("%s: %d", host, r.status)
		}
	}
	api := serve(t, optionsFor(newFake(0)))
	if r := api.get("/debug/pprof/"); r.status != http.StatusNotFound {
		t.Errorf("pprof on the API: %d", r.status)
	}
}
