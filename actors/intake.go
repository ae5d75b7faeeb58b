package actors

import (
	"sync"

	"gatehouse/access"
)

// Bounds of the intake: what may wait for the disk, and what one commit takes.
const (
	intakeLimit = 10_000
	batchLimit  = 512
)

// intake is where events wait for the journal. It is bounded, never blocks, and
// outlives the journal's actor, so that a crash of that actor loses nothing.
// What does not fit is counted and becomes a gap record.
type intake struct {
	mu       sync.Mutex
	waiting  []access.Event
	inFlight []access.Event
	out      bool // a commit is under way, perhaps of a life that is over
	lost     uint64
}

// offer takes an event, or counts it if it does not fit. A gap record always
// fits: there is at most one for each commit that worked.
func (q *intake) offer(e access.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting)+len(q.inFlight) >= intakeLimit && e.Kind != access.KindGap {
		q.lost++
		return
	}
	q.waiting = append(q.waiting, e)
}

// take hands out the next batch; what was taken and not yet done comes again.
// It is nothing while an earlier commit is under way: two must never run at
// once.
func (q *intake) take() []access.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.out {
		return nil
	}
	if len(q.inFlight) == 0 {
		n := min(batchLimit, len(q.waiting))
		q.inFlight = append(q.inFlight, q.waiting[:n]...)
		q.waiting = append(q.waiting[:0], q.waiting[n:]...)
		if len(q.waiting) == 0 {
			q.waiting = nil
		}
	}
	q.out = len(q.inFlight) > 0
	return append([]access.Event(nil), q.inFlight...)
}

// giveBack ends a commit, whatever came of it.
func (q *intake) giveBack() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.out = false
}

// done forgets the batch: it is on disk, and those who wait for it are told.
func (q *intake) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inFlight = nil
}

// gap returns how many events were lost since the last call.
func (q *intake) gap() (lost uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	lost, q.lost = q.lost, 0
	return lost
}

// passages are those that may not be on disk yet, oldest first.
func (q *intake) passages() (list []access.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, part := range [][]access.Event{q.inFlight, q.waiting} {
		for i := range part {
			if part[i].Kind == access.KindPassage {
				list = append(list, part[i])
			}
		}
	}
	return list
}

func (q *intake) depth() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) + len(q.inFlight)
}
