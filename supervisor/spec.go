package supervisor

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Actor handles one message at a time. A returned error ends this life of the
// actor.
type Actor interface {
	Receive(c *Context, msg any) error
}

// Starter is an Actor that has something to do before its first message. The
// child counts as ready when Start returned nil. ErrIgnore: do not run, and
// that is no failure.
type Starter interface {
	Start(c *Context) error
}

// Stopper is an Actor that has something to do at the end of every life that
// had begun (Start was called), also after a panic or an error. It is not
// called on a life that was abandoned.
type Stopper interface {
	Stop(c *Context, why Reason)
}

// Restart says after which exits a child is started again.
type Restart uint8

const (
	Permanent Restart = iota // always
	Transient                // after an abnormal exit
	Temporary                // never
)

// Strategy says which siblings share a child's fate.
type Strategy uint8

const (
	OneForOne  Strategy = iota // none
	RestForOne                 // those that were started after it
	OneForAll                  // all
	Dynamic                    // none; children of one kind, added and removed while it runs
)

// Stop deadlines with a meaning of their own.
const (
	Infinity time.Duration = 1<<63 - 1 // wait as long as it takes
	Brutal   time.Duration = -1        // abandon at once, without the Stop hook
)

// Defaults of the specs.
const (
	DefaultStopDeadline = 5 * time.Second
	DefaultStartTimeout = 10 * time.Second
	DefaultGrace        = 500 * time.Millisecond
	DefaultStopBudget   = 30 * time.Second
)

// Backoff spaces the restarts of a child. The first is immediate; from the
// second failure on they wait Min, Min*Factor, ... at most Max, each shortened
// by a random part of at most Jitter (0..1). A life that ran for ResetAfter
// makes the next failure a first one again.
type Backoff struct {
	Min, Max   time.Duration // default 100 ms, 30 s
	Factor     float64       // default 2, at least 1
	Jitter     float64       // default 0
	ResetAfter time.Duration // default 10 s
}

// MailboxSpec bounds the lanes of a mailbox, and how many messages the actor can
// stash. Zero is the default (16, 64, 16; 64).
type MailboxSpec struct {
	Control, Normal, Telemetry int
	Stash                      int
}

// ChildSpec describes a child of a supervisor. Exactly one of New and
// Supervisor is set.
type ChildSpec struct {
	ID           string       // unique among its siblings; no "/"
	New          func() Actor // makes the actor of one life; must have no side effects
	Supervisor   *SupervisorSpec
	Restart      Restart       // default Permanent
	StopDeadline time.Duration // 0: 5 s for an actor, Infinity for a supervisor; or Brutal
	StartTimeout time.Duration // 0: 10 s for an actor; none for a supervisor: its children's bound it
	Backoff      Backoff
	Mailbox      MailboxSpec // of an actor; a supervisor takes no messages
	// Exclusive names a resource that two lives must never hold together: a new
	// life waits until nothing of the one before can reach it any more, see Claim.
	// Unique in the tree; of an actor that is not below a Dynamic supervisor.
	Exclusive string
}

// Budget is how many restarts a supervisor (escalating) or a child (isolating)
// may need within Period before it counts as beyond repair.
type Budget struct {
	Isolating bool
	Intensity int           // restarts; with Period 0 the default is 1 in 5 s
	Period    time.Duration // default 5 s
}

// Escalating gives up, and exits, at the n+1st restart within the period.
func Escalating(n int, period time.Duration) Budget { return Budget{false, n, period} }

// Isolating counts per child and never gives up: a child beyond its budget is
// StateFailed and is tried again at the cap of its backoff, until a life of it
// has run for the backoff's ResetAfter. This holds for the first start too: a
// child that cannot start does not keep the supervisor from being ready, nor its
// siblings from running (under RestForOne those after it wait for it, under
// OneForAll all). Only
// an error marked with Escalate ends an isolating supervisor.
func Isolating(n int, period time.Duration) Budget { return Budget{true, n, period} }

