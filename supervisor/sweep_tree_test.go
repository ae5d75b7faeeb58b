package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
	"gatehouse/supervisor/supervisortest"
)

// scriptSteps is how long a script is.
const scriptSteps = 40

// mostActors bounds a random tree.
const mostActors = 50

// grove is a random tree, grown and tortured from one seed, and watched by the
// reference model.
type grove struct {
	seed   uint64
	rand   *rand.Rand // of the script; the tree and every actor have their own
	sim    *sim.Sim
	sys    *supervisor.System
	spec   spec
	actors []string
	kids   []string           // all places but the root
	faults map[string][]fault // by path
	trace  []seen
	model  *reference
	wrap   func(seen) []seen // what the controls do to an observation

	find    func(string) supervisor.Ref
	letters int
	brands  int // of the News that orders brought
	lives   map[string]*newPlaces
	places  map[string]*placeState
	fatal   int
	late    bool
}

// placeState is what a place's lives have in common.
type placeState struct {
	rand     *rand.Rand
	messages int
	held     bool // its tasks are held back for good
}

// plant grows a seed's tree.
func plant(seed uint64) *grove {
	g := &grove{seed: seed, rand: rand.New(rand.NewPCG(seed, 2)), places: map[string]*placeState{}, lives: map[string]*newPlaces{}}
	g.spec = g.grow(rand.New(rand.NewPCG(seed, 1)), []string{"root"}, 3)
	g.sim = sim.New(seed, sim.Options{
		Hold: g.hold,
		Deaf: func(_, name string) bool { return name == "deaf" },
	})
	g.model = newReference(g.spec)
	return g
}

func (g *grove) hold(owner, _ string) sim.Hold {
	p := g.places[owner]
	switch n := p.rand.IntN(100); {
	case p.held:
		return sim.Hold{Result: sim.Forever}
	case n < 80:
		return sim.Hold{}
	}
	return sim.Hold{Start: span(p.rand, 3*time.Second), Result: span(p.rand, 3*time.Second)}
}

func span(r *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(most)))
}

// grow makes the spec of a supervisor that lives at these paths: one, or many
// below a Dynamic supervisor.
func (g *grove) grow(r *rand.Rand, paths []string, depth int) spec {
	s := spec{
		Strategy:   pick(r, supervisor.OneForOne, supervisor.RestForOne, supervisor.OneForAll),
		Budget:     pick(r, supervisor.Budget{}, escalating(3), escalating(20), escalating(20), isolating(1), isolating(5)),
		StopBudget: pick(r, 0, time.Second, 8*time.Second, time.Minute),
	}
	if r.IntN(5) == 0 {
		g.growKind(r, &s, paths, depth)
		return s
	}
	for i := range 1 + r.IntN(6) {
		if len(g.actors) >= mostActors {
			break
		}
		c := g.child(r, fmt.Sprint("c", i))
		g.fill(r, &c, below(paths, c.ID), depth)
		s.Children = append(s.Children, c)
	}
	return s
}

// growKind makes a supervisor Dynamic.
func (g *grove) growKind(r *rand.Rand, s *spec, paths []string, depth int) {
	s.Strategy, s.MaxChildren = supervisor.Dynamic, pick(r, 0, 0, 1, 3)
	c := g.child(r, "")
	g.fill(r, &c, below(paths, dynamicIDs...), min(depth, 1))
	if c.Supervisor == nil {
		s.Parallelism = pick(r, 0, 0, 1, 2)
		if r.IntN(4) == 0 {
			c.New = nil // each StartChild brings its own
		}
	}
	s.Children = kids{c}
}

func below(paths []string, ids ...string) (all []string) {
	for _, path := range paths {
		for _, id := range ids {
			all = append(all, path+"/"+id)
		}
	}
	return all
}

func (g *grove) child(r *rand.Rand, id string) kid {
	return kid{
		ID:           id,
		Restart:      pick(r, supervisor.Permanent, supervisor.Permanent, supervisor.Transient, supervisor.Temporary),
		StopDeadline: pick(r, 0, supervisor.Brutal, time.Second, supervisor.Infinity),
		Backoff: pick(
			r, supervisor.Backoff{}, supervisor.Backoff{Min: time.Millisecond, Jitter: 0.5, ResetAfter: time.Second},
			supervisor.Backoff{Min: time.Second, Max: 3 * time.Second, Factor: 3},
		),
	}
}

// fill makes a child a supervisor or an actor.
func (g *grove) fill(r *rand.Rand, c *kid, paths []string, depth int) {
	g.kids = append(g.kids, paths...)
	if depth > 0 && r.IntN(100) < 45 {
		sub := g.grow(r, paths, depth-1)
		c.Supervisor = &sub
		return
	}
	g.sow(r, c, paths)
}

