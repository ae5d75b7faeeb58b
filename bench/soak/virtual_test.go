package soak

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"gatehouse/bench/soak/planted"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// How many bytes lie between two samples of the heap: finely names what little
// leaks in days, every also counts timers but is slow, coarsely costs nothing.
const (
	finely   = 64
	every    = 1
	coarsely = 512 << 10
)

// profile sets the rate for a test.
func profile(t *testing.T, rate int) {
	runtime.MemProfileRate = rate
	t.Cleanup(func() { runtime.MemProfileRate = finely })
}

// server takes connections and keeps them. An asking one gets the beginning of an
// answer.
func server(t *testing.T, answers bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		acceptAll(l, answers)
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String()
}

func acceptAll(l net.Listener, answers bool) {
	var all []net.Conn
	for {
		conn, err := l.Accept()
		if err != nil {
			break
		}
		all = append(all, conn)
		if answers {
			_, _ = http.ReadRequest(bufio.NewReader(conn)) // what it asks does not matter
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nthe beginning")
		}
	}
	for _, conn := range all {
		_ = conn.Close()
	}
}

// known are goroutines of the tests themselves.
var known = []string{"gatehouse/bench/soak.acceptAll"}

// soaked runs a building with something planted in it.
func soaked(t *testing.T, days int, leak *planted.Leak) *Report {
	t.Helper()
	o := Virtual{Span: time.Duration(days) * 24 * time.Hour, Seed: 7, Known: known, Quick: true}
	if leak != nil {
		o.Edge = func(*sim.Sim) []supervisor.ChildSpec { return leak.Children() }
	}
	r, err := RunVirtual(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func text(r *Report) string {
	var b strings.Builder
	_ = r.WriteText(&b) // a Builder takes all
	return b.String()
}

// Every planted leak is found by a gate that fits it, and the code that leaks
// stands in the report.
func TestSweepPlantedLeaks(t *testing.T) {
	supervisortest.Seeds(t, 1)
	gate := map[string]string{
		"a goroutine per 1,000 messages": gateGoroutines,
		"a timer per restart":            gateTimers,
		"an fd per reconnect":            gateFiles,
		"a slowly growing map":           gateHeap,
		"an unclosed body":               gateGoroutines,
		"an actor never stopped":         gateActors,
	}
	for i, leak := range planted.All("", "") {
		t.Run(leak.Name, func(t *testing.T) {
			leak := planted.All(server(t, false), "http://"+server(t, true))[i]
			t.Cleanup(planted.End)
			days := 2
			switch gate[leak.Name] {
			case gateHeap:
				days = 16
			case gateTimers:
				profile(t, every)
			}
			r := soaked(t, days, &leak)
			found := false
			for _, f := range r.Findings {
				found = found || f.Gate == gate[leak.Name] && strings.Contains(strings.Join(f.Names, "\n"), leak.Where)
			}
			if !found {
				t.Errorf("%s was not found and named as %s:\n%s", gate[leak.Name], leak.Where, text(r))
			}
			t.Log(text(r))
		})
	}
}

// What only looks like a leak is none, although it was seen: the heap's peak is
// megabytes above what is left.
func TestSweepNoLeak(t *testing.T) {
	supervisortest.Seeds(t, 1)
	for _, control := range planted.Controls() {
		t.Run(control.Name, func(t *testing.T) {
			t.Cleanup(planted.End)
			r := soaked(t, 16, &control)
			if !r.OK() || !r.Heap.Judged || r.Peak < r.Heap.Baseline+3<<20 {
				t.Error(text(r))
			}
			t.Log(text(r))
		})
	}
}

// A building under traffic and faults owns at the end what it owned at the start.
func TestSweepVirtualSoak(t *testing.T) {
	supervisortest.Seeds(t, 1)
	profile(t, coarsely)
	r, err := RunVirtual(t.Context(), Virtual{Span: 7 * 24 * time.Hour, Seed: 1, Known: []string{"runtime/pprof.profileWriter"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(text(r))
	if !r.OK() || r.Quiet != 7 || r.Faults["panics"] < 20 || r.Faults["reconnects"] < 5 {
		t.Error("a gate is broken, or too little went wrong")
	}
}
