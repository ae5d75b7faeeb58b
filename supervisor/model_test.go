package supervisor_test

import (
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
