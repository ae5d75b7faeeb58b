package supervisor

import (
	"math"
	"time"
)

// Tick is delivered when a timer ends. Missed counts the periods of a periodic
// timer that passed unnoticed since the tick before.
type Tick struct {
	Key    string
	Missed int
}

// timer belongs to one life of an actor. What changes is guarded by the
// mailbox's lock, so that a cancelled timer is never delivered even if it has
// already fired into the mailbox.
type timer struct {
	key    string
	due    time.Time
	period time.Duration
	state  bool
	dead   bool
	queued bool  // in the mailbox
	index  int32 // in the shell's list
	missed int32 // of the tick delivered last
	alarm  Alarm
}

// After delivers Tick{key} once, d from now. A timer of the same key is
// replaced.
func (c *Context) After(key string, d time.Duration) { c.sh.arm(&timer{key: key}, d) }

// Every delivers Tick{key} each period, at absolute times: it does not drift.
// At most one tick waits in the mailbox; what was missed is counted. Ticks go
// before Normal messages: a handler that takes longer than the period handles
// nothing else. A period that is not above 0 is a mistake and panics.
func (c *Context) Every(key string, period time.Duration) {
	if period <= 0 {
		panic("supervisor: Every needs a period above 0")
	}
	c.sh.arm(&timer{key: key, period: period}, period)
}

// StateAfter is After for a timer that also ends with the actor's state, that
// is at the next EnterState.
func (c *Context) StateAfter(key string, d time.Duration) {
	c.sh.arm(&timer{key: key, state: true}, d)
}

// CancelTimer ends a timer; it reports whether there was one.
func (c *Context) CancelTimer(key string) bool { return c.sh.disarm(key) }

// EnterState ends all state timers.
func (c *Context) EnterState() {
	c.sh.killTimers(func(t *timer) bool { return t.state })
}

// arm starts a timer of the user's in the place of one with the same key.
func (sh *shell) arm(t *timer, d time.Duration) {
	sh.disarm(t.key)
	if sh.phase < phaseEnding {
		sh.startTimer(t, d)
	}
}

// manyTimers is from how many on they are looked up.
const manyTimers = 16

func (sh *shell) disarm(key string) bool {
	same := func(t *timer) bool { return t.key == key }
	sh.box.mu.Lock()
	defer sh.box.mu.Unlock()
	if sh.byKey == nil {
		return sh.killLocked(same) > 0
	}
	dropped := sh.box.stash.drop(same)
	t := sh.byKey[key]
	return t != nil && sh.kill(t) || dropped > 0
}

// startTimer does nothing for a life that was abandoned: the check and the
// fence are under the same lock, so that no timer slips through between them.
func (sh *shell) startTimer(t *timer, d time.Duration) {
	t.due = sh.sys.exec.Now().Add(d)
	sh.box.mu.Lock()
	defer sh.box.mu.Unlock()
	if sh.fenced.Load() || sh.phase == phaseEnded {
		t.dead = true
		return
	}
	t.index = int32(len(sh.timers))
	sh.timers = append(sh.timers, t)
	if sh.byKey != nil {
		sh.byKey[t.key] = t
	} else if len(sh.timers) == manyTimers {
		sh.byKey = make(map[string]*timer, 2*manyTimers)
		for _, t := range sh.timers {
			sh.byKey[t.key] = t
		}
	}
	sh.countTimers(1)
	t.alarm = sh.sys.exec.Alarm(max(d, 0), func() Turner { return sh.box.fire(t) })
}

func (sh *shell) stopTimer(t *timer) bool {
	sh.box.mu.Lock()
	defer sh.box.mu.Unlock()
	return sh.kill(t)
}

// killTimers ends the timers that match.
func (sh *shell) killTimers(match func(*timer) bool) (killed int) {
	sh.box.mu.Lock()
	defer sh.box.mu.Unlock()
	return sh.killLocked(match)
}

func (sh *shell) killLocked(match func(*timer) bool) (killed int) {
	killed = sh.box.stash.drop(match)
	for i := len(sh.timers) - 1; i >= 0; i-- {
		if t := sh.timers[i]; match(t) && sh.kill(t) {
			killed++
		}
	}
	return killed
}

// kill ends a timer; the mailbox's lock is held.
func (sh *shell) kill(t *timer) bool {
	if t.dead {
		return false
	}
	t.dead = true
	t.alarm.Stop()
	if t.queued {
		sh.box.fired.remove(t)
	}
	last := len(sh.timers) - 1
	moved := sh.timers[last]
	sh.timers[t.index], moved.index = moved, t.index
	sh.timers[last] = nil
	sh.timers = sh.timers[:last]
	delete(sh.byKey, t.key)
	if last == 0 {
		sh.timers = nil
		sh.byKey = nil
	}
	sh.countTimers(-1)
	return true
}

func every(*timer) bool { return true }

func (sh *shell) countTimers(n int64) {
	sh.sys.timers.Add(n)
	sh.node.timers.Add(int32(n))
}

// tick turns a fired timer into its message, and arms a periodic one for its
// next absolute time: its alarm has rung and was heard, so it can be set again.
// False: it was cancelled on its way.
func (sh *shell) tick(t *timer) (Tick, bool) {
	now := sh.sys.exec.Now()
	sh.box.mu.Lock()
	defer sh.box.mu.Unlock()
	if t.period == 0 {
		return Tick{Key: t.key}, sh.kill(t)
	}
	if t.dead {
		return Tick{}, false
	}
	tick := Tick{Key: t.key}
	if late := now.Sub(t.due); late >= t.period {
		tick.Missed = int(late / t.period)
	}
	t.missed = int32(min(tick.Missed, math.MaxInt32))
	t.due = t.due.Add(time.Duration(tick.Missed+1) * t.period)
	t.alarm.Reset(t.due.Sub(now))
	return tick, true
}
