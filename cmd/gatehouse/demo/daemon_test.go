package demo

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/devices"
	"gatehouse/devices/virtual"
	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// screen is a terminal that can be read while it is written to.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(text)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// The demo as the command runs it: on the machine's clock, with a journal and a
// store on disk.
func TestTheDemoRunsAsADaemon(t *testing.T) {
	s, rig, x, out := Site(1), virtual.New(virtual.Options{}), supervisor.NewReal(1), &screen{}
	crowd, err := NewCrowd(s, Options{Seed: 1, Speed: 600, Begin: x.Now(), Day: Morning(s, x.Now())})
	if err != nil {
		t.Fatal(err)
	}
	printer := NewPrinter(s, out, false)
	d, err := daemon.Open(daemon.Options{
		Site: s, Data: t.TempDir(), Executor: x, Drivers: []devices.Driver{rig.Driver()}, Log: zerolog.Nop(),
		Clock: access.ClockUnknown, Boot: 1, Strict: true, OnEvent: printer.OnEvent,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(printer.ChildSpec(), ChildSpec(rig, crowd)); err != nil {
		t.Fatal(err)
	}
	supervisortest.Eventually(t, x, "somebody gets in", func() bool {
		return strings.Contains(out.String(), "outside to lobby")
	})
	if health := d.Building.Health(); !health.Ready {
		t.Errorf("the demo is not well: %v", health.Degraded)
	}
	if _, err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := printer.Flush(x.Now()); err != nil {
		t.Error(err)
	}
	text := out.String()
	for _, line := range []string{"started", "granted", "stopped"} {
		if !strings.Contains(text, "  "+line) {
			t.Errorf("no line says %q", line)
		}
	}
	if l := d.Building.Ledger(); l.Actors != 0 || l.Timers != 0 || l.Workers != 0 || l.Zombies != 0 {
		t.Errorf("left after the stop: %+v", l)
	}
	if err := goleak.Find(); err != nil {
		t.Error(err)
	}
}
