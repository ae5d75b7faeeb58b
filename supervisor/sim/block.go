package sim

import (
	"context"
	"iter"
	"slices"
	"time"
)

// fiber is a coroutine that takes the steps of rounds. When the code of a step
// sleeps, its fiber is put aside as it stands, stack and all, and another one
// goes on with the round: a step that does not sleep costs nothing more.
type fiber struct {
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	path  string // whose step it is in
}

// sleeper is a step that sleeps in virtual time.
type sleeper struct {
	f    *fiber
	path string
	ctx  context.Context // ends the sleep too
	stop func() bool     // its timer's, nil if there is none
}

// Sleep lets virtual time pass in a handler, a hook or a task's function: the
// actor is busy meanwhile, all others go on. It must not be called elsewhere.
func (s *Sim) Sleep(d time.Duration) { s.suspend(context.Background(), d) }

// Block is Sleep for ever, as a handler that hangs: until Unblock.
func (s *Sim) Block() { s.suspend(context.Background(), Forever) }

// Await is Sleep until the context ends, if that is earlier: as a well-behaved
// call that may block. It returns the context's error.
func (s *Sim) Await(ctx context.Context, d time.Duration) error {
	s.suspend(ctx, d)
	return ctx.Err()
}

// Sleepers is how many steps sleep or block.
func (s *Sim) Sleepers() int { return len(s.sleepers) }

// Unblock ends what sleeps or blocks for an actor, its tasks included, at the
// next round. It reports how many there were.
func (s *Sim) Unblock(path string) (n int) {
	for _, z := range slices.Clone(s.sleepers) {
		if z.path == path {
			s.wake(z)
			n++
		}
	}
	return n
}

// ReleaseAll ends everything that was held, blocked or deaf, at the next round:
// a script's last act, so that nothing of it is left. It reports how many there
// were; what it freed may block again.
func (s *Sim) ReleaseAll() (n int) {
	for _, z := range slices.Clone(s.sleepers) {
		s.wake(z)
		n++
	}
	for _, h := range s.held {
		s.ready = append(s.ready, step{h.w.Owner, false, h.do})
		n++
	}
	s.held = nil
	for _, w := range slices.Clone(s.loops) {
		if w.Context.Err() != nil {
			s.EndLoop(w.Owner, w.Name, context.Cause(w.Context))
			n++
		}
	}
	return n
}

func (s *Sim) suspend(ctx context.Context, d time.Duration) {
	f := s.running
	if f == nil {
		panic("sim: only a handler, a hook or a task can sleep")
	}
	z := &sleeper{f: f, path: f.path, ctx: ctx}
	if d != Forever {
		z.stop = s.AfterFunc(d, func() { s.wake(z) })
	}
	s.sleepers = append(s.sleepers, z)
	if s.driver == f {
		s.driver = nil
	}
	f.yield(struct{}{})
}

// wake lets a sleeper go on in the next round.
func (s *Sim) wake(z *sleeper) {
	i := slices.Index(s.sleepers, z)
	s.sleepers = slices.Delete(s.sleepers, i, i+1)
	if z.stop != nil {
		z.stop()
	}
	s.ready = append(s.ready, step{z.path, false, func() { s.resume(z.f) }})
}

// wakeEnded wakes those whose context has ended.
func (s *Sim) wakeEnded() {
	for i := 0; i < len(s.sleepers); {
		z := s.sleepers[i]
		if z.ctx.Err() == nil {
			i++
			continue
		}
		s.wake(z)
	}
}

// drive lets a fiber take steps, until the round is over or a step sleeps.
func (s *Sim) drive() {
	if s.driver == nil {
		s.driver = s.fiber()
	}
	s.resume(s.driver)
}

// resume runs a fiber until it sleeps or has nothing to do. If it ends its
// goroutine (runtime.Goexit) or panics, so does the caller.
func (s *Sim) resume(f *fiber) {
	before := s.running
	s.running = f
	defer func() { s.running = before }()
	f.next()
}

func (s *Sim) fiber() *fiber {
	if last := len(s.idle) - 1; last >= 0 {
		f := s.idle[last]
		s.idle = s.idle[:last]
		return f
	}
	f := &fiber{}
	f.next, f.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if s.driver == f {
				s.driver = nil
			}
		}()
		f.yield = yield
		s.takeSteps(f)
	})
	return f
}

// takeSteps is the life of a fiber. One that slept is no driver any more when
// its step is over: another one has its place.
func (s *Sim) takeSteps(f *fiber) {
	for {
		for s.driver == f {
			st, ok := s.nextStep()
			if !ok {
				break
			}
			f.path = st.path
			st.do()
		}
		if s.driver != f {
			s.idle = append(s.idle, f)
		}
		if !f.yield(struct{}{}) {
			return
		}
	}
}

// rest ends the fibers that nobody sleeps in: between the calls of a script
// there are no goroutines but the sleepers'.
func (s *Sim) rest() {
	if s.driver != nil {
		s.driver.stop()
		s.driver = nil
	}
	for _, f := range s.idle {
		f.stop()
	}
	s.idle = nil
}
