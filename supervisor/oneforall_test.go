package supervisor_test

import (
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// TestOneForAll: all siblings are stopped in reverse and started again in order.
func TestOneForAll(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		l := w.log
		w.start(spec{Strategy: supervisor.OneForAll, Children: kids{
			l.Child("a", probe{}), l.Child("b", probe{}), l.Child("c", probe{}),
		}})
		l.Take()
		w.send("b", supervisortest.Crash)
		w.waitLife("c", 2)
		w.wantLog(
			"stop root/b#1 error: crash", "stop root/c#1 shutdown", "stop root/a#1 shutdown",
			"start root/a#2", "start root/b#2", "start root/c#2",
		)
	})
}

// TestOneForAllFailureDuringRestart: a sibling that fails to start again takes
// down those that were back already, and all are tried again.
func TestOneForAllFailureDuringRestart(t *testing.T) {
	w := simWorld(t)
	l := w.log
	w.start(spec{Strategy: supervisor.OneForAll, Budget: escalating(5), Children: kids{
		l.Child("a", probe{}),
		l.Child("b", probe{OnStart: func(c ctx) error {
			if c.Incarnation() == 2 {
				return supervisortest.ErrCrash
			}
			return nil
		}}),
		l.Child("c", probe{}),
	}})
	l.Take()
	w.send("a", supervisortest.Crash)
	w.advance(10 * time.Second)
	w.wantLog(
		"stop root/a#1 error: crash", "stop root/c#1 shutdown", "stop root/b#1 shutdown",
		"start root/a#2", "start root/b#2", "stop root/b#2 error: crash", "stop root/a#2 shutdown",
		"start root/a#3", "start root/b#3", "start root/c#2",
	)
}

// TestOneForAllBystanders: an end that is no failure touches nobody; a temporary
// sibling that was taken down stays down, an ended one is started with the rest.
func TestOneForAllBystanders(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		l := w.log
		temporary := with(l.Child("temporary", probe{}), func(c *kid) { c.Restart = supervisor.Temporary })
		transient := with(l.Child("transient", probe{}), func(c *kid) { c.Restart = supervisor.Transient })
		w.start(spec{Strategy: supervisor.OneForAll, Children: kids{l.Child("a", probe{}), temporary, transient}})
		l.Take()
		w.send("transient", supervisortest.End{})
		w.waitState("transient", supervisor.StateStopped)
		w.wantLog("stop root/transient#1 normal")
		w.send("a", supervisortest.Crash)
		w.waitLife("transient", 2)
		w.wantLog(
			"stop root/a#1 error: crash", "stop root/temporary#1 shutdown", "start root/a#2", "start root/transient#2",
		)
	})
}
