package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"gatehouse/edge/httpapi"
)

const secret = "the-token-of-this-data-directory-that-nobody-may-see"

// port is a loopback port with a server of a test; heard is every byte that came to
// it.
type port struct {
	addr string

	mu    sync.Mutex
	heard bytes.Buffer
	conns int
}

type heardConn struct {
	net.Conn
	p *port
}

func (c heardConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.p.heard.Write(b[:n])
	return n, err
}

func (p *port) said() (string, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard.String(), p.conns
}

// listenAs serves each connection by handle until the test ends.
func listenAs(t *testing.T, handle func(net.Conn)) *port {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &port{addr: l.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns++
			p.mu.Unlock()
			all.Go(func() {
				defer conn.Close()
				handle(heardConn{conn, p})
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return p
}

// oneConn is a listener of one connection, for http.Serve.
type oneConn struct {
	net.Conn
	given bool
	done  chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if l.given {
		<-l.done
		return nil, io.EOF
	}
	l.given = true
	return endTold{l.Conn, sync.OnceFunc(func() { close(l.done) })}, nil
}

func (l *oneConn) Addr() net.Addr { return l.LocalAddr() }

type endTold struct {
	net.Conn
	end func()
}

func (c endTold) Close() error {
	c.end()
	return c.Conn.Close()
}

func byHandler(h http.Handler) func(net.Conn) {
	return func(conn net.Conn) { _ = http.Serve(&oneConn{Conn: conn, done: make(chan struct{})}, h) } // its end is that of the connection
}

// daemonWith is what a daemon with a token answers, as far as this test goes.
func daemonWith(token string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			at := r.Context().Value(http.LocalAddrContextKey).(net.Addr).String()
			fmt.Fprintf(w, `{"proof": %q}`, httpapi.Proof(token, at, r.URL.Query().Get("challenge")))
			return
		}
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"number": 7}`)
	})
}

// The token goes to the daemon of the data directory, and to nobody else who answers
// at its address.
func TestTheTokenGoesToNoStranger(t *testing.T) {
	real := listenAs(t, byHandler(daemonWith(secret)))
	type answer struct{ Number int }
	var got answer
	if err := (daemonAPI{real.addr, secret}).post(t.Context(), "/api/people/import", strings.NewReader("id\n"), &got); err != nil || got.Number != 7 {
		t.Fatalf("the daemon itself: %v, %+v", err, got)
	}
	if heard, conns := real.said(); !strings.Contains(heard, secret) || conns != 1 {
		t.Fatalf("%d connections; this test proves nothing: %s", conns, heard)
	}
	relay := func(conn net.Conn) {
		to, err := net.Dial("tcp", real.addr)
		if err != nil {
			return
		}
		defer to.Close()
		var back sync.WaitGroup
		back.Go(func() { _, _ = io.Copy(conn, to) })
		_, _ = io.Copy(to, conn)
		_ = to.(*net.TCPConn).CloseWrite()
		back.Wait()
	}
	plain := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
	}
	for name, handle := range map[string]func(net.Conn){
		"another program":           byHandler(plain("hello")),
		"one that says it is alive": byHandler(plain(`{"status": "alive", "building": "house"}`)),
		"one that repeats the request": byHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"proof": %q}`, r.URL.Query().Get("challenge"))
		})),
		"a daemon of another token":     byHandler(daemonWith("another-token")),
		"one that passes everything on": relay,
		"one that hangs up":             func(net.Conn) {},
	} {
		stranger := listenAs(t, handle)
		var got answer
		err := (daemonAPI{stranger.addr, secret}).post(t.Context(), "/api/people/import", strings.NewReader("id,name\np-1,Wilhelmina\n"), &got)
		heard, conns := stranger.said()
		if err == nil || conns != 1 || strings.Contains(heard, secret) || strings.Contains(heard, "Wilhelmina") {
			t.Errorf("%s: %v; %d connections, it heard %q", name, err, conns, heard)
		}
		if name == "one that passes everything on" && !errors.Is(err, errStranger) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if heard, _ := real.said(); strings.Count(heard, secret) != 1 {
		t.Error("a stranger got the token to the daemon")
	}
}

// Who proved that they have the token, and then hung up, gets it on no other
// connection: somebody else may listen by now.
func TestTheProofHoldsForItsConnection(t *testing.T) {
	var mu sync.Mutex
	first := true
	p := listenAs(t, func(conn net.Conn) {
		mu.Lock()
		proves := first
		first = false
		mu.Unlock()
		if proves {
			h := daemonWith(secret)
			byHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Connection", "close")
				h.ServeHTTP(w, r)
			}))(conn)
			return
		}
		byHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))(conn)
	})
	err := (daemonAPI{p.addr, secret}).post(t.Context(), "/api/reindex", nil, &struct{}{})
	if heard, conns := p.said(); err == nil || conns != 1 || strings.Contains(heard, secret) {
		t.Errorf("%v; %d connections, it heard %q", err, conns, heard)
	}
}
