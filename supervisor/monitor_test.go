package supervisor_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/supervisortest"
)

// down is a MonitorDown as text.
func down(msg any) string {
	m, ok := msg.(supervisor.MonitorDown)
	if !ok {
		return fmt.Sprint(msg)
	}
	return fmt.Sprintf("%s#%d %v", m.Path, m.Incarnation, m.Reason)
}

// watcher notes what it gets as text.
func watcher(w *world, id string) kid {
	return w.log.Child(id, probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
		w.log.Add("%s: %s", id, down(msg))
		return nil
	}})
}

// watchWorld has the watchers w and v beside a, b and c.
func watchWorld(t *testing.T) *world {
	w := simWorld(t, holdAll)
	c := with(w.log.Child("c", probe{}), func(c *kid) { c.Restart = supervisor.Temporary })
	w.start(spec{Budget: isolating(1 << 20), Children: kids{
		watcher(w, "w"), watcher(w, "v"), w.log.Child("a", probe{Quiet: true}), w.log.Child("b", probe{Quiet: true}), c,
		w.log.Child("i", failStart(supervisor.ErrIgnore)), supervised("s", spec{Children: kids{w.log.Child("x", probe{})}}),
	}})
	w.log.Take()
	return w
}

// monitors lets a watcher monitor some paths.
func (w *world) monitors(by string, paths ...string) (ids []supervisor.Monitor) {
	w.t.Helper()
	w.inside(by, func(c ctx) {
		for _, path := range paths {
			ids = append(ids, c.Monitor(c.Lookup("root/"+path)))
		}
	})
	return ids
}

