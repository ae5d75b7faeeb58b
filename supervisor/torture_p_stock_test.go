package supervisor_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/scheduler"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// What protoactor's own mechanisms do. Each demonstration runs in a process of
// its own, this test binary started again: some of them spin on a processor for
// ever, one of them is expected to die, and none can be cleaned up.

const stockEnv = "STOCK_DEMO"

// stockDemos return what they saw in a few words.
var stockDemos = map[string]func() string{
	"a1 dropping":        stockDropping,
	"a3 nil":             stockNil,
	"b1 full":            stockFull,
	"b2 self-send":       stockSelfSend,
	"b4 vanish":          stockVanish,
	"timers restart":     stockTimersRestart,
	"timers stop":        stockTimersStop,
	"timers shutdown":    stockTimersShutdown,
	"backoff":            stockBackoff,
	"intensity":          stockIntensity,
	"resurrection":       stockResurrection,
	"panic in Stopping":  func() string { return stockPanics((*actor.Stopping)(nil)) },
	"panic in Stopped":   func() string { return stockPanics((*actor.Stopped)(nil)) },
	"spawn race":         stockSpawnRace,
	"dead queue":         stockDeadQueue,
	"restart statistics": stockStatistics,
}

// TestStockDemo is the body of such a process; it does nothing in others.
func TestStockDemo(_ *testing.T) {
	demo := stockDemos[os.Getenv(stockEnv)]
	if demo == nil {
		return
	}
	fmt.Println("seen:", demo())
	os.Exit(0) // whatever still spins
}

