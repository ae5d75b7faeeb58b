package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// What an attacker found who went over the whole package.

// turnHook is the machine with an eye on who gets a turn.
type turnHook struct {
	*supervisor.Real
	onTurn atomic.Pointer[func(path string)]
}

func (x *turnHook) Turn(t supervisor.Turner) {
	if f := x.onTurn.Load(); f != nil {
		(*f)(t.Path())
	}
	x.Real.Turn(t)
}

// TestExclusiveFenceIsOneStep: a worker that returns in the middle of its life's
// being given up does not free the resource under the handler that still runs.
func TestExclusiveFenceIsOneStep(t *testing.T) {
	x := &turnHook{Real: supervisor.NewReal(1)}
	w := newWorld(t, x)
	gate, release := supervisortest.NewGate(), make(chan struct{})
	port := w.log.Child("port", probe{Quiet: true})
	port.Exclusive, port.StopDeadline = "tty", supervisor.Brutal
	w.start(spec{Children: kids{port, w.asker()}})
	w.do("port", func(c ctx) error {
		equal(t, "task", nil, c.Task("w", 0, func(context.Context) (any, error) { <-release; return nil, nil }))
		gate.Pass()
		return nil
	})
	<-gate.Entered()
	w.inside("asker", func(c ctx) { equal(t, "ask", nil, c.Ask(w.ref("port"), "waits", limit, "q")) })
	// The asker is told in the middle of it.
	told := func(path string) {
		if path == "root/asker" {
			x.onTurn.Store(nil)
			close(release)
			w.wait("the worker's end", func() bool { return w.sys.Counts().Workers == 0 })
		}
	}
	x.onTurn.Store(&told)
	w.stopChild("", "port")
	w.sys.Ref("root").Send(supervisor.StartChild{ID: "port"})
	_, err := w.sys.Ref("root").Ask(supervisor.StopChild{ID: "nobody"}, limit)
	equal(t, "asked after it", true, errors.Is(err, supervisor.ErrNoChild))
	equal(t, "lives", uint64(1), w.node("port").Incarnation)
	gate.Open()
	w.waitLife("port", 2)
}

// TestYoungerWaitsForFailedStart: a child whose start failed runs its Stop hook
// before those after it are started.
func TestYoungerWaitsForFailedStart(t *testing.T) {
	w := simWorld(t)
	b := w.log.Child("b", probe{OnStart: func(c ctx) error {
		if c.Incarnation() == 2 {
			return supervisortest.ErrCrash
		}
		return nil
	}, OnStop: func(c ctx, _ supervisor.Reason) {
		if c.Incarnation() == 2 {
			w.sim.Sleep(time.Second)
		}
		w.log.Add("stopped %s", supervisortest.Life(c))
	}})
	a := w.log.Child("a", probe{Quiet: true})
	a.Restart = supervisor.Transient
	w.start(spec{Strategy: supervisor.RestForOne, Budget: isolating(9), Children: kids{a, b, w.log.Child("c", probe{})}})
	w.log.Take()
	w.send("b", supervisortest.Crash)
	w.advance(0)
	w.send("a", supervisortest.End{}) // the plan goes on
	w.advance(time.Minute)
	w.wantLog("stop root/b#1 error: crash", "stopped root/b#1", "stop root/c#1 shutdown", "start root/b#2",
		"stop root/b#2 error: crash", "stop root/a#1 normal", "stopped root/b#2", "start root/b#3", "start root/c#2")
}

// TestResultsComeBehindWhatWorkersSent: also when the mailbox is full.
func TestResultsComeBehindWhatWorkersSent(t *testing.T) {
	w := simWorld(t)
	a := w.log.Child("a", probe{})
	a.Mailbox.Normal = 2
	w.start(spec{Children: kids{a}})
	w.log.Take()
	w.do("a", func(c ctx) error {
		me := c.Self()
		return c.Task("t", 0, func(context.Context) (any, error) {
			equal(t, "sends", supervisor.Accepted, me.Send("one"))
			equal(t, "sends", supervisor.Accepted, me.Send("two"))
			return nil, supervisortest.ErrCrash
		})
	})
	w.advance(0)
	w.wantLog("got root/a#1 one", "got root/a#1 two", "got root/a#1 {t <nil> crash}")
}

