package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// RootID is the path of a tree's root unless Options.Root names another.
const RootID = "root"

// Options of a System; the zero value runs on the machine.
type Options struct {
	Root     string   // path of the root supervisor, no "/"; default RootID
	Executor Executor // default: NewReal(1)
	// HandlerLimit is how long a handler may run before it is EventSlow and shown
	// by Slow; default DefaultHandlerLimit on the machine, none in a simulation;
	// below 0: none. It is seen up to a quarter of the limit late.
	HandlerLimit time.Duration
	// OnBuilt is called once when the places of the tree exist and before anything
	// runs: it can find the addresses that actors will use.
	OnBuilt func(find func(path string) Ref)
	// OnEvent is told what happens, on the goroutine where it happens: on many at
	// once, so it must not block. It may look and send (Tree, Ref.Send), it must
	// not wait (Ask, Stop). A panic in it is counted (Ledger.HookPanics).
	// Once Stop has to give up the root itself, it is called no more: it may be what
	// hangs. A Subscription is still told.
	OnEvent func(Event)
	// OnFatal is told when the root supervisor gave up; the tree is down.
	OnFatal func(Reason)
	// ZombieLimit is how many handlers and workers that were given up may still
	// run; default 64. With one more the root gives up with ErrZombies: Go cannot
	// end them, only a new process can.
	ZombieLimit int
}

// System is a running tree.
type System struct {
	opts   Options
	exec   Executor
	proto  *actor.ActorSystem
	spawns sync.Mutex
	props  *actor.Props // of whoever is being spawned
	fresh  *shell       // this one
	began  time.Time
	prefix string // of process names, so that several systems share one registry
	root   *node
	rootSh *shell

	placing   sync.RWMutex
	places    map[string]*node
	leftovers map[*node]bool // forgotten, but something of them still runs, or was given up
	tidyAt    int            // how many of these there may be before one looks which still are
	claims    claims

	up, down chan struct{}
	upOnce   sync.Once
	reason   Reason // of the root's exit, once down is closed
	stopping atomic.Bool
	// lastResort: Stop gives up the root. It waits for nobody and calls no hook.
	lastResort atomic.Bool

	actors, timers, workers, zombies atomic.Int64
	dead                             deadLetters
	hookPanics                       atomic.Uint64
	stacks, crashStacks              limiter
	streams                          streams
	monitors                         atomic.Uint64 // made so far
	watch                            watch
}

// An ActorSystem costs 2.8 MiB and has no stop of its own: one serves the whole
// process.
var (
	sharedProto   = sync.OnceValue(newProto)
	systemCounter atomic.Uint64
)

func newProto() *actor.ActorSystem {
	quiet := func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }
	return actor.NewActorSystem(actor.WithLoggerFactory(quiet))
}

// startPatience bounds Start; the children's own time-outs are what ends it in
// practice.
const startPatience = time.Hour

// Start builds the tree of the spec and starts it, children in order. When a
// child cannot be started, those before it are stopped again and the error
// names the child and the cause.
func Start(spec SupervisorSpec, opts Options) (*System, error) {
	opts.Root = orDefault(opts.Root, RootID)
	if err := opts.check(&spec); err != nil {
		return nil, fmt.Errorf("the tree cannot be built: %w", err)
	}
	opts.ZombieLimit = orDefault(opts.ZombieLimit, defaultZombies)
	if opts.Executor == nil {
		opts.Executor = NewReal(1)
	}
	s := &System{
		opts: opts, exec: opts.Executor, began: opts.Executor.Now(), proto: sharedProto(),
		prefix: "s" + strconv.FormatUint(systemCounter.Add(1), 10) + "/",
		places: make(map[string]*node, 1+spec.places()), leftovers: map[*node]bool{}, up: make(chan struct{}), down: make(chan struct{}),
	}
	s.watch.start(s, opts.HandlerLimit)
	s.props = actor.PropsFromProducer(
		func() actor.Actor { return s.fresh },
		actor.WithMailbox(func() actor.Mailbox { return s.fresh.box }),
	)
	s.root = newNode(s, nil, &ChildSpec{ID: opts.Root, Supervisor: &spec}, opts.Root)
	if opts.OnBuilt != nil {
		opts.OnBuilt(s.Ref)
	}
	s.rootSh = s.spawn(s.root, nil, nil)
	if !s.exec.Wait(s.up, startPatience) {
		s.Stop()
		return nil, ErrStartTimeout
	}
	select {
	case <-s.down:
		return nil, s.startError()
	default:
		return s, nil
	}
}

// clock is the time since the system began, monotonic.
func (s *System) clock() time.Duration { return s.exec.Now().Sub(s.began) }

func (s *System) startError() error {
	if s.reason.Err != nil {
		return s.reason.Err
	}
	return errors.New(s.reason.String())
}

// StopReport says how a stop went. Abandoned are the paths of actors that did
// not stop in time or of which something still runs, Zombies the handlers and
// workers that still run.
type StopReport struct {
	Took      time.Duration
	Abandoned []string
	Zombies   int64
	Complete  bool // the root itself ended within its budget
}

// Stop stops the tree in reverse order and waits for it. It is safe from
// anywhere outside the tree, and more than once. An actor must not call it: it
// would wait for its own end, and be given up.
func (s *System) Stop() StopReport {
	begin := s.exec.Now()
	s.stopping.Store(true)
	s.rootSh.box.signal(stopSignal{})
	limit := s.root.spec.Supervisor.stopBudget()
	if limit < Infinity/2 {
		limit += 2 * DefaultGrace
	}
	down := s.exec.Wait(s.down, limit) || s.giveUpRoot()
	return StopReport{
		Took: s.exec.Now().Sub(begin), Abandoned: s.abandoned(),
		Zombies: s.zombies.Load(), Complete: down && s.reason.Kind != ExitKilled,
	}
}

