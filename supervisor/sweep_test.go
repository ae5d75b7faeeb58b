package supervisor_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// grove is a random tree, grown and tortured from one seed.
type grove struct {
	rand   *rand.Rand
	sim    *sim.Sim
	sys    *supervisor.System
	actors []string        // paths
	specs  map[string]spec // by path of the supervisor
	order  map[string]int  // index among the siblings
	trace  []string
	wrong  []string

	calm     bool              // no more mischief
	resting  map[string]bool   // asked not to be restarted
	living   map[string]uint64 // by path: the life that runs, 0 none
	last     map[string]uint64
	accepted int
	handled  int
	fatal    int
	downBy   bool
}

func newGrove(seed uint64) *grove {
	g := &grove{
		rand:  rand.New(rand.NewPCG(seed, 1)),
		specs: map[string]spec{}, order: map[string]int{},
		living: map[string]uint64{}, last: map[string]uint64{}, resting: map[string]bool{},
	}
	g.sim = sim.New(seed, sim.Options{
		OnTurn: func(path string) { g.trace = append(g.trace, "turn "+path) },
		Hold:   func(string, string) sim.Hold { return sim.Hold{Start: g.hold(), Result: g.hold()} },
	})
	return g
}

func (g *grove) errorf(format string, a ...any) {
	g.wrong = append(g.wrong, fmt.Sprintf(format, a...))
}

// one picks one of the choices.
func one[T any](g *grove, of ...T) T { return of[g.rand.IntN(len(of))] }

func (g *grove) chance(percent int) bool { return g.rand.IntN(100) < percent }

func (g *grove) span(most time.Duration) time.Duration {
	return time.Duration(g.rand.Int64N(int64(most)))
}

func (g *grove) hold() time.Duration {
	switch n := g.rand.IntN(100); {
	case n < 80:
		return 0
	case n < 98 || g.calm:
		return g.span(10 * time.Second)
	}
	return sim.Forever
}

// grow makes a supervisor's spec.
func (g *grove) grow(path string, depth int) spec {
	s := spec{
		Strategy:   one(g, supervisor.OneForOne, supervisor.RestForOne, supervisor.OneForAll),
		Budget:     one(g, supervisor.Budget{}, escalating(3), escalating(20), isolating(1), isolating(5)),
		StopBudget: one(g, 0, time.Second, time.Minute),
	}
	for i := range 1 + g.rand.IntN(4) {
		id := fmt.Sprint("c", i)
		below := path + "/" + id
		g.order[below] = i
		c := kid{
			ID:           id,
			Restart:      one(g, supervisor.Permanent, supervisor.Permanent, supervisor.Transient, supervisor.Temporary),
			StopDeadline: one(g, 0, supervisor.Brutal, time.Second, supervisor.Infinity),
			Backoff:      one(g, supervisor.Backoff{}, supervisor.Backoff{Min: time.Millisecond, Jitter: 0.5, ResetAfter: time.Second}),
		}
		if depth > 0 && g.chance(40) {
			sub := g.grow(below, depth-1)
			c.Supervisor = &sub
		} else {
			g.actors = append(g.actors, below)
			c.Mailbox.Normal = 1 + g.rand.IntN(8)
			c.New = func() supervisor.Actor { return &leaf{g: g} }
		}
		s.Children = append(s.Children, c)
	}
	g.specs[path] = s
	return s
}

// leaf is an actor that does as it is told, and now and then as it likes.
type leaf struct {
	g    *grove
	over bool
}

func (l *leaf) Start(c ctx) error {
	l.g.trace = append(l.g.trace, "start "+supervisortest.Life(c))
	l.mischief(c)
	l.g.resting[c.Self().Path()] = false
	if c.Incarnation() == 1 || l.g.calm || !l.g.chance(20) {
		return nil
	}
	if l.g.chance(30) {
		return l.neverAgain(c)
	}
	return one(l.g, supervisortest.ErrCrash, supervisor.ErrIgnore)
}

func (l *leaf) neverAgain(c ctx) error {
	l.g.resting[c.Self().Path()] = true
	return supervisor.DoNotRestart(supervisortest.ErrCrash)
}

