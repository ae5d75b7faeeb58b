package supervisor_test

import "gatehouse/supervisor"

// watchLies are the lies about monitors.
var watchLies = map[string]plantedLie{
	"a word twice": {once("down", func(_ *grove, s seen) []seen { return []seen{s, s} }), "nothing to tell"},
	"a word that is lost": {once("down", func(g *grove, s seen) []seen {
		if p := g.model.at[s.Path]; g.sys == nil || g.model.root.going != nil || p.over() || !calm(p.parent) || len(p.lanes[supervisor.Normal]) > 1 {
			return nil
		}
		return []seen{}
	}), " down "},
	"a word of another end": {once("down", func(_ *grove, s seen) []seen { s.Kind++; return []seen{s} }), "it should be"},
	"a word of another life": {once("down", func(_ *grove, s seen) []seen {
		if s.OK {
			return nil
		}
		s.Of++
		return []seen{s}
	}), "it should be"},
	"nobody is there, though one was": {once("down", func(_ *grove, s seen) []seen {
		if s.OK || s.Kind != supervisor.ExitError {
			return nil
		}
		s.OK = true
		return []seen{s}
	}), "it should be"},
	"a word too early": {once("monitored", func(g *grove, s seen) []seen {
		p := g.model.at[s.Text]
		if me := g.model.at[s.Path]; p == nil || p.life == 0 || !me.ready || me.life != s.Life || me.ends {
			return nil
		}
		return []seen{s, {At: s.At, What: "down", Path: s.Path, Life: s.Life, N: s.N, Text: s.Text, Of: p.life % perPlace}}
	}), "nothing to tell"},
	"a word after Demonitor": {once("demonitored", func(g *grove, s seen) []seen {
		if me := g.model.at[s.Path]; !s.OK || !me.ready || me.life != s.Life || me.ends {
			return nil
		}
		return []seen{s, {At: s.At, What: "down", Path: s.Path, Life: s.Life, N: s.N}}
	}), "nothing to tell"},
	"Demonitor of nothing": {once("demonitored", func(g *grove, s seen) []seen {
		if g.model.at[s.Path].life != s.Life {
			return nil
		}
		s.OK = !s.OK
		return []seen{s}
	}), "it watched"},
	"a word to a later life": {once("ready", func(g *grove, s seen) []seen {
		p := g.model.at[s.Path]
		if p.last%perPlace < 2 || p.spec.Supervisor != nil || p.told != nil {
			return nil
		}
		return []seen{s, {At: s.At, What: "down", Path: s.Path, Life: s.Life, N: 1}}
	}), "nothing to tell"},
	"a word that overtakes": {once("down", func(g *grove, s seen) []seen {
		p := g.model.at[s.Path]
		for _, o := range p.lanes[supervisor.Normal] {
			if o.What == "down" && o.N != s.N {
				w := p.watches[o.N]
				s.N, s.Of, s.Kind, s.OK = o.N, w.seen%perPlace, w.kind, w.seen == 0
				return []seen{s}
			}
		}
		return nil
	}), "first of its lane"},
}
