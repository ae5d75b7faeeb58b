package supervisortest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// recorder is a testing.TB that notes failures instead of failing.
type recorder struct {
	testing.TB
	text strings.Builder
}

func (r *recorder) Helper()                   {}
func (r *recorder) Error(a ...any)            { fmt.Fprintln(&r.text, a...) }
func (r *recorder) Errorf(f string, a ...any) { fmt.Fprintf(&r.text, f+"\n", a...) }

// TestNoLeaksBites: every kind of leak is found. It is the control of all tests
// that find none.
func TestNoLeaksBites(t *testing.T) {
	gate := supervisortest.NewGate()
	for name, c := range map[string]struct {
		leak func() *supervisor.System
		say  string
	}{
		"not stopped": {func() *supervisor.System { return system(t, nil) }, "not down"},
		"handler": {func() *supervisor.System {
			sys := system(t, func(*supervisor.Context) { gate.Pass() })
			<-gate.Entered()
			sys.Stop()
			return sys
		}, "1 zombies"},
		"stray": {func() *supervisor.System {
			sys := system(t, nil)
			sys.Stop()
			in := make(chan struct{})
			go planted(in, gate)
			<-in
			return sys
		}, "supervisortest_test.planted"},
	} {
		t.Run(name, func(t *testing.T) {
			sys := c.leak()
			r := &recorder{TB: t}
			supervisortest.NoLeaksWithin(r, sys, time.Second)
			if !strings.Contains(r.text.String(), c.say) {
				t.Errorf("report %q does not say %q", r.text.String(), c.say)
			}
			gate.Open()
			gate = supervisortest.NewGate()
			sys.Stop()
			supervisortest.NoLeaks(t, sys)
		})
	}
}

func planted(in chan<- struct{}, g *supervisortest.Gate) {
	close(in)
	g.Pass()
}

// system is a tree of one actor that does something and can be abandoned.
func system(t *testing.T, do func(*supervisor.Context)) *supervisor.System {
	c := (&supervisortest.Log{}).Child("a", supervisortest.Probe{})
	c.StopDeadline = supervisor.Brutal
	sys, err := supervisor.Start(supervisor.SupervisorSpec{Children: []supervisor.ChildSpec{c}}, supervisor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if do != nil {
		sys.Ref("root/a").Send(supervisortest.Do(func(c *supervisor.Context) error { do(c); return nil }))
	}
	return sys
}

// TestRatio sees a difference and none where there is none, if not at the first
// try on a busy machine.
func TestRatio(t *testing.T) {
	work := func(n int) func() {
		return func() {
			x := 1.0
			for range n {
				x += 1 / x
			}
			if x == 0 {
				t.Error("never")
			}
		}
	}
	between := func(least, most float64, a, b func()) {
		t.Helper()
		var r float64
		for range 9 {
			if r = supervisortest.Ratio(a, b); least <= r && r <= most {
				return
			}
		}
		t.Errorf("ratio %v, want %v to %v", r, least, most)
	}
	between(5, 100, work(400_000), work(20_000))
	between(0.3, 3, work(100_000), work(100_000))
}
