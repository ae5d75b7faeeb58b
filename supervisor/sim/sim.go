// Package sim runs a supervisor.System on one goroutine in virtual time: the
// same tree, the same messages, and one seed gives one trace. Tests, replays of
// recordings and the virtual soak run on it.
//
// Work is done in rounds: every actor that can run and every task that can
// start at the beginning of a round gets one bounded turn, in an order drawn
// from the seed; what becomes runnable meanwhile waits for the next round. The
// clock stands still until nothing can run. A task's function runs inline, at
// its step; a script may hold its start or its result back. A handler or a task
// may take virtual time, or hang: Sleep, Await, Block. A loop is not run: it is
// there until its context ends or a script ends it.
//
// It must not know what the tree is about. A Sim is not safe for concurrent use.
package sim

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"time"

	"gatehouse/supervisor"
)

// Epoch is when virtual time begins unless Options say otherwise.
var Epoch = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// Options of a Sim; the zero value will do.
type Options struct {
	Start      time.Time // default Epoch
	Throughput int       // messages per turn; default 8
	// OnTurn is told each turn of an actor before it is taken.
	OnTurn func(path string)
	// Hold says how long a task's start and result are held back in virtual
	// time; Forever: until Release, even if its context ends.
	Hold func(owner, name string) Hold
	// Deaf says which loops go on when their context ends, until EndLoop.
	Deaf func(owner, name string) bool
}

// Hold delays a task.
type Hold struct{ Start, Result time.Duration }

// Forever holds a task until Release.
const Forever time.Duration = 1<<63 - 1

// Sim is a supervisor.Executor.
type Sim struct {
	opts   Options
	now    time.Time
	rand   *rand.Rand
	ready  []step
	round  []step // what is left of the current round
	timers timerHeap
	serial uint64
	loops  []*supervisor.Work
	held   []held
	rounds uint64

	driver   *fiber // takes the steps of the current round
	running  *fiber // whose code runs right now
	idle     []*fiber
	sleepers []*sleeper
}

// held is a part of a task that is held back for good.
type held struct {
	w  *supervisor.Work
	do func()
}

var _ supervisor.Executor = (*Sim)(nil)

// step is one thing to do in a round: an actor's turn or a part of a task.
type step struct {
	path string // of the actor
	turn bool   // of the actor; else a part of a task, or of a turn that slept
	do   func()
}

// New returns a simulation whose every choice is drawn from seed.
func New(seed uint64, opts Options) *Sim {
	if opts.Start.IsZero() {
		opts.Start = Epoch
	}
	if opts.Throughput == 0 {
		opts.Throughput = 8
	}
	return &Sim{opts: opts, now: opts.Start, rand: rand.New(rand.NewPCG(seed, 0x5eed))}
}

// Now is the virtual time.
func (s *Sim) Now() time.Time { return s.now }

// Throughput is how many messages an actor handles in a turn.
func (s *Sim) Throughput() int { return s.opts.Throughput }

// Random is uniform in [0, 1).
func (s *Sim) Random() float64 { return s.rand.Float64() }

// Rounds is how many rounds were run so far.
func (s *Sim) Rounds() uint64 { return s.rounds }

// AfterFunc calls f when virtual time has moved on by d.
func (s *Sim) AfterFunc(d time.Duration, f func()) func() bool {
	t := &simTimer{sim: s, f: f, index: -1}
	t.Reset(d)
	return t.Stop
}

// Alarm queues the turn that fire asks for.
func (s *Sim) Alarm(d time.Duration, fire func() supervisor.Turner) supervisor.Alarm {
	t := &simTimer{sim: s, index: -1, f: func() {
		if box := fire(); box != nil {
			s.Turn(box)
		}
	}}
	t.Reset(d)
	return t
}

// Turn queues an actor for the next round.
func (s *Sim) Turn(t supervisor.Turner) {
	s.ready = append(s.ready, step{t.Path(), true, t.Turn})
}

// Work queues a task, or notes a loop.
func (s *Sim) Work(w *supervisor.Work) {
	if w.Loop {
		s.loops = append(s.loops, w)
		return
	}
	var hold Hold
	if s.opts.Hold != nil {
		hold = s.opts.Hold(w.Owner, w.Name)
	}
	s.later(w, hold.Start, func() {
		w.Do()
		s.later(w, hold.Result, w.Done)
	})
}

func (s *Sim) later(w *supervisor.Work, d time.Duration, f func()) {
	switch d {
	case 0:
		s.ready = append(s.ready, step{w.Owner, false, f})
	case Forever:
		s.held = append(s.held, held{w, f})
	default:
		s.AfterFunc(d, func() { s.ready = append(s.ready, step{w.Owner, false, f}) })
	}
}

// Release lets the oldest task of this name go on that is held for good; false
// if there is none.
func (s *Sim) Release(owner, name string) bool {
	for i, h := range s.held {
		if h.w.Owner == owner && h.w.Name == name {
			s.held = append(s.held[:i], s.held[i+1:]...)
			s.ready = append(s.ready, step{h.w.Owner, false, h.do})
			return true
		}
	}
	return false
}