// sow makes an actor's spec.
func (g *grove) sow(r *rand.Rand, c *kid, paths []string) {
	g.actors = append(g.actors, paths...)
	for _, path := range paths {
		h := fnv.New64a()
		_, _ = h.Write([]byte(path))
		g.places[path] = &placeState{rand: rand.New(rand.NewPCG(g.seed, h.Sum64()))}
	}
	c.Mailbox = supervisor.MailboxSpec{Normal: 1 + r.IntN(8), Control: 1 + r.IntN(3), Telemetry: 1 + r.IntN(3), Stash: r.IntN(4)}
	c.StartTimeout = pick(r, 0, time.Second)
	c.New = func() supervisor.Actor { return &leaf{g: g} }
}

// saw notes an observation and shows it to the model, up to the first that is
// wrong.
func (g *grove) saw(s seen) {
	if len(g.model.wrong) > 0 {
		return
	}
	s.At = g.sim.Now().Sub(sim.Epoch)
	if g.sys == nil && s.At >= time.Hour && !g.late { // Start gives up, and stops what there is
		g.late = true
		g.tell(seen{What: "stopping", Path: "root", At: time.Hour})
	}
	g.tell(s)
}

func (g *grove) tell(s seen) {
	all := []seen{s}
	if g.wrap != nil {
		all = g.wrap(s)
	}
	for _, s := range all {
		g.trace = append(g.trace, s)
		g.model.see(s)
	}
}

func (g *grove) event(e supervisor.Event) {
	if e.Kind != supervisor.EventRefused && e.Kind <= supervisor.EventRefused {
		g.saw(seen{What: e.Kind.String(), Path: e.Path, Life: g.life(e), Kind: e.Reason.Kind, Wait: e.Wait})
	}
}

// parcel is a message of a sweep.
type parcel struct {
	n     int
	class supervisor.Class
}

func (l parcel) Class() supervisor.Class { return l.class }

func (g *grove) write(r *rand.Rand) parcel {
	g.letters++
	l := parcel{n: g.letters, class: supervisor.Class{Lane: pick(r, supervisor.Normal, supervisor.Normal, supervisor.Normal, supervisor.Control, supervisor.Telemetry)}}
	if r.IntN(10) == 0 {
		l.class.Key = pick(r, "x", "y")
	}
	if r.IntN(5) == 0 {
		l.class.WhenFull = supervisor.ReplaceOldest
	}
	return l
}

func (g *grove) sent(by string, life uint64, to string, l parcel, d supervisor.Delivery) {
	g.saw(seen{What: "sent", Path: to, Life: life, By: by, N: l.n, Box: l.class, Got: d})
}

// leaf is an actor that does as its faults say, and now and then as it likes.
type leaf struct {
	g    *grove
	path string
	life uint64
	over bool // it was told to end by itself

	monitors []supervisor.Monitor // the last few

	brand int // which StartChild's New made it, 0: none
}

func (l *leaf) saw(s seen) {
	s.Path, s.Life = l.path, l.life
	l.g.saw(s)
}

func (l *leaf) note(what, text string) { l.saw(seen{What: what, Text: text}) }

// suffers calls f with every fault of a kind that is due now.
func (l *leaf) suffers(prefix string, n int, f func(fault)) {
	for _, x := range l.g.faults[l.path] {
		if strings.HasPrefix(x.Kind, prefix) && x.hits(n) {
			x.Kind = strings.TrimPrefix(x.Kind, prefix)
			f(x)
		}
	}
}

func (l *leaf) Start(c ctx) (err error) {
	l.path = c.Self().Path()
	l.life = l.g.lives[l.path].before + c.Incarnation()
	l.saw(seen{What: "begin", Brand: l.brand})
	defer l.note("free", "")
	l.mischief(c)
	l.suffers("deaf", int(c.Incarnation()), func(fault) { _ = c.Loop("deaf", nil) })
	l.suffers("start-", int(c.Incarnation()), func(f fault) {
		if err == nil {
			err = l.fail(c, f)
		}
	})
	return err
}

func (l *leaf) Receive(c ctx, msg any) (err error) {
	defer l.note("free", "")
	switch m := msg.(type) {
	case supervisor.Tick:
		l.saw(seen{What: "tick", Text: m.Key, N: m.Missed})
		return nil
	case supervisor.MonitorDown:
		l.saw(seen{
			What: "down", N: int(m.Monitor), Text: m.Path, Of: m.Incarnation, Kind: m.Reason.Kind,
			OK: errors.Is(m.Reason.Err, supervisor.ErrDown),
		})
		return nil
	case supervisor.TaskDone:
		l.note("taskdone", m.Name)
		return nil
	case supervisor.Answer:
		l.answer(m)
		return nil
	case parcel:
		l.saw(seen{What: "got", N: m.n, Box: m.class})
		if l.stash(c, m) {
			return nil
		}
		if c.Asked() && m.n%4 > 0 {
			l.saw(seen{What: "replied", N: m.n, OK: c.Reply(m.n)})
		}
	}
	p := l.g.places[l.path]
	p.messages++
	l.mischief(c)
	l.suffers("", p.messages, func(f fault) {
		if err == nil && slices.Contains(inMessages, f.Kind) {
			err = l.fail(c, f)
		}
	})
	if l.over && err == nil {
		l.note("cause", "normal")
		c.Stop()
	}
	return err
}

