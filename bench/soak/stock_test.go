package soak

import (
	"bytes"
	"maps"
	"runtime/pprof"
	"strings"
	"testing"

	"gatehouse/supervisor"
)

// sound is a small stock that is as declared.
func sound() stock {
	root := place{Path: "b", State: "running", Incarnation: 1, Children: []place{
		{Path: "b/door", State: "running", Incarnation: 1},
		{Path: "b/link", State: "running", Incarnation: 3, Timers: 1, Workers: 1},
	}}
	l := supervisor.Ledger{Goroutines: 3, Owned: map[string]int{"b/link": 1}, Named: map[string]int{"main": 1, "turns": 1}}
	l.Actors, l.Timers, l.Workers = 3, 1, 1
	s := newStock(root, l)
	s.clock, s.files, s.free = 1, map[string]int{"socket": 2}, map[string]int{}
	return s
}

// changed returns a sound stock in which a place is different.
func changed(path string, f func(*place)) stock {
	s := sound()
	p := s.places[path]
	f(&p)
	s.places[path] = p
	return s
}

// Whatever is not as declared breaks the gate that it belongs to, and what comes
// and goes breaks none.
func TestOneDifferenceBreaksItsGate(t *testing.T) {
	with := func(f func(*stock)) stock {
		s := sound()
		f(&s)
		return s
	}
	for _, row := range []struct {
		name, gate string // "": none
		now        stock
	}{
		{"nothing", "", sound()},
		{"a turn more", "", with(func(s *stock) { s.ledger.Named["turns"] = 8 })},
		{"an actor that failed", gateActors, changed("b/door", func(p *place) { p.State = "failed" })},
		{"an actor more", gateActors, with(func(s *stock) { s.places["b/new"] = place{Path: "b/new", State: "running"} })},
		{"an actor less", gateActors, with(func(s *stock) { delete(s.places, "b/door") })},
		{"a life that stands in no tree", gateActors, with(func(s *stock) { s.ledger.Actors++ })},
		{"a timer more", gateTimers, changed("b/door", func(p *place) { p.Timers++ })},
		{"a timer that stands in no tree", gateTimers, with(func(s *stock) { s.ledger.Timers++ })},
		{"a timer of the clock", gateTimers, with(func(s *stock) { s.clock++ })},
		{"a timer of Go's", gateTimers, with(func(s *stock) { s.free["timers of f"] = 1 })},
		{"a worker less", gateWorkers, changed("b/link", func(p *place) { p.Workers-- })},
		{"a zombie", gateWorkers, changed("b/link", func(p *place) { p.Zombies++ })},
		{"a zombie that stands in no tree", gateWorkers, with(func(s *stock) { s.ledger.Zombies++ })},
		{"a message that waits", gateMailboxes, changed("b/door", func(p *place) { p.Queued = 1 })},
		{"a goroutine of an owner", gateGoroutines, with(func(s *stock) { s.ledger.Owned["b/link"]++ })},
		{"a goroutine of nobody", gateGoroutines, with(func(s *stock) { s.ledger.Unaccounted = []supervisor.Stray{{Count: 1}} })},
		{"a socket more", gateFiles, with(func(s *stock) { s.files["socket"]++ })},
		{"a file more", gateFiles, with(func(s *stock) { s.files["/x"] = 1 })},
		{"a file less", gateFiles, with(func(s *stock) { s.files = nil })},
		{"a tick for nobody", gateDead, with(func(s *stock) { s.ledger.DeadTimers = 1 })},
		{"a panic in a hook", gateDead, with(func(s *stock) { s.ledger.HookPanics = 1 })},
	} {
		declared := sound()
		broken := map[string]bool{}
		for _, d := range compare(&declared, &row.now) {
			broken[d.gate] = true
		}
		if row.gate == "" && len(broken) > 0 || row.gate != "" && !broken[row.gate] {
			t.Errorf("%s: broken %v, want %q", row.name, keys(broken, nil), row.gate)
		}
	}
}

func TestDeadLettersHaveToBeExplained(t *testing.T) {
	before, now := sound(), sound()
	now.ledger.DeadStopped = 4
	if len(explained(&before, &now)) != 1 {
		t.Error("dead letters of nobody's end were not found")
	}
	now.lives++
	if d := explained(&before, &now); d != nil {
		t.Errorf("a life ended: %v", d)
	}
}

func TestKindOf(t *testing.T) {
	for target, want := range map[string]string{
		"socket:[4711]":            "socket",
		"pipe:[12]":                "pipe",
		"anon_inode:[eventpoll]":   "anon_inode:[eventpoll]",
		"/data/journal/000012.seg": "/data/journal/#.seg",
		"/tmp/x (deleted)":         "/tmp/x",
	} {
		if got := kindOf(target); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

// keptForTest is what the next test finds in both forms of the profile.
var keptForTest [][]byte

//go:noinline
func keepForTest() {
	keptForTest = nil
	for range 1000 {
		keptForTest = append(keptForTest, make([]byte, 1000))
	}
}

// The profile as text, as another process shows it, says the same as the records
// of this one: 1,000 objects, for which a sample in 64 bytes is exact enough.
func TestBothFormsOfTheHeap(t *testing.T) {
	profile(t, finely)
	keepForTest()
	own := readHeap()
	var buf bytes.Buffer
	if err := pprof.Lookup("heap").WriteTo(&buf, 1); err != nil {
		t.Fatal(err)
	}
	text, rate := parseHeap(buf.Bytes())
	if rate != finely {
		t.Errorf("rate %d, want %d", rate, finely)
	}
	for name, h := range map[string]heap{"records": own, "text": text} {
		n := 0.0
		for s := range maps.Values(h) {
			if strings.HasPrefix(s.caller(), "gatehouse/bench/soak.keepForTest") && s.bytes/s.objects > 900 && s.bytes/s.objects < 1100 {
				n += s.objects
			}
		}
		if n < 990 || n > 1010 {
			t.Errorf("%s: %.0f objects, want 1,000", name, n)
		}
	}
	if all, rate := parseHeap([]byte("no profile\n1: 2\n#\t0x1\n")); len(all) != 0 || rate != 0 {
		t.Errorf("garbage was read as %v", all)
	}
}