// typedNil is the classic mistake: a nil of it is an error that is not nil.
type typedNil struct{ cause error }

func (*typedNil) Error() string   { return "typed nil" }
func (e *typedNil) Unwrap() error { return e.cause }

// hostile is an error that panics when it is looked at, and again when that
// panic is.
type hostile struct{}

func (hostile) Error() string { panic(hostile{}) }

// TestHostileErrors: what an error's own methods do happens to the life that
// returned it, and to nobody else.
func TestHostileErrors(t *testing.T) {
	for name, end := range map[string]func() error{
		"typed nil":              func() error { var e *typedNil; return e },
		"text that panics":       func() error { return hostile{} },
		"panic without any text": func() error { panic(hostile{}) },
	} {
		t.Run(name, func(t *testing.T) {
			w := simWorld(t)
			w.start(spec{Children: kids{w.log.Child("a", probe{})}})
			w.do("a", func(ctx) error { return end() })
			w.waitLife("a", 2)
			equal(t, "reason", supervisor.ExitPanic, w.events.of(supervisor.EventExited, "a")[0].Reason.Kind)

			bad := w.log.Child("bad", probe{OnStart: func(ctx) error { return end() }})
			_, err := supervisor.Start(spec{Children: kids{bad}}, supervisor.Options{Executor: w.sim})
			equal(t, "no start", true, err != nil && strings.HasPrefix(err.Error(), "child root/bad: panic: "))
		})
	}
}

// slowText is an error whose text does not come.
type slowText struct{ gate *supervisortest.Gate }

func (e slowText) Error() string { e.gate.Pass(); return "slow" }

// TestTextOfAnErrorKeepsNobody: neither those who look nor the stop wait for it.
func TestTextOfAnErrorKeepsNobody(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	a := w.log.Child("a", probe{})
	a.StopDeadline = supervisor.Brutal
	w.start(spec{Children: kids{a}})
	w.do("a", func(ctx) error { return slowText{gate} })
	<-gate.Entered()
	equal(t, "state", supervisor.StateRunning, w.state("a"))
	equal(t, "abandoned", []string{"root/a"}, w.sys.Stop().Abandoned)
	gate.Open()
}

// TestDirectiveOfNil: an error that is none carries nothing.
func TestDirectiveOfNil(t *testing.T) {
	equal(t, "do not restart", nil, supervisor.DoNotRestart(nil))
	equal(t, "escalate", nil, supervisor.Escalate(nil))
}

// TestDirectiveRoundChildError: an actor's word counts, whatever it is about.
func TestDirectiveRoundChildError(t *testing.T) {
	for _, end := range []func(error) error{supervisor.DoNotRestart, supervisor.Escalate} {
		w := simWorld(t)
		w.start(spec{Budget: isolating(9), Children: kids{supervised("s", spec{Children: kids{w.log.Child("a", probe{})}})}})
		w.do("s/a", func(ctx) error { return end(&supervisor.ChildError{Path: "root/x", Cause: supervisortest.ErrCrash}) })
		w.advance(0)
		// Either a is down, or s and comes back as one that failed.
		lives := w.node("s").Incarnation + w.node("s/a").Incarnation
		equal(t, "lives", map[bool]uint64{true: 2, false: 4}[w.state("s/a") == supervisor.StateStopped], lives)
	}
}

// TestZeroReal: the zero value of the machine's executor does.
func TestZeroReal(t *testing.T) {
	w := newWorld(t, &supervisor.Real{})
	a := w.log.Child("a", probe{})
	a.Backoff = supervisor.Backoff{Min: 1, Max: 1, Jitter: 1}
	w.start(spec{Budget: escalating(9), Children: kids{a}})
	for n := range uint64(3) {
		w.send("a", supervisortest.Crash)
		w.waitLife("a", n+2)
	}
}

