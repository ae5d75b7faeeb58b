package devicetest

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/go-cmp/cmp"

	"gatehouse/devices"
)

// card is a read that differs from every other with another n: n in 26 bits,
// left-aligned.
func card(n int) devices.CardRead {
	v := uint32(n) << 6
	return devices.CardRead{Bits: 26, Raw: [16]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}}
}

// readsInOrder: every listener hears every read once, in order.
func (s *session) readsInOrder() {
	const reads, ears = 50, 3
	for _, name := range names(s.Bundle.Readers) {
		var logs [ears]*log[devices.CardRead]
		for e := range ears {
			logs[e] = newLog[devices.CardRead]()
			defer s.Bundle.Readers[name].Listen(logs[e].add)()
		}
		var want []devices.CardRead
		for n := range reads {
			want = append(want, card(n))
			s.Present(name, card(n))
		}
		for e, l := range logs {
			if diff := cmp.Diff(want, l.wait(reads, s.Patience())); diff != "" {
				s.Errorf("reader %q, listener %d of %d heard other reads (-presented +heard):\n%s", name, e+1, ears, diff)
			}
		}
	}
}

// movementsAndLevel: every listener hears every movement once, in order; what
// does not move is no movement; the level is what was heard last.
func (s *session) movementsAndLevel() {
	for _, name := range names(s.Bundle.Inputs) {
		input := s.Bundle.Inputs[name]
		first, second := newLog[bool](), newLog[bool]()
		defer input.Listen(first.add)()
		defer input.Listen(second.add)()
		s.levelIs(name, false)
		var want []bool
		for _, active := range []bool{true, true, false, true, false, false} {
			if len(want) == 0 || want[len(want)-1] != active {
				want = append(want, active)
			}
			s.Move(name, active)
			first.wait(len(want), s.Patience()) // one that is polled misses what is too short
			second.wait(len(want), s.Patience())
			s.levelIs(name, active)
		}
		for _, l := range []*log[bool]{first, second} {
			if diff := cmp.Diff(want, l.all()); diff != "" {
				s.Errorf("input %q: a listener heard other movements (-moved +heard):\n%s", name, diff)
			}
		}
	}
}

func (s *session) levelIs(name string, want bool) {
	var active bool
	var err error
	if !s.until(func() bool {
		active, err = s.Bundle.Inputs[name].Level()
		return err == nil && active == want
	}) {
		s.Errorf("input %q: level %v, error %v, want level %v", name, active, err, want)
	}
}

// cancelReader: a cancelled listener hears nothing more, the others go on, and a
// second cancel does no harm.
func (s *session) cancelReader() {
	for _, name := range names(s.Bundle.Readers) {
		reader := s.Bundle.Readers[name]
		gone, stays := newLog[devices.CardRead](), newLog[devices.CardRead]()
		cancel := reader.Listen(gone.add)
		defer reader.Listen(stays.add)()
		s.Present(name, card(1))
		gone.wait(1, s.Patience())
		stays.wait(1, s.Patience())
		cancel()
		cancel()
		late := newLog[devices.CardRead]() // told after the cancelled one would be
		defer reader.Listen(late.add)()
		s.Present(name, card(2))
		late.wait(1, s.Patience())
		s.heardOnly(name, "the cancelled listener", gone, card(1))
		s.heardOnly(name, "the other listener", stays, card(1), card(2))
		s.heardOnly(name, "the new listener", late, card(2))
	}
}

func (s *session) heardOnly(reader, who string, l *log[devices.CardRead], want ...devices.CardRead) {
	if diff := cmp.Diff(want, l.wait(len(want), s.Patience())); diff != "" {
		s.Errorf("reader %q: %s heard other reads (-want +heard):\n%s", reader, who, diff)
	}
}

// cancelInput is cancelReader for an input.
func (s *session) cancelInput() {
	for _, name := range names(s.Bundle.Inputs) {
		input := s.Bundle.Inputs[name]
		gone, stays := newLog[bool](), newLog[bool]()
		cancel := input.Listen(gone.add)
		defer input.Listen(stays.add)()
		s.Move(name, true)
		gone.wait(1, s.Patience())
		stays.wait(1, s.Patience())
		cancel()
		cancel()
		s.Move(name, false)
		stays.wait(2, s.Patience())
		s.Move(name, true)
		stays.wait(3, s.Patience())
		if diff := cmp.Diff([]bool{true}, gone.all()); diff != "" {
			s.Errorf("input %q: the cancelled listener heard other movements (-want +heard):\n%s", name, diff)
		}
		if diff := cmp.Diff([]bool{true, false, true}, stays.all()); diff != "" {
			s.Errorf("input %q: the other listener heard other movements (-want +heard):\n%s", name, diff)
		}
	}
}

