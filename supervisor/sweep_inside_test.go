package supervisor_test

import "math/rand/v2"

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
