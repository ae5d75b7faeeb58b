package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"gatehouse/access"
	"gatehouse/edge/httpapi"
)

// registry is where people are changed.
type registry struct {
	asked  []string
	err    error
	status httpapi.PeopleStatus
	read   chan struct{} // told when a file's first part is here
}

func (r *registry) Import(file io.Reader, size int64) (uint64, error) {
	first := make([]byte, 3)
	n, err := io.ReadFull(file, first)
	if r.read != nil {
		r.read <- struct{}{}
	}
	rest, more := io.ReadAll(file)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	if err = errors.Join(err, more); err != nil {
		return 0, err
	}
	r.asked = append(r.asked, fmt.Sprintf("import %d of %d", n+len(rest), size))
	return 7, r.err
}

func (r *registry) Erase(id access.CardholderID) (uint64, error) {
	r.asked = append(r.asked, "erase "+string(id))
	return 8, r.err
}

func (r *registry) Status() httpapi.PeopleStatus { return r.status }

const bearer = "Bearer " + token

func TestPeople(t *testing.T) {
	p := &registry{status: httpapi.PeopleStatus{Running: true, Number: 7, Change: "import", Stage: "lines", Done: 20_000}}
	o := optionsFor(newFake(0))
	o.People = p
	s := serve(t, o)
	for _, c := range []struct {
		path, body string
		err        error
		status     int
		code       string
		asked      string
	}{
		{"/api/people/import", strings.Repeat("x", 100_000), nil, 202, "", "import 100000 of 100000"},
		{"/api/people/import", "id\n", httpapi.ErrPeopleChange, 409, "people_change_runs", "import 3 of 3"},
		{"/api/people/import", "id\n", fmt.Errorf("%w: 3 MB", httpapi.ErrNoRoom), 507, "no_room", "import 3 of 3"},
		{"/api/people/import", "id\n", errors.New(strings.Repeat("x", 1e5)), 503, "change_refused", "import 3 of 3"},
		{"/api/people/erase?id=p%2F1%20x", "", nil, 202, "", "erase p/1 x"},
		{"/api/people/erase?id=p-1", "", httpapi.ErrNamedBySite, 409, "named_by_site", "erase p-1"},
		{"/api/people/erase", "", nil, 400, "bad_query", ""},
		{"/api/people/erase?id=", "", nil, 400, "bad_query", ""},
		{"/api/people/erase?id=a&id=b", "", nil, 400, "bad_query", ""},
		{"/api/people/erase?who=a", "", nil, 400, "bad_query", ""},
		{"/api/people/erase?id=%zz", "", nil, 400, "bad_query", ""},
		{"/api/people/erase?id=p-1", strings.Repeat("x", 5000), nil, 413, "body_too_large", ""},
	} {
		p.asked, p.err = nil, c.err
		r := s.send(http.MethodPost, c.path, strings.NewReader(c.body), "Authorization", bearer)
		if r.status != c.status || c.code != "" && r.code(t) != c.code || strings.Join(p.asked, ";") != c.asked || len(r.body) > 1000 {
			t.Errorf("%s: %d %s, asked for %v", c.path, r.status, r.body, p.asked)
		}
	}
	p.asked = nil
	for _, path := range []string{"/api/people/import", "/api/people/erase?id=p-1"} {
		if r := s.send(http.MethodPost, path, strings.NewReader("id\n")); r.status != 401 || len(p.asked) > 0 {
			t.Errorf("%s without a token: %d", path, r.status)
		}
	}
	same(t, "{\n  \"running\": true,\n  \"number\": 7,\n  \"change\": \"import\",\n  \"stage\": \"lines\",\n  \"done\": 20000\n}\n", s.get("/api/people").body)
	none := serve(t, optionsFor(newFake(0)))
	same(t, []int{404, 404, 404}, []int{none.get("/api/people").status, none.post("/api/people/import").status, none.post("/api/people/erase?id=x").status})
}

// A file that says that it is too large is not read; one that breaks off in the
// middle is not taken.
func TestAnUploadThatFails(t *testing.T) {
	p := &registry{read: make(chan struct{}, 1)}
	o := optionsFor(newFake(0))
	o.People = p
	s := serve(t, o)
	line := "POST /api/people/import HTTP/1.1\r\nHost: localhost:" + s.port + "\r\nAuthorization: " + bearer + "\r\nContent-Length: %d\r\n\r\n"
	conn, err := net.Dial("tcp", "127.0.0.1:"+s.port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, line, int64(httpapi.MaxImport)+1)
	b := make([]byte, 1024)
	n, err := conn.Read(b)
	if err != nil || !strings.Contains(string(b[:n]), "413") {
		t.Errorf("%v, %s", err, b[:n])
	}
	half, err := net.Dial("tcp", "127.0.0.1:"+s.port)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(half, line+"id,name\n", 1000)
	<-p.read
	if err := half.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err = half.Read(b); err != nil || !strings.Contains(string(b[:n]), "body_unreadable") {
		t.Errorf("%v, %s", err, b[:n])
	}
	_ = half.Close()
	if len(p.asked) > 0 {
		t.Errorf("taken: %v", p.asked)
	}
}

// Whoever asks knows by the proof that the daemon at this very address has the token,
// and nobody learns the token by it.
func TestProof(t *testing.T) {
	s := serve(t, optionsFor(newFake(0)))
	const challenge = "a-challenge-of-some-length"
	r := s.get("/healthz?challenge=" + challenge)
	var health struct{ Proof string }
	if err := json.Unmarshal([]byte(r.body), &health); err != nil {
		t.Fatal(err)
	}
	at := "127.0.0.1:" + s.port
	if health.Proof != httpapi.Proof(token, at, challenge) || strings.Contains(r.body, token) {
		t.Error(r.body)
	}
	for _, other := range []string{
		httpapi.Proof(token, "127.0.0.1:1", challenge), httpapi.Proof(token, at, challenge+"x"), httpapi.Proof(token+"x", at, challenge),
	} {
		if health.Proof == other {
			t.Error("the proof of something else is the same")
		}
	}
	for _, bad := range []string{"short", strings.Repeat("x", 129)} {
		if r := s.get("/healthz?challenge=" + bad); r.status != 400 || r.code(t) != "bad_challenge" {
			t.Errorf("%q: %s", bad, r.body)
		}
	}
	if body := s.get("/healthz").body; strings.Contains(body, "proof") {
		t.Error(body)
	}
	o := optionsFor(newFake(0))
	o.Token = ""
	if r := serve(t, o).get("/healthz?challenge=" + challenge); r.status != 400 {
		t.Errorf("a proof of no token: %s", r.body)
	}
}

func TestReindex(t *testing.T) {
	f := newFake(20)
	s := serve(t, optionsFor(f))
	same(t, "{\n  \"through\": 13,\n  \"last\": 20\n}\n", s.get("/api/reindex").body)
	if r := s.post("/api/reindex"); r.status != 202 || f.reindex != 1 {
		t.Errorf("%d %s", r.status, r.body)
	}
	f.err = errors.New("busy")
	if r := s.post("/api/reindex"); r.status != 503 || r.code(t) != "reindex_refused" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := s.do(http.MethodPost, "/api/reindex"); r.status != 401 {
		t.Errorf("without a token: %d", r.status)
	}
}
