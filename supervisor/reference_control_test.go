package supervisor_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/supervisor"
)

// lie changes what the reference is told; each is what a runtime with one
// mistake would show. It is told all so far, and returns what is seen instead.
type lie func(g *grove, s seen) []seen

// once lies at the first observation of a kind for which f has another story.
func once(what string, f func(g *grove, s seen) []seen) func() lie {
	return func() lie {
		told := false
		return func(g *grove, s seen) []seen {
			if !told && s.What == what {
				if other := f(g, s); other != nil {
					told = true
					return other
				}
			}
			return []seen{s}
		}
	}
}

func (s seen) as(what string) seen { s.What = what; return s }

// plantedLie is a lie with a part of what the reference must say.
type plantedLie struct {
	lie func() lie
	say string
}

// lies by name.
var lies = map[string]plantedLie{
	"a doubled life": {once("ready", func(_ *grove, s seen) []seen {
		twice := s.as("starting")
		twice.Life++
		return []seen{s, twice}
	}), "beside"},
	"a skipped life": {once("starting", func(_ *grove, s seen) []seen {
		if s.Life < 2 {
			return nil
		}
		s.Life++
		return []seen{s}
	}), "beside"},
	"an orphan": {once("exited", func(g *grove, s seen) []seen {
		p := g.model.at[s.Path]
		if len(p.kids) == 0 && strings.Count(s.Path, "/") > 1 && p.parent.going != nil && len(p.parent.living()) == 1 {
			return []seen{} // hidden
		}
		return nil
	}), "orphan"},
	"a start out of order": {once("starting", func(g *grove, s seen) []seen {
		p := g.model.at[s.Path]
		if p.parent == nil || p.tried || p.index+1 >= len(p.parent.kids) {
			return nil
		}
		s.Path = p.parent.kids[p.index+1].path
		return []seen{s}
	}), "starts before its elder"},
	"a start of one that shall rest": {once("quiet", func(g *grove, s seen) []seen {
		for _, p := range g.model.all {
			if p.parent != nil && p.parent.life != 0 && p.parent.going == nil && p.barred && !p.unsure && p.life == 0 {
				return []seen{{At: s.At, What: "starting", Path: p.path, Life: p.last + 1}}
			}
		}
		return nil
	}), "nobody wants it"},
	"no restart": {once("restarting", func(*grove, seen) []seen { return []seen{} }), ""},
	"a restart too many": {once("escalated", func(g *grove, s seen) []seen {
		if d := g.model.at[s.Path].owed; d == nil || d.escalate {
			return nil
		}
		return []seen{s.as("restarting")}
	}), "allowed by the budget: false"},
	"an isolating one escalates": {once("failed", func(_ *grove, s seen) []seen {
		return []seen{s.as("escalated")}
	}), "without need"},
	"a wait too long": {once("restarting", func(_ *grove, s seen) []seen {
		s.Wait += time.Minute
		return []seen{s}
	}), "the wait should be"},
	"a lost message": {once("got", func(g *grove, s seen) []seen {
		if p := g.model.at[s.Path]; g.sys == nil || len(p.lanes[s.Box.Lane]) > 1 || len(p.front) > 0 {
			return nil
		}
		return []seen{}
	}), ""},
	"a message twice": {once("got", func(_ *grove, s seen) []seen { return []seen{s, s} }), "first of its lane"},
	"refused while there is room": {once("sent", func(_ *grove, s seen) []seen {
		if s.Got != supervisor.Accepted {
			return nil
		}
		s.Got = supervisor.Refused
		return []seen{s}
	}), "it should be accepted"},
	"accepted beyond the limit": {once("sent", func(_ *grove, s seen) []seen {
		if s.Got != supervisor.Refused {
			return nil
		}
		s.Got = supervisor.Accepted
		return []seen{s}
	}), "it should be refused"},
	"delivered after the end": {once("hooked", func(_ *grove, s seen) []seen {
		return []seen{s, s.as("got")}
	}), "after its end"},
	"a zombie is heard": {once("sent", func(g *grove, s seen) []seen {
		if by := g.model.at[s.By]; s.By == "" || by.life == s.Life {
			return nil
		}
		s.Got = supervisor.Accepted
		return []seen{s}
	}), "it should be down"},
	"a tick after its cancellation": {once("cancelled", func(_ *grove, s seen) []seen {
		return []seen{s, s.as("tick")}
	}), "armed false"},
	"an early tick": {once("armed", func(_ *grove, s seen) []seen {
		return []seen{s, s.as("free"), s.as("tick")}
	}), "armed true"},
	"a tick that never comes": {once("tick", func(*grove, seen) []seen { return []seen{} }), "never came"},
	"a zombie works": {once("task", func(g *grove, s seen) []seen {
		if s.Life--; s.Life == 0 {
			return nil
		}
		return []seen{s}
	}), "but alive is"},
	"a result twice": {once("taskdone", func(_ *grove, s seen) []seen { return []seen{s, s} }), "no such task"},
	"an ask that waits too long": {once("answered", func(g *grove, s seen) []seen {
		s.At += g.model.asks[s.N].limit + time.Hour
		return []seen{s}
	}), "after"},
	"killed too early": {once("quiet", func(g *grove, s seen) []seen {
		for _, p := range g.model.all {
			if p.ready && p.life != 0 && p.told == nil && p.cause == "" && p.spec.Supervisor == nil {
				return []seen{{At: s.At, What: "exited", Path: p.path, Life: p.life, Kind: supervisor.ExitKilled}, s}
			}
		}
		return nil
	}), "killed before its time"},
	"stopped without a reason": {once("quiet", func(g *grove, s seen) []seen {
		for _, p := range g.model.all {
			if p.ready && p.life != 0 && p.told == nil && p.cause == "" && p.spec.Supervisor == nil {
				return []seen{{At: s.At, What: "hook", Path: p.path, Life: p.life, Kind: supervisor.ExitShutdown}}
			}
		}
		return nil
	}), "it should live on"},
	"stopped in the wrong order": {once("stopping", func(g *grove, s seen) []seen {
		for _, p := range g.model.all {
			if up := p.parent; up != nil && p.life != 0 && p.index == 0 && len(up.kids) > 1 && up.kids[1].life != 0 && p.spec.Supervisor == nil && p.cause == "" {
				return []seen{s, {At: s.At, What: "hook", Path: p.path, Life: p.life, Kind: supervisor.ExitShutdown}}
			}
		}
		return nil
	}), "it should live on"},
	"lives too long": {once("abandoned", func(g *grove, s seen) []seen {
		if up := g.model.at[s.Path].parent; up.going != nil {
			return nil
		}
		return []seen{{At: s.At + time.Nanosecond, What: "quiet", Path: "root"}, s}
	}), "after the begin of its end"},
}

// TestReferenceBites is the control of the sweep: a runtime that shows one
// mistake is caught, whichever it is, and for the right reason.
func TestReferenceBites(t *testing.T) {
	all := maps.Clone(lies)
	maps.Copy(all, orderLies)
	maps.Copy(all, watchLies)
	maps.Copy(all, insideLies)
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(300) {
				g := plant(seed)
				now := c.lie()
				lied := false
				g.wrap = func(s seen) []seen {
					other := now(g, s)
					lied = lied || !slices.Equal(other, []seen{s})
					return other
				}
				wrong := g.torture(g.draw())
				if !lied {
					continue
				}
				if len(wrong) == 0 || !strings.Contains(fmt.Sprint(wrong), c.say) {
					t.Fatalf("seed %d: the reference says %q", seed, wrong)
				}
				return
			}
			t.Error("no occasion in 300 seeds")
		})
	}
}
