package supervisor_test

import (
	"fmt"

	"gatehouse/supervisor"
)

// urgent is run in the actor before timers are looked at.
type urgent struct{ do func(c ctx) }

func (urgent) Class() supervisor.Class { return supervisor.Class{Lane: supervisor.Control} }

// in runs f inside the actor, the clock standing still.
func (w *world) in(f func(c ctx)) {
	w.t.Helper()
	w.do("a", func(c ctx) error { f(c); return nil })
	w.sim.Quiesce()
}

// classed is a message with a class of its own.
type classed struct {
	n     int
	class supervisor.Class
}

func (m classed) Class() supervisor.Class { return m.class }
func (m classed) String() string          { return fmt.Sprint(m.n) }
