package supervisor_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// tickAt is a tick with the time of its delivery.
type tickAt struct {
	At     time.Duration
	Key    string
	Missed int
}

// modelTimer is what a timer should be.
type modelTimer struct {
	due, period time.Duration
	state       bool
}

type timerModel struct {
	now    time.Duration
	timers map[string]modelTimer
	ticks  []tickAt
	onTick map[string]change // what the handler of a key's next tick does with that key
}

// change of a timer: period above 0: another period, 0: cancel it.
type change struct{ period time.Duration }

// advance delivers every tick at its time.
func (m *timerModel) advance(d time.Duration) {
	end := m.now + d
	for {
		var first string
		for key, t := range m.timers {
			if t.due <= end && (first == "" || t.due < m.timers[first].due) {
				first = key
			}
		}
		if first == "" {
			m.now = end
			return
		}
		m.now = max(m.now, m.timers[first].due)
		m.fire(first)
	}
}

// stall delivers what is due at its end only.
func (m *timerModel) stall(d time.Duration) {
	m.now += d
	for key, t := range m.timers {
		if t.due <= m.now {
			m.fire(key)
		}
	}
}

func (m *timerModel) fire(key string) {
	t := m.timers[key]
	missed := 0
	if t.period == 0 {
		delete(m.timers, key)
	} else {
		missed = int((m.now - t.due) / t.period)
		t.due += time.Duration(missed+1) * t.period
		m.timers[key] = t
	}
	m.ticks = append(m.ticks, tickAt{m.now, key, missed})
	if next, ok := m.onTick[key]; ok {
		delete(m.onTick, key)
		delete(m.timers, key)
		if next.period > 0 {
			m.timers[key] = modelTimer{due: m.now + next.period, period: next.period}
		}
	}
}

// sorted ignores the order of what is due at one instant.
func sorted(ticks []tickAt) []tickAt {
	slices.SortFunc(ticks, func(a, b tickAt) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Key, b.Key))
	})
	return ticks
}

// timerRun is an actor with timers beside its model.
type timerRun struct {
	t interface {
		Helper()
		Fatalf(format string, a ...any)
	}
	x      *sim.Sim
	sys    *supervisor.System
	m      *timerModel
	ticks  []tickAt
	onTick map[string]change
}

func newTimerRun(throughput int) *timerRun {
	return &timerRun{
		x: sim.New(1, sim.Options{Throughput: throughput}), onTick: map[string]change{},
		m: &timerModel{timers: map[string]modelTimer{}, onTick: map[string]change{}},
	}
}

func (r *timerRun) start() {
	sys, err := supervisor.Start(spec{Budget: isolating(1 << 20), Children: kids{{
		ID: "a", Backoff: noBackoff, New: func() supervisor.Actor {
			return &probe{Log: &supervisortest.Log{}, Quiet: true, OnReceive: func(c ctx, msg any) error {
				if tick, ok := msg.(supervisor.Tick); ok {
					r.ticked(c, tick)
				}
				return nil
			}}
		},
	}}}, supervisor.Options{Executor: r.x})
	if err != nil {
		r.t.Fatalf("%v", err)
	}
	r.sys = sys
}

// ticked notes a tick, and does with its timer what was asked for.
func (r *timerRun) ticked(c ctx, tick supervisor.Tick) {
	r.ticks = append(r.ticks, tickAt{c.Now().Sub(sim.Epoch), tick.Key, tick.Missed})
	next, ok := r.onTick[tick.Key]
	delete(r.onTick, tick.Key)
	switch {
	case ok && next.period > 0:
		c.Every(tick.Key, next.period)
	case ok:
		c.CancelTimer(tick.Key)
	}
}

