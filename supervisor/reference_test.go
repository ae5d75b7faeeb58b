package supervisor_test

import (
	"fmt"
	"slices"
	"time"

	"gatehouse/supervisor"
)

// seen is one thing that was observed of a tree: an event of the runtime, what
// an actor was called with or did, or what the script did.
type seen struct {
	At    time.Duration // of virtual time
	What  string        // an event's name, or one of the words in (*reference).see
	Path  string        // where; of "sent": to whom
	Life  uint64        // which life; of "sent": the sender's
	By    string        // of "sent": the sender's path, "" for the script
	Kind  supervisor.ExitKind
	Text  string        // a cause, a key, an answer
	Wait  time.Duration // of restarting, armed, stalled
	Every bool          // of armed
	N     int           // a letter's number, missed ticks
	Box   supervisor.Class
	Got   supervisor.Delivery
	OK    bool
}

func (s seen) String() string {
	text := fmt.Sprintf("%v %s %s#%d", s.At, s.What, s.Path, s.Life)
	switch s.What {
	case "exited", "hook":
		text += " " + s.Kind.String()
	case "restarting", "armed", "stalled":
		text += fmt.Sprintf(" %s %v", s.Text, s.Wait)
	case "sent":
		text += fmt.Sprintf(" by %q, %d: %v", s.By, s.N, s.Got)
	case "got", "tick", "cause", "asked", "answered":
		text += fmt.Sprintf(" %s %d", s.Text, s.N)
	}
	return text
}

// moment is a time, and how long the machine had stood still by then.
type moment struct {
	at, stalls time.Duration
	instant    int // two moments of one instant have no order that can be relied on
}

// post is a place of the tree as the contract sees it.
type post struct {
	path   string
	parent *post
	kids   []*post
	index  int
	spec   *kid

	// Of its current life; 0 is none.
	life, last                       uint64
	began, ready, busy, ends, closed bool
	panicked                         bool // its Stop hook
	begin, up                        moment
	cause                            string // why it ends by itself
	caused, told                     *moment
	lanes                            [3][]seen
	timers                           map[string]modelTimer
	tasks                            map[string]bool

	// Of its parent's current life.
	tried, due, waiting, failed, barred bool
	unsure                              bool // whether it is barred
	owed                                *debt
	retry                               time.Duration
	failures                            int
	attempts                            []time.Duration // of this child, if isolating

	// Of a supervisor's current life.
	restarts []time.Duration
	going    *moment // it stops its children for good
	plan     int     // from here on the strategy stops and starts children
	stopping bool
	soft     bool // it was told to go; its last decisions may be on their way
	killedIn int
	exitedIn int
}

// debt is a decision that a supervisor owes after a child's exit.
type debt struct {
	kind         supervisor.ExitKind
	escalate     bool
	maybe        bool // unless it had told the child to stop
	stable       bool
	announcedBad bool // EventFailed was seen
}

// reference is a model of what the contract allows. It is told what was seen,
// and nothing else.
type reference struct {
	root    *post
	all     []*post
	at      map[string]*post
	now     moment
	wrong   []string
	orphans []*post // killed without a reason of their own
	asks    map[int]ask

	handled, dead, replaced, coalesced, accepted int
}

type ask struct {
	sent  time.Duration
	want  supervisor.Delivery
	at    *post
	life  uint64
	got   bool
	limit time.Duration
}

func newReference(root spec) *reference {
	m := &reference{at: map[string]*post{}, asks: map[int]ask{}, now: moment{instant: 1}}
	m.root = m.grow(nil, &kid{ID: supervisor.RootID, Supervisor: &root})
	return m
}

func (m *reference) grow(parent *post, k *kid) *post {
	p := &post{path: k.ID, parent: parent, spec: k}
	if parent != nil {
		p.path, p.index = parent.path+"/"+k.ID, len(parent.kids)
		parent.kids = append(parent.kids, p)
	}
	m.all, m.at[p.path] = append(m.all, p), p
	if k.Supervisor != nil {
		for i := range k.Supervisor.Children {
			m.grow(p, &k.Supervisor.Children[i])
		}
	}
	return p
}