// downs is what the watchers noted.
func (w *world) downs() (lines []string) {
	for _, line := range w.log.Take() {
		if line[1] == ':' {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestMonitorReasons: one MonitorDown for each way to end, once, of the life that
// ran when it was made.
func TestMonitorReasons(t *testing.T) {
	for _, c := range []struct {
		path, want string
		end        func(w *world)
	}{
		{"a", "root/a#1 normal", func(w *world) { w.send("a", supervisortest.End{}) }},
		{"a", "root/a#1 error: crash", func(w *world) { w.send("a", supervisortest.Crash) }},
		{"a", "root/a#1 panic: boom", func(w *world) { w.send("a", supervisortest.Panic{Value: "boom"}) }},
		{"s/x", "root/s/x#1 error: crash", func(w *world) { w.send("s/x", supervisortest.Crash) }},
		{"s", "root/s#1 error: child root/s/x: crash", func(w *world) {
			w.do("s/x", func(ctx) error { return supervisor.Escalate(supervisortest.ErrCrash) })
		}},
	} {
		t.Run(c.want, func(t *testing.T) {
			w := watchWorld(t)
			ids := w.monitors("w", c.path, c.path)
			c.end(w)
			w.advance(time.Minute)
			equal(t, "downs", []string{"w: " + c.want, "w: " + c.want}, w.downs())
			equal(t, "ids differ", true, ids[0] != ids[1] && ids[0] != 0)
			w.ref(c.path).Send(supervisortest.Crash) // the next life is not watched
			w.advance(time.Minute)
			equal(t, "later", 0, len(w.downs()))
		})
	}
}

// TestMonitorNobody: a Down at once where nobody lives.
func TestMonitorNobody(t *testing.T) {
	w := watchWorld(t)
	w.send("c", supervisortest.Crash)
	w.advance(time.Second)
	w.crash("a")
	w.send("a", supervisortest.Crash) // now it waits
	w.sim.Quiesce()
	equal(t, "a", supervisor.StateRestarting, w.state("a"))
	w.downs()
	w.monitors("w", "c", "i", "no such place", "a")
	w.sim.Quiesce()
	dead := "error: " + supervisor.ErrDown.Error()
	equal(t, "downs", []string{"w: root/c#0 " + dead, "w: root/i#0 " + dead, "w: #0 " + dead, "w: root/a#0 " + dead}, w.downs())
	w.advance(time.Minute)
	equal(t, "later", 0, len(w.downs()))
}

// TestMonitorOfAbandoned: a life that is given up is down, with its own reason,
// and what still runs of it says nothing more.
func TestMonitorOfAbandoned(t *testing.T) {
	w := simWorld(t, holdAll)
	w.start(spec{Strategy: supervisor.RestForOne, Budget: escalating(9), Children: kids{
		watcher(w, "w"), w.log.Child("first", probe{}), with(w.log.Child("a", stuck()), func(c *kid) { c.StopDeadline = time.Second }),
	}})
	w.monitors("w", "a")
	w.send("first", supervisortest.Crash)
	w.advance(time.Second + supervisor.DefaultGrace - 1)
	equal(t, "before", 0, len(w.downs()))
	w.advance(1)
	equal(t, "downs", []string{"w: root/a#1 killed"}, w.downs())
	w.release()
	w.advance(time.Minute)
	equal(t, "later", 0, len(w.downs()))
	w.sys.Stop()
	w.release()
}

// TestMonitorOrder: what the dying life had sent comes before its MonitorDown,
// also into a mailbox that is full.
func TestMonitorOrder(t *testing.T) {
	w := simWorld(t)
	full := watcher(w, "w")
	full.Mailbox.Normal = 3
	w.start(spec{Children: kids{full, w.log.Child("a", probe{})}})
	w.log.Take()
	w.inside("w", func(c ctx) { c.Monitor(c.Lookup("root/a")) })
	w.do("a", func(c ctx) error {
		for i := range 5 {
			c.Send(c.Lookup("root/w"), i)
		}
		return supervisortest.ErrCrash
	})
	w.advance(0)
	equal(t, "order", []string{"w: 0", "w: 1", "w: 2", "w: root/a#1 error: crash"}, w.downs())
}

// TestDemonitor: nothing comes after it, not even what waits in the mailbox.
func TestDemonitor(t *testing.T) {
	w := watchWorld(t)
	ids := w.monitors("w", "a", "a", "b")
	equal(t, "noted", 2, supervisor.Watchers(w.ref("a")))
	w.inside("w", func(c ctx) {
		equal(t, "first", true, c.Demonitor(ids[0]))
		equal(t, "again", false, c.Demonitor(ids[0]))
		equal(t, "unknown", false, c.Demonitor(0))
	})
	w.monitors("v", "a")
	equal(t, "left", 2, supervisor.Watchers(w.ref("a")))
	w.inside("v", func(c ctx) { equal(t, "another's", false, c.Demonitor(ids[1])) })
	nobody := w.monitors("w", "c")
	w.inside("w", func(c ctx) {
		queued := c.Monitor(supervisor.Ref{}) // its Down waits behind this message
		equal(t, "queued", true, c.Demonitor(queued))
	})
	w.crash("a")
	equal(t, "downs", []string{"v: root/a#1 error: crash", "w: root/a#1 error: crash"}, slices.Sorted(slices.Values(w.downs())))
	w.inside("w", func(c ctx) {
		equal(t, "delivered", false, c.Demonitor(ids[1]))
		equal(t, "c", true, c.Demonitor(nobody[0]))
		equal(t, "b", true, c.Demonitor(ids[2]))
	})
	w.crash("b")
	equal(t, "none", 0, len(w.downs()))
}

// TestMonitorsDieWithTheirLife: the next one hears nothing, and the watched place
// forgets.
func TestMonitorsDieWithTheirLife(t *testing.T) {
	for name, end := range map[string]any{"crash": supervisortest.Crash, "end": supervisortest.End{}} {
		t.Run(name, func(t *testing.T) {
			w := watchWorld(t)
			for range 20 {
				w.monitors("w", "a", "b", "w", "s")
				w.send("w", end)
				w.advance(time.Minute)
				w.waitState("w", supervisor.StateRunning)
			}
			equal(t, "left", []int{0, 0, 0}, []int{
				supervisor.Watchers(w.ref("a")), supervisor.Watchers(w.ref("w")), supervisor.Watchers(w.ref("s")),
			})
			w.crash("a")
			equal(t, "downs", 0, len(w.downs()))
		})
	}
}

// TestMonitorsOfAbandoned: also when the watcher is given up.
func TestMonitorsOfAbandoned(t *testing.T) {
	w := simWorld(t, holdAll)
	w.start(spec{Strategy: supervisor.RestForOne, Budget: escalating(9), Children: kids{
		w.log.Child("a", probe{}), w.log.Child("first", probe{}),
		with(w.log.Child("b", stuck()), func(c *kid) { c.StopDeadline = time.Second }),
	}})
	w.monitors("b", "a", "a", "b")
	equal(t, "noted", 2, supervisor.Watchers(w.ref("a")))
	w.crash("first")
	w.advance(time.Minute)
	w.waitLife("b", 2)
	equal(t, "left", 0, supervisor.Watchers(w.ref("a"))+supervisor.Watchers(w.ref("b")))
	w.sys.Stop()
	w.release()
}

// TestMonitorLeaks: 100,000 watches made and ended leave nothing.
func TestMonitorLeaks(t *testing.T) {
	w := watchWorld(t)
	round := func(n int) {
		w.inside("w", func(c ctx) {
			for range n {
				c.Demonitor(c.Monitor(c.Lookup("root/a")))
			}
		})
	}
	round(1000)
	before := liveHeap()
	round(100_000)
	if grown := int64(liveHeap()) - int64(before); grown > 64<<10 {
		t.Errorf("%d bytes left", grown)
	}
	equal(t, "left", 0, supervisor.Watchers(w.ref("a")))
}

// TestMonitorLimit: beyond it a watch is down at once, and says why.
func TestMonitorLimit(t *testing.T) {
	w := watchWorld(t)
	var last supervisor.Monitor
	w.inside("w", func(c ctx) {
		for range supervisor.MaxMonitors {
			last = c.Monitor(c.Lookup("root/a"))
		}
		c.Monitor(c.Lookup("root/b"))
	})
	w.sim.Quiesce()
	equal(t, "beyond", []string{"w: root/b#0 error: " + supervisor.ErrMonitors.Error()}, w.downs())
	w.inside("w", func(c ctx) {
		c.Demonitor(last)
		c.Monitor(c.Lookup("root/b"))
	})
	w.crash("b")
	equal(t, "room again", []string{"w: root/b#1 error: crash"}, w.downs())
	w.crash("a")
	equal(t, "all", supervisor.MaxMonitors-1, len(w.downs()))
}

// TestMonitorsInTheStopHook end with it.
func TestMonitorsInTheStopHook(t *testing.T) {
	w := simWorld(t)
	w.start(spec{Children: kids{w.log.Child("a", probe{}), w.log.Child("w", probe{OnStop: func(c ctx, _ supervisor.Reason) {
		c.Monitor(c.Lookup("root/a"))
		c.Monitor(c.Lookup("root/nowhere"))
	}})}})
	w.crash("w")
	equal(t, "left", 0, supervisor.Watchers(w.ref("a")))
}

// TestMonitorsOfEachOther: pairs that watch each other end together, on the
// machine, over and over; every watch of a life that goes on gets one word.
func TestMonitorsOfEachOther(t *testing.T) {
	w := realWorld(t)
	var made, came, wrong atomic.Int64
	pair := func(id, other string) kid {
		return with(w.log.Child(id, probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
			switch msg.(type) {
			case supervisor.MonitorDown:
				came.Add(1)
			case int:
				a := c.Monitor(c.Lookup("root/" + other))
				b := c.Monitor(c.Lookup("root/" + other))
				if a == b || a == 0 {
					wrong.Add(1)
				}
				made.Add(2)
				if c.Demonitor(b) {
					made.Add(-1)
				}
			}
			return nil
		}}), func(c *kid) { c.Backoff = noBackoff })
	}
	w.start(spec{Budget: isolating(1 << 20), Children: kids{
		pair("a", "b"), pair("b", "a"), pair("c", "a"),
		with(w.log.Child("d", probe{Quiet: true}), func(c *kid) { c.StopDeadline = supervisor.Brutal }),
	}})
	for i := range 3000 {
		for _, id := range []string{"a", "b", "c"} {
			w.ref(id).Send(i)
		}
		switch i % 3 {
		case 0:
			w.ref("a").Send(supervisortest.Crash)
			w.ref("b").Send(supervisortest.Crash)
		case 1:
			w.ref("b").Send(supervisortest.End{})
		}
	}
	w.stop()
	if wrong.Load() > 0 || came.Load() > made.Load() || came.Load() == 0 {
		t.Errorf("%d of %d came, %d wrong", came.Load(), made.Load(), wrong.Load())
	}
	equal(t, "left", 0, supervisor.Watchers(w.sys.Ref("root/a"))+supervisor.Watchers(w.sys.Ref("root/b")))
}

// TestMonitorExactlyOnce: on the machine, a watcher that outlives what it watches
// gets one word for every watch, whenever it was made.
func TestMonitorExactlyOnce(t *testing.T) {
	w := realWorld(t)
	open := map[supervisor.Monitor]bool{}
	var made, came, twice atomic.Int64
	w.start(spec{Budget: isolating(1 << 20), Children: kids{
		w.log.Child("w", probe{Quiet: true, OnReceive: func(c ctx, msg any) error {
			if m, ok := msg.(supervisor.MonitorDown); ok {
				if !open[m.Monitor] || m.Path != "root/a" || (m.Incarnation == 0) != errors.Is(m.Reason.Err, supervisor.ErrDown) {
					twice.Add(1)
				}
				delete(open, m.Monitor)
				came.Add(1)
				return nil
			}
			open[c.Monitor(c.Lookup("root/a"))] = true
			made.Add(1)
			return nil
		}}),
		with(w.log.Child("a", probe{Quiet: true}), func(c *kid) { c.Backoff = noBackoff }),
	}})
	for i := range 5000 {
		w.ref("w").Send(i)
		if i%2 == 0 {
			w.ref("a").Send(supervisortest.Crash)
		}
	}
	w.wait("a word for each", func() bool {
		w.ref("a").Send(supervisortest.Crash)
		return made.Load() == came.Load()
	})
	equal(t, "wrong", int64(0), twice.Load())
}