// fail carries out a fault.
func (l *leaf) fail(c ctx, f fault) error {
	switch f.Kind {
	case "slow":
		l.g.sim.Sleep(f.For)
		l.mischief(c) // perhaps as a zombie
	case "hang":
		l.g.sim.Block()
		l.mischief(c)
	case "task-slow", "task-hang":
		l.task(c, f)
	case "end":
		l.over = true
	case "panic":
		l.note("cause", f.Kind)
		panic("as told")
	case "error", "escalate", "rest", "ignore":
		l.note("cause", f.Kind)
		return map[string]error{
			"error": supervisortest.ErrCrash, "ignore": supervisor.ErrIgnore,
			"escalate": supervisor.Escalate(supervisortest.ErrCrash), "rest": supervisor.DoNotRestart(supervisortest.ErrCrash),
		}[f.Kind]
	}
	return nil
}

func (l *leaf) task(c ctx, f fault) {
	name := fmt.Sprint("t", f.At%3)
	err := c.Task(name, 0, func(ctx context.Context) (any, error) {
		if f.Kind == "task-hang" {
			l.g.sim.Block()
		} else {
			return nil, l.g.sim.Await(ctx, f.For)
		}
		return nil, nil
	})
	if err == nil {
		l.note("task", name)
	}
}

func (l *leaf) Stop(c ctx, why supervisor.Reason) {
	l.saw(seen{What: "hook", Kind: why.Kind})
	fine := true
	defer func() { l.saw(seen{What: "hooked", OK: fine}) }()
	l.mischief(c)
	l.suffers("stop-", int(c.Incarnation()), func(f fault) {
		if f.Kind == "panic" {
			fine = false
			panic("as told")
		}
		_ = l.fail(c, f)
	})
}

// mischief is what actors do on their own account.
func (l *leaf) mischief(c ctx) {
	r := l.g.places[l.path].rand
	key := fmt.Sprint("k", r.IntN(3))
	d := span(r, 5*time.Second)
	switch r.IntN(20) {
	case 0:
		c.After(key, d)
		l.saw(seen{What: "armed", Text: key, Wait: d})
	case 1:
		d += 200 * time.Millisecond
		c.Every(key, d)
		l.saw(seen{What: "armed", Text: key, Wait: d, Every: true})
	case 2:
		l.saw(seen{What: "cancelled", Text: key, OK: c.CancelTimer(key)})
	case 3:
		l.task(c, fault{Kind: "task-slow", At: r.IntN(3), For: d})
	case 4, 5, 6:
		to, x := l.g.someone(r), l.g.write(r)
		l.g.sent(l.path, l.life, to, x, c.Send(c.Lookup(to), x))
	case 7:
		l.g.orderInside(l, c, r)
	case 8, 9:
		l.monitor(c, pick(r, l.g.kids...))
	case 10:
		l.demonitor(c, r)
	case 11, 12:
		l.ask(c, r)
	case 13:
		l.saw(seen{What: "unstashed", N: c.Unstash()})
	}
}

// torture runs the whole life of a grove under these faults and returns what
// was wrong.
func (g *grove) torture(faults []fault) []string {
	g.faults = map[string][]fault{}
	for _, f := range faults {
		g.faults[f.Path] = append(g.faults[f.Path], f)
	}
	defer g.sweepUp()
	sys, err := supervisor.Start(g.spec, supervisor.Options{
		Executor: g.sim, OnEvent: g.event, OnFatal: func(supervisor.Reason) { g.fatal++ }, ZombieLimit: 1 << 20,
		OnBuilt: func(find func(string) supervisor.Ref) { g.find = find },
	})
	if err != nil {
		g.quiet()
		return g.model.wrong
	}
	g.sys = sys
	stop := scriptSteps
	for step := range scriptSteps {
		g.inflict(step, faults, &stop)
		if step >= stop || len(g.model.wrong) > 0 {
			break
		}
		g.step()
	}
	g.finish()
	return g.model.wrong
}

