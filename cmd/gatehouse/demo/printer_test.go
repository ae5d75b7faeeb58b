package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// small is a site with one door and one person.
func small() *site.Site {
	return &site.Site{
		Building: site.Building{TimeZone: "UTC"},
		Rules:    access.Rules{Doors: []access.Door{{ID: "d-01", Name: "Main entrance"}}},
		Holders:  []access.Cardholder{{ID: "p-001", Name: "Ada Lind"}},
	}
}

func at(kind access.Kind, change ...func(*access.Event)) access.Event {
	e := access.Event{Time: monday.Add(8 * time.Hour), Kind: kind, Door: "d-01"}
	for _, f := range change {
		f(&e)
	}
	return e
}

func ada(e *access.Event) { e.Cardholder = "p-001" }

func TestLines(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		event  access.Event
		colour string
		want   string
	}{
		{
			at(access.KindGranted, ada, func(e *access.Event) { e.Reason = access.ReasonCredential }), green,
			"08:00:00  Main entrance     granted            p-001 Ada Lind          credential",
		},
		{
			at(access.KindGranted, ada, func(e *access.Event) { e.Reason, e.Held = access.ReasonCredential, "office" }), green,
			"08:00:00  Main entrance     granted            p-001 Ada Lind          credential, anti-passback (soft): was held to be in office",
		},
		{
			at(access.KindDenied, ada, func(e *access.Event) { e.Reason, e.Held = access.ReasonAntiPassback, "office" }), yellow,
			"08:00:00  Main entrance     denied             p-001 Ada Lind          anti passback, was held to be in office",
		},
		{
			access.Event{Time: monday, Kind: access.KindRulesChanged, Count: 2},
			dim,
			"00:00:00  building          rules changed                              rules version 2",
		},
		{
			access.Event{Time: monday, Kind: access.KindRulesChanged, Count: 2, Detail: "version 2; fingerprint a before, b after"},
			dim,
			"00:00:00  building          rules changed                              rules version 2, fingerprint a before, b after",
		},
		{
			access.Event{Time: monday, Kind: access.KindPeopleChanged, Count: 3, Detail: "version 2; fingerprint a before, b after; p-001"},
			dim,
			"00:00:00  building          people changed                             3 cardholders and credentials, version 2; fingerprint a before, b after; p-001",
		},
		{
			access.Event{Time: monday, Kind: access.KindStarted, Count: 1},
			dim,
			"00:00:00  building          started                                    rules version 1",
		},
		{
			at(access.KindDenied, func(e *access.Event) { e.Reason = access.ReasonUnknownCard }), yellow,
			"08:00:00  Main entrance     denied                                     unknown card",
		},
		{at(access.KindForcedOpen), red, "08:00:00  Main entrance     forced open"},
		{
			at(access.KindPassage, ada, func(e *access.Event) { e.From, e.To = access.Outside, "lobby" }), dim,
			"08:00:00  Main entrance     passage            p-001 Ada Lind          outside to lobby",
		},
		{
			at(access.KindModeChanged, func(e *access.Event) { e.Mode, e.Operator = access.LockedDown, "api" }), dim,
			"08:00:00  Main entrance     mode changed       operator api            locked down",
		},
		{
			access.Event{Time: monday, Kind: access.KindGap, Count: 7},
			red,
			"00:00:00  building          gap                                        7",
		},
		{
			at(access.KindActorFailed, func(e *access.Event) { e.Detail = "building/doors/d-01/logic: panic: card 7/4711" }), red,
			"08:00:00  Main entrance     actor failed                               building/doors/d-01/logic",
		},
		{
			at(access.KindLockFault, func(e *access.Event) { e.Detail = "\x1b[2Jbus\x07 gone\n" }), red,
			"08:00:00  Main entrance     lock fault                                  [2Jbus  gone",
		},
	} {
		plainStyle, painted := newStyle(small(), false), newStyle(small(), true)
		if got := string(plainStyle.line(nil, &row.event)); got != row.want+"\n" {
			t.Errorf("got  %q\nwant %q", got, row.want)
		}
		if got, want := string(painted.line(nil, &row.event)), row.colour+row.want+plain+"\n"; got != want {
			t.Errorf("in colour: got %q, want %q", got, want)
		}
	}
}