// SupervisorSpec describes a supervisor and its children, in start order. It
// must not be changed once the tree runs.
//
// Under Dynamic, Children holds exactly one spec without an ID: the kind of all
// children. None runs at first; StartChild adds one. The kind's New may be left
// out, then every StartChild brings its own.
type SupervisorSpec struct {
	Strategy    Strategy
	Budget      Budget
	Children    []ChildSpec
	MaxChildren int // of Dynamic: how many there may be; 0: 1,048,576
	Parallelism int // of Dynamic: how many are being stopped at a time; 0: 256
	// StopBudget bounds the stop of all children together; default 30 s. When it
	// is spent, those that are left are told to stop all at once and have
	// DefaultGrace for it; then they are abandoned.
	StopBudget time.Duration
}

// maxDepth is far beyond any tree that means well.
const maxDepth = 64

var errTooDeep = fmt.Errorf("deeper than %d: does the spec contain itself?", maxDepth)

// check returns every mistake that keeps a tree of this spec from being built.
func (o *Options) check(spec *SupervisorSpec) error {
	var errs []error
	if err := badID(o.Root); err != nil {
		errs = append(errs, fmt.Errorf("root %q: %w", o.Root, err))
	}
	if o.ZombieLimit < 0 {
		errs = append(errs, errors.New("zombie limit below 0"))
	}
	errs = append(errs, spec.check(o.Root))
	if !errors.Is(errs[len(errs)-1], errTooDeep) {
		errs = append(errs, spec.checkClaims(o.Root, map[string]string{}))
	}
	return errors.Join(errs...)
}

// check returns every mistake of the tree below the spec, or nil.
func (s *SupervisorSpec) check(path string) error {
	var errs []error
	bad := func(format string, a ...any) {
		errs = append(errs, fmt.Errorf("supervisor %q: %w", path, fmt.Errorf(format, a...)))
	}
	if strings.Count(path, "/") > maxDepth {
		bad("%w", errTooDeep)
		return errors.Join(errs...)
	}
	if s.Strategy > Dynamic {
		bad("unknown strategy %d", s.Strategy)
	}
	if s.Budget.Intensity < 0 || s.Budget.Period < 0 || (s.Budget.Intensity > 0 && s.Budget.Period == 0) {
		bad("a budget needs an intensity of at least 0 and a period above 0")
	}
	if s.StopBudget < 0 {
		bad("stop budget below 0")
	}
	if s.Strategy == Dynamic {
		errs = append(errs, s.checkKind(path, bad))
		return errors.Join(errs...)
	}
	if s.MaxChildren != 0 || s.Parallelism != 0 {
		bad("MaxChildren and Parallelism are of Dynamic supervisors only")
	}
	seen := make(map[string]bool, len(s.Children))
	for i := range s.Children {
		c := &s.Children[i]
		if seen[c.ID] {
			bad("two children have the id %q", c.ID)
		}
		seen[c.ID] = true
		if err := c.check(path); err != nil {
			errs = append(errs, err)
			if errors.Is(err, errTooDeep) {
				break // there may be as many as the branches of a tree of this depth
			}
		}
	}
	return errors.Join(errs...)
}

// checkKind checks a Dynamic supervisor.
func (s *SupervisorSpec) checkKind(path string, bad func(string, ...any)) error {
	if s.MaxChildren < 0 || s.Parallelism < 0 {
		bad("MaxChildren or Parallelism below 0")
	}
	if len(s.Children) != 1 || s.Children[0].ID != "" {
		bad("Dynamic takes exactly one child, without an id: the kind of all that StartChild adds")
		return nil
	}
	kind := &s.Children[0]
	if kind.New != nil && kind.Supervisor != nil {
		bad("the kind of a Dynamic supervisor has New or Supervisor, not both")
	}
	return kind.checkRest(path + "/*")
}

// badID is what is wrong with a child's id, nil if nothing is.
func badID(id string) error {
	if id == "" || strings.ContainsRune(id, '/') {
		return errors.New("an id must not be empty and must have no slash")
	}
	return nil
}

