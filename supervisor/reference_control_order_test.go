package supervisor_test

import "gatehouse/supervisor"

// orderLies are the lies about StartChild, StopChild and Dynamic supervisors.
var orderLies = map[string]plantedLie{
	"StopChild is forgotten": {once("order", func(g *grove, s seen) []seen {
		if k := g.model.at[s.Path]; s.Text != "start" || k == nil || !idleActor(k) || k.parent.going != nil || s.Got != supervisor.Accepted {
			return nil
		}
		s.Text, s.Brand = "stop", 0
		return []seen{s}
	}), "was told to stop and goes on"},
	"StartChild is forgotten": {once("order", func(g *grove, s seen) []seen {
		k := g.model.at[s.Path]
		if s.Text != "stop" || s.Got != supervisor.Accepted || k == nil || k.spec.Supervisor != nil || k.spec.New == nil ||
			k.life != 0 || k.waiting || k.due || k.unsure || !k.parent.ready || k.parent.going != nil || !k.parent.isDynamic() {
			return nil
		}
		s.Text = "start"
		return []seen{s}
	}), "was told to start and did not"},
	"an order that nobody takes": {once("order", func(_ *grove, s seen) []seen {
		if s.N > 0 || s.Got != supervisor.Accepted {
			return nil
		}
		s.Got = supervisor.Refused
		return []seen{s}
	}), "the supervisor lives: true"},
	"a zombie's order": {once("order", func(g *grove, s seen) []seen {
		if s.By == "" || s.Got != supervisor.Down || g.model.at[s.By].life == s.Life {
			return nil
		}
		s.Got = supervisor.Accepted
		return []seen{s}
	}), "the supervisor lives: false"},
	"one that StopChild keeps down is back": {once("quiet", func(g *grove, s seen) []seen {
		for _, p := range g.model.all {
			if p.held && p.life == 0 && p.last > 0 && !p.unsure && !p.vague && !p.fresh && g.model.now.instant > p.sackedIn() && calm(p.parent) && !p.parent.isDynamic() {
				return []seen{s, {At: s.At, What: "starting", Path: p.path, Life: p.last + 1}}
			}
		}
		return nil
	}), "nobody wants it"},
	"a dynamic child from nowhere": {once("quiet", func(g *grove, s seen) []seen {
		for _, p := range g.model.all {
			if p.parent != nil && p.parent.isDynamic() && p.life == 0 && p.last == 0 && !p.waiting && calm(p.parent) {
				return []seen{s, {At: s.At, What: "starting", Path: p.path, Life: 1}}
			}
		}
		return nil
	}), "nobody wants it"},
	"a place that is gone takes a message": {once("sent-old", func(_ *grove, s seen) []seen {
		s.Got = supervisor.Accepted
		return []seen{s}
	}), "the place is gone"},
	"a new place counts on": {once("starting", func(_ *grove, s seen) []seen {
		if s.Life != perPlace+1 {
			return nil
		}
		s.Life = 2
		return []seen{s}
	}), "beside"},
	"more than MaxChildren": {once("order", func(g *grove, s seen) []seen {
		k := g.model.at[s.Path]
		if k == nil || !k.parent.isDynamic() || k.parent.spec.Supervisor.MaxChildren == 0 || k.life != 0 || k.waiting || k.last > 0 ||
			g.model.crowd(k) < k.parent.spec.Supervisor.MaxChildren || s.Text != "start" || s.Got != supervisor.Accepted {
			return nil
		}
		return []seen{s, {At: s.At, What: "starting", Path: s.Path, Life: 1}}
	}), "beyond MaxChildren"},
	"another's New": {once("begin", func(_ *grove, s seen) []seen {
		if s.Brand == 0 {
			return nil
		}
		s.Brand++
		return []seen{s}
	}), "it was made by"},
	"too many stops at a time": {once("hook", func(g *grove, s seen) []seen {
		p := g.model.at[s.Path]
		up := p.parent
		if !up.isDynamic() || up.going == nil || g.model.hurried(up) || s.Kind != supervisor.ExitShutdown {
			return nil
		}
		all := []seen{s}
		for _, k := range up.living() {
			if k != p && idleActor(k) && k.told != nil && k.sacked == nil {
				all = append(all, seen{At: s.At, What: "hook", Path: k.path, Life: k.life, Kind: supervisor.ExitShutdown})
			}
		}
		if p.sacked != nil || len(all) <= up.parallelism() {
			return nil
		}
		return all
	}), "children at a time"},
	"too few stops at a time": {once("hook", func(g *grove, s seen) []seen {
		p := g.model.at[s.Path]
		if p.cause != "" || !p.parent.isDynamic() || p.parent.going == nil || p.parent.parallelism() > 2 || len(p.parent.living()) <= p.parent.parallelism() {
			return nil
		}
		return []seen{{At: s.At + 1, What: "quiet", Path: "root"}}
	}), "is not stopped, though only"},
	"a failed order is made good": {once("exited", func(g *grove, s seen) []seen {
		p := g.model.at[s.Path]
		if !p.surelyAsked || p.ready || p.told != nil || p.cause != "error" || p.parent.going != nil {
			return nil
		}
		return []seen{s, {At: s.At, What: "restarting", Path: s.Path}}
	}), "nobody owes it that"},
	"answered before it is ready":       {answered("", func(o *order, a ask) bool { return o.start }, supervisor.ErrIgnore.Error()), "that is not true"},
	"running, though it is not":         {answered("", func(o *order, a ask) bool { return o.start && o.sure }, supervisor.ErrRunning.Error()), "that is not true"},
	"no child, though it has one":       {answered("", func(o *order, a ask) bool { return !o.start && o.life > 0 }, supervisor.ErrNoChild.Error()), "that is not true"},
	"full, though there is room":        {answered("", func(o *order, a ask) bool { return o.start && !o.full }, supervisor.ErrChildren.Error()), "that is not true"},
	"down, though the supervisor lives": {answered("", func(o *order, a ask) bool { return !o.perhapsDown }, supervisor.ErrDown.Error()), "that is not true"},
	"stopped, though all live":          {answered("", func(o *order, a ask) bool { return o.start && o.kid.sacked == nil }, supervisor.ErrStopped.Error()), "that is not true"},
	"started, though it runs already": {answered(supervisor.ErrRunning.Error(), func(o *order, a ask) bool {
		return o.kid.ready && o.kid.life != 0 && o.kid.life == o.life
	}, ""), "that is not true"},
	"no answer, though it is done": {answered("", func(o *order, a ask) bool { return a.limit > 0 }, supervisor.ErrNoAnswer.Error()), "that is not true"},
}

// answered lies about the outcome of an order.
func answered(text string, fits func(*order, ask) bool, instead string) func() lie {
	return once("answered", func(g *grove, s seen) []seen {
		a := g.model.asks[s.N]
		if a.order == nil || s.Text != text || a.limit < 0 || a.order.kid == nil || !fits(a.order, a) {
			return nil
		}
		s.Text = instead
		return []seen{s}
	})
}

func idleActor(p *post) bool {
	return p.spec.Supervisor == nil && p.life != 0 && p.ready && !p.busy && !p.ends && p.cause == ""
}

// calm: a supervisor that has nothing to do.
func calm(up *post) bool {
	for _, k := range up.kids {
		if k.waiting || k.life != 0 && (!k.ready || k.told != nil || k.cause != "") {
			return false
		}
	}
	return up.life != 0 && up.ready && up.going == nil && !up.stopping
}

func (p *post) sackedIn() int {
	if p.sacked == nil {
		return 0
	}
	return p.sacked.instant
}