func (m *reference) errorf(format string, a ...any) {
	m.wrong = append(m.wrong, fmt.Sprintf("%v: ", m.now.at)+fmt.Sprintf(format, a...))
}

// since is the time since a moment; by is that without what the machine stood still.
func (m *reference) since(t moment) time.Duration { return m.now.at - t.at }

func (m *reference) by(t moment) time.Duration {
	return m.since(t) - (m.now.stalls - t.stalls)
}

// see checks one observation against all before.
func (m *reference) see(s seen) {
	if s.At < m.now.at {
		m.errorf("the clock went back to %v", s.At)
	}
	if s.At > m.now.at {
		m.settle()
		m.now = moment{s.At, m.now.stalls, m.now.instant + 1}
		m.hurry()
	}
	switch s.What {
	case "quiet":
		m.settle()
		m.now.instant++
		return
	case "stalled":
		m.now.stalls += s.Wait
		return
	case "stopping":
		m.tell(m.root)
		return
	case "answered":
		m.answered(s)
		return
	}
	p := m.at[s.Path]
	if p == nil {
		m.errorf("%v: no such place", s)
		return
	}
	switch s.What {
	case "starting":
		m.starting(p, s)
	case "ready":
		m.isReady(p, s)
	case "exited":
		m.exited(p, s)
	case "restarting":
		m.restarting(p, s)
	case "failed":
		if p.owed == nil || m.within(p, p.owed) || !p.parent.spec.Supervisor.Budget.Isolating {
			m.errorf("%s is beyond its budget too early", p.path)
			return
		}
		p.owed.announcedBad = true
	case "escalated":
		m.escalated(p)
	case "abandoned":
		m.alive(p, s)
	case "sent":
		m.sent(p, s)
	case "asked":
		m.asked(p, s)
	default:
		m.did(p, s)
	}
}

func (m *reference) alive(p *post, s seen) bool {
	if p.life != s.Life || p.life == 0 {
		m.errorf("%v, but alive is #%d", s, p.life)
		return false
	}
	return true
}

func (m *reference) starting(p *post, s seen) {
	if p.life != 0 || s.Life != p.last+1 {
		m.errorf("%v beside #%d, after #%d", s, p.life, p.last)
	}
	if p.parent != nil {
		m.mayStart(p)
	}
	fresh := post{path: p.path, parent: p.parent, kids: p.kids, index: p.index, spec: p.spec}
	fresh.life, fresh.last, fresh.begin, fresh.tried = s.Life, s.Life, m.now, true
	fresh.failed, fresh.failures, fresh.attempts, fresh.killedIn = p.failed, p.failures, p.attempts, p.killedIn
	fresh.timers, fresh.tasks = map[string]modelTimer{}, map[string]bool{}
	*p = fresh
	for _, k := range p.kids {
		k.tried, k.due, k.waiting, k.failed, k.barred, k.owed = false, true, false, false, false, nil
		k.failures, k.attempts = 0, nil
	}
	if p.parent != nil {
		m.tellKids(p.parent)
	}
}

// mayStart: under a living parent, when it is due, and when it is its turn.
func (m *reference) mayStart(p *post) {
	up, strategy := p.parent, p.parent.spec.Supervisor.Strategy
	switch {
	case up.life == 0:
		m.errorf("%s starts without a parent", p.path)
	case up.going != nil && !(up.soft && up.going.instant == m.now.instant):
		m.errorf("%s starts under a parent that ends", p.path)
	case p.waiting && m.now.at < p.retry:
		m.errorf("%s starts before its backoff is over", p.path)
	case p.waiting && strategy == supervisor.OneForOne:
		return
	}
	if up.stopping {
		m.beginStarts(up, p)
	}
	if !p.due && !p.waiting && !p.unsure {
		m.errorf("%s starts, and nobody wants it", p.path)
	}
	for _, k := range up.kids {
		switch {
		case k.index < p.index && k.life != 0 && !k.ready && k.cause == "" && k.told == nil && strategy != supervisor.OneForOne,
			k.index < p.index && !k.tried:
			m.errorf("%s starts before its elder %s is there", p.path, k.path)
		case k.index == p.index-1 && k.life != 0 && !k.ready && k.failures == 0 && k.cause == "" && k.told == nil:
			m.errorf("%s starts before its elder %s is ready", p.path, k.path)
		case k.index > p.index && k.life != 0 && strategy != supervisor.OneForOne:
			m.errorf("%s starts while its younger %s lives", p.path, k.path)
		}
	}
}

