package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatehouse/edge/httpapi"
)

// TestNoGoroutineStays: 1,000 connections come and go, half of them streams, and
// nothing of them is left, neither in the running server nor after its end.
func TestNoGoroutineStays(t *testing.T) {
	before := goleak.IgnoreCurrent()
	f := newFake(3)
	s := serve(t, optionsFor(f))
	s.get("/healthz")
	running := goleak.IgnoreCurrent()
	for i := range 500 {
		s.get("/api/doors")
		l := s.listen("/api/events/stream?after=0")
		if i%2 == 0 { // the other half leaves before its first event
			l.next()
		}
		l.close()
	}
	s.eventually("without a watcher", func() bool { return f.watching() == 0 })
	goleak.VerifyNone(t, running)
	if served, drained := s.stop(); served != nil || drained != nil {
		t.Errorf("%v, %v", served, drained)
	}
	goleak.VerifyNone(t, before)
}

// TestStopEndsStreams: nobody is waited for who only listens.
func TestStopEndsStreams(t *testing.T) {
	before := goleak.IgnoreCurrent()
	f := newFake(3)
	s := serveAs(t, httpapi.New(optionsFor(f)), httpapi.ServerOptions{Clock: machine, Grace: time.Hour})
	var open []*listener
	for range 10 {
		open = append(open, s.listen("/api/events/stream?after=0"))
	}
	if served, drained := s.stop(); served != nil || drained != nil {
		t.Errorf("%v, %v", served, drained)
	}
	for _, l := range open {
		for ok := true; ok; {
			_, _, ok = l.block()
		}
		l.close()
	}
	same(t, 0, f.watching())
	goleak.VerifyNone(t, before)
}

// TestStopHasAGrace: a command that hangs is cut off after it.
func TestStopHasAGrace(t *testing.T) {
	f := newFake(0)
	f.hold = make(chan struct{})
	s := serveAs(t, httpapi.New(optionsFor(f)), httpapi.ServerOptions{Clock: machine, Grace: 50 * time.Millisecond})
	client := make(chan error)
	go func() {
		resp, err := s.client.Do(s.request(context.WithoutCancel(t.Context()), "POST", "/api/lockdown", nil, "Authorization", "Bearer "+token))
		if err == nil {
			resp.Body.Close()
		}
		client <- err
	}()
	<-f.began
	served, drained := s.stop()
	if served != nil || drained == nil || !strings.Contains(drained.Error(), "cut off") {
		t.Errorf("%v, %v", served, drained)
	}
	if err := <-client; err == nil {
		t.Error("the client got an answer")
	}
	close(f.hold)
}

// TestStopWaitsForACommand that ends within the grace: it is answered.
func TestStopWaitsForACommand(t *testing.T) {
	f := newFake(0)
	f.hold = make(chan struct{})
	s := serveAs(t, httpapi.New(optionsFor(f)), httpapi.ServerOptions{Clock: machine, Grace: time.Hour})
	client := make(chan error)
	go func() {
		resp, err := s.client.Do(s.request(context.WithoutCancel(t.Context()), "POST", "/api/lockdown", nil, "Authorization", "Bearer "+token))
		if err == nil {
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				err = errors.New(resp.Status)
			}
		}
		client <- err
	}()
	<-f.began
	s.cancel()
	close(f.hold)
	if err := <-client; err != nil {
		t.Error(err)
	}
	if served, drained := s.stop(); served != nil || drained != nil {
		t.Errorf("%v, %v", served, drained)
	}
}

// TestDrainWithoutServe closes the listener all the same.
func TestDrainWithoutServe(t *testing.T) {
	l, err := httpapi.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := httpapi.NewServer(http.NotFoundHandler(), l, httpapi.ServerOptions{Clock: machine}).Drain(ctx); err != nil {
		t.Error(err)
	}
	again, err := httpapi.Listen(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// TestServeReportsABrokenListener: so that its actor is restarted.
func TestServeReportsABrokenListener(t *testing.T) {
	l, err := httpapi.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	server := httpapi.NewServer(http.NotFoundHandler(), l, httpapi.ServerOptions{Clock: machine})
	if err := server.Serve(t.Context()); err == nil {
		t.Error("no error")
	}
}

// TestConnectionsAreBounded: one beyond the bound is served when another ends.
func TestConnectionsAreBounded(t *testing.T) {
	s := serveAs(t, httpapi.New(optionsFor(newFake(0))), httpapi.ServerOptions{Clock: machine, Conns: 2})
	ask := func() (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: localhost:%s\r\n\r\n", s.port)
		return c, bufio.NewReader(c)
	}
	served := func(r *bufio.Reader) <-chan struct{} {
		done := make(chan struct{})
		go func() {
			if line, _ := r.ReadString('\n'); strings.Contains(line, "200") {
				close(done)
			}
		}()
		return done
	}
	first, r1 := ask()
	_, r2 := ask()
	if !machine.Wait(served(r1), patience) || !machine.Wait(served(r2), patience) {
		t.Fatal("two are not served")
	}
	_, r3 := ask()
	third := served(r3)
	if machine.Wait(third, 50*time.Millisecond) {
		t.Error("a third connection is served")
	}
	first.Close()
	if !machine.Wait(third, patience) {
		t.Error("the third is not served after the first ended")
	}
}

func TestListen(t *testing.T) {
	l, err := httpapi.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for addr, want := range map[string]error{
		l.Addr().String():      httpapi.ErrPortInUse,
		"0.0.0.0:0":            httpapi.ErrNotLoopback,
		":0":                   httpapi.ErrNotLoopback,
		"[::]:0":               httpapi.ErrNotLoopback,
		"192.168.1.1:8480":     httpapi.ErrNotLoopback,
		"doors.example.com:80": httpapi.ErrNotLoopback,
	} {
		if _, err := httpapi.Listen(addr); !errors.Is(err, want) || !strings.Contains(err.Error(), addr) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	for _, addr := range []string{"127.0.0.1", "127.0.0.1:http-no-such", "127.0.0.1:99999"} {
		if _, err := httpapi.Listen(addr); err == nil || !strings.Contains(err.Error(), addr) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	local, err := httpapi.Listen("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	local.Close()
}
