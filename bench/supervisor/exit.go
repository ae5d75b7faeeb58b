package main

import (
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"gatehouse/supervisor"
)

const (
	exitFew, exitMany = 1000, 5000
	exitGrowth        = 8 // OTP demands 12
)

// massExit compares the crash of 5,000 children at once with that of 1,000: the
// children of a Dynamic supervisor are gone after it, those of a static one are
// back.
func massExit() contest {
	return contest{
		rounds: 1, // the best of 5 is taken of each size
		rows: []row{
			{name: "mass exit of 5,000 dynamic children, times 1,000", aim: oursAtMost(exitGrowth)},
			{name: "mass exit of 5,000 static children, times 1,000", aim: oursAtMost(exitGrowth)},
		},
		ours: func() figures {
			return figures{
				growth(supervisor.Dynamic, supervisor.Temporary),
				growth(supervisor.OneForOne, supervisor.Permanent),
			}
		},
	}
}

// growth is how many times as long the exit of the many takes.
func growth(strategy supervisor.Strategy, restart supervisor.Restart) float64 {
	few, many := time.Hour, time.Hour
	for range rounds {
		few = min(few, exits(strategy, restart, exitFew))
		many = min(many, exits(strategy, restart, exitMany))
	}
	return float64(many) / float64(few)
}

// counted crashes at each message, and counts its starts and its ends.
type counted struct{ started, ended *atomic.Int64 }

func (a counted) Start(*supervisor.Context) error { a.started.Add(1); return nil }

func (counted) Receive(*supervisor.Context, any) error { panic("crash") }

func (a counted) Stop(*supervisor.Context, supervisor.Reason) { a.ended.Add(1) }

// exits makes n children crash at once. It returns once all have ended, and
// those that come back are back.
func exits(strategy supervisor.Strategy, restart supervisor.Restart, n int) time.Duration {
	var started, ended atomic.Int64
	kind := supervisor.ChildSpec{
		New: func() supervisor.Actor { return counted{&started, &ended} }, Restart: restart,
		Backoff: supervisor.Backoff{Min: 1, Max: 1},
	}
	s := supervisor.SupervisorSpec{Strategy: strategy, Budget: supervisor.Isolating(1<<20, time.Hour), StopBudget: time.Hour}
	if strategy == supervisor.Dynamic {
		s.Children = []supervisor.ChildSpec{kind}
	} else {
		for i := range n {
			kind.ID = strconv.Itoa(i)
			s.Children = append(s.Children, kind)
		}
	}
	sys := tree(s)
	defer sys.Stop()
	if strategy == supervisor.Dynamic {
		for i := range n {
			for !sys.Ref("root").Send(supervisor.StartChild{ID: strconv.Itoa(i)}).OK() {
				runtime.Gosched()
			}
		}
	}
	for started.Load() < int64(n) {
		runtime.Gosched()
	}
	refs := make([]supervisor.Ref, n)
	for i := range refs {
		refs[i] = sys.Ref("root/" + strconv.Itoa(i))
	}
	back := int64(n)
	if restart == supervisor.Permanent {
		back *= 2
	}
	return took(func() {
		for _, r := range refs {
			r.Send(1)
		}
		for ended.Load() < int64(n) || started.Load() < back {
			runtime.Gosched()
		}
	})
}