// TestLedgerReadsEveryLabel: also of ids and names that JSON would write otherwise.
func TestLedgerReadsEveryLabel(t *testing.T) {
	for _, id := range []string{"t\xffr", "a\x7f", "bell\a", "nb\u200b", "\U000e0001", `q"\`} {
		w := realWorld(t)
		loop := func(ctx context.Context) error { <-ctx.Done(); return nil }
		w.start(spec{Children: kids{w.log.Child(id, probe{OnStart: func(c ctx) error { return c.Loop(id, loop) }})}})
		w.wait(fmt.Sprintf("loop of %q", id), func() bool { return w.sys.Ledger().Owned["root/"+id] == 1 })
		w.stop()
	}
}

// TestTakenAsksAreToldTheEnd: an actor that took the address of an ask, and ends,
// leaves nobody waiting.
func TestTakenAsksAreToldTheEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		end  any
		want error
	}{
		{"crash", supervisortest.Crash, supervisor.ErrRestarted},
		{"stop", supervisortest.Fail{Err: supervisor.DoNotRestart(supervisortest.ErrCrash)}, supervisor.ErrStopped},
	} {
		t.Run(c.name, func(t *testing.T) {
			both(t, func(t *testing.T, w *world) {
				take := supervisortest.Do(func(c ctx) error { c.ReplyTo(); c.ReplyTo(); return nil })
				w.start(spec{Children: kids{w.asker(), w.log.Child("b", probe{})}})
				w.inside("asker", func(me ctx) {
					for i := range 2 {
						equal(t, "asked", nil, me.Ask(w.ref("b"), take, supervisor.Infinity, i))
					}
				})
				w.wait("both asked", func() bool { return w.node("b").Queued == 0 })
				w.send("b", c.end)
				w.wait("told", func() bool { return len(withPrefix(w.log.Lines(), "1:")) == 1 })
				w.log.Take()
				if c.want == supervisor.ErrRestarted {
					w.waitLife("b", 2)
					crash := supervisortest.Do(func(c ctx) error { c.Self().Send(supervisortest.Crash); c.ReplyTo(); return nil })
					_, err := w.ref("b").Ask(crash, supervisor.Infinity)
					equal(t, "from outside", c.want.Error(), err.Error())
				}
			})
		})
	}
}

// TestTakenAskOfAnAbandonedLife: nor does one that is given up.
func TestTakenAskOfAnAbandonedLife(t *testing.T) {
	w := realWorld(t)
	gate := supervisortest.NewGate()
	b := w.log.Child("b", probe{})
	b.StopDeadline = supervisor.Brutal
	w.start(spec{Children: kids{w.asker(), b}})
	w.inside("asker", func(me ctx) {
		take := supervisortest.Do(func(c ctx) error { c.ReplyTo(); return nil })
		equal(t, "asked", nil, me.Ask(w.ref("b"), take, supervisor.Infinity, "q"))
	})
	w.do("b", func(ctx) error { gate.Pass(); return nil })
	<-gate.Entered()
	w.stopChild("", "b")
	w.wait("told", func() bool { return len(withPrefix(w.log.Lines(), "q: <nil> "+supervisor.ErrStopped.Error())) == 1 })
	gate.Open()
}

// TestAnsweredAsksAreNotKept: what an actor took the address of and answered
// costs nothing any more.
func TestAnsweredAsksAreNotKept(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Children: kids{w.log.Child("b", probe{})}})
	answer := supervisortest.Do(func(c ctx) error { c.ReplyTo().Reply(1); return nil })
	open := supervisortest.Do(func(c ctx) error { c.ReplyTo(); return nil })
	for range 1000 {
		_, err := w.ref("b").Ask(answer, limit)
		equal(t, "answered", nil, err)
		_, err = w.ref("b").Ask(open, time.Second)
		equal(t, "expired", true, errors.Is(err, supervisor.ErrNoAnswer))
	}
	if n := supervisor.Taken(w.ref("b")); n > 8 {
		t.Errorf("%d asks are kept, none is open", n)
	}
}

// TestSenderOfAnAbandonedLife: its worker reaches neither the successor nor others.
func TestSenderOfAnAbandonedLife(t *testing.T) {
	w := realWorld(t)
	gate, said := supervisortest.NewGate(), make(chan supervisor.Delivery, 4)
	a := w.log.Child("a", probe{})
	a.StopDeadline = supervisor.Brutal
	w.start(spec{Children: kids{a, w.log.Child("b", probe{})}})
	w.inside("a", func(c ctx) {
		me, self := c.Sender(), c.Self()
		equal(t, "loop", nil, c.Loop("reader", func(context.Context) error {
			said <- me.Send(self, "early")
			gate.Pass()
			said <- me.Send(self, "late")
			said <- me.Send(w.ref("b"), "late")
			return nil
		}))
	})
	<-gate.Entered()
	w.waitLine("got root/a#1 early")
	w.stopChild("", "a")
	w.startChild("", "a")
	gate.Open()
	equal(t, "early", supervisor.Accepted, <-said)
	equal(t, "to itself", supervisor.Down, <-said)
	equal(t, "to others", supervisor.Down, <-said)
	equal(t, "nobody's", supervisor.Down, supervisor.Sender{}.Send(w.ref("b"), "x"))
}

// TestStopDoesNotWaitForOnEvent: an OnEvent that hangs, against the rules, in the
// last word of an actor or of a supervisor below the root.
func TestStopDoesNotWaitForOnEvent(t *testing.T) {
	for _, path := range []string{"root/s/a", "root/s", "root/b"} {
		t.Run(path, func(t *testing.T) {
			gate := supervisortest.NewGate()
			log := &supervisortest.Log{}
			sys, err := supervisor.Start(spec{StopBudget: time.Millisecond, Children: kids{
				supervised("s", spec{Children: kids{log.Child("a", probe{})}}), log.Child("b", probe{}),
			}}, supervisor.Options{OnEvent: func(e supervisor.Event) {
				if e.Kind == supervisor.EventExited && e.Path == path {
					gate.Pass()
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			sys.Stop() // the gate is closed
			gate.Open()
			supervisortest.NoLeaks(t, sys)
		})
	}
}

// TestNobodyListensNobodyLooks: stacks are taken for those who see them.
func TestNobodyListensNobodyLooks(t *testing.T) {
	for _, listens := range []bool{false, true} {
		gate, log := supervisortest.NewGate(), &supervisortest.Log{}
		a := log.Child("a", probe{})
		a.StopDeadline = supervisor.Brutal
		sys, err := supervisor.Start(spec{Children: kids{a}}, supervisor.Options{})
		if err != nil {
			t.Fatal(err)
		}
		sub := sys.Subscribe(100)
		if !listens {
			sub.Close()
		}
		sys.Ref("root/a").Send(supervisortest.Do(func(ctx) error { gate.Pass(); return nil }))
		<-gate.Entered()
		sys.Stop()
		equal(t, "stacks", map[bool]int{false: 0, true: 1}[listens], supervisor.StacksTaken(sys))
		gate.Open()
		supervisortest.NoLeaks(t, sys)
	}
}

// TestStacksCostLittle: when a profile takes long, there are fewer of them.
func TestStacksCostLittle(t *testing.T) {
	for cost, want := range map[time.Duration]int{0: 10, 15 * time.Millisecond: 7, time.Second: 1} {
		equal(t, cost.String(), want, supervisor.StacksWithinASecond(cost))
	}
}

// TestProtoactorsMessagesAreLikeOthers: only protoactor can say them.
func TestProtoactorsMessagesAreLikeOthers(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	w.log.Take()
	for _, msg := range []any{&actor.Started{}, &actor.Stopping{}, &actor.Stopped{}, &actor.Stop{}, &actor.Restart{}, &actor.PoisonPill{}} {
		w.send("a", msg)
	}
	w.advance(0)
	equal(t, "got", 6, len(w.log.Take()))
	equal(t, "lives", uint64(1), w.node("a").Incarnation)
}

// TestLeftoversAreForgotten: of places that are gone, those remain of which
// something still runs, and not many others.
func TestLeftoversAreForgotten(t *testing.T) {
	w := simWorld(t, holdAll)
	kind := w.log.Child("", stuck())
	kind.StopDeadline = supervisor.Brutal
	w.start(spec{Strategy: supervisor.Dynamic, Children: kids{kind}})
	for range 100 {
		w.startChild("", "a")
		w.stopChild("", "a")
		for w.sim.Release("root/a", "deaf") {
			w.sim.Quiesce()
		}
	}
	if n := supervisor.Leftovers(w.sys); n > 2 {
		t.Errorf("%d places are kept, nothing runs", n)
	}
}

// TestTaskLimitBelowZero: a deadline that has passed already is one.
func TestTaskLimitBelowZero(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	var ended error
	w.inside("a", func(c ctx) {
		equal(t, "task", nil, c.Task("late", -time.Second, func(ctx context.Context) (any, error) { ended = ctx.Err(); return nil, nil }))
	})
	w.advance(0)
	equal(t, "context ended", true, errors.Is(ended, context.Canceled))
}

// TestStashedIsCancelled: what is cancelled while it is stashed does not come back.
func TestStashedIsCancelled(t *testing.T) {
	for name, c := range map[string]struct {
		cancel func(c ctx, m supervisor.Monitor) bool
		left   []string
	}{
		"nothing":     {func(ctx, supervisor.Monitor) bool { return false }, []string{"monitor", "tick every", "tick state"}},
		"the state":   {func(c ctx, _ supervisor.Monitor) bool { c.EnterState(); return false }, []string{"monitor", "tick every"}},
		"the timer":   {func(c ctx, _ supervisor.Monitor) bool { return c.CancelTimer("every") }, []string{"monitor", "tick state"}},
		"the monitor": {func(c ctx, m supervisor.Monitor) bool { return c.Demonitor(m) }, []string{"tick every", "tick state"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := simWorld(t)
			var got []string
			stashing := true
			w.start(spec{Children: kids{w.log.Child("a", probe{OnReceive: func(c ctx, msg any) error {
				if stashing {
					return c.Stash()
				}
				switch m := msg.(type) {
				case supervisor.Tick:
					got = append(got, "tick "+m.Key)
				case supervisor.MonitorDown:
					got = append(got, "monitor")
				}
				return nil
			}})}})
			var m supervisor.Monitor
			w.inside("a", func(c ctx) {
				c.Every("every", time.Second)
				c.StateAfter("state", time.Second)
				m = c.Monitor(supervisor.Ref{})
			})
			w.advance(time.Second)
			w.inside("a", func(me ctx) {
				stashing = false
				equal(t, "cancelled", name == "the timer" || name == "the monitor", c.cancel(me, m))
				me.Unstash()
			})
			equal(t, "came back", c.left, got)
		})
	}
}

// TestMonitorsAreBounded: also those whose word waits, and those of nobody.
func TestMonitorsAreBounded(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Children: kids{w.log.Child("a", probe{Quiet: true})}})
	var late ctx
	w.inside("a", func(c ctx) {
		none := 0
		for range 3 * supervisor.MaxMonitors {
			if c.Monitor(supervisor.Ref{}) == 0 {
				none++
			}
		}
		equal(t, "without a word", supervisor.MaxMonitors, none)
		late = c
	})
	w.stop()
	equal(t, "of a life that is over", supervisor.Monitor(0), late.Monitor(supervisor.Ref{}))
}

// TestBudgetForgets: restarts of long ago take no memory.
func TestBudgetForgets(t *testing.T) {
	equal(t, "kept", 3, supervisor.WindowOf(supervisor.Escalating(1<<40, 2*time.Second), 1000, time.Second))
}

// TestNewIsLabelled: a New that hangs can be found by its stack.
func TestNewIsLabelled(t *testing.T) {
	w := realWorld(t)
	gate, life := supervisortest.NewGate(), 0
	a := w.log.Child("a", probe{})
	make := a.New
	a.New = func() supervisor.Actor {
		if life++; life == 2 {
			gate.Pass()
		}
		return make()
	}
	w.start(spec{Children: kids{a}})
	w.send("a", supervisortest.Crash)
	<-gate.Entered()
	equal(t, "goroutines", 1, w.sys.Ledger().Owned["root/a"])
	gate.Open()
	w.waitLife("a", 2)
}

// TestAskLimitBelowZero: a deadline that has passed already does not turn virtual
// time back.
func TestAskLimitBelowZero(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Children: kids{w.log.Child("a", probe{})}})
	before := w.sim.Now()
	_, err := w.ref("a").Ask(supervisortest.Do(func(c ctx) error { c.ReplyTo(); return nil }), -time.Hour)
	equal(t, "no answer", true, errors.Is(err, supervisor.ErrNoAnswer))
	equal(t, "time", before, w.sim.Now())
}
