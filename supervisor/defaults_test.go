package supervisor_test

import (
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// TestDefaults: what a spec that says nothing means, where it can be seen from
// outside; a lane's 64 and the curve of a backoff have tests of their own.
func TestDefaults(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Children: kids{
		w.log.Child("a", probe{}),
		supervised("s", spec{Children: kids{w.log.Child("b", probe{})}}),
	}})
	w.send("a", supervisortest.End{}) // permanent
	w.sim.Quiesce()
	equal(t, "life of a", uint64(2), w.node("a").Incarnation)
	block := func(ctx) error { w.sim.Block(); return nil }
	w.do("a", block)
	w.do("s/b", block)
	w.sim.Quiesce()
	r := w.sys.Stop()
	// 5 s and the grace each; the supervisor between is waited for.
	want := supervisor.StopReport{Took: 11 * time.Second, Abandoned: []string{"root/a", "root/s/b"}, Zombies: 2, Complete: true}
	equal(t, "report", want, r)
	w.sim.Unblock("root/a")
	w.sim.Unblock("root/s/b")
	w.sim.Quiesce()
}
