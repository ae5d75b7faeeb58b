package supervisor_test

import "gatehouse/supervisor"

// insideLies are the lies about asks from inside, stashes and lanes.
var insideLies = map[string]plantedLie{
	"an answer twice":        {once("answer", func(_ *grove, s seen) []seen { return []seen{s, s} }), "answered before"},
	"an answer that is lost": {once("answer", func(*grove, seen) []seen { return []seen{} }), "never came"},
	"an answer to a later life": {once("ready", func(g *grove, s seen) []seen {
		if p := g.model.at[s.Path]; p.last%perPlace < 2 || p.spec.Supervisor != nil || p.told != nil {
			return nil
		}
		return []seen{s, {At: s.At, What: "answer", Path: s.Path, Life: s.Life, N: 1}}
	}), "not asked by this life"},
	"answered, though nobody did":       {inside(supervisor.ErrNoAnswer.Error(), ""), "that is not true"},
	"no answer, though there was one":   {inside("", supervisor.ErrNoAnswer.Error()), "that is not true"},
	"nobody lives there, though":        {inside("", supervisor.ErrDown.Error()), "that is not true"},
	"refused, though it was handled":    {inside("", supervisor.ErrRefused.Error()), "that is not true"},
	"it stopped, though it lives":       {inside("", supervisor.ErrStopped.Error()), "that is not true"},
	"it stopped, though it was refused": {inside(supervisor.ErrRefused.Error(), supervisor.ErrRestarted.Error()), "that is not true"},
	"another's answer":                  {inside("", "not its answer: 1"), "that is not true"},
	"a zombie asks": {once("asks", func(g *grove, s seen) []seen {
		if g.model.at[s.By].life == s.Life {
			return nil
		}
		s.Text = ""
		return []seen{s}
	}), "its life is over"},
	"an ask that is not taken": {once("asks", func(_ *grove, s seen) []seen {
		s.Text = supervisor.ErrAsks.Error()
		return []seen{s}
	}), ""},
	"an answer that overtakes": {once("answer", func(g *grove, s seen) []seen {
		q := g.model.inner[s.N]
		p := g.model.at[s.Path]
		if s.Text != "" || q.at == p || q.at.life != q.atLife || letters(p.lanes[supervisor.Normal]) > 0 || len(p.front) > 0 {
			return nil
		}
		p.lanes[supervisor.Normal] = append(p.lanes[supervisor.Normal], seen{What: "sent", By: q.at.path, Life: q.atLife, N: q.last})
		s.Wait++ // so that it counts as a lie
		return []seen{s}
	}), "it overtakes"},
	"stashed beyond the limit": {once("stashed", func(_ *grove, s seen) []seen {
		if s.OK {
			return nil
		}
		s.OK = true
		return []seen{s}
	}), "there is room: false"},
	"the stash is full too early": {once("stashed", func(_ *grove, s seen) []seen {
		s.OK = false
		return []seen{s}
	}), "there is room: true"},
	"a stashed letter is lost": {once("unstashed", func(_ *grove, s seen) []seen {
		if s.N == 0 {
			return nil
		}
		s.N--
		return []seen{s}
	}), "were stashed"},
	"put back in another order": {once("unstashed", func(g *grove, s seen) []seen {
		p := g.model.at[s.Path]
		if len(p.stash) < 2 || p.ends || p.life != s.Life || p.stash[0].N == p.stash[1].N {
			return nil
		}
		p.stash[0], p.stash[1] = p.stash[1], p.stash[0]
		s.Wait++ // so that it counts as a lie
		return []seen{s}
	}), "first of its lane"},
	"put back behind all": {once("unstashed", func(g *grove, s seen) []seen {
		p := g.model.at[s.Path]
		if len(p.stash) == 0 || len(p.lanes[supervisor.Normal]) == 0 || p.ends || p.life != s.Life || p.over() {
			return nil
		}
		first := p.lanes[supervisor.Normal][0]
		if first.What == "down" {
			return nil
		}
		first.At, first.What, first.Path, first.Life = s.At, "got", s.Path, s.Life
		return []seen{s, first}
	}), "first of its lane"},
	"a normal letter before a control one": {once("got", func(g *grove, s seen) []seen {
		p := g.model.at[s.Path]
		if s.Box.Lane != supervisor.Control || len(p.lanes[supervisor.Normal]) == 0 || len(p.front) > 0 || p.lanes[supervisor.Normal][0].What == "down" {
			return nil
		}
		s.N, s.Box = p.lanes[supervisor.Normal][0].N, supervisor.Class{}
		return []seen{s}
	}), "before"},
	"a telemetry letter before a normal one": {once("got", func(g *grove, s seen) []seen {
		p := g.model.at[s.Path]
		if s.Box.Lane != supervisor.Normal || len(p.lanes[supervisor.Telemetry]) == 0 || len(p.front) > 0 {
			return nil
		}
		s.N, s.Box.Lane = p.lanes[supervisor.Telemetry][0].N, supervisor.Telemetry
		return []seen{s}
	}), "before"},
	"a tick before a control letter": {once("got", func(g *grove, s seen) []seen {
		if p := g.model.at[s.Path]; s.Box.Lane != supervisor.Control || len(p.front) > 0 {
			return nil
		}
		return []seen{{At: s.At, What: "tick", Path: s.Path, Life: s.Life, Text: "k0"}, s}
	}), "before"},
}

// over: it is told to stop, or ends by itself.
func (p *post) over() bool { return p.told != nil || p.cause != "" }

// inside lies about the outcome of an ask from inside.
func inside(text, instead string) func() lie {
	return once("answer", func(g *grove, s seen) []seen {
		q := g.model.inner[s.N]
		if s.Text != text || q.at.life != q.atLife || q.at.ends || q.due <= s.At || instead == "" && q.replied || instead == supervisor.ErrNoAnswer.Error() && q.over {
			return nil
		}
		s.Text = instead
		return []seen{s}
	})
}