// wantStock runs a demonstration and compares what it saw. died: what the
// process says when it dies of it.
func wantStock(t *testing.T, name, want, died string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestStockDemo$", "-test.timeout=30s", "-test.count=1")
	// The race detector would otherwise wait a second before the process ends.
	cmd.Env = append(os.Environ(), stockEnv+"="+name, "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	if died != "" {
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() == 0 || !strings.Contains(string(out), died) {
			t.Errorf("%s: stock survived: %v\n%s", name, err, out)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	equal(t, "stock", "seen: "+want, strings.TrimSpace(string(out)))
}

// patiently waits for a condition at most about thirty seconds.
func patiently(cond func() bool) bool {
	for range 30_000 {
		if cond() {
			return true
		}
		supervisor.NewReal(1).Wait(nil, time.Millisecond)
	}
	return cond()
}

// stays is that nothing happens for as long as it takes to be convinced.
func stays(cond func() bool) bool {
	supervisor.NewReal(1).Wait(nil, 100*time.Millisecond)
	return !cond()
}

// rises waits until the counter went up by many more than there is reason for.
func rises(n *atomic.Int64) bool {
	from := n.Load()
	return patiently(func() bool { return n.Load() > from+10_000 })
}

// stockRuns is a dispatcher that counts how often a mailbox looks for messages.
type stockRuns struct{ n atomic.Int64 }

func (*stockRuns) Schedule(f func()) { go f() }
func (d *stockRuns) Throughput() int { d.n.Add(1); return 300 }

// stockLog notes the types of what an actor receives.
type stockLog struct{ supervisortest.Log }

func (l *stockLog) note(c actor.Context) {
	l.Add("%s %T", c.Self().Id, c.Message())
}

func (l *stockLog) has(id string, msg any) func() bool {
	return func() bool { return l.Has(fmt.Sprintf("%s %T", id, msg)) }
}

// stockActor is a named actor that notes what it gets before it does f.
func stockActor(s *actor.ActorSystem, l *stockLog, name string, f func(c actor.Context), opts ...actor.PropsOption) *actor.PID {
	pid, err := s.Root.SpawnNamed(actor.PropsFromFunc(func(c actor.Context) {
		l.note(c)
		f(c)
	}, opts...), name)
	if err != nil {
		panic(err)
	}
	return pid
}

// stockBlocked is an actor whose handler is at the gate, so that what comes next
// waits in its mailbox.
func stockBlocked(s *actor.ActorSystem, l *stockLog, opts ...actor.PropsOption) (*actor.PID, *supervisortest.Gate) {
	gate := supervisortest.NewGate()
	pid := stockActor(s, l, "a", func(c actor.Context) {
		if c.Message() == "block" {
			gate.Pass()
		}
	}, opts...)
	s.Root.Send(pid, "block")
	<-gate.Entered()
	return pid, gate
}

// spinning says whether a mailbox that has nothing to do is busy, before and
// after its actor is stopped.
func spinning(s *actor.ActorSystem, l *stockLog, pid *actor.PID, runs *stockRuns) string {
	before := rises(&runs.n)
	s.Root.Stop(pid)
	stopped := patiently(l.has("a", &actor.Stopped{}))
	return fmt.Sprintf("busy with nothing to do %v, stopped %v, busy afterwards %v", before, stopped, rises(&runs.n))
}

func stockDropping() string {
	s, l, runs := stock(), &stockLog{}, &stockRuns{}
	pid, gate := stockBlocked(s, l, actor.WithMailbox(actor.BoundedDropping(16)), actor.WithDispatcher(runs))
	for i := range 100 {
		s.Root.Send(pid, i)
	}
	gate.Open()
	return spinning(s, l, pid, runs)
}

func stockNil() string {
	s, l, runs := stock(), &stockLog{}, &stockRuns{}
	pid := stockActor(s, l, "a", func(actor.Context) {}, actor.WithDispatcher(runs))
	s.Root.Send(pid, nil)
	return spinning(s, l, pid, runs)
}

// flood sends n messages on a goroutine of its own and counts those that are
// through.
func floodStock(s *actor.ActorSystem, pid *actor.PID, n int) *atomic.Int64 {
	var through atomic.Int64
	go func() {
		for i := range n {
			s.Root.Send(pid, i)
			through.Add(1)
		}
	}()
	return &through
}

func stockFull() string {
	s, l := stock(), &stockLog{}
	pid, _ := stockBlocked(s, l, actor.WithMailbox(actor.Bounded(10)))
	through := floodStock(s, pid, 64)
	patiently(func() bool { return through.Load() >= 16 })
	stuck := stays(func() bool { return through.Load() > 16 })
	return fmt.Sprintf("a box of 10 takes %d, the next sender is stuck %v", through.Load(), stuck)
}

func stockSelfSend() string {
	s, l := stock(), &stockLog{}
	var sent atomic.Int64
	pid := stockActor(s, l, "a", func(c actor.Context) {
		if c.Message() == "go" {
			for i := range 21 {
				c.Send(c.Self(), i)
				sent.Add(1)
			}
		}
	}, actor.WithMailbox(actor.Bounded(16)))
	s.Root.Send(pid, "go")
	patiently(func() bool { return sent.Load() >= 16 })
	stuck := stays(func() bool { return sent.Load() > 16 })
	s.Root.Stop(pid)
	return fmt.Sprintf("stuck in its own handler %v, cannot be stopped %v", stuck, stays(l.has("a", &actor.Stopping{})))
}

// deadLetters counts those whose message is of interest.
func deadLetters(s *actor.ActorSystem, counts func(msg any) bool) *atomic.Int64 {
	var n atomic.Int64
	s.EventStream.Subscribe(func(e any) {
		if d, ok := e.(*actor.DeadLetterEvent); ok && counts(d.Message) {
			n.Add(1)
		}
	})
	return &n
}

func isInt(msg any) bool { _, ok := msg.(int); return ok }

func stockVanish() string {
	s, l := stock(), &stockLog{}
	dead := deadLetters(s, isInt)
	pid, gate := stockBlocked(s, l, actor.WithMailbox(actor.Bounded(16)))
	through := floodStock(s, pid, 64)
	patiently(func() bool { return through.Load() >= 16 })
	s.Root.Stop(pid)
	gate.Open()
	all := patiently(func() bool { return through.Load() == 64 })
	handled := int64(l.Count("a int"))
	return fmt.Sprintf("all sent %v, all handled or reported %v", all, handled+dead.Load() == 64)
}

func stockDeadQueue() string {
	s, l := stock(), &stockLog{}
	dead := deadLetters(s, isInt)
	pid, gate := stockBlocked(s, l)
	for i := range 10 {
		s.Root.Send(pid, i)
	}
	s.Root.Stop(pid)
	gate.Open()
	patiently(l.has("a", &actor.Stopped{}))
	return fmt.Sprintf("waited 10, handled %d, unreported %v", l.Count("a int"), stays(func() bool { return dead.Load() > 0 }))
}

// stockTicking is an actor that starts a timer of the library's in each life.
// Ticks carry the life that they are for.
func stockTicking(s *actor.ActorSystem, seen func(life, now int)) *actor.PID {
	life := 0
	timers := scheduler.NewTimerScheduler(s.Root)
	return stockActor(s, &stockLog{}, "a", func(c actor.Context) {
		switch m := c.Message().(type) {
		case *actor.Started:
			life++
			timers.SendRepeatedly(time.Millisecond, time.Millisecond, c.Self(), life)
		case int:
			seen(m, life)
		case string:
			panic(m)
		}
	})
}

func stockTimersRestart() string {
	s := stock()
	var ofOthers [7]atomic.Bool // ticks for this life came to a later one
	pid := stockTicking(s, func(life, now int) {
		if now == 6 {
			ofOthers[life].Store(true)
		}
	})
	for range 5 {
		s.Root.Send(pid, "crash")
	}
	all := patiently(func() bool {
		n := 0
		for i := range ofOthers {
			if ofOthers[i].Load() {
				n++
			}
		}
		return n == 6
	})
	return fmt.Sprintf("the sixth life gets the ticks of all six %v", all)
}

func stockTimersStop() string {
	s := stock()
	dead := deadLetters(s, isInt)
	pid := stockTicking(s, func(int, int) {})
	_ = s.Root.StopFuture(pid).Wait()
	from := dead.Load()
	return fmt.Sprintf("ticks go on after the stop %v", patiently(func() bool { return dead.Load() > from+20 }))
}

func stockTimersShutdown() string {
	s := stock()
	var ticks atomic.Int64
	stockTicking(s, func(int, int) { ticks.Add(1) })
	s.Shutdown()
	from := ticks.Load()
	return fmt.Sprintf("ticks are handled after the shutdown %v", patiently(func() bool { return ticks.Load() > from+20 }))
}

// stockSupervisor notes when a strategy restarts.
type stockSupervisor struct {
	actor.Supervisor
	restarted chan struct{}
}

func (s stockSupervisor) RestartChildren(...*actor.PID) { close(s.restarted) }

// stockBackoff: the fifth failure waits 5 times the initial backoff; an
// exponential one would wait 16 times. Which comes first is the order of two
// timers, not a time.
func stockBackoff() string {
	const initial = 200 * time.Millisecond // a busy machine must not bring the two together
	s := stock()
	rs := actor.NewRestartStatistics()
	for range 4 {
		rs.Fail()
	}
	strategy := actor.NewExponentialBackoffStrategy(time.Minute, initial)
	restarted, ten := make(chan struct{}), make(chan struct{})
	supervisor.NewReal(1).AfterFunc(10*initial, func() { close(ten) })
	strategy.HandleFailure(s, stockSupervisor{restarted: restarted}, s.NewLocalPID("a"), rs, "crash", nil)
	select {
	case <-restarted:
		return "linear"
	case <-ten:
		return "more than linear"
	}
}

// stockFamily is a child under a parent under a grandparent.
func stockFamily(s *actor.ActorSystem, l *stockLog, strategy actor.SupervisorStrategy, child func(c actor.Context)) (top, leaf *actor.PID) {
	spawn := func(name string, below func(c actor.Context)) func(actor.Context) {
		return func(c actor.Context) {
			if _, ok := c.Message().(*actor.Started); ok {
				props := actor.PropsFromFunc(func(c actor.Context) { l.note(c); below(c) }, actor.WithSupervisor(strategy))
				if _, err := c.SpawnNamed(props, name); err != nil {
					panic(err)
				}
			}
		}
	}
	top = stockActor(s, l, "top", spawn("mid", spawn("leaf", child)), actor.WithSupervisor(strategy))
	patiently(l.has("top/mid/leaf", &actor.Started{}))
	return top, s.NewLocalPID("top/mid/leaf")
}

func stockIntensity() string {
	s, l := stock(), &stockLog{}
	once := actor.NewOneForOneStrategy(1, time.Minute, actor.DefaultDecider)
	_, leaf := stockFamily(s, l, once, func(c actor.Context) {
		if c.Message() == "crash" {
			panic("crash")
		}
	})
	s.Root.Send(leaf, "crash")
	s.Root.Send(leaf, "crash")
	gone := patiently(l.has("top/mid", &actor.Terminated{}))
	quiet := stays(func() bool { return l.has("top", &actor.Terminated{})() || l.Count("top/mid *actor.Started") > 1 })
	return fmt.Sprintf("the child is gone for good %v, nobody above notices %v", gone, quiet)
}

// stockResurrection: a backoff ends while its child is stopping already, which a
// slow grandchild makes likely and the gate certain.
func stockResurrection() string {
	s, l := stock(), &stockLog{}
	gate := supervisortest.NewGate()
	backoff := actor.NewExponentialBackoffStrategy(time.Minute, 50*time.Millisecond)
	slow := actor.PropsFromFunc(func(c actor.Context) {
		if _, ok := c.Message().(*actor.Stopping); ok {
			gate.Pass()
		}
	})
	top, leaf := stockFamily(s, l, backoff, func(c actor.Context) {
		switch c.Message().(type) {
		case *actor.Started:
			c.Spawn(slow)
		case string:
			panic("crash")
		}
	})
	s.Root.Send(leaf, "crash")
	s.Root.Stop(top)
	<-gate.Entered()
	patiently(l.has(leaf.Id, &actor.Restarting{}))
	gate.Open()
	back := patiently(func() bool { return l.Count(leaf.Id+" *actor.Started") == 2 })
	return fmt.Sprintf("the stopped child is back %v, its parents never stop %v", back, stays(l.has("top", &actor.Stopped{})))
}

func stockPanics(in any) string {
	s, l := stock(), &stockLog{}
	var done atomic.Bool
	top, leaf := stockFamily(s, l, actor.DefaultSupervisorStrategy(), func(c actor.Context) {
		if fmt.Sprintf("%T", c.Message()) == fmt.Sprintf("%T", in) && done.CompareAndSwap(false, true) {
			panic("in its end")
		}
	})
	s.Root.Stop(top)
	patiently(l.has(leaf.Id, in))
	return fmt.Sprintf("its parents never stop %v", stays(l.has("top", &actor.Stopped{})))
}

// stockSpawnRace: the name is in the registry before the mailbox knows its
// handlers; the library's own hook between the two makes the race certain.
func stockSpawnRace() string {
	s := stock()
	stockActor(s, &stockLog{}, "a", func(actor.Context) {}, actor.WithOnInit(func(c actor.Context) {
		s.Root.Send(c.Self(), "too early")
	}))
	return "it lives"
}

// stockStatistics: failures that are out of the window are kept, and looked at
// again at every restart.
func stockStatistics() string {
	const n = 2000
	s, rs := stock(), actor.NewRestartStatistics()
	strategy := actor.NewOneForOneStrategy(n, 1, actor.DefaultDecider)
	for range n {
		strategy.HandleFailure(s, stockSupervisor{restarted: make(chan struct{})}, s.NewLocalPID("a"), rs, "crash", nil)
	}
	return fmt.Sprintf("after %d restarts it keeps %d", n, rs.FailureCount())
}

// stock is a system of protoactor's own actors.
func stock() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
}
