package supervisor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// TestTree shows every place, also while it restarts, as value, text and JSON.
func TestTree(t *testing.T) {
	w := simWorld(t, holdAll)
	l := w.log
	w.start(spec{Budget: isolating(1), Children: kids{
		l.Child("a", probe{OnStart: func(c ctx) error {
			c.Every("k", time.Hour)
			return c.Task("deaf", 0, func(context.Context) (any, error) { return nil, nil })
		}}),
		supervised("s", spec{Budget: escalating(9), Children: kids{
			with(l.Child("x", probe{}), func(c *kid) { c.Backoff.Min = time.Minute }),
			with(l.Child("y", probe{}), func(c *kid) { c.Mailbox.Normal = 1 }),
		}}),
		l.Child("i", failStart(supervisor.ErrIgnore)),
		with(l.Child("f", failStart(supervisortest.ErrCrash)), func(c *kid) { c.Backoff.Min = time.Hour }),
	}})
	w.advance(0)
	w.crash("s/x")
	w.crash("s/x")
	w.ref("s/y").Send(1)
	w.ref("s/y").Send(2)
	w.log.Take()
	equal(t, "text", strings.Join([]string{
		`root running timers=1`, // the next try of f
		`  a running timers=1 workers=1`,
		`  s running timers=1`,
		`    x restarting restarts=1 last="error: crash"`,
		`    y running queued=1 refused=1`,
		`  i ignored last="normal"`,
		`  f failed restarts=1 last="error: crash"`,
		``,
	}, "\n"), w.sys.Tree().String())
	x := w.node("s/x")
	equal(t, "retry at", w.x.Now().Add(time.Minute), *x.RetryAt)
	text, err := json.Marshal(x)
	if err != nil || !strings.Contains(string(text), `"state":"restarting","incarnation":2,"restarts":1,"last_reason":"error: crash","retry_at":"2026-01-05T08:01:00Z"`) {
		t.Errorf("json: %s, %v", text, err)
	}
	tree := w.sys.Tree()
	for _, path := range []string{"root", "root/s", "root/s/y"} {
		if n := tree.Find(path); n == nil || n.Path != path {
			t.Errorf("Find(%s): %v", path, n)
		}
	}
	for _, path := range []string{"", "roo", "root/", "root/s/yy", "root/ss"} {
		if n := tree.Find(path); n != nil {
			t.Errorf("Find(%q): %v", path, n)
		}
	}
	w.sys.Stop()
	w.sim.Release("root/a", "deaf")
	w.sim.Quiesce()
	w.stop()
	balanced(t, w.events)
}

// TestTreeUnderFire: looking never blocks and never tears, whatever happens.
func TestTreeUnderFire(t *testing.T) {
	w := realWorld(t)
	var children kids
	for i := range 30 {
		children = append(children, w.log.Child(fmt.Sprint("c", i), probe{Quiet: true}))
	}
	w.start(spec{Budget: isolating(1 << 20), Children: kids{supervised("s", spec{Strategy: supervisor.RestForOne, Budget: isolating(1 << 20), Children: children})}})
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					tree := w.sys.Tree()
					if len(tree.Find("root/s").Children) != 30 || tree.String() == "" {
						t.Error("torn")
					}
				}
			}
		})
	}
	for i := range 500 {
		w.ref(fmt.Sprint("s/c", i%30)).Send(supervisortest.Crash)
		w.ref(fmt.Sprint("s/c", (i+1)%30)).Send(i)
	}
	w.sys.Stop()
	close(stop)
	all.Wait()
	w.stop()
	balanced(t, w.events)
}

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

// TestHooks may look at the system and send, and their panics kill nobody.
func TestHooks(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		var sys *supervisor.System
		var found supervisor.Ref
		var mu sync.Mutex
		events := 0
		fatal := make(chan supervisor.Reason, 1)
		s, err := supervisor.Start(spec{Children: kids{w.log.Child("a", probe{}), w.log.Child("b", probe{})}}, supervisor.Options{
			Executor: w.x,
			OnBuilt:  func(find func(string) supervisor.Ref) { found = find("root/b") },
			OnEvent: func(supervisor.Event) {
				mu.Lock()
				defer mu.Unlock()
				events++
				if sys != nil {
					_ = sys.Tree().String()
					found.Send("from the hook")
				}
				panic("in OnEvent")
			},
			OnFatal: func(r supervisor.Reason) { fatal <- r; panic("in OnFatal") },
		})
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		sys = s
		mu.Unlock()
		for range 2 {
			s.Ref("root/a").Send(supervisortest.Crash)
			supervisortest.Eventually(t, w.x, "event", func() bool {
				tree := s.Tree()
				return tree.Find("root/a").State == supervisor.StateRunning || tree.State == supervisor.StateStopped
			})
			w.x.Wait(nil, 50*time.Millisecond)
		}
		<-s.Down()
		if r := <-fatal; r.Kind != supervisor.ExitError {
			t.Error(r)
		}
		supervisortest.Eventually(t, w.x, "panics counted", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return s.Ledger().HookPanics == uint64(events)+1
		})
		equal(t, "got", true, slices.Contains(w.log.Lines(), "got root/b#1 from the hook"))
	})
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
