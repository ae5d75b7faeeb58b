package supervisor_test

import (
	"fmt"
	"testing"
	"time"

	"gatehouse/supervisor"
)

// TestEvents: what a restart and an escalation look like from outside.
func TestEvents(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Children: kids{supervised("s", spec{Children: kids{w.log.Child("x", probe{})}})}})
	w.crash("s/x")
	w.crash("s/x")
	w.advance(time.Second)
	w.stop()
	equal(t, "events", []string{
		"starting root#1 normal 0s", "starting root/s#1 normal 0s", "starting root/s/x#1 normal 0s",
		"ready root/s/x#1 normal 0s", "ready root/s#1 normal 0s", "ready root#1 normal 0s",
		"exited root/s/x#1 error: crash 0s", "crashed root/s/x#1 error: crash 0s", "restarting root/s/x#0 error: crash 0s",
		"starting root/s/x#2 normal 0s", "ready root/s/x#2 normal 0s",
		"exited root/s/x#2 error: crash 0s", "escalated root/s/x#0 error: crash 0s",
		"exited root/s#1 error: child root/s/x: restart budget exceeded after crash 0s",
		"restarting root/s#0 error: child root/s/x: restart budget exceeded after crash 0s",
		"starting root/s#2 normal 0s", "starting root/s/x#3 normal 0s", "ready root/s/x#3 normal 0s", "ready root/s#2 normal 0s",
		"exited root/s/x#3 shutdown 0s", "exited root/s#2 shutdown 0s", "exited root#1 shutdown 0s",
	}, w.events.lines())
}

// TestContextFacts: what an actor knows of itself.
func TestContextFacts(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.start(spec{Children: kids{supervised("s", spec{Children: kids{w.log.Child("x", probe{})}})}})
		w.inside("s/x", func(c ctx) {
			equal(t, "self", "root/s/x", c.Self().Path())
			equal(t, "parent", "root/s", c.Parent().Path())
			equal(t, "incarnation", 1, c.Incarnation())
			equal(t, "lookup", "root/s", c.Lookup("root/s").Path())
			equal(t, "nobody", false, c.Lookup("root/t").Valid())
			equal(t, "refused", 0, c.Refused())
			equal(t, "context", nil, c.Context().Err())
			if d := w.x.Now().Sub(c.Now()).Abs(); d > time.Minute {
				t.Error("now", d)
			}
		})
		var nobody supervisor.Ref
		equal(t, "nobody's path", "", nobody.Path())
	})
}

// TestRootName: two trees of one process can have names of their own.
func TestRootName(t *testing.T) {
	w := simWorld(t)
	sys, err := supervisor.Start(spec{Children: kids{w.log.Child("a", probe{})}}, supervisor.Options{Executor: w.x, Root: "annex"})
	if err != nil {
		t.Fatal(err)
	}
	w.sys = sys
	w.wantLog("start annex/a#1")
	equal(t, "valid", true, sys.Ref("annex/a").Valid())
	w.stop()
}

// TestNames: what is printed has names.
func TestNames(t *testing.T) {
	equal(t, "exit kinds", "normal shutdown error panic killed", fmt.Sprint(
		supervisor.ExitNormal, " ", supervisor.ExitShutdown, " ", supervisor.ExitError, " ", supervisor.ExitPanic, " ", supervisor.ExitKilled))
	equal(t, "deliveries", "down refused accepted replaced coalesced", fmt.Sprint(
		supervisor.Down, " ", supervisor.Refused, " ", supervisor.Accepted, " ", supervisor.Replaced, " ", supervisor.Coalesced))
	equal(t, "states", "stopped failed ignored", fmt.Sprint(supervisor.StateStopped, " ", supervisor.StateFailed, " ", supervisor.StateIgnored))
	equal(t, "events", "starting abandoned refused crashed", fmt.Sprint(
		supervisor.EventStarting, " ", supervisor.EventAbandoned, " ", supervisor.EventRefused, " ", supervisor.EventCrashed))
}
