package supervisor_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"gatehouse/supervisor"
)

// What the actors of a sweep do besides sending.

func (l *leaf) monitor(c ctx, of string) {
	id := c.Monitor(c.Lookup(of))
	l.saw(seen{What: "monitored", N: int(id), Text: of})
	l.monitors = append(l.monitors[max(0, len(l.monitors)-2):], id)
}

func (l *leaf) demonitor(c ctx, r *rand.Rand) {
	if len(l.monitors) > 0 {
		id := pick(r, l.monitors...)
		l.saw(seen{What: "demonitored", N: int(id), OK: c.Demonitor(id)})
	}
}

// ask asks anybody, also a supervisor, which takes no letters, or itself.
func (l *leaf) ask(c ctx, r *rand.Rand) {
	to, x, wait := l.g.someone(r), l.g.write(r), pick(r, 0, time.Second, span(r, 5*time.Second))
	if r.IntN(8) == 0 {
		to = pick(r, l.g.kids...)
	}
	if l.g.model.unclear(to) {
		return
	}
	s := seen{What: "asks", Path: to, By: l.path, Life: l.life, N: x.n, Box: x.class, Wait: wait}
	if err := c.Ask(c.Lookup(to), x, wait, x.n); err != nil {
		s.Text = err.Error()
	}
	l.g.saw(s)
}

func (l *leaf) answer(a supervisor.Answer) {
	text := askError(a.Err)
	if a.Err == nil && a.Value != a.Tag {
		text = fmt.Sprint("not its answer: ", a.Value)
	}
	l.saw(seen{What: "answer", N: a.Tag.(int), Text: text})
}

// stash puts some letters aside, and reports whether it did.
func (l *leaf) stash(c ctx, x parcel) bool {
	if l.g.places[l.path].rand.IntN(12) > 0 {
		return false
	}
	ok := c.Stash() == nil
	l.saw(seen{What: "stashed", N: x.n, OK: ok})
	return ok
}
