package supervisor_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

func same[T any](r *rapid.T, what string, want, got T) {
	if diff := gocmp.Diff(want, got); diff != "" {
		r.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

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
}

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
	if t.period == 0 {
		delete(m.timers, key)
		m.ticks = append(m.ticks, tickAt{m.now, key, 0})
		return
	}
	missed := int((m.now - t.due) / t.period)
	m.ticks = append(m.ticks, tickAt{m.now, key, missed})
	t.due += time.Duration(missed+1) * t.period
	m.timers[key] = t
}

// sorted ignores the order of what is due at one instant.
func sorted(ticks []tickAt) []tickAt {
	slices.SortFunc(ticks, func(a, b tickAt) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Key, b.Key))
	})
	return ticks
}

// TestTimerModel runs random scripts against timers and their model.
func TestTimerModel(t *testing.T) {
	keys := rapid.SampledFrom([]string{"a", "b", "c", "d"})
	rapid.Check(t, func(r *rapid.T) {
		x := sim.New(1, sim.Options{Throughput: rapid.IntRange(1, 8).Draw(r, "throughput")})
		m := &timerModel{timers: map[string]modelTimer{}}
		var ticks []tickAt
		sys, err := supervisor.Start(spec{Budget: isolating(1 << 20), Children: kids{{
			ID: "a", Backoff: noBackoff, New: func() supervisor.Actor {
				return &probe{Log: &supervisortest.Log{}, Quiet: true, OnReceive: func(c ctx, msg any) error {
					if tick, ok := msg.(supervisor.Tick); ok {
						ticks = append(ticks, tickAt{c.Now().Sub(sim.Epoch), tick.Key, tick.Missed})
					}
					return nil
				}}
			},
		}}}, supervisor.Options{Executor: x})
		if err != nil {
			r.Fatal(err)
		}
		do := func(f func(c ctx)) {
			if !sys.Ref("root/a").Send(supervisortest.Do(func(c ctx) error { f(c); return nil })).OK() {
				r.Fatal("not queued")
			}
			x.Quiesce()
			m.advance(0) // what was armed with 0
		}
		span := func(r *rapid.T, what string, least int) time.Duration {
			return time.Duration(rapid.IntRange(least, 50).Draw(r, what)) * time.Millisecond
		}
		r.Repeat(map[string]func(*rapid.T){
			"after": func(r *rapid.T) {
				key, d := keys.Draw(r, "key"), span(r, "d", 0)
				m.timers[key] = modelTimer{due: m.now + d}
				do(func(c ctx) { c.After(key, d) })
				x.Advance(0)
			},
			"state after": func(r *rapid.T) {
				key, d := keys.Draw(r, "key"), span(r, "d", 1)
				m.timers[key] = modelTimer{due: m.now + d, state: true}
				do(func(c ctx) { c.StateAfter(key, d) })
			},
			"every": func(r *rapid.T) {
				key, d := keys.Draw(r, "key"), span(r, "period", 1)
				m.timers[key] = modelTimer{due: m.now + d, period: d}
				do(func(c ctx) { c.Every(key, d) })
			},
			"cancel": func(r *rapid.T) {
				key := keys.Draw(r, "key")
				_, want := m.timers[key]
				delete(m.timers, key)
				do(func(c ctx) { same(r, "cancelled", want, c.CancelTimer(key)) })
			},
			"enter state": func(*rapid.T) {
				for key, t := range m.timers {
					if t.state {
						delete(m.timers, key)
					}
				}
				do(func(c ctx) { c.EnterState() })
			},
			"advance": func(r *rapid.T) {
				d := span(r, "d", 0)
				m.advance(d)
				x.Advance(d)
			},
			"stall": func(r *rapid.T) {
				d := span(r, "d", 0)
				m.stall(d)
				x.Stall(x.Now().Add(d))
				x.Quiesce()
			},
			"restart": func(*rapid.T) {
				m.timers = map[string]modelTimer{}
				sys.Ref("root/a").Send(supervisortest.Crash)
				x.Advance(time.Nanosecond)
				m.now += time.Nanosecond
			},
			"": func(r *rapid.T) {
				same(r, "ticks", fmt.Sprint(sorted(m.ticks)), fmt.Sprint(sorted(ticks)))
				tree := sys.Tree()
				same(r, "armed", int64(len(m.timers)), tree.Find("root/a").Timers)
				m.ticks, ticks = nil, nil
			},
		})
		sys.Stop()
		l := sys.Ledger()
		same(r, "left", [4]int64{}, [4]int64{l.Actors, l.Timers, l.Workers, l.Zombies})
		same(r, "dead ticks", 0, l.DeadTimers)
	})
}