// cancelFromWithin: a listener may cancel itself and its neighbours, told before
// or after it; others that listen to the same part go on.
func (s *session) cancelFromWithin() {
	for _, name := range names(s.Bundle.Readers) {
		reader := s.Bundle.Readers[name]
		once, stays := newLog[devices.CardRead](), newLog[devices.CardRead]()
		var cancelled, late atomic.Bool
		neighbour := func(devices.CardRead) {
			if cancelled.Load() {
				late.Store(true)
			}
		}
		var cancels [3]func()
		cancels[0] = reader.Listen(neighbour)
		cancels[1] = reader.Listen(func(c devices.CardRead) {
			once.add(c)
			for _, cancel := range cancels {
				cancel()
			}
			cancelled.Store(true)
		})
		cancels[2] = reader.Listen(neighbour)
		ended := s.within(func() {
			defer reader.Listen(stays.add)()
			s.Present(name, card(1))
			s.Present(name, card(2))
			stays.wait(2, s.Patience())
		})
		if !ended {
			s.Errorf("reader %q: a listener that cancels itself never comes back", name)
			return
		}
		if late.Load() {
			s.Errorf("reader %q: a listener was called after its neighbour cancelled it", name)
		}
		s.heardOnly(name, "the listener that cancelled itself", once, card(1))
		s.heardOnly(name, "the other listener", stays, card(1), card(2))
	}
}

// cancelUnderFire: while reads come in, a listener neither runs nor is called
// after its cancel returned.
func (s *session) cancelUnderFire() {
	const rounds = 100
	for _, name := range names(s.Bundle.Readers) {
		var stop atomic.Bool
		var fire sync.WaitGroup
		fire.Add(1)
		s.Go(func() {
			defer fire.Done()
			s.presentUntil(name, &stop)
		})
		for range rounds {
			if s.cancelOnce(name) {
				s.Errorf("reader %q: a listener ran or was called after its cancel returned", name)
				break
			}
		}
		stop.Store(true)
		if !s.within(fire.Wait) {
			s.Errorf("reader %q: presenting never came back", name)
		}
	}
}

// presentUntil presents one read after the other, the next when the last was
// heard, so that no queue of a driver runs over.
func (s *session) presentUntil(name string, stop *atomic.Bool) {
	witness := newLog[devices.CardRead]()
	defer s.Bundle.Readers[name].Listen(witness.add)()
	for n := 1; !stop.Load(); n++ {
		s.Present(name, card(n))
		if len(witness.wait(n, s.Patience())) < n {
			s.Errorf("reader %q: read %d was never heard", name, n)
			return
		}
		runtime.Gosched() // on one processor, the one who cancels must get his turn
	}
}

// cancelOnce listens, cancels in the middle of a call, and reports whether the
// listener was seen alive afterwards.
func (s *session) cancelOnce(name string) (alive bool) {
	var cancelled, seen atomic.Bool
	entered := make(chan struct{})
	var enter sync.Once
	cancel := s.Bundle.Readers[name].Listen(func(devices.CardRead) {
		enter.Do(func() { close(entered) })
		for range 10 {
			if cancelled.Load() {
				seen.Store(true)
			}
			runtime.Gosched()
		}
	})
	select {
	case <-entered:
	case <-s.Patience():
		s.Errorf("reader %q: a new listener is never called", name)
	}
	cancel()
	cancelled.Store(true)
	for range 20 {
		runtime.Gosched()
	}
	return seen.Load()
}

// driveLock: the bolt goes where it is driven, and stays there when it is driven
// there again.
func (s *session) driveLock() {
	for _, name := range names(s.Bundle.Locks) {
		lock := s.Bundle.Locks[name]
		var moves uint64
		if s.Moves != nil {
			moves = s.Moves(name)
		}
		for _, release := range []bool{false, true, true, false, false, true, false} {
			if err := lock.Drive(release); err != nil {
				s.Errorf("lock %q: Drive(%v): %v", name, release, err)
			}
			s.boltIs(name, release)
		}
		if s.Moves != nil && s.Moves(name) != moves+4 {
			s.Errorf("lock %q: the bolt moved %d times, want 4: Drive is idempotent", name, s.Moves(name)-moves)
		}
	}
}

func (s *session) boltIs(name string, released bool) {
	if !s.until(func() bool { return s.ReadLock(name) == released }) {
		s.Errorf("lock %q: released is %v, want %v", name, !released, released)
	}
}

// driveAtOnce: drives from everywhere do no harm, and the last one holds.
func (s *session) driveAtOnce() {
	const callers, each = 8, 50
	for _, name := range names(s.Bundle.Locks) {
		var wg sync.WaitGroup
		wg.Add(callers)
		var failed atomic.Int64
		for c := range callers {
			s.Go(func() {
				defer wg.Done()
				for i := range each {
					if s.Bundle.Locks[name].Drive((c+i)%2 == 0) != nil {
						failed.Add(1)
					}
				}
			})
		}
		if !s.within(wg.Wait) {
			s.Errorf("lock %q: Drive never came back", name)
			return
		}
		if n := failed.Load(); n > 0 {
			s.Errorf("lock %q: %d of %d drives at once failed", name, n, callers*each)
		}
		for _, release := range []bool{true, false} {
			if err := s.Bundle.Locks[name].Drive(release); err != nil {
				s.Errorf("lock %q: Drive(%v): %v", name, release, err)
			}
			s.boltIs(name, release)
		}
	}
}