// inflict carries out the faults of a step.
func (g *grove) inflict(step int, faults []fault, stop *int) {
	for _, f := range faults {
		if f.At != step {
			continue
		}
		switch f.Kind {
		case "stop":
			*stop = step
		case "task-held":
			g.places[f.Path].held = true
		case "order-start", "order-stop", "ask-start", "ask-stop":
			g.order(f)
		case "flood":
			r := rand.New(rand.NewPCG(g.seed, uint64(step)))
			for range 30 {
				l := g.write(r)
				g.sent("", 0, f.Path, l, g.find(f.Path).Send(l))
			}
		case "stall":
			g.sim.Quiesce()
			g.saw(seen{What: "stalled", Path: "root", Wait: f.For / 6})
			g.sim.Stall(g.sim.Now().Add(f.For / 6))
			g.quiet()
		}
	}
}

func (g *grove) quiet() {
	g.sim.Quiesce()
	g.saw(seen{What: "quiet", Path: "root"})
}

// step sends some letters and lets some time pass.
func (g *grove) step() {
	for range 1 + g.rand.IntN(6) {
		to, l := g.someone(g.rand), g.write(g.rand)
		g.sent("", 0, to, l, g.find(to).Send(l))
	}
	d := span(g.rand, 2*time.Second)
	g.sendOld()
	switch g.rand.IntN(12) {
	case 0, 1, 2:
		g.sim.Round()
		return
	case 3:
		d *= 8
	case 4:
		g.ask(g.someone(g.rand), d)
	}
	g.sim.Advance(d)
	g.quiet()
}

// someone is mostly an actor that lives.
func (g *grove) someone(r *rand.Rand) (path string) {
	for range 4 {
		if path = pick(r, g.actors...); g.model.at[path].life != 0 {
			break
		}
	}
	return path
}

func (g *grove) ask(to string, limit time.Duration) {
	if g.model.unclear(to) {
		return
	}
	g.letters++
	l := parcel{n: g.letters}
	g.saw(seen{What: "asked", Path: to, N: l.n, Wait: limit})
	got, err := g.find(to).Ask(l, limit)
	text := askError(err)
	if err == nil && got != l.n {
		text = fmt.Sprint("not its answer: ", got)
	}
	g.saw(seen{What: "answered", Path: to, N: l.n, Text: text})
}

// finish stops the tree and counts what is left.
func (g *grove) finish() {
	wrong := func(format string, a ...any) { g.model.errorf(format, a...) }
	if len(g.model.wrong) > 0 {
		g.sys.Stop()
		return
	}
	began := g.sim.Now()
	g.saw(seen{What: "stopping", Path: "root"})
	report := g.sys.Stop()
	if most := stopBudget(g.model.root) + supervisor.DefaultGrace; g.sim.Now().Sub(began) > most {
		wrong("the stop took %v of %v", report.Took, most)
	}
	g.quiet()
	for _, p := range g.model.all {
		if p.life != 0 {
			wrong("%s#%d is alive after the stop", p.path, p.life)
		}
	}
	if g.fatal > 1 {
		wrong("%d OnFatal", g.fatal)
	}
	for range 3 { // a task may be held back, then hang, then its result be held back
		g.sweepUp()
		g.sim.Advance(time.Hour)
	}
	tree := g.sys.Tree()
	each(&tree, func(t *supervisor.Tree) {
		if t.State != supervisor.StateStopped && t.State != supervisor.StateIgnored {
			wrong("%s is %v after the stop", t.Path, t.State)
		}
		if supervisor.Watchers(g.find(t.Path)) != 0 {
			wrong("%s is still monitored", t.Path)
		}
		if t.Timers != 0 || t.Workers != 0 || t.Zombies != 0 || t.Queued != 0 {
			wrong("%s has something left: %v", t.Path, t)
		}
	})
	l, m := g.sys.Ledger(), g.model
	if l.Actors != 0 || l.Timers != 0 || l.Workers != 0 || l.Zombies != 0 || l.DeadTimers != 0 || l.HookPanics != 0 || g.sim.Timers() != 0 {
		wrong("left: %+v, %d timers in the simulation", l, g.sim.Timers())
	}
	if l.DeadStopped < uint64(m.dead) || l.DeadStopped > uint64(m.dead+m.perhapsDead) || l.DeadReplaced != uint64(m.replaced) || l.Coalesced != uint64(m.coalesced) ||
		m.accepted != m.handled+m.dead+m.replaced+m.coalesced {
		wrong("accepted %d, handled %d, dead %d, replaced %d, coalesced %d; the ledger: %+v",
			m.accepted, m.handled, m.dead, m.replaced, m.coalesced, l)
	}
}

// sweepUp releases all that hangs.
func (g *grove) sweepUp() {
	for g.sim.ReleaseAll() > 0 {
		g.sim.Quiesce()
	}
}

func each(t *supervisor.Tree, f func(*supervisor.Tree)) {
	f(t)
	for i := range t.Children {
		each(&t.Children[i], f)
	}
}
