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
	Path  string        // where; of "sent": to whom; of "order": the child
	Life  uint64        // which life; of "sent" and "order": the sender's
	By    string        // of "sent" and "order": the sender's path, "" for the script
	Kind  supervisor.ExitKind
	Text  string        // a cause, a key, an answer
	Wait  time.Duration // of restarting, armed, stalled
	Every bool          // of armed
	N     int           // a letter's number, missed ticks
	Of    uint64        // of down: the life that ended
	Brand int           // of begin and order: which New made the actor, 0 for the spec's
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
	case "order":
		text += fmt.Sprintf(" %s by %q, ask %d, brand %d: %v", s.Text, s.By, s.N, s.Brand, s.Got)
	case "monitored", "demonitored", "down":
		text += fmt.Sprintf(" %d: %s#%d %v %v", s.N, s.Text, s.Of, s.Kind, s.OK)
	case "got", "tick", "cause", "asked", "answered", "answer", "asks", "stashed", "unstashed", "replied":
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
	lured                            *moment // when it may have been told, before it surely was
	loose                            bool    // it was told at this moment, or later, or not yet
	shut                             bool    // its Stop hook was called because it was told
	lanes                            [3][]seen
	timers                           map[string]modelTimer
	tasks                            map[string]bool
	questions                        map[int]bool   // asked from inside, not answered
	current                          seen           // the letter that is being handled
	stash, front                     []seen         // put aside; put back
	watches                          map[int]*watch // its own
	watchers                         []*watch       // others'

	// Of its parent's current life.
	tried, due, waiting, failed, barred bool
	unsure                              bool // whether it is barred
	owed                                *debt
	retry                               time.Duration
	failures                            int
	attempts                            []time.Duration // of this child, if isolating
	byOrder

	// Of a supervisor's current life.
	restarts []time.Duration
	going    *moment // it stops its children for good
	plan     int     // from here on the strategy stops and starts children
	stopping bool
	soft     bool // it does not know yet that it goes; its last decisions may be on their way
	killedIn int
	exitedIn int
	readyIn  int
	doubt    bool // it may have failed to start: a child's failure and a plan crossed
	orders   int  // of this instant
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
	inner   map[int]*inquiry

	lastLetter                                   int
	handled, dead, replaced, coalesced, accepted int
	perhapsDead                                  int // orders
}

type ask struct {
	order *order // nil: it is a letter's
	sent  time.Duration
	want  supervisor.Delivery
	at    *post
	life  uint64
	got   bool
	limit time.Duration
}

func newReference(root spec) *reference {
	m := &reference{at: map[string]*post{}, asks: map[int]ask{}, inner: map[int]*inquiry{}, now: moment{instant: 1}}
	m.root = m.grow(nil, &kid{Supervisor: &root}, supervisor.RootID)
	return m
}

func (m *reference) grow(parent *post, k *kid, id string) *post {
	p := &post{path: id, parent: parent, spec: k}
	if parent != nil {
		p.path, p.index = parent.path+"/"+id, len(parent.kids)
		parent.kids = append(parent.kids, p)
	}
	m.all, m.at[p.path] = append(m.all, p), p
	switch {
	case p.isDynamic():
		for _, id := range dynamicIDs {
			m.grow(p, &k.Supervisor.Children[0], id)
		}
	case k.Supervisor != nil:
		for i := range k.Supervisor.Children {
			m.grow(p, &k.Supervisor.Children[i], k.Supervisor.Children[i].ID)
		}
	}
	return p
}

func (p *post) isDynamic() bool {
	return p.spec.Supervisor != nil && p.spec.Supervisor.Strategy == supervisor.Dynamic
}