// EndLoop ends a running loop with err, as if its function had returned.
func (s *Sim) EndLoop(owner, name string, err error) bool {
	for i, w := range s.loops {
		if w.Owner == owner && w.Name == name {
			s.loops = append(s.loops[:i], s.loops[i+1:]...)
			w.Fail(err)
			return true
		}
	}
	return false
}

// Wait runs the simulation until done yields, letting virtual time pass as
// needed, at most limit. It is what makes Start, Stop and Ask work here.
func (s *Sim) Wait(done <-chan struct{}, limit time.Duration) bool {
	defer s.rest()
	var end time.Time
	if limit < 100*365*24*time.Hour {
		end = s.now.Add(max(limit, 0))
	}
	for rounds := 0; ; {
		select {
		case <-done:
			return true
		default:
		}
		if s.takeRound() {
			if rounds++; rounds > maxRounds {
				panic(neverQuiet)
			}
			continue
		}
		rounds = 0
		next, ok := s.nextTimer()
		switch {
		case ok && (end.IsZero() || !next.After(end)):
			s.elapse(next)
		case !end.IsZero():
			s.now = end
			return false
		default:
			panic("sim: waiting for something that can never happen")
		}
	}
}

// Round gives everybody who can run one turn; false if nobody can.
func (s *Sim) Round() bool {
	defer s.rest()
	return s.takeRound()
}

func (s *Sim) takeRound() bool {
	s.endLoops()
	s.wakeEnded()
	s.round, s.ready = append(s.ready, s.round...), nil // left: a step ended the goroutine
	if len(s.round) == 0 {
		return false
	}
	s.rounds++
	s.rand.Shuffle(len(s.round), func(i, j int) { s.round[i], s.round[j] = s.round[j], s.round[i] })
	for len(s.round) > 0 {
		s.drive()
	}
	return true
}

// nextStep takes a step of the current round.
func (s *Sim) nextStep() (st step, ok bool) {
	if len(s.round) == 0 {
		return step{}, false
	}
	st, s.round = s.round[0], s.round[1:]
	if s.opts.OnTurn != nil && st.turn {
		s.opts.OnTurn(st.path)
	}
	return st, true
}

func (s *Sim) endLoops() {
	for i := 0; i < len(s.loops); {
		w := s.loops[i]
		if w.Context.Err() == nil || s.opts.Deaf != nil && s.opts.Deaf(w.Owner, w.Name) {
			i++
			continue
		}
		s.loops = append(s.loops[:i], s.loops[i+1:]...)
		w.Fail(context.Cause(w.Context))
	}
}

// maxRounds bounds Quiesce: a tree that never gets quiet is a mistake.
const maxRounds = 10_000_000

const neverQuiet = "sim: not quiet after 10,000,000 rounds: actors keep each other busy while time stands still"

// Quiesce runs rounds until nobody can run. The clock stands still.
func (s *Sim) Quiesce() {
	defer s.rest()
	s.quiesce()
}

func (s *Sim) quiesce() {
	for range maxRounds {
		if !s.takeRound() {
			return
		}
	}
	panic(neverQuiet)
}

// Advance lets virtual time pass by d: every timer that comes due fires at its
// time, and the tree gets quiet before time goes on.
func (s *Sim) Advance(d time.Duration) { s.AdvanceTo(s.now.Add(d)) }

// AdvanceTo is Advance to an absolute time; an earlier one only quiesces.
func (s *Sim) AdvanceTo(t time.Time) {
	defer s.rest()
	s.quiesce()
	for next, ok := s.nextTimer(); ok && !next.After(t); next, ok = s.nextTimer() {
		s.elapse(next)
		s.quiesce()
	}
	if t.After(s.now) {
		s.now = t
	}
}

// Stall lets virtual time pass up to t while nobody has a turn, as on a machine
// that stood still: all that is due fires, and is handled late.
func (s *Sim) Stall(t time.Time) { s.elapse(t) }

func (s *Sim) nextTimer() (time.Time, bool) {
	if len(s.timers) == 0 {
		return time.Time{}, false
	}
	return s.timers[0].at, true
}

// elapse moves the clock to t and fires what is due then, oldest first.
func (s *Sim) elapse(t time.Time) {
	if t.After(s.now) {
		s.now = t
	}
	for len(s.timers) > 0 && !s.timers[0].at.After(s.now) {
		heap.Pop(&s.timers).(*simTimer).f()
	}
}

// Timers is how many timers are armed, sleepers' not counted.
func (s *Sim) Timers() (n int) {
	n = len(s.timers)
	for _, z := range s.sleepers {
		if z.stop != nil {
			n--
		}
	}
	return n
}

type simTimer struct {
	sim    *Sim
	at     time.Time
	serial uint64
	f      func()
	index  int
}

// Reset arms the timer.
func (t *simTimer) Reset(d time.Duration) bool {
	armed := t.Stop()
	t.sim.serial++
	t.at, t.serial = t.sim.now.Add(max(d, 0)), t.sim.serial
	heap.Push(&t.sim.timers, t)
	return armed
}

// Stop disarms the timer.
func (t *simTimer) Stop() bool {
	if t.index < 0 {
		return false
	}
	heap.Remove(&t.sim.timers, t.index)
	return true
}

type timerHeap []*simTimer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].serial < h[j].serial
	}
	return h[i].at.Before(h[j].at)
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*simTimer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	*h = old[:len(old)-1]
	t.index = -1
	return t
}
