package supervisor

import (
	"container/heap"
	"time"
)

// deadlines are the times that a supervisor waits for, at most one of a child:
// a heap, the earliest first. One alarm serves them all. It is never set for
// later than the earliest, may ring for nothing, and is off when there is none.
type deadlines struct {
	of   []*child
	made uint32 // so many so far

	set   bool          // the alarm is,
	rings time.Duration // for then
	ring  timer         // what it puts into the mailbox; under that one's lock
}

func (q *deadlines) Len() int { return len(q.of) }

// Less: of two at the same time the one that was made first goes first.
func (q *deadlines) Less(i, j int) bool {
	a, b := q.of[i], q.of[j]
	if a.until != b.until {
		return a.until < b.until
	}
	return int32(a.nth-b.nth) < 0
}

func (q *deadlines) Swap(i, j int) {
	q.of[i], q.of[j] = q.of[j], q.of[i]
	q.of[i].slot, q.of[j].slot = int32(i+1), int32(j+1)
}

func (q *deadlines) Push(c any) {
	q.of = append(q.of, c.(*child))
	q.of[len(q.of)-1].slot = int32(len(q.of))
}

func (q *deadlines) Pop() any {
	last := len(q.of) - 1
	c := q.of[last]
	q.of[last], c.slot = nil, 0
	if q.of = q.of[:last]; last == 0 && cap(q.of) > bigSlots {
		q.of = nil
	}
	return c
}

// arm sets the child's deadline, instead of one that it has.
func (s *supervision) arm(c *child, what deadline, d time.Duration) {
	s.disarm(c)
	now, q := s.sh.sys.clock(), &s.deadlines
	q.made++
	c.what, c.nth, c.until = what, q.made, now+min(max(d, 0), Infinity-now)
	heap.Push(q, c)
	s.sh.countTimers(1)
	s.setAlarm(now)
}

func (s *supervision) disarm(c *child) {
	if c.slot == 0 {
		return
	}
	heap.Remove(&s.deadlines, int(c.slot-1))
	s.sh.countTimers(-1)
	if len(s.deadlines.of) == 0 {
		s.deadlines.set = false
		s.silence()
	}
}

// setAlarm sees to it that the alarm rings in time for the earliest deadline.
func (s *supervision) setAlarm(now time.Duration) {
	q, box := &s.deadlines, s.sh.box
	if len(q.of) == 0 || q.set && q.rings <= q.of[0].until {
		return
	}
	box.mu.Lock()
	defer box.mu.Unlock()
	if s.sh.fenced.Load() {
		return // all deadlines are about to be dropped
	}
	q.set, q.rings, q.ring.dead = true, q.of[0].until, false
	if q.ring.alarm == nil {
		q.ring.alarm = s.sh.sys.exec.Alarm(q.rings-now, func() Turner { return box.fire(&q.ring) })
		return
	}
	q.ring.alarm.Stop()
	q.ring.alarm.Reset(max(q.rings-now, 0))
}

// silence stops the alarm, also one that has just rung.
func (s *supervision) silence() {
	s.sh.box.mu.Lock()
	defer s.sh.box.mu.Unlock()
	s.silenceLocked()
}

func (s *supervision) silenceLocked() {
	ring, box := &s.deadlines.ring, s.sh.box
	if ring.dead = true; ring.alarm != nil {
		ring.alarm.Stop()
	}
	if ring.queued {
		ring.queued = false
		box.fired.remove(ring)
	}
}

// overdue is called when the alarm has rung. There may be more to do than a
// supervisor should do without looking at its mailbox.
func (s *supervision) overdue() {
	now, q := s.sh.sys.clock(), &s.deadlines
	for n := s.sh.sys.exec.Throughput(); n > 0 && len(q.of) > 0 && q.of[0].until <= now; n-- {
		c := heap.Pop(q).(*child)
		s.sh.countTimers(-1)
		s.passed(c)
	}
	q.set = false
	s.setAlarm(now)
}