// beginStarts: all that the strategy stops are down; now they start in order.
func (m *reference) beginStarts(up, p *post) {
	up.stopping = false
	for _, k := range up.kids[up.plan:] {
		if k.life != 0 {
			m.errorf("%s starts while %s is still to be stopped", p.path, k.path)
		}
		if k.waiting && m.now.at < k.retry {
			m.errorf("%s starts while %s waits", p.path, k.path)
		}
		k.waiting = false
		k.due = (!k.tried || k.spec.Restart != supervisor.Temporary) && !k.barred
	}
	for _, k := range up.kids[up.plan:p.index] {
		if k.due {
			m.errorf("%s starts out of order: %s is due", p.path, k.path)
		}
	}
}

func (m *reference) isReady(p *post, s seen) {
	if !m.alive(p, s) || p.ready || p.closed {
		m.errorf("%v, but it is not starting", s)
		return
	}
	p.ready, p.up = true, m.now
	for _, k := range p.kids {
		waits := slices.ContainsFunc(p.kids, func(o *post) bool { return o.waiting || o.owed != nil })
		if !k.tried && !(waits && p.spec.Supervisor.Budget.Isolating) {
			m.errorf("%s is ready without %s", p.path, k.path)
		}
	}
}

// exited: the life is over; what does its supervisor owe?
func (m *reference) exited(p *post, s seen) {
	if !m.alive(p, s) {
		return
	}
	for _, k := range p.kids {
		if k.life != 0 {
			m.errorf("%s is an orphan of %v", k.path, s)
		}
		k.owed, k.waiting = nil, false
	}
	m.bury(p)
	p.life, p.exitedIn = 0, m.now.instant
	if s.Kind == supervisor.ExitKilled {
		p.killedIn = m.now.instant
		if !m.mayKill(p) {
			m.orphans = append(m.orphans, p)
		}
	}
	up := p.parent
	if up == nil {
		return
	}
	m.judge(p, s)
	m.tellKids(up)
}

func (m *reference) judge(p *post, s seen) {
	up := p.parent
	cause := m.causeOf(p, s)
	surely := p.told != nil && (p.cause == "" || p.told.instant < p.caused.instant)
	switch {
	case up.going != nil && !(up.soft && up.going.instant == m.now.instant):
	case surely:
		p.due = p.spec.Restart != supervisor.Temporary
	case cause == "escalate":
		m.owe(p, s, true)
	case cause == "ignore" && s.Kind != supervisor.ExitKilled:
	case !up.ready && !p.ready && !up.spec.Supervisor.Budget.Isolating && p.told == nil && up.going == nil:
		m.leave(up, false)
	case cause == "rest":
		p.barred = true
	case p.spec.Restart == supervisor.Permanent, p.spec.Restart == supervisor.Transient && s.Kind >= supervisor.ExitError:
		m.owe(p, s, false)
	}
}

// causeOf is the decision that the exit carries.
func (m *reference) causeOf(p *post, s seen) string {
	switch {
	case p.panicked && p.cause != "ignore" && s.Kind != supervisor.ExitKilled:
		return "panic"
	case p.cause != "":
		return p.cause
	case s.Kind == supervisor.ExitError && !p.ready && p.spec.Supervisor == nil:
		if m.since(p.begin) < orElse(p.spec.StartTimeout, supervisor.DefaultStartTimeout) {
			m.errorf("%v: given up while it starts, too early", s)
		}
	case s.Kind == supervisor.ExitShutdown && p.told == nil:
		m.errorf("%v: nobody may have told it", s)
	case p.told == nil && s.Kind != supervisor.ExitKilled && s.Kind != supervisor.ExitShutdown:
		m.errorf("%v: nothing happened to it", s)
	}
	return ""
}

