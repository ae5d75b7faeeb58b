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

// The ring's first size, and the smallest that a rush which is over leaves.
const (
	ringFirst = 16
	ringKept  = 512
)

// intake is where events wait for the journal. It is bounded, never blocks, and
// outlives the journal's actor, so that a crash of that actor loses nothing.
// What does not fit is counted and becomes a gap record.
//
// Events lie in a ring that is used again: recording one on the way to a door's
// lock must not make work for the garbage collector.
type intake struct {
	mu    sync.Mutex
	ring  []access.Event // its length is a power of two, or 0
	head  int            // index of the oldest
	n     int            // how many wait, those of the batch included
	batch int            // so many of the oldest are in the batch that was taken
	most  int            // greatest n since it was last 0
	out   bool           // a commit is under way, perhaps of a life that is over
	lost  uint64
	spare []access.Event // a batch's room, while nobody has it
}

// offer takes an event, or counts it if it does not fit. A gap record always
// fits: there is at most one for each commit that worked.
func (q *intake) offer(e access.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.n >= intakeLimit && e.Kind != access.KindGap {
		q.lost++
		return
	}
	if q.n == len(q.ring) {
		q.resize(max(ringFirst, 2*q.n))
	}
	*q.at(q.n) = e
	q.n++
	q.most = max(q.most, q.n)
}

// at is the place of the i-th oldest.
func (q *intake) at(i int) *access.Event { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

// resize moves what waits into a ring of another size.
func (q *intake) resize(size int) {
	ring := make([]access.Event, size)
	for i := range q.n {
		ring[i] = *q.at(i)
	}
	q.ring, q.head = ring, 0
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
	if q.batch == 0 {
		q.batch = min(batchLimit, q.n)
	}
	if q.batch == 0 {
		return nil
	}
	q.out = true
	batch := q.spare[:0]
	q.spare = nil
	for i := range q.batch {
		batch = append(batch, *q.at(i))
	}
	return batch
}

// behind copies the batch behind the one whose commit is under way into room, if it
// is a whole one: then it is what the next take hands out, unless that commit fails.
func (q *intake) behind(room []access.Event) []access.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.out || q.n-q.batch < batchLimit {
		return nil
	}
	room = room[:0]
	for i := range batchLimit {
		room = append(room, *q.at(q.batch + i))
	}
	return room
}

// reuse gives back a batch's room, by the last who looked at it.
func (q *intake) reuse(batch []access.Event) {
	clear(batch)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = batch[:0]
}

// giveBack ends a commit, whatever came of it.
func (q *intake) giveBack() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.out = false
}

// done forgets the batch: it is on disk, and those who wait for it are told. The
// room of a rush is given up by and by, each time that all is on disk.
func (q *intake) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.batch {
		*q.at(i) = access.Event{}
	}
	q.n -= q.batch
	if q.batch > 0 {
		q.head = (q.head + q.batch) & (len(q.ring) - 1)
	}
	q.batch = 0
	if q.n > 0 {
		return
	}
	if size := len(q.ring) / 2; size >= ringKept && q.most <= size {
		q.resize(size)
	}
	q.most = 0
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
	for i := range q.n {
		if e := q.at(i); e.Kind == access.KindPassage {
			list = append(list, *e)
		}
	}
	return list
}

func (q *intake) depth() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}
