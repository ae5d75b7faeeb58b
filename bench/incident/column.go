package incident

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"runtime/debug"
	"time"

	"gatehouse/bench/incident/house"
	"gatehouse/supervisor"
)

// Spec says which column of which duty a process runs.
type Spec struct {
	Duty    int
	Column  Column
	Variant bool // the stated variant of the naive column
	// Smuggled runs the naive duty in the process of this house as well: the control
	// of the gates, which have to find it. Of duty 1 only.
	Smuggled bool
	Short    bool // a fraction of the time and of the traffic
}

// lookEvery is the time between two samples.
const lookEvery = 50 * time.Millisecond

// How long is waited for what a stop takes a while to end: as long as something
// ends within leavePause; this house, which has to end at nothing, has the time
// that a busy machine may need.
const (
	leavePause = 2 * time.Second
	leaveLimit = 30 * time.Second
)

// RunColumn is the process of one column. It says what it sees on out and asks for
// what it needs from outside, answered on in.
func RunColumn(ctx context.Context, s Spec, in io.Reader, out io.Writer) error {
	log.SetOutput(io.Discard) // the exhibits log as they did, to nobody
	duty, ok := dutyOf(s.Duty)
	if !ok {
		return fmt.Errorf("there is no duty %d", s.Duty)
	}
	dir, err := os.MkdirTemp("", "gatehouse-incident-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	st := &stage{
		ctx: ctx, spec: s, meter: newMeter(), pipe: newPipe(in, out), dir: dir,
		res: Result{Duty: s.Duty, Column: s.Column, Facts: map[string]float64{}},
	}
	if s.Variant {
		st.res.Variant = duty.variant
	}
	if err := warmUp(); err != nil {
		return err
	}
	stop := ticker(cmp.Or(duty.every, lookEvery), st.sample)
	st.res.Base = st.settled()
	st.forget()
	err = duty.run(st)
	stop()
	if err != nil {
		return err
	}
	st.res.Peak, _ = st.top()
	return st.say(line{Result: &st.res})
}

// warmUp opens what a Go program opens once and keeps, so that it does not count
// as something that a column left behind.
func warmUp() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	return l.Close()
}

// stage is where a column is played.
type stage struct {
	*meter
	*pipe
	ctx  context.Context
	spec Spec
	dir  string // for files; removed at the end
	res  Result
}

func (s *stage) sample() {
	now := s.look()
	_ = s.say(line{Sample: &now}) // nobody to tell: the process ends with its next ask
}

// act is a column while it runs.
type act struct {
	stop  func()                                  // the clean stop that it has
	house func(known ...string) supervisor.Ledger // of this house's column
	links int
}

// ready is called when the act has begun and nothing goes through it yet.
func (s *stage) ready(a *act) {
	if a.house != nil {
		s.res.House = &Accounts{Links: a.links, Rest: s.quiet(a)}
	}
	s.res.Ready = s.look()
}

// finish stops the act and counts what is left.
func (s *stage) finish(a *act) {
	s.count()
	if a.house != nil {
		s.res.House.Quiet = s.quiet(a)
	}
	s.res.Last = s.settled()
	// A GC cycle closes files that nobody can reach any more. Who left them open
	// shall not be helped by it.
	percent := debug.SetGCPercent(-1)
	begin := now()
	s.res.StopHung = !within(StopLimit, a.stop)
	s.res.StopMS = float64(now().Sub(begin).Microseconds()) / 1000
	s.leave(a.house != nil && !s.spec.Smuggled)
	files := s.look().Files
	debug.SetGCPercent(percent)
	s.res.Left = s.settled()
	s.res.Left.Files = files
	if a.house != nil {
		s.res.House.Left = s.account(a)
	}
}

// leave waits until nothing more ends, or until all is as it was before.
func (s *stage) leave(patient bool) {
	least, since := s.look(), now()
	until(leaveLimit, func() bool {
		pause(15 * time.Millisecond) // each look makes garbage
		l := s.look()
		if l.Goroutines < least.Goroutines || l.Files < least.Files {
			least, since = l, now()
		}
		return l.Goroutines <= s.res.Base.Goroutines && l.Files <= s.res.Base.Files ||
			!patient && now().Sub(since) > leavePause
	})
}

// count fills in what follows from the samples.
func (s *stage) count() {
	last, from := s.look(), s.res.Ready
	if s.res.Requests == 0 {
		s.res.Requests = last.Done - from.Done
	}
	if s.res.Requests > 0 && s.res.BytesEach == 0 {
		s.res.BytesEach = float64(last.Bytes-from.Bytes) / float64(s.res.Requests)
		s.res.AllocEach = float64(last.Objects-from.Objects) / float64(s.res.Requests)
	}
	if s.res.PerSecond == 0 && last.At > from.At {
		s.res.PerSecond = float64(s.res.Requests) / (last.At - from.At)
	}
}

// ours are the goroutines of the bench in a column's process.
var ours = []string{
	"gatehouse/bench/incident.ticker.func1", "gatehouse/bench/incident.within.func1", "os/signal.NotifyContext.func1",
}

// account takes stock of the house.
func (s *stage) account(a *act) Account {
	l := a.house(ours...)
	out := Account{
		Goroutines: l.Goroutines - s.res.Base.Goroutines,
		Actors:     l.Actors, Timers: l.Timers, Workers: l.Workers, Zombies: l.Zombies,
		Files: openFiles() - s.res.Base.Files,
	}
	for _, stray := range l.Unaccounted {
		out.Unaccounted += stray.Count
		out.Strays = append(out.Strays, stray.BeganIn+" started by "+stray.Creator)
	}
	return out
}

// quiet takes stock when everything that the house has is accounted for. What is
// under way at that moment has an owner; the least of a few looks is what it has at
// rest.
func (s *stage) quiet(a *act) (least Account) {
	looks, limit := 0, leaveLimit
	if s.spec.Smuggled {
		limit = leavePause
	}
	until(limit, func() bool {
		one := s.account(a)
		if looks == 0 || one.Unaccounted < least.Unaccounted ||
			one.Unaccounted == least.Unaccounted && one.Goroutines < least.Goroutines {
			least = one
		}
		looks++
		return looks >= 20 && least.Unaccounted == 0 && least.Goroutines <= restLimit+a.links
	})
	return least
}

// enter starts a house with a duty.
func (s *stage) enter(o house.Options, links int) (*house.House, *act, error) {
	o.Dir = s.dir
	h, err := house.Start(o)
	if err != nil {
		return nil, nil, err
	}
	a := &act{links: links, house: h.Building.Ledger, stop: func() {
		if err := h.Stop(); err != nil {
			s.res.Error = errors.Join(errors.New(s.res.Error), err).Error()
		}
	}}
	return h, a, nil
}

// run lets the traffic go on for a while.
func (s *stage) run(full, short time.Duration) {
	if s.spec.Short {
		full = short
	}
	_ = wait(s.ctx.Done(), full)
}

// pick is one of two figures.
func (s *stage) pick(full, short int) int {
	if s.spec.Short {
		return short
	}
	return full
}