func (l *leaf) Receive(c ctx, msg any) error {
	if l.over || l.g.living[c.Self().Path()] != c.Incarnation() {
		l.g.errorf("%s got %T after its end", supervisortest.Life(c), msg)
	}
	switch msg.(type) {
	case supervisor.Tick, supervisor.TaskDone:
		return nil
	}
	l.g.handled++
	l.mischief(c)
	switch msg {
	case "error":
		return supervisortest.ErrCrash
	case "escalate":
		return supervisor.Escalate(supervisortest.ErrCrash)
	case "never again":
		return l.neverAgain(c)
	case "panic":
		panic("as told")
	case "end":
		c.Stop()
	}
	return nil
}

func (l *leaf) Stop(c ctx, why supervisor.Reason) {
	l.g.trace = append(l.g.trace, fmt.Sprint("stop ", supervisortest.Life(c), " ", why.Kind))
	l.mischief(c)
	l.over = true
}

func (l *leaf) mischief(c ctx) {
	g := l.g
	if g.calm {
		return
	}
	key := fmt.Sprint("k", g.rand.IntN(3))
	switch g.rand.IntN(12) {
	case 0:
		c.After(key, g.span(5*time.Second))
	case 1:
		c.Every(key, 200*time.Millisecond+g.span(time.Second))
	case 2:
		c.StateAfter(key, g.span(time.Second))
	case 3:
		c.CancelTimer(key)
	case 4, 5:
		_ = c.Task(key, g.span(3*time.Second), func(context.Context) (any, error) { return 1, nil })
	case 6:
		if c.Send(c.Lookup(one(g, g.actors...)), "gossip").OK() {
			g.accepted++
		}
	}
}

// event checks what can be seen of every life.
func (g *grove) event(e supervisor.Event) {
	g.trace = append(g.trace, fmt.Sprintf("%v %v %s#%d %v %v", e.Time.Sub(sim.Epoch), e.Kind, e.Path, e.Incarnation, e.Reason, e.Wait))
	parent, _ := cutLast(e.Path)
	switch e.Kind {
	case supervisor.EventStarting:
		if g.downBy {
			g.errorf("%s#%d starts after the end", e.Path, e.Incarnation)
		}
		if g.living[e.Path] != 0 || e.Incarnation != g.last[e.Path]+1 {
			g.errorf("%s#%d starts beside #%d", e.Path, e.Incarnation, g.living[e.Path])
		}
		if parent != "" && g.living[parent] == 0 {
			g.errorf("%s#%d starts without a parent", e.Path, e.Incarnation)
		}
		g.living[e.Path], g.last[e.Path] = e.Incarnation, e.Incarnation
	case supervisor.EventReady:
		if g.living[e.Path] != e.Incarnation {
			g.errorf("%s#%d is ready but not alive", e.Path, e.Incarnation)
		}
	case supervisor.EventExited:
		if g.living[e.Path] != e.Incarnation {
			g.errorf("%s#%d exits, alive is #%d", e.Path, e.Incarnation, g.living[e.Path])
		}
		for path, life := range g.living {
			if life != 0 && strings.HasPrefix(path, e.Path+"/") {
				g.errorf("%s#%d is an orphan of %s", path, life, e.Path)
			}
		}
		g.living[e.Path] = 0
	}
}

