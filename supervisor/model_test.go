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

// letter is a message of the mailbox's model.
type letter struct {
	n     int
	fatal bool
	class supervisor.Class
}

func (l letter) Class() supervisor.Class { return l.class }

// boxModel is what a mailbox should be: three slices.
type boxModel struct {
	limits                             [3]int
	lanes                              [3][]letter
	refused, replaced, coalesced, dead uint64
	handled                            []int
}

func (m *boxModel) send(l letter) supervisor.Delivery {
	lane := &m.lanes[l.class.Lane]
	if i := slices.IndexFunc(*lane, func(o letter) bool { return o.class.Key == l.class.Key }); i >= 0 && l.class.Key != "" {
		(*lane)[i] = l
		m.coalesced++
		return supervisor.Coalesced
	}
	switch {
	case len(*lane) < m.limits[l.class.Lane]:
		*lane = append(*lane, l)
		return supervisor.Accepted
	case l.class.WhenFull == supervisor.ReplaceOldest:
		*lane = append((*lane)[1:], l)
		m.refused++
		m.replaced++
		return supervisor.Replaced
	}
	m.refused++
	return supervisor.Refused
}

// handle takes the most urgent; fatal ends the life.
func (m *boxModel) handle() (fatal bool) {
	for _, at := range []supervisor.Lane{supervisor.Control, supervisor.Normal, supervisor.Telemetry} {
		if lane := &m.lanes[at]; len(*lane) > 0 {
			l := (*lane)[0]
			*lane = (*lane)[1:]
			m.handled = append(m.handled, l.n)
			return l.fatal
		}
	}
	return false
}

func (m *boxModel) die() {
	m.dead += uint64(m.queued())
	m.lanes = [3][]letter{}
}

func (m *boxModel) queued() int { return len(m.lanes[0]) + len(m.lanes[1]) + len(m.lanes[2]) }

// TestMailboxModel runs random scripts against a mailbox and its model.
func TestMailboxModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		x := sim.New(rapid.Uint64().Draw(r, "seed"), sim.Options{Throughput: 1})
		m := &boxModel{}
		for i := range m.limits {
			m.limits[i] = rapid.IntRange(1, 9).Draw(r, "limit")
		}
		var handled []int
		sys, err := supervisor.Start(spec{Budget: isolating(1 << 20), Children: kids{{
			ID: "a", Backoff: noBackoff,
			Mailbox: supervisor.MailboxSpec{
				Normal: m.limits[supervisor.Normal], Control: m.limits[supervisor.Control], Telemetry: m.limits[supervisor.Telemetry],
			},
			New: func() supervisor.Actor {
				return &probe{Log: &supervisortest.Log{}, Quiet: true, OnReceive: func(_ ctx, msg any) error {
					handled = append(handled, msg.(letter).n)
					if msg.(letter).fatal {
						return supervisortest.ErrCrash
					}
					return nil
				}}
			},
		}}}, supervisor.Options{Executor: x})
		if err != nil {
			r.Fatal(err)
		}
		a, n := sys.Ref("root/a"), 0
		r.Repeat(map[string]func(*rapid.T){
			"send": func(r *rapid.T) {
				n++
				l := letter{n: n, fatal: rapid.IntRange(0, 40).Draw(r, "fatal") == 0, class: supervisor.Class{
					Lane:     supervisor.Lane(rapid.IntRange(0, 2).Draw(r, "lane")),
					WhenFull: supervisor.WhenFull(rapid.IntRange(0, 1).Draw(r, "when full")),
					Key:      rapid.SampledFrom([]string{"", "", "x", "y"}).Draw(r, "key"),
				}}
				same(r, "delivery", m.send(l), a.Send(l))
			},
			"turn": func(*rapid.T) {
				x.Round()
				if m.handle() {
					m.die()
					x.Advance(time.Second)
				}
			},
			"": func(r *rapid.T) {
				tree := sys.Tree()
				same(r, "handled", m.handled, handled)
				same(r, "queued", m.queued(), tree.Find("root/a").Queued)
				same(r, "refused", m.refused, tree.Find("root/a").Refused)
			},
		})
		sys.Stop()
		// Some of the last letters are handled before the stop arrives.
		late := uint64(len(handled) - len(m.handled))
		m.die()
		l := sys.Ledger()
		same(r, "dead, replaced, coalesced", [3]uint64{m.dead, m.replaced, m.coalesced}, [3]uint64{l.DeadStopped + late, l.DeadReplaced, l.Coalesced})
		same(r, "left", [4]int64{}, [4]int64{l.Actors, l.Timers, l.Workers, l.Zombies})
	})
}

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