func TestEveryKindHasALine(t *testing.T) {
	t.Parallel()
	st := newStyle(small(), true)
	for kind := access.KindNone; kind <= access.KindCommandRefused; kind++ {
		e := at(kind, ada)
		line := string(st.line(nil, &e))
		if !strings.Contains(line, words(kind.String())) || strings.Count(line, "\n") != 1 {
			t.Errorf("%v: %q", kind, line)
		}
	}
}

// startPrinter runs a printer alone in a tree.
func startPrinter(t *testing.T, x supervisor.Executor, p *Printer) *supervisor.System {
	t.Helper()
	sys, err := supervisor.Start(supervisor.SupervisorSpec{
		Budget: supervisor.Isolating(3, time.Minute), Children: []supervisor.ChildSpec{p.ChildSpec()},
	}, supervisor.Options{Executor: x})
	if err != nil {
		t.Fatal(err)
	}
	return sys
}

func TestPrinterPrintsInOrder(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := NewPrinter(small(), &out, false)
	p.OnEvent(access.Event{Time: monday, Kind: access.KindStarted}) // before anything runs
	s := sim.New(1, sim.Options{})
	sys := startPrinter(t, s, p)
	for range maxAtOnce {
		p.OnEvent(at(access.KindGranted, ada))
	}
	p.OnEvent(at(access.KindForcedOpen))
	s.Quiesce()
	sys.Stop()
	p.OnEvent(access.Event{Time: monday, Kind: access.KindStopped}) // after everything
	if err := p.Flush(s.Now()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != maxAtOnce+3 {
		t.Fatalf("%d lines, want %d", len(lines), maxAtOnce+3)
	}
	got := []string{lines[0], lines[maxAtOnce+1], lines[maxAtOnce+2]}
	want := []string{
		"00:00:00  building          started", "08:00:00  Main entrance     forced open", "00:00:00  building          stopped",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("first, last but one, last line (-want +got):\n%s", diff)
	}
}

// blocked is a terminal that takes nothing until it is opened.
type blocked struct {
	gate *supervisortest.Gate
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *blocked) Write(text []byte) (int, error) {
	b.gate.Pass()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

func (b *blocked) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestABlockedTerminalBlocksNobody(t *testing.T) {
	out := &blocked{gate: supervisortest.NewGate()}
	p := NewPrinter(small(), out, false)
	x := supervisor.NewReal(1)
	sys := startPrinter(t, x, p)
	p.OnEvent(at(access.KindGranted, ada))
	<-out.gate.Entered() // the terminal hangs, and takes one line when it goes on
	const more = 3 * maxWaiting
	for i := range more {
		p.OnEvent(at(access.KindDenied, func(e *access.Event) { e.Count = uint64(i + 1) }))
	}
	if len(p.waiting) != maxWaiting {
		t.Errorf("%d events wait, want no more than %d", len(p.waiting), maxWaiting)
	}
	out.gate.Open()
	supervisortest.Eventually(t, x, "everything is printed", func() bool {
		return strings.Contains(out.String(), fmt.Sprintf(" %d\n", more))
	})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if got, want := len(lines), 1+1+maxWaiting; got != want {
		t.Errorf("%d lines, want %d", got, want)
	}
	if want := fmt.Sprintf("... %d lines skipped", more-maxWaiting); lines[1] != want {
		t.Errorf("the second line is %q, want %q", lines[1], want)
	}
	sys.Stop()
	supervisortest.NoLeaks(t, sys)
}

// A pipe that nobody reads is as good as a terminal that was halted.
func TestAHaltedTerminalDoesNotDelayTheStop(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close(); _ = w.Close() }()
	out := Unblocked(w)
	if out == io.Writer(w) {
		t.Skip("this system cannot open a pipe again")
	}
	p := NewPrinter(small(), out, false)
	x := supervisor.NewReal(1)
	sys := startPrinter(t, x, p)
	long := strings.Repeat("x", 1000)
	for range maxWaiting {
		p.OnEvent(at(access.KindLockFault, func(e *access.Event) { e.Detail = long }))
	}
	supervisortest.Eventually(t, x, "a write that the pipe has no room for", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.writing && len(p.waiting) < maxWaiting
	})
	if report := sys.Stop(); report.Zombies != 0 || !report.Complete {
		t.Errorf("the stop left something: %+v", report)
	}
	supervisortest.NoLeaks(t, sys)
	_ = out.(io.Closer).Close()
}