// setOutput: as driveLock.
func (s *session) setOutput() {
	for _, name := range names(s.Bundle.Outputs) {
		for _, on := range []bool{false, true, true, false, false} {
			if err := s.Bundle.Outputs[name].Set(on); err != nil {
				s.Errorf("output %q: Set(%v): %v", name, on, err)
			}
			if !s.until(func() bool { return s.ReadOutput(name) == on }) {
				s.Errorf("output %q: on is %v, want %v", name, !on, on)
			}
		}
	}
}

// indicate: whatever is asked for, what the hardware lacks is left out without
// an error, and what it has is shown.
func (s *session) indicate() {
	for _, name := range names(s.Bundle.Indicators) {
		indicator := s.Bundle.Indicators[name]
		can := indicator.Can()
		for _, show := range []devices.Show{
			{},
			{Light: devices.Green, Beeps: 2, Text: "welcome"},
			{Light: devices.Red},
			{Beeps: 1},
			{Text: "go"},
			{},
		} {
			if err := indicator.Indicate(show); err != nil {
				s.Errorf("indicator %q: Indicate(%+v): %v", name, show, err)
			}
			s.shows(name, only(can, show))
		}
		if again := indicator.Can(); again != can {
			s.Errorf("indicator %q: Can changed from %+v to %+v", name, can, again)
		}
	}
}

func (s *session) shows(name string, want devices.Show) {
	if s.Shown == nil {
		return
	}
	var got devices.Show
	if !s.until(func() bool { got = s.Shown(name); return got == want }) {
		s.Errorf("indicator %q shows %+v, want %+v", name, got, want)
	}
}

func only(can devices.Can, s devices.Show) devices.Show {
	if !can.Light {
		s.Light = devices.Dark
	}
	if !can.Buzzer {
		s.Beeps = 0
	}
	if !can.Text {
		s.Text = ""
	}
	return s
}

// checkUp: a check finds a device well that is, again and again and while it is
// in use, moves nothing, and comes back when its context ends.
func (s *session) checkUp() {
	if s.Bundle.Check == nil {
		return
	}
	calls := s.countCalls()
	ended, end := context.WithCancel(context.Background())
	end()
	if !s.within(func() { _ = s.Bundle.Check(ended) }) {
		s.Errorf("Check did not come back although its context had ended")
		return
	}
	for range 3 {
		var err error
		if !s.within(func() { err = s.Bundle.Check(context.Background()) }) {
			s.Errorf("Check never came back")
			return
		}
		if err != nil {
			s.Errorf("Check of a device that is well: %v", err)
		}
	}
	for _, name := range names(s.Bundle.Locks) {
		s.boltIs(name, false)
	}
	if n := calls(); n > 0 {
		s.Errorf("Check had %d listeners called", n)
	}
}

// countCalls listens to everything.
func (s *session) countCalls() (calls func() int64) {
	var n atomic.Int64
	for _, name := range names(s.Bundle.Readers) {
		s.Bundle.Readers[name].Listen(func(devices.CardRead) { n.Add(1) })
	}
	for _, name := range names(s.Bundle.Inputs) {
		s.Bundle.Inputs[name].Listen(func(bool) { n.Add(1) })
	}
	return n.Load
}

// endOfLife: Run ends with its context, Close works, once more does no harm, and
// then the device neither calls nor panics.
func (s *session) endOfLife() {
	var calls atomic.Int64
	var cancels []func()
	for _, name := range names(s.Bundle.Readers) {
		cancels = append(cancels, s.Bundle.Readers[name].Listen(func(devices.CardRead) { calls.Add(1) }))
	}
	for _, name := range names(s.Bundle.Inputs) {
		cancels = append(cancels, s.Bundle.Inputs[name].Listen(func(bool) { calls.Add(1) }))
	}
	if !s.end() {
		return
	}
	before := calls.Load()
	s.useAfterEnd()
	if s.Bundle.Close != nil {
		_ = s.Bundle.Close() // what it returns is open
	}
	for _, cancel := range slices.Backward(cancels) {
		cancel()
	}
	if n := calls.Load() - before; n > 0 {
		s.Errorf("listeners were called %d times after Close", n)
	}
}

func (s *session) useAfterEnd() {
	b := s.Bundle
	for _, name := range names(b.Readers) {
		s.Present(name, card(1))
	}
	for _, name := range names(b.Inputs) {
		s.Move(name, true)
		_, _ = b.Inputs[name].Level()
	}
	for _, name := range names(b.Locks) {
		_ = b.Locks[name].Drive(true) // an error is right, a panic is not
	}
	for _, name := range names(b.Outputs) {
		_ = b.Outputs[name].Set(true)
	}
	for _, name := range names(b.Indicators) {
		_ = b.Indicators[name].Indicate(devices.Show{Light: devices.Red})
	}
	if b.Check != nil && b.Check(context.Background()) == nil {
		s.Errorf("Check finds a device well that is closed")
	}
}
