package links_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/links"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/edge/heartbeat"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

var onlyHeartbeat = site.Links{Heartbeat: everything.Heartbeat}

func gaps(at []time.Time) (list []time.Duration) {
	for i := 1; i < len(at); i++ {
		list = append(list, at[i].Sub(at[i-1]))
	}
	return list
}

// A centre that answers is told every five seconds, a little sooner at random, how
// the building is.
func TestBeats(t *testing.T) {
	h := newHouse(t, onlyHeartbeat, nil)
	h.b.add(3)
	h.b.health = actors.Health{Degraded: append([]string{"a: " + strings.Repeat("x", 1000)}, slices.Repeat([]string{"b"}, 100)...)}
	h.sim.Advance(time.Hour)
	if n := len(h.post.at); n < 720 || n > 900 {
		t.Errorf("%d beats in an hour", n)
	}
	for _, g := range gaps(h.post.at) {
		if g < 4*time.Second || g > 5*time.Second {
			t.Fatalf("two beats %v apart", g)
		}
	}
	var got heartbeat.Summary
	if err := json.Unmarshal([]byte(h.post.bodies[9]), &got); err != nil {
		t.Fatal(err)
	}
	want := heartbeat.Summary{
		Building: "hq", Boot: "7", Sequence: 10, Time: h.post.at[9].UTC(), Version: "test", Last: 3,
		Degraded: append([]string{"a: " + strings.Repeat("x", heartbeat.MaxText-3)}, slices.Repeat([]string{"b"}, heartbeat.MaxDegraded-1)...),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if good, bad := h.b.noted(); good != len(h.post.at) || bad != 0 {
		t.Errorf("noted %d good, %d bad", good, bad)
	}
	h.stop()
	if h.post.closed != 1 {
		t.Errorf("closed %d times", h.post.closed)
	}
}

// A centre that fails is left alone for longer and longer, up to a minute, and asked
// as often as before when it has worked for a minute.
func TestFailuresBackOff(t *testing.T) {
	h := newHouse(t, onlyHeartbeat, nil)
	h.post.fail = errOutage
	h.sim.Advance(time.Hour)
	for i, g := range gaps(h.post.at) {
		want := links.BeatCap
		if i < 4 {
			want = 5 * time.Second << i
		}
		if g > want || g < want*8/10 {
			t.Errorf("wait %d is %v, want at most %v", i, g, want)
		}
	}
	if n := len(h.post.at); n < 60 || n > 80 {
		t.Errorf("%d beats in an hour of outage", n)
	}
	h.post.fail, h.post.at = nil, nil
	h.sim.Advance(5 * time.Minute)
	h.post.fail, h.post.at = errOutage, nil
	h.sim.Advance(16 * time.Second)
	if n := len(h.post.at); n < 2 {
		t.Errorf("%d beats after a link that worked", n)
	}
	h.stop()
}

// A link that comes and goes stays at the cap, so that it fills no journal.
func TestAFlappingLinkIsDamped(t *testing.T) {
	h := newHouse(t, onlyHeartbeat, nil)
	n := 0
	h.post.under = func() {
		if n++; n%2 == 0 {
			h.post.fail = nil
		} else {
			h.post.fail = errOutage
		}
	}
	h.sim.Advance(time.Hour)
	if len(h.post.at) > 150 { // a failure costs up to a minute, the success after it five seconds
		t.Errorf("%d beats in an hour", len(h.post.at))
	}
	h.stop()
}

// A beat that is asked for comes at once, but not while one is under way, nor while
// the centre is left alone.
func TestABeatThatIsAskedFor(t *testing.T) {
	h := newHouse(t, onlyHeartbeat, nil)
	h.sim.Advance(time.Second)
	ask := func() {
		h.sys.Ref("root/heartbeat").Send(links.BeatNow())
		h.sim.Quiesce()
	}
	before := len(h.post.at)
	ask()
	if len(h.post.at) != before+1 {
		t.Errorf("%d beats", len(h.post.at)-before)
	}
	h.post.fail = errOutage
	ask()
	before = len(h.post.at)
	ask()
	if len(h.post.at) != before {
		t.Error("a centre that failed was asked again at once")
	}
	h.stop()
}

// A call that hangs is said, and nothing is called beside it.
func TestABeatThatHangs(t *testing.T) {
	h := newHouse(t, onlyHeartbeat, func(_, name string) sim.Hold {
		if name == "beat" {
			return sim.Hold{Result: time.Hour}
		}
		return sim.Hold{}
	})
	h.sim.Advance(59 * time.Minute)
	h.sys.Ref("root/heartbeat").Send(links.BeatNow())
	h.sim.Quiesce()
	if len(h.post.at) != 1 {
		t.Errorf("%d calls", len(h.post.at))
	}
	if good, bad := h.b.noted(); good != 0 || bad != 1 {
		t.Errorf("noted %d good, %d bad", good, bad)
	}
	h.sim.Advance(2 * time.Minute)
	if good, _ := h.b.noted(); good != 1 {
		t.Error("the answer was not taken")
	}
}

// stubborn is a centre whose calls know neither their context nor Close.
type stubborn struct {
	gate *supervisortest.Gate
	mu   sync.Mutex
	now  int
	most int
}

func (s *stubborn) Beat(context.Context, string, []byte) error {
	s.mu.Lock()
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	s.gate.Pass()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	return nil
}

func (*stubborn) Close() {}

func (s *stubborn) atOnce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// A call that nothing ends is a zombie of one actor's life; the lives after it make
// no second one beside it.
func TestAZombieIsNotMultiplied(t *testing.T) {
	b := &building{health: actors.Health{Ready: true}}
	centre := &stubborn{gate: supervisortest.NewGate()}
	l := links.New(links.Options{Building: b, ID: "hq", Data: t.TempDir(), Links: onlyHeartbeat, Executor: machine, Log: zerolog.Nop()})
	l.SetHeartbeat(time.Millisecond, time.Minute, func() links.Poster { return centre })
	spec := tree(l)
	spec.Children[0].StopDeadline = supervisor.Brutal
	sys, err := supervisor.Start(spec, supervisor.Options{Executor: machine})
	if err != nil {
		t.Fatal(err)
	}
	<-centre.gate.Entered()
	sys.Ref("root/heartbeat").Send("what nobody sends it ends its life")
	supervisortest.Eventually(t, machine, "later lives say why they do not call", func() bool {
		_, bad := b.noted()
		return bad >= 3
	})
	if n := centre.atOnce(); n != 1 {
		t.Errorf("%d calls at once", n)
	}
	if n := sys.Ledger().Zombies; n != 1 {
		t.Errorf("%d zombies", n)
	}
	centre.gate.Open()
	supervisortest.Eventually(t, machine, "beats again", func() bool {
		good, _ := b.noted()
		return good >= 3
	})
	sys.Stop()
	supervisortest.NoLeaks(t, sys)
}

// The control: two calls at once are counted as two.
func TestTwoCallsAtOnceAreSeen(t *testing.T) {
	centre := &stubborn{gate: supervisortest.NewGate()}
	done := make(chan error)
	for range 2 {
		go func() { done <- centre.Beat(context.Background(), "", nil) }()
	}
	supervisortest.Eventually(t, machine, "two calls at once", func() bool { return centre.atOnce() == 2 })
	centre.gate.Open()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// Without its token no beat goes out, and the error does not hold it.
func TestATokenThatOthersMayReadIsNotUsed(t *testing.T) {
	which := onlyHeartbeat
	which.Heartbeat.TokenFile = "/nowhere/token"
	h := newHouse(t, which, nil)
	h.sim.Advance(time.Minute)
	if len(h.post.at) != 0 {
		t.Error("it beat without its token")
	}
	if _, bad := h.b.noted(); bad == 0 || errors.Is(h.b.notes[0], errOutage) {
		t.Errorf("noted %v", h.b.notes)
	}
	h.stop()
}