func cutLast(path string) (before, after string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// torture runs the whole life of a grove; what is wrong is in g.wrong.
func (g *grove) torture() {
	sys, err := supervisor.Start(g.grow("root", 3), supervisor.Options{
		Executor: g.sim, OnEvent: g.event, OnFatal: func(supervisor.Reason) { g.fatal++ },
	})
	if err != nil {
		g.errorf("start: %v", err)
		return
	}
	g.sys = sys
	g.firstStarts()
	for range 60 {
		for range 1 + g.rand.IntN(4) {
			msg := one(g, "hello", "hello", "hello", "error", "error", "panic", "end", "escalate", "never again")
			if sys.Ref(one(g, g.actors...)).Send(msg).OK() {
				g.accepted++
			}
		}
		switch g.rand.IntN(3) {
		case 0:
			g.sim.Round()
		case 1:
			g.sim.Stall(g.sim.Now().Add(g.span(300 * time.Millisecond)))
		default:
			g.sim.Advance(g.span(2 * time.Second))
		}
	}
	g.release()
	g.calm = true
	g.sim.Advance(time.Hour)
	tree := sys.Tree()
	each(&tree, g.allBack)
	g.finish()
}

// allBack: an hour after the last crash, whoever shall always run does so.
func (g *grove) allBack(t *supervisor.Tree) {
	if t.State != supervisor.StateRunning {
		return
	}
	for i, c := range t.Children {
		permanent := g.specs[t.Path].Children[i].Restart == supervisor.Permanent
		if permanent && c.State != supervisor.StateRunning && c.State != supervisor.StateIgnored && !g.resting[c.Path] {
			g.errorf("%s is %v an hour later", c.Path, c.State)
		}
	}
}

// release lets all tasks go on that are held for good.
func (g *grove) release() {
	for _, path := range g.actors {
		for _, key := range []string{"k0", "k1", "k2"} {
			for g.sim.Release(path, key) {
				g.sim.Quiesce()
			}
		}
	}
}

// firstStarts: depth first, in the order of the specs.
func (g *grove) firstStarts() {
	at := map[string]int{}
	for _, line := range g.trace {
		var when, path string
		var life int
		if n, _ := fmt.Sscanf(strings.ReplaceAll(line, "#", " "), "%s starting %s %d", &when, &path, &life); n != 3 || life != 1 {
			continue
		}
		parent, _ := cutLast(path)
		if g.order[path] != at[parent] {
			g.errorf("%s starts as number %d", path, at[parent])
		}
		at[parent]++
	}
}

// finish stops the tree and counts what is left.
func (g *grove) finish() {
	report := g.sys.Stop()
	g.downBy = true
	if g.fatal > 1 {
		g.errorf("%d OnFatal", g.fatal)
	}
	for path, life := range g.living {
		if life != 0 {
			g.errorf("%s#%d is alive after the stop", path, life)
		}
	}
	if !report.Complete && g.fatal == 0 {
		g.errorf("stop: %+v", report)
	}
	g.sim.Advance(time.Hour)
	g.release()
	g.sim.Advance(time.Hour)
	g.release()
	tree := g.sys.Tree()
	each(&tree, func(t *supervisor.Tree) {
		if t.State != supervisor.StateStopped && t.State != supervisor.StateIgnored {
			g.errorf("%s is %v after the stop", t.Path, t.State)
		}
		if t.Timers != 0 || t.Workers != 0 || t.Zombies != 0 || t.Queued != 0 {
			g.errorf("%s has something left: %v", t.Path, t)
		}
	})
	l := g.sys.Ledger()
	if l.Actors != 0 || l.Timers != 0 || l.Workers != 0 || l.Zombies != 0 || l.DeadTimers != 0 || l.HookPanics != 0 || g.sim.Timers() != 0 {
		g.errorf("left: %+v, %d in the simulation", l, g.sim.Timers())
	}
	if g.accepted != g.handled+int(l.DeadStopped) {
		g.errorf("accepted %d, handled %d, dead %d", g.accepted, g.handled, l.DeadStopped)
	}
}

func each(t *supervisor.Tree, f func(*supervisor.Tree)) {
	f(t)
	for i := range t.Children {
		each(&t.Children[i], f)
	}
}

// TestSweepTrees: random trees under random crashes, ends, timers and tasks that
// hang: no orphan, no two lives of one place, starts in order, nothing alive
// after the stop, every message accounted for.
func TestSweepTrees(t *testing.T) {
	fatal, abandoned, restarts := 0, 0, 0
	for seed := range uint64(supervisortest.Seeds(t, 300)) {
		g := newGrove(seed)
		g.torture()
		for _, wrong := range g.wrong {
			t.Errorf("seed %d: %s", seed, wrong)
		}
		if t.Failed() {
			return
		}
		fatal += g.fatal
		for _, line := range g.trace {
			if strings.Contains(line, " abandoned ") {
				abandoned++
			}
			if strings.Contains(line, " restarting ") {
				restarts++
			}
		}
	}
	t.Logf("%d gave up, %d abandoned, %d restarts", fatal, abandoned, restarts)
	if fatal == 0 || abandoned == 0 || restarts == 0 {
		t.Error("the sweep tests nothing")
	}
}

// TestSweepTraces: one seed, one trace; another seed, another.
func TestSweepTraces(t *testing.T) {
	n := uint64(min(supervisortest.Seeds(t, 50), 50))
	all := map[uint64]bool{}
	for seed := range n {
		first := traceOf(seed)
		if first != traceOf(seed) {
			t.Errorf("seed %d has two traces", seed)
		}
		all[first] = true
	}
	if len(all) != int(n) {
		t.Errorf("%d seeds have %d traces", n, len(all))
	}
}

func traceOf(seed uint64) uint64 {
	g := newGrove(seed)
	g.torture()
	h := fnv.New64a()
	for _, line := range g.trace {
		_, _ = h.Write([]byte(line + "\n"))
	}
	return h.Sum64()
}