func (c *ChildSpec) check(parent string) error {
	path := parent + "/" + c.ID
	var errs []error
	bad := func(err error) { errs = append(errs, fmt.Errorf("child %q: %w", path, err)) }
	if err := badID(c.ID); err != nil {
		bad(err)
	}
	if (c.New == nil) == (c.Supervisor == nil) {
		bad(errors.New("exactly one of New and Supervisor must be set"))
	}
	if c.Exclusive != "" && c.Supervisor != nil {
		bad(fmt.Errorf("exclusive resource %q: of an actor only", c.Exclusive))
	}
	if err := c.checkRest(path); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c *ChildSpec) checkRest(path string) error {
	var errs []error
	bad := func(format string, a ...any) {
		errs = append(errs, fmt.Errorf("child %q: %w", path, fmt.Errorf(format, a...)))
	}
	if c.Restart > Temporary {
		bad("unknown restart type %d", c.Restart)
	}
	if c.StopDeadline < 0 && c.StopDeadline != Brutal {
		bad("stop deadline below 0")
	}
	if c.StartTimeout < 0 {
		bad("start time-out below 0")
	}
	if !c.Backoff.ok() {
		bad("backoff needs 0 <= Min <= Max, Factor >= 1, Jitter in 0..1, ResetAfter >= 0")
	}
	if m := c.Mailbox; min(m.Control, m.Normal, m.Telemetry, m.Stash) < 0 || max(m.Control, m.Normal, m.Telemetry, m.Stash) > maxLane {
		bad("a lane, and the stash, holds 1 to %d messages (0: default)", maxLane)
	}
	if c.Supervisor != nil && c.Mailbox != (MailboxSpec{}) {
		bad("a supervisor takes no messages: no Mailbox")
	}
	if c.Supervisor != nil {
		errs = append(errs, c.Supervisor.check(path))
	}
	return errors.Join(errs...)
}

// ok is written so that no comparison lets a NaN pass.
func (b Backoff) ok() bool {
	return b.Min >= 0 && b.Max >= 0 && (b.Max == 0 || b.Max >= b.Min) && b.ResetAfter >= 0 &&
		(b.Factor == 0 || b.Factor >= 1) && b.Jitter >= 0 && b.Jitter <= 1
}

func (c *ChildSpec) stopDeadline() time.Duration {
	switch {
	case c.StopDeadline != 0:
		return c.StopDeadline
	case c.Supervisor != nil:
		return Infinity
	}
	return DefaultStopDeadline
}

func (c *ChildSpec) startTimeout() time.Duration {
	switch {
	case c.StartTimeout != 0:
		return c.StartTimeout
	case c.Supervisor != nil:
		return Infinity // its own children's time-outs bound it
	}
	return DefaultStartTimeout
}

// checkClaims finds resources that two places claim; seen is nil below a Dynamic
// supervisor, all of whose children would claim the same.
func (s *SupervisorSpec) checkClaims(path string, seen map[string]string) (errs error) {
	if s.Strategy == Dynamic {
		seen = nil
	}
	for i := range s.Children {
		c := &s.Children[i]
		below := path + "/" + orDefault(c.ID, "*")
		if c.Supervisor != nil {
			errs = errors.Join(errs, c.Supervisor.checkClaims(below, seen))
		}
		if c.Exclusive == "" {
			continue
		}
		if seen == nil {
			errs = errors.Join(errs, fmt.Errorf("child %q: exclusive resource %q: not of a kind, nor below one: its children would share it", below, c.Exclusive))
			continue
		}
		if other, taken := seen[c.Exclusive]; taken {
			errs = errors.Join(errs, fmt.Errorf("child %q: exclusive resource %q is %q's already", below, c.Exclusive, other))
		}
		seen[c.Exclusive] = below
	}
	return errs
}

// places is how many there are below the supervisor when it starts.
func (s *SupervisorSpec) places() (n int) {
	if s.Strategy == Dynamic {
		return 0
	}
	for i := range s.Children {
		if n++; s.Children[i].Supervisor != nil {
			n += s.Children[i].Supervisor.places()
		}
	}
	return n
}

func (s *SupervisorSpec) stopBudget() time.Duration {
	if s.StopBudget == 0 {
		return DefaultStopBudget
	}
	return s.StopBudget
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