func (m *reference) owe(p *post, s seen, escalate bool) {
	maybe := p.told != nil && p.told.instant == p.caused.instant || p.parent.going != nil
	stable := p.ready && m.since(p.up) >= orElse(p.spec.Backoff.ResetAfter, 10*time.Second)
	p.owed = &debt{kind: s.Kind, escalate: escalate, maybe: maybe, stable: stable}
}

// within reports whether the budget allows one more restart now.
func (m *reference) within(p *post, d *debt) bool {
	b, used := p.parent.spec.Supervisor.Budget, p.parent.restarts
	if b.Isolating {
		used = p.attempts
	}
	if b.Period == 0 {
		b.Intensity, b.Period = 1, 5*time.Second
	}
	recent := 0
	for _, at := range used {
		if m.now.at-at <= b.Period {
			recent++
		}
	}
	return recent < b.Intensity && !(b.Isolating && p.failed && !d.stable)
}

func (m *reference) restarting(p *post, s seen) {
	d := p.owed
	if d == nil || d.escalate || p.life != 0 {
		m.errorf("%v: nobody owes it that", s)
		return
	}
	p.owed = nil
	up, allowed := p.parent, m.within(p, d)
	isolating := up.spec.Supervisor.Budget.Isolating
	if !allowed && !isolating || d.announcedBad == allowed {
		m.errorf("%v: allowed by the budget: %v, said to be beyond: %v", s, allowed, d.announcedBad)
	}
	m.spend(p, d, allowed)
	if low, high := m.wait(p, d, allowed); s.Wait < low || s.Wait > high {
		m.errorf("%v: the wait should be %v to %v", s, low, high)
	}
	p.waiting, p.retry = true, m.now.at+s.Wait
	switch up.spec.Supervisor.Strategy {
	case supervisor.OneForAll:
		m.replan(up, 0)
	case supervisor.RestForOne:
		m.replan(up, p.index)
	}
}

// spend counts an attempt. A child that stays failed has no attempts to count.
func (m *reference) spend(p *post, d *debt, allowed bool) {
	if !p.parent.spec.Supervisor.Budget.Isolating {
		p.parent.restarts = append(p.parent.restarts, m.now.at)
		return
	}
	if !p.failed || d.stable {
		p.attempts = append(p.attempts, m.now.at)
	}
	p.failed = !allowed
}

// wait is the least and the most that the backoff may wait.
func (m *reference) wait(p *post, d *debt, allowed bool) (low, high time.Duration) {
	b := p.spec.Backoff
	if d.stable {
		p.failures = 0
	}
	p.failures++
	most := max(orElse(b.Max, 30*time.Second), b.Min)
	high = orElse(b.Min, 100*time.Millisecond)
	for i := 2; i < p.failures && high < most; i++ {
		high = time.Duration(float64(high) * orElse(b.Factor, 2))
	}
	switch {
	case !allowed:
		high = most
	case p.failures == 1:
		return 0, 0
	}
	high = min(high, most)
	return high - time.Duration(float64(high)*b.Jitter) - 1, high
}

func (m *reference) replan(up *post, from int) {
	if up.stopping {
		from = min(from, up.plan)
	}
	up.plan, up.stopping = from, true
	for _, k := range up.kids[from:] { // its exit and the plan may have crossed
		k.unsure = k.unsure || k.barred && k.exitedIn == m.now.instant
		if k.owed != nil {
			k.owed.maybe = true
		}
	}
	m.tellKids(up)
}

func (m *reference) escalated(p *post) {
	d := p.owed
	if d == nil || !d.escalate && (m.within(p, d) || p.parent.spec.Supervisor.Budget.Isolating) {
		m.errorf("%s makes its supervisor give up without need", p.path)
	}
	p.owed = nil
	m.leave(p.parent, false)
}

func orElse[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