// giveUpRoot is the last resort; it reports whether the tree is down. If it
// cannot abandon the root, the root is just ending, or another Stop did it.
func (s *System) giveUpRoot() (down bool) {
	s.lastResort.Store(true)
	if !s.rootSh.abandon(Reason{Kind: ExitKilled}, false) {
		return s.exec.Wait(s.down, DefaultGrace)
	}
	s.root.setGivenUp()
	s.rootExited(Reason{Kind: ExitKilled})
	return true
}

// Down is closed when the tree is down, by Stop or because the root gave up.
func (s *System) Down() <-chan struct{} { return s.down }

// Reason is why the root ended; valid once Down is closed.
func (s *System) Reason() Reason { return s.reason }

// Ref finds the place with this path; nobody if there is none.
func (s *System) Ref(path string) Ref { return Ref{s.place(path)} }

func (s *System) place(path string) *node {
	s.placing.RLock()
	defer s.placing.RUnlock()
	return s.places[path]
}

func (s *System) addPlace(n *node) {
	s.placing.Lock()
	defer s.placing.Unlock()
	s.places[n.path] = n
}

// forgetPlaces: these places of a Dynamic supervisor, and all below them, are
// gone for good.
func (s *System) forgetPlaces(gone []*node) {
	s.placing.Lock()
	defer s.placing.Unlock()
	for _, n := range gone {
		n.walk(s.forgetPlaceLocked)
	}
}

func (s *System) forgetPlaceLocked(n *node) {
	delete(s.places, n.path)
	if !n.haunted() {
		return
	}
	if s.leftovers[n] = true; len(s.leftovers) > s.tidyAt {
		maps.DeleteFunc(s.leftovers, func(n *node, _ bool) bool { return !n.haunted() })
		s.tidyAt = 2 * len(s.leftovers) // all of them for each new one would be quadratic
	}
}

// leftover reports whether something of a forgotten place still runs.
func (s *System) leftover(path string) bool {
	s.placing.RLock()
	defer s.placing.RUnlock()
	for n := range s.leftovers {
		if n.path == path && n.zombies.Load() > 0 {
			return true
		}
	}
	return false
}

// haunted places are part of a stop's report.
func (n *node) haunted() bool { return n.zombies.Load() > 0 || n.wasGivenUp() }

func (s *System) abandoned() (paths []string) {
	note := func(n *node) {
		if n.haunted() {
			paths = append(paths, n.path)
		}
	}
	s.root.walk(note)
	s.placing.RLock()
	defer s.placing.RUnlock()
	for n := range s.leftovers {
		note(n)
	}
	return paths
}

func (n *node) walk(f func(*node)) {
	f(n)
	for _, c := range n.below() {
		c.walk(f)
	}
}

// defaultZombies is the default of Options.ZombieLimit.
const defaultZombies = 64

// tooManyZombies tells the root to give up.
type tooManyZombies struct{}

// countAbandoned looks at the limit after a life was given up.
func (s *System) countAbandoned() {
	if s.zombies.Load() > int64(s.opts.ZombieLimit) && !s.stopping.Load() {
		s.rootSh.box.signal(tooManyZombies{})
	}
}

func (s *System) rootReady() { s.upOnce.Do(func() { close(s.up) }) }

func (s *System) rootExited(r Reason) {
	s.reason = r
	fatal := !s.stopping.Load() && r.Kind != ExitShutdown
	wasUp := false
	select {
	case <-s.up:
		wasUp = true
	default:
	}
	s.watch.stop()
	s.streams.end()
	close(s.down)
	s.rootReady()
	if fatal && wasUp && s.opts.OnFatal != nil {
		defer s.survivePanic()
		s.opts.OnFatal(r)
	}
}

// spawn starts a life of a node.
func (s *System) spawn(n *node, parentBox *mailbox, c *child) *shell {
	sh := &shell{sys: s, node: n, parentBox: parentBox, child: c, epoch: n.epoch.Add(1)}
	sh.c.sh = sh
	sh.box = newMailbox(n)
	sh.box.life = sh
	if n.spec.Exclusive != "" {
		sh.claim = s.claims.take(sh)
	}
	if n.spec.Supervisor != nil {
		sh.sup = newSupervision(sh, n.spec.Supervisor)
	}
	n.setSpawned(sh.epoch)
	n.box.Store(sh.box)
	s.actors.Add(1)
	s.emit(Event{Kind: EventStarting, Path: n.path, Incarnation: sh.epoch})
	if err := s.register(sh); err != nil {
		// Only another user of the process registry could have taken the name.
		sh.reason = &Reason{Kind: ExitError, Err: fmt.Errorf("spawn %s: %w", n.name, err)}
		sh.over.Store(true)
		sh.ended()
	}
	return sh
}

// register makes the process. protoactor asks the props for actor and mailbox
// while it does, so that one set of props, of 234 bytes, serves all.
func (s *System) register(sh *shell) error {
	s.spawns.Lock()
	defer s.spawns.Unlock()
	s.fresh = sh
	_, err := s.proto.Root.SpawnNamed(s.props, sh.node.name)
	s.fresh = nil
	return err
}

// deadLetters counts what was queued and never handled, by cause.
type deadLetters struct{ stopped, replaced, timers, coalesced atomic.Uint64 }

// deadLetter counts a message that nobody will handle; an asker is told.
func (s *System) deadLetter(msg any, why error, cause *atomic.Uint64) {
	cause.Add(1)
	if c, ok := msg.(*call); ok {
		c.to.answer(nil, why)
	}
}
