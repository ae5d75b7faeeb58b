package supervisor_test

import (
	"errors"
	"fmt"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

// Names of OTP and ours.
var (
	otpStrategies = map[string]supervisor.Strategy{
		"one_for_one": supervisor.OneForOne, "rest_for_one": supervisor.RestForOne, "one_for_all": supervisor.OneForAll,
	}
	otpRestarts = map[string]supervisor.Restart{
		"permanent": supervisor.Permanent, "transient": supervisor.Transient, "temporary": supervisor.Temporary,
	}
	otpDeadlines = map[string]time.Duration{
		"5000": 5 * time.Second, "infinity": supervisor.Infinity, "brutal_kill": supervisor.Brutal,
	}
)

// otpClock is a simulation in which OTP's clock and ours agree to the
// nanosecond. OTP restarts without a wait; our shortest backoff is 1 ns, and here
// its jitter takes all of that away.
type otpClock struct{ *sim.Sim }

func (otpClock) Random() float64 { return 1 }

var otpBackoff = supervisor.Backoff{Min: 1, Max: 1, Jitter: 1}

// otpRun is our side: it takes a script's steps under simulation.
type otpRun struct {
	x        otpClock
	spec     spec
	sys      *supervisor.System
	mishaps  map[string]int // verb and path
	lines    []string
	restarts int
	wrong    string
}

// runOurs returns the lines of each step. change is what a negative control
// does to the spec.
func runOurs(s *otpScript, change func(*spec)) (*otpRun, [][]string) {
	r := &otpRun{x: otpClock{sim.New(s.seed, sim.Options{})}, mishaps: map[string]int{}}
	r.spec = r.supervisor(s.tree, supervisor.RootID, change)
	var trace [][]string
	for _, step := range s.steps {
		r.take(step)
		r.x.Advance(0)
		trace = append(trace, r.lines)
		r.lines = nil
	}
	r.end()
	r.account()
	return r, trace
}

func (r *otpRun) supervisor(n *otpNode, path string, change func(*spec)) spec {
	s := spec{
		Strategy: otpStrategies[n.strategy],
		Budget:   supervisor.Escalating(n.intensity, time.Duration(n.period)*time.Second),
	}
	for _, c := range n.children {
		below := path + "/" + c.id
		k := kid{ID: c.id, Restart: otpRestarts[c.restart], Backoff: otpBackoff}
		if c.strategy != "" {
			sub := r.supervisor(c, below, change)
			k.Supervisor = &sub
		} else {
			k.StopDeadline = otpDeadlines[c.shutdown]
			k.New = func() supervisor.Actor { return r.leaf(below, c.hook) }
		}
		s.Children = append(s.Children, k)
	}
	if change != nil {
		change(&s)
	}
	return s
}

func (r *otpRun) take(s otpStep) {
	switch s.verb {
	case "start":
		if !r.up() {
			r.end()
			r.start()
		}
	case "stop":
		r.end()
	case "exit":
		if r.up() {
			r.sys.Ref(s.path).Send(otpExit(s.reason))
		}
	case "advance":
		r.x.Advance(time.Duration(s.n) * time.Second)
	default:
		r.mishaps[s.verb+s.path] = s.n
	}
}

// start may fail because of a child, but not because of the spec.
func (r *otpRun) start() {
	var err error
	var child *supervisor.ChildError
	r.sys, err = supervisor.Start(r.spec, supervisor.Options{Executor: r.x, OnEvent: r.event})
	if err != nil && !errors.As(err, &child) {
		r.wrong = err.Error()
	}
}

func (r *otpRun) up() bool {
	if r.sys == nil {
		return false
	}
	select {
	case <-r.sys.Down():
		return false
	default:
		return true
	}
}

// end stops the tree, if it runs, and demands that nothing is left of it.
func (r *otpRun) end() {
	if r.sys == nil {
		return
	}
	r.sys.Stop()
	l := r.sys.Ledger()
	if l.Actors != 0 || l.Timers != 0 || l.Workers != 0 || l.Zombies != 0 || l.HookPanics != 0 {
		r.wrong = fmt.Sprintf("left after the stop: %+v", l)
	}
	r.sys = nil
}

func (r *otpRun) account() {
	if n := r.x.Timers(); n != 0 && r.wrong == "" {
		r.wrong = fmt.Sprintf("%d timers left in the simulation", n)
	}
}

func (r *otpRun) befalls(verb, path string) bool {
	if r.mishaps[verb+path] == 0 {
		return false
	}
	r.mishaps[verb+path]--
	return true
}

func (r *otpRun) event(e supervisor.Event) {
	switch life := fmt.Sprintf("%s#%d", e.Path, e.Incarnation); e.Kind {
	case supervisor.EventStarting:
		r.lines = append(r.lines, "start "+life)
	case supervisor.EventExited:
		r.lines = append(r.lines, "exit "+life+" "+otpReason(e.Reason))
	case supervisor.EventRestarting:
		r.restarts++
	}
}

// otpReason is the word that both sides use; see otpDifferences.
func otpReason(r supervisor.Reason) string {
	var child *supervisor.ChildError
	switch {
	case errors.Is(r.Err, supervisor.ErrBudget):
		return "shutdown"
	case errors.As(r.Err, &child):
		return "failed"
	}
	return r.Kind.String()
}

// otpExit is the reason that a leaf is told to end with.
type otpExit string

// otpLeaf is a leaf without a stop hook.
type otpLeaf struct {
	r    *otpRun
	path string
	ran  bool
}

// otpHooked is a leaf with one.
type otpHooked struct{ otpLeaf }

func (r *otpRun) leaf(path string, hook bool) supervisor.Actor {
	if hook {
		return &otpHooked{otpLeaf{r: r, path: path}}
	}
	return &otpLeaf{r: r, path: path}
}

// Start counts both mishaps down, as OTP's side does.
func (l *otpLeaf) Start(ctx) error {
	refuse, ignore := l.r.befalls("refuse", l.path), l.r.befalls("ignore", l.path)
	switch {
	case refuse:
		return errors.New("refused")
	case ignore:
		return supervisor.ErrIgnore
	}
	l.ran = true
	return nil
}

func (l *otpLeaf) Receive(c ctx, msg any) error {
	switch msg.(otpExit) {
	case "error":
		return errors.New("error")
	case "panic":
		panic("panic")
	}
	c.Stop()
	return nil
}

// Stop notes nothing for a life that did not become ready: OTP has no hook then.
func (l *otpHooked) Stop(c ctx, why supervisor.Reason) {
	if !l.ran {
		return
	}
	l.r.lines = append(l.r.lines, fmt.Sprintf("stop %s#%d %s", l.path, c.Incarnation(), otpReason(why)))
	if l.r.befalls("badstop", l.path) {
		panic("badstop")
	}
}