// timerSteps is what a script can do, with a key and a time of 0 to 50 ms.
var timerSteps = map[string]func(r *timerRun, key string, d time.Duration){
	"after": func(r *timerRun, key string, d time.Duration) {
		r.m.timers[key] = modelTimer{due: r.m.now + d}
		r.do(func(c ctx) { c.After(key, d) })
		r.m.advance(0)
		r.x.Advance(0)
	},
	"state after": func(r *timerRun, key string, d time.Duration) {
		d = max(d, time.Millisecond)
		r.m.timers[key] = modelTimer{due: r.m.now + d, state: true}
		r.do(func(c ctx) { c.StateAfter(key, d) })
	},
	"every": func(r *timerRun, key string, d time.Duration) {
		d = max(d, time.Millisecond)
		r.m.timers[key] = modelTimer{due: r.m.now + d, period: d}
		r.do(func(c ctx) { c.Every(key, d) })
	},
	"cancel": func(r *timerRun, key string, _ time.Duration) {
		_, want := r.m.timers[key]
		delete(r.m.timers, key)
		r.do(func(c ctx) {
			if got := c.CancelTimer(key); got != want {
				r.t.Fatalf("cancel %s: %v", key, got)
			}
		})
	},
	"on tick": func(r *timerRun, key string, d time.Duration) {
		r.m.onTick[key], r.onTick[key] = change{d}, change{d}
	},
	"enter state": func(r *timerRun, _ string, _ time.Duration) {
		for key, t := range r.m.timers {
			if t.state {
				delete(r.m.timers, key)
			}
		}
		r.do(func(c ctx) { c.EnterState() })
	},
	"advance": func(r *timerRun, _ string, d time.Duration) {
		r.m.advance(d)
		r.x.Advance(d)
	},
	"stall": func(r *timerRun, _ string, d time.Duration) {
		r.m.stall(d)
		r.x.Stall(r.x.Now().Add(d))
		r.x.Quiesce()
	},
	"restart": func(r *timerRun, _ string, _ time.Duration) {
		r.m.timers = map[string]modelTimer{}
		r.sys.Ref("root/a").Send(supervisortest.Crash)
		r.x.Advance(time.Nanosecond)
		r.m.now += time.Nanosecond
	},
}

func (r *timerRun) do(f func(c ctx)) {
	r.t.Helper()
	if !r.sys.Ref("root/a").Send(supervisortest.Do(func(c ctx) error { f(c); return nil })).OK() {
		r.t.Fatalf("not queued")
	}
	r.x.Quiesce()
}

// compare is done after every step.
func (r *timerRun) compare() {
	r.t.Helper()
	if want, got := fmt.Sprint(sorted(r.m.ticks)), fmt.Sprint(sorted(r.ticks)); want != got {
		r.t.Fatalf("ticks %s, want %s", got, want)
	}
	r.m.ticks, r.ticks = nil, nil
	tree, want := r.sys.Tree(), len(r.m.timers)
	if n, alarms := tree.Find("root/a").Timers, r.x.Timers(); n != int64(want) || alarms != want {
		r.t.Fatalf("%d timers, %d alarms, want %d", n, alarms, want)
	}
}

// end stops the tree: nothing may be left.
func (r *timerRun) end() {
	r.t.Helper()
	r.sys.Stop()
	l := r.sys.Ledger()
	if l.Actors+l.Timers+l.Workers+l.Zombies != 0 || l.DeadTimers != 0 || r.x.Timers() != 0 {
		r.t.Fatalf("left: %+v, %d alarms", l, r.x.Timers())
	}
}

var timerKeys = []string{"a", "b", "c", "d"}

// TestTimerModel runs random scripts against timers and their model.
func TestTimerModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newTimerRun(rapid.IntRange(1, 8).Draw(t, "throughput"))
		r.t = t
		r.start()
		actions := map[string]func(*rapid.T){"": func(*rapid.T) { r.compare() }}
		for name, step := range timerSteps {
			actions[name] = func(t *rapid.T) {
				key := rapid.SampledFrom(timerKeys).Draw(t, "key")
				step(r, key, time.Duration(rapid.IntRange(0, 50).Draw(t, "ms"))*time.Millisecond)
			}
		}
		t.Repeat(actions)
		r.end()
	})
}

// maxTimerSteps keeps a fuzzed script short.
const maxTimerSteps = 200

// FuzzTimers lets the fuzzer write the scripts: the first byte is the throughput,
// then two bytes are a step.
func FuzzTimers(f *testing.F) {
	for seed := range byte(20) {
		script := make([]byte, 2*maxTimerSteps)
		_, _ = rand.NewChaCha8([32]byte{seed}).Read(script)
		f.Add(script)
	}
	var names []string
	for name := range timerSteps {
		names = append(names, name)
	}
	slices.Sort(names)
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 {
			return
		}
		r := newTimerRun(1 + int(script[0]%8))
		r.t = t
		r.start()
		for pair := range slices.Chunk(script[1:min(len(script), 1+2*maxTimerSteps)], 2) {
			if len(pair) == 2 {
				step := timerSteps[names[int(pair[0])%len(names)]]
				step(r, timerKeys[int(pair[0])/len(names)%len(timerKeys)], time.Duration(pair[1]%51)*time.Millisecond)
				r.compare()
			}
		}
		r.end()
	})
}
