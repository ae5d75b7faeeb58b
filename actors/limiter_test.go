package actors_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/supervisor/sim"
)

const (
	limitsPath  = actors.Root + "/chores/limits"
	limitPeriod = 10 * time.Second
)

// scales are figures that a test sets.
type scales struct {
	list  []actors.Figure
	fail  error
	reads int
	panic bool
}

func (s *scales) Figures(context.Context) ([]actors.Figure, error) {
	s.reads++
	if s.panic {
		panic("no scales")
	}
	return s.list, s.fail
}

func (s *scales) set(goroutines, files uint64) {
	s.list = []actors.Figure{
		{Name: "goroutines", Value: goroutines, Threshold: 100},
		{Name: "files", Value: files, Threshold: 1000},
		{Name: "next_gc_bytes", Value: 1 << 40},
	}
}

func limitHouse(t *testing.T, seed uint64, opts sim.Options) (*house, *scales) {
	t.Helper()
	h := newHouse(t, 1, sim.New(seed, opts))
	s := &scales{}
	s.set(10, 10)
	h.config.Chores = actors.Chores{Limits: s}
	h.start()
	return h, s
}

// told are the events about limits.
func (h *house) told() (list []string) {
	for _, e := range h.journal.events {
		if e.Kind == access.KindLimitExceeded || e.Kind == access.KindLimitRestored {
			list = append(list, e.Kind.String()+" "+e.Detail)
		}
	}
	return list
}

func wantTold(t *testing.T, h *house, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, h.told()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func wantWrong(t *testing.T, h *house, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, h.b.Health().Degraded); diff != "" {
		t.Errorf("what is wrong (-want +got):\n%s", diff)
	}
}

// One event when it begins and one when it ends, health in between, and doors that
// go on.
func TestALimitThatIsExceededIsToldOnce(t *testing.T) {
	h, s := limitHouse(t, 1, sim.Options{})
	h.sim.Advance(time.Hour)
	wantTold(t, h)
	s.set(101, 10)
	h.sim.Advance(2 * limitPeriod)
	wantTold(t, h)
	h.sim.Advance(limitPeriod)
	const begun = "limit_exceeded goroutines: 101, the threshold is 100"
	wantTold(t, h, begun)
	s.set(250, 10)
	h.sim.Advance(time.Hour)
	wantTold(t, h, begun)
	wantWrong(t, h, "limits: goroutines: 250, the threshold is 100")
	h.card(1, "in", 1)
	h.sim.Advance(time.Second)
	if !h.lock(1).Released() {
		t.Error("the door does not go on")
	}
	s.set(250, 1001)
	h.sim.Advance(time.Hour)
	const files = "limit_exceeded files: 1001, the threshold is 1000"
	wantTold(t, h, begun, files)
	s.set(90, 1001)
	h.sim.Advance(3 * limitPeriod)
	wantTold(t, h, begun, files, "limit_restored goroutines: 90, the threshold is 100")
	wantWrong(t, h, "limits: files: 1001, the threshold is 1000")
	h.stopClean()
}

// A burst is no alarm, and a figure that plays about its threshold makes no flood.
func TestAFigureThatPlaysAboutItsThreshold(t *testing.T) {
	h, s := limitHouse(t, 1, sim.Options{})
	for range 100 { // two of three readings
		s.set(500, 10)
		h.sim.Advance(2 * limitPeriod)
		s.set(100, 10)
		h.sim.Advance(limitPeriod)
	}
	wantTold(t, h)
	for i := range 100 {
		s.set(101, 10)
		h.sim.Advance(3 * limitPeriod)
		s.set(91, 10) // not far enough below
		h.sim.Advance(5 * limitPeriod)
		s.set(90, 10) // not for long enough
		h.sim.Advance(2 * limitPeriod)
		if n := len(h.told()); n != 1 {
			t.Fatalf("round %d: %d events", i, n)
		}
	}
	wantWrong(t, h, "limits: goroutines: 90, the threshold is 100")
	h.stopClean()
}

// Without a threshold nobody judges: an alarm ends with its threshold.
func TestAThresholdThatIsTakenAway(t *testing.T) {
	h, s := limitHouse(t, 1, sim.Options{})
	s.set(101, 10)
	h.sim.Advance(3 * limitPeriod)
	s.list = []actors.Figure{{Name: "goroutines", Value: 101}}
	h.sim.Advance(limitPeriod)
	wantTold(t, h, "limit_exceeded goroutines: 101, the threshold is 100", "limit_restored goroutines: 101, the threshold is 0")
	wantWrong(t, h)
	h.stopClean()
}

// What cannot be read is not judged: neither an alarm nor the end of one.
func TestAReadingThatFails(t *testing.T) {
	h, s := limitHouse(t, 1, sim.Options{})
	s.set(101, 10)
	h.sim.Advance(3 * limitPeriod)
	s.list, s.fail = nil, errors.New("no /proc")
	h.sim.Advance(time.Hour)
	s.fail, s.panic = nil, true
	h.sim.Advance(time.Hour)
	wantTold(t, h, "limit_exceeded goroutines: 101, the threshold is 100")
	s.panic = false
	s.set(10, 10)
	h.sim.Advance(3 * limitPeriod)
	wantTold(t, h, "limit_exceeded goroutines: 101, the threshold is 100", "limit_restored goroutines: 10, the threshold is 100")
	h.stopClean()
}

// A crash of the chore neither repeats an alarm nor forgets it.
func TestTheAlarmOutlivesItsActor(t *testing.T) {
	crash := false
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	s := &scales{}
	h.config.Chores = actors.Chores{Limits: s}
	h.config.Probe = func(path string, _ any) {
		if crash && path == limitsPath {
			crash = false
			panic("crash")
		}
	}
	h.start()
	s.set(101, 10)
	h.sim.Advance(time.Minute)
	crash = true
	h.sim.Advance(time.Minute)
	if tree := h.b.Tree(); crash || tree.Find(limitsPath).Restarts != 1 {
		t.Fatal("it did not crash")
	}
	wantTold(t, h, "limit_exceeded goroutines: 101, the threshold is 100")
	s.set(10, 10)
	h.sim.Advance(time.Minute)
	wantTold(t, h, "limit_exceeded goroutines: 101, the threshold is 100", "limit_restored goroutines: 10, the threshold is 100")
	h.stopClean()
}

// A reading that hangs holds nothing up, and none is begun beside it.
func TestAReadingThatHangs(t *testing.T) {
	hanging := true
	h, s := limitHouse(t, 1, sim.Options{Hold: func(owner, _ string) sim.Hold {
		if hanging && owner == limitsPath {
			return sim.Hold{Start: time.Hour}
		}
		return sim.Hold{}
	}})
	h.sim.Advance(59 * time.Minute)
	if s.reads != 0 || h.b.RuntimeCounts().Workers > 1 {
		t.Errorf("%d readings, %d workers", s.reads, h.b.RuntimeCounts().Workers)
	}
	h.card(1, "in", 1)
	h.sim.Advance(time.Second)
	if !h.lock(1).Released() {
		t.Error("the door waits for the reading")
	}
	hanging = false
	h.sim.Advance(2 * time.Hour)
	if s.reads == 0 {
		t.Error("never read")
	}
	h.stopClean()
}