// alone: no child of this supervisor has to do with another.
func (p *post) alone() bool {
	return p.isDynamic() || p.spec.Supervisor.Strategy == supervisor.OneForOne
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
	case "order":
		m.ordered(s)
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
	case "asks":
		m.asksInside(p, s)
	case "sent-old":
		if s.Got != supervisor.Down {
			m.errorf("%v: the place is gone, and yet it is %v", s, s.Got)
		}
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
	if p.life != 0 || !m.isNext(p, s.Life) {
		m.errorf("%v beside #%d, after #%d", s, p.life, p.last)
	}
	if p.parent != nil {
		m.mayStart(p)
	}
	fresh := post{path: p.path, parent: p.parent, kids: p.kids, index: p.index, spec: p.spec}
	fresh.byOrder = m.startedByOrder(p, s)
	fresh.exitedIn, fresh.readyIn = p.exitedIn, p.readyIn
	fresh.life, fresh.last, fresh.begin, fresh.tried = s.Life, s.Life, m.now, true
	fresh.failed, fresh.failures, fresh.attempts, fresh.killedIn = p.failed, p.failures, p.attempts, p.killedIn
	fresh.timers, fresh.tasks, fresh.watches = map[string]modelTimer{}, map[string]bool{}, map[int]*watch{}
	fresh.questions = map[int]bool{}
	if fresh.anew {
		fresh.failed, fresh.failures, fresh.attempts = false, 0, nil
	}
	crossed := p.crossed
	*p = fresh
	for _, k := range p.kids {
		k.tried, k.due, k.waiting, k.failed, k.barred, k.owed = false, !p.isDynamic(), false, false, false, nil
		k.failures, k.attempts, k.byOrder, k.unsure = 0, nil, byOrder{fresh: k.fresh}, false
	}
	if up := p.parent; up != nil {
		m.toldByOrder(p, crossed)
		for _, k := range up.kids[:p.index] {
			if up.going != nil && !up.isDynamic() {
				m.untell(k)
			}
		}
		m.tellKids(up)
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
	case up.isDynamic() && m.crowd(p) >= orElse(up.spec.Supervisor.MaxChildren, 1<<20):
		m.errorf("%s starts beyond MaxChildren", p.path)
	case m.bidden(p) && !(up.stopping && p.index >= up.plan):
		return // whatever its siblings do
	case p.waiting && m.now.at < p.retry:
		m.errorf("%s starts before its backoff is over", p.path)
	case p.waiting && up.alone():
		return
	}
	if up.stopping {
		m.beginStarts(up, p)
	}
	if !p.due && !p.waiting && !p.unsure && !m.bidden(p) {
		m.errorf("%s starts, and nobody wants it", p.path)
	}
	for _, k := range up.kids {
		switch {
		case up.isDynamic():
		case k.index < p.index && k.life != 0 && !k.ready && k.cause == "" && k.told == nil && !k.asked && strategy != supervisor.OneForOne,
			k.index < p.index && !k.tried && !k.held && !k.unsure:
			m.errorf("%s starts before its elder %s is there", p.path, k.path)
		case k.index == p.index-1 && k.life != 0 && !k.ready && k.failures == 0 && k.cause == "" && k.told == nil && !k.asked:
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
		if k.waiting && m.now.at < k.retry && !m.isNow(k.sacked) {
			m.errorf("%s starts while %s waits", p.path, k.path)
		}
		k.waiting = false
		k.due = k.planned()
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
	p.ready, p.up, p.readyIn = true, m.now, m.now.instant
	for _, k := range p.kids {
		waits := slices.ContainsFunc(p.kids, func(o *post) bool { return o.waiting || o.owed != nil })
		if !k.tried && !p.isDynamic() && !k.held && !k.unsure && !(waits && p.spec.Supervisor.Budget.Isolating) {
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
	m.tellWatchers(p, s.Kind)
	m.perhapsDead += p.orders
	p.life, p.exitedIn, p.orders = 0, m.now.instant, 0
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
	timedOut := p.cause == "" && s.Kind == supervisor.ExitError && m.isNow(p.told)
	surely := p.told != nil && !p.loose && !timedOut && (p.cause == "" || p.told.instant < p.caused.instant)
	switch {
	case up.going != nil && !(up.soft && up.going.instant == m.now.instant):
	case p.sacked != nil && !m.isNow(p.sacked):
	case surely:
		p.due = p.spec.Restart != supervisor.Temporary && p.sacked == nil
		p.unsure = p.unsure || p.sacked != nil
	case cause == "escalate":
		m.owe(p, s, true)
	case cause == "ignore" && s.Kind != supervisor.ExitKilled:
	case p.surelyAsked && !p.ready:
		p.barred = cause == "rest"
	case !up.ready && !p.ready && !up.spec.Supervisor.Budget.Isolating && p.told == nil && up.going == nil:
		m.leave(up, true) // it hears of it after what it heard before
	case !up.ready && !p.ready && !up.spec.Supervisor.Budget.Isolating && !p.loose && up.going == nil:
		up.doubt = true
		m.owe(p, s, false)
	case cause == "rest":
		p.barred, p.unsure = true, p.unsure || p.told != nil // its exit and the plan may have crossed
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
	case s.Kind == supervisor.ExitShutdown && p.told == nil && (p.parent == nil || !p.parent.doubt):
		m.errorf("%v: nobody may have told it", s)
	case p.told == nil && !p.doubt && s.Kind != supervisor.ExitKilled && s.Kind != supervisor.ExitShutdown:
		m.errorf("%v: nothing happened to it", s)
	}
	return ""
}

func (m *reference) owe(p *post, s seen, escalate bool) {
	maybe := p.told != nil && (p.loose || p.caused == nil || p.told.instant == p.caused.instant) || p.parent.going != nil ||
		m.isNow(p.sacked) || p.asked && !p.ready
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
		k.unsure = k.unsure || k.barred && k.exitedIn == m.now.instant || m.isNow(k.sacked)
		k.crossed, k.held = m.isNow(k.sacked), false
		k.bid, k.mustStart = k.bid || k.mustStart, false
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
