package supervisor_test

import (
	"slices"

	"gatehouse/supervisor"
)

// What the reference knows of monitors.

// watch is a monitor of a life: it ends with one word, in its place among what
// waits for the watcher, or with Demonitor, or with the watcher.
type watch struct {
	id      int
	watcher *post
	life    uint64 // of the watcher
	of      *post  // nil: nobody
	seen    uint64 // the life that is watched, 0: none
	kind    supervisor.ExitKind
	down    bool // the word waits
}

// monitored: a life watches the one that runs at an address.
func (m *reference) monitored(p *post, s seen) {
	w := &watch{id: s.N, watcher: p, life: s.Life, of: m.at[s.Text], kind: supervisor.ExitError}
	p.watches[s.N] = w
	if w.of != nil {
		w.seen = w.of.life
	}
	if w.seen == 0 {
		m.word(w)
		return
	}
	w.of.watchers = append(w.of.watchers, w)
}

// word queues the word, if the watcher lives and watches.
func (m *reference) word(w *watch) {
	p := w.watcher
	if p.life == w.life && !p.closed && p.watches[w.id] == w {
		w.down = true
		p.lanes[supervisor.Normal] = append(p.lanes[supervisor.Normal], seen{What: "down", N: w.id})
	}
}

// tellWatchers: the life is over; what it watched itself is forgotten.
func (m *reference) tellWatchers(p *post, kind supervisor.ExitKind) {
	all := p.watchers
	p.watchers, p.watches = nil, nil
	for _, w := range all {
		w.kind = kind
		m.word(w)
	}
}

func (m *reference) demonitored(p *post, s seen) {
	if _, had := p.watches[s.N]; had != s.OK {
		m.errorf("%v: %v, it watched: %v", s, s.OK, had)
	}
	delete(p.watches, s.N)
	lane := &p.lanes[supervisor.Normal]
	*lane = slices.DeleteFunc(*lane, func(o seen) bool { return o.What == "down" && o.N == s.N })
}

// wentDown: the word is delivered.
func (m *reference) wentDown(p *post, s seen) {
	w := p.watches[s.N]
	lane := &p.lanes[supervisor.Normal]
	switch {
	case w == nil || !w.down:
		m.errorf("%v: nothing to tell of monitor %d", s, s.N)
	case len(*lane) == 0 || (*lane)[0].What != "down" || (*lane)[0].N != s.N:
		m.errorf("%v: it is not the first of its lane, %v", s, *lane)
	case w.seen%perPlace != s.Of || w.kind != s.Kind || w.seen == 0 != s.OK:
		m.errorf("%v: of #%d %v, it should be #%d %v", s, s.Of, s.Kind, w.seen%perPlace, w.kind)
	default:
		*lane = (*lane)[1:]
	}
	delete(p.watches, s.N)
}

// letters are those of a lane that senders put there.
func letters(lane []seen) (n int) {
	for _, s := range lane {
		if s.What != "down" {
			n++
		}
	}
	return n
}