type gone struct{}

var errGone = errors.New("nobody there")

func (gone) Write([]byte) (int, error) { return 0, errGone }

func TestATerminalThatIsGoneIsTold(t *testing.T) {
	t.Parallel()
	p := NewPrinter(small(), gone{}, false)
	var told error
	p.Gone = func(err error) { told = err }
	s := sim.New(1, sim.Options{})
	sys := startPrinter(t, s, p)
	p.OnEvent(at(access.KindGranted))
	s.Advance(time.Minute)
	if !errors.Is(told, errGone) {
		t.Errorf("told %v", told)
	}
	if tree := sys.Tree(); tree.Children[0].State != supervisor.StateStopped || tree.Children[0].Restarts != 0 {
		t.Errorf("the printer goes on without a terminal:\n%v", tree)
	}
	for range 2 * maxWaiting {
		p.OnEvent(at(access.KindGranted))
	}
	sys.Stop()
	if err := p.Flush(s.Now()); !errors.Is(err, errGone) {
		t.Errorf("flush: %v", err)
	}
}

func TestColour(t *testing.T) {
	t.Parallel()
	tty, err := os.Open(os.DevNull) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tty.Close() }()
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for name, row := range map[string]struct {
		f    *os.File
		env  map[string]string
		want bool
	}{
		"a terminal":              {tty, nil, true},
		"a file":                  {file, nil, false},
		"NO_COLOR":                {tty, map[string]string{"NO_COLOR": "1"}, false},
		"an empty NO_COLOR":       {tty, map[string]string{"NO_COLOR": ""}, true},
		"a terminal without them": {tty, map[string]string{"TERM": "dumb"}, false},
	} {
		got := Colour(row.f, func(key string) (string, bool) { value, ok := row.env[key]; return value, ok })
		if got != row.want {
			t.Errorf("%s: colour %v, want %v", name, got, row.want)
		}
	}
	if out := Unblocked(file); out != io.Writer(file) {
		t.Error("a file was opened again: what is in it would be overwritten")
	}
}

// No line of a busy day has a card number.
func TestNoCardNumbers(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := Site(1)
	for i := range s.Credentials { // so that none is a time or an id by chance
		s.Credentials[i].Card.Number = 50_000 + uint64(i)
	}
	p := NewPrinter(s, &out, false)
	h := newHouseOf(t, 1, s, p.OnEvent, p.ChildSpec())
	h.sim.Advance(12 * time.Hour)
	h.b.Stop()
	if n := strings.Count(out.String(), "\n"); n < 500 {
		t.Fatalf("only %d lines", n)
	}
	for _, c := range s.Credentials {
		if strings.Contains(out.String(), fmt.Sprint(c.Card.Number)) {
			t.Errorf("the card number of %s was printed", c.ID)
		}
	}
	seen := 0
	for _, who := range s.Holders {
		if strings.Contains(out.String(), string(who.ID)+" "+who.Name) {
			seen++
		}
	}
	if seen < 50 {
		t.Errorf("only %d people were seen by their names", seen)
	}
}
