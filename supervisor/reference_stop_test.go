package supervisor_test

import (
	"errors"
	"slices"
	"time"

	"gatehouse/supervisor"
)

// What the reference knows of stops, deadlines, messages and timers.

// tell: a life is told to stop.
func (m *reference) tell(p *post) {
	if p.life == 0 || p.told != nil && !p.loose {
		return
	}
	now := m.now
	p.lured, p.told, p.loose = p.told, &now, false
	if p.spec.Supervisor != nil {
		m.leave(p, true)
	}
}

// leave: a supervisor stops its children for good and ends.
func (m *reference) leave(p *post, soft bool) {
	if p.life == 0 || p.going != nil {
		return
	}
	now := m.now
	p.going, p.soft = &now, soft
	if p.told == nil {
		p.cause, p.caused = "error", &now
	}
	for _, k := range p.kids {
		k.loose = k.loose || m.isNow(k.sacked) && m.isNow(k.told) && k.spec.Supervisor == nil
		if !soft {
			k.owed, k.waiting = nil, false
		} else if k.owed != nil {
			k.owed.maybe = true
		}
	}
	m.tellKids(p)
}

// tellKids: the youngest that is to be stopped is told, once those younger than
// it are down.
func (m *reference) tellKids(up *post) {
	switch {
	case up.life == 0 || up.going == nil && !up.stopping:
		return
	case up.isDynamic():
		m.tellSome(up)
		return
	}
	from := 0
	if up.going == nil {
		from = up.plan
	}
	for _, k := range slices.Backward(up.kids[from:]) {
		if k.life == 0 {
			continue
		}
		if k.cause == "" || up.going != nil || k.caused.instant == m.now.instant {
			m.tell(k)
		}
		return
	}
}

// untell: a child was started, so its supervisor had not heard yet that it is
// to stop its children.
func (m *reference) untell(k *post) {
	if k.life == 0 || !m.isNow(k.told) || k.sacked != nil {
		return
	}
	k.told = nil
	if k.going != nil && k.soft {
		k.going, k.soft = nil, false
		for _, below := range k.kids {
			m.untell(below)
		}
	}
}

func stopDeadline(k *kid) time.Duration {
	switch {
	case k.StopDeadline != 0:
		return k.StopDeadline
	case k.Supervisor != nil:
		return supervisor.Infinity
	}
	return supervisor.DefaultStopDeadline
}

func stopBudget(p *post) time.Duration {
	return orElse(p.spec.Supervisor.StopBudget, supervisor.DefaultStopBudget)
}

// hurry: where a stop budget is spent, all below are told at once.
func (m *reference) hurry() {
	for _, p := range m.all {
		if p.going != nil && m.since(*p.going) >= stopBudget(p) {
			m.tellAll(p)
		}
	}
}

func (m *reference) tellAll(up *post) {
	for _, k := range up.kids {
		m.tell(k)
		m.tellAll(k)
	}
}

// mayKill: its deadline and the grace are over, or its stop budget.
func (m *reference) mayKill(p *post) bool {
	d := stopDeadline(p.spec)
	if d == supervisor.Brutal && p.told != nil {
		return true
	}
	for _, from := range []*moment{p.told, p.lured, p.caused} {
		if from != nil && d < supervisor.Infinity/2 && m.since(*from) >= max(d, 0)+supervisor.DefaultGrace {
			return true
		}
	}
	for up := p.parent; up != nil; up = up.parent {
		if up.going != nil && m.since(*up.going) >= stopBudget(up)+supervisor.DefaultGrace {
			return true
		}
	}
	return false
}

// settle: the clock is about to move on. All that is due has been done.
func (m *reference) settle() {
	for _, p := range m.orphans {
		if p.parent != nil && p.parent.killedIn != m.now.instant {
			m.errorf("%s was killed before its time", p.path)
		}
	}
	m.orphans = nil
	for _, p := range m.all {
		m.paid(p)
		m.carriedOut(p)
	}
	for _, p := range m.all {
		if p.life != 0 {
			m.inTime(p)
			m.idles(p)
			m.startsWent(p)
		}
	}
}

// paid: what came of an exit.
func (m *reference) paid(p *post) {
	if d := p.owed; d == nil {
		return
	} else if !d.maybe {
		m.errorf("%s: nothing came of its exit", p.path)
	}
	p.owed = nil
	byPlan := !p.parent.isDynamic() && !p.loose && p.sacked == nil && (p.ready || !p.asked)
	p.due = byPlan && p.spec.Restart != supervisor.Temporary
	p.vague = p.vague || !p.parent.isDynamic() && !byPlan && p.sacked == nil
}

// inTime: nobody lives longer than it may, nor starts longer.
func (m *reference) inTime(p *post) {
	limit := stopDeadline(p.spec)
	if p.spec.Supervisor != nil {
		limit = min(limit, stopBudget(p))
	}
	last := p.told
	if last == nil || p.caused != nil && p.caused.at > last.at {
		last = p.caused
	}
	switch {
	case p.loose:
	case last != nil && limit < supervisor.Infinity/2 && m.by(*last) >= max(limit, 0)+supervisor.DefaultGrace:
		m.errorf("%s lives %v after the begin of its end", p.path, m.by(*last))
	case last == nil && !p.ready && p.spec.Supervisor == nil &&
		m.by(p.begin) >= orElse(p.spec.StartTimeout, supervisor.DefaultStartTimeout):
		m.errorf("%s starts since %v", p.path, m.by(p.begin))
	}
}

// startsWent: a supervisor that waits for nothing starts what is due.
func (m *reference) startsWent(up *post) {
	switch {
	case up.spec.Supervisor == nil || up.doubt:
		return
	case up.going != nil:
		m.stopsWent(up)
		return
	}
	waits := false
	for _, k := range up.kids[up.plan:] {
		late := k.waiting && m.now.at >= k.retry
		if up.alone() && late {
			m.errorf("%s waits, though its backoff is over", k.path)
		}
		waits = waits || k.waiting && !late || up.stopping && k.life != 0
	}
	for _, k := range up.kids {
		waits = waits || k.life != 0 && (!k.ready || k.told != nil || k.cause != "")
	}
	if waits {
		return
	}
	for _, k := range up.kids[up.plan:] {
		if k.life == 0 && (k.due || up.stopping && k.planned()) {
			m.errorf("%s is due and is not started", k.path)
		}
		k.unsure = false
	}
	up.stopping = false
}

// bury takes what still waits for the life.
func (m *reference) bury(p *post) {
	m.dead += len(p.stash) + len(p.front)
	p.stash, p.front = nil, nil
	clear(p.questions)
	for i := range p.lanes {
		m.dead += letters(p.lanes[i])
		p.lanes[i] = nil
	}
	p.closed = true
	clear(p.timers)
}

// did is what an actor was called with, or did.
func (m *reference) did(p *post, s seen) {
	if p.life != s.Life {
		switch s.What { // a life that was abandoned may go on, and reach nobody
		case "begin", "got", "tick", "task", "taskdone", "hook", "down", "answer":
			m.errorf("%v, but alive is #%d", s, p.life)
		case "stashed", "replied":
			if s.OK {
				m.errorf("%v, but alive is #%d", s, p.life)
			}
		}
		return
	}
	switch s.What {
	case "begin":
		if p.began || p.ready || p.told != nil && !p.loose && p.told.instant < m.now.instant {
			m.errorf("%v: not now", s)
		}
		m.branded(p, s)
		p.began, p.busy = true, true
	case "cause":
		if p.cause == "" && p.caused == nil {
			now := m.now
			p.cause, p.caused = s.Text, &now
		}
	case "hook":
		m.hook(p, s)
	case "hooked":
		p.panicked = p.panicked || !s.OK
		m.bury(p)
	case "monitored":
		m.monitored(p, s)
	case "demonitored":
		m.demonitored(p, s)
	case "stashed":
		m.stashed(p, s)
	case "unstashed":
		m.unstashed(p, s)
	case "replied":
		m.replied(s)
	case "got", "tick", "taskdone", "down", "answer":
		if !p.ready || p.ends || p.closed || p.cause != "" {
			m.errorf("%v after its end, or before it is ready", s)
		}
		p.busy = true
		m.delivered(p, s)
	case "free":
		p.busy = false
		m.returned(p)
	case "task":
		p.tasks[s.Text] = true
	case "armed":
		t := modelTimer{due: m.now.at + s.Wait}
		if s.Every {
			t.period = s.Wait
		}
		p.timers[s.Text] = t
	case "cancelled":
		if _, had := p.timers[s.Text]; had != s.OK {
			m.errorf("%v: %v, it had one: %v", s, s.OK, had)
		}
		delete(p.timers, s.Text)
	}
}

func (m *reference) hook(p *post, s seen) {
	if p.ends || p.closed || !p.began {
		m.errorf("%v: not now", s)
	}
	p.ends, p.busy, p.shut = true, true, s.Kind == supervisor.ExitShutdown
	if s.Kind == supervisor.ExitShutdown && p.told == nil && !p.parent.doubt {
		m.errorf("%v: it should live on", s)
	}
	if s.Kind != supervisor.ExitShutdown && p.cause == "" {
		m.errorf("%v: nothing happened to it", s)
	}
	m.notTooMany(p)
}

func (m *reference) delivered(p *post, s seen) {
	m.mayTake(p, s)
	switch s.What {
	case "got":
		lane := &p.lanes[s.Box.Lane]
		if len(p.front) > 0 {
			lane = &p.front
		}
		if len(*lane) == 0 || (*lane)[0].N != s.N || (*lane)[0].What == "down" {
			m.errorf("%v: it is not the first of its lane, %v", s, *lane)
			return
		}
		*lane = (*lane)[1:]
		m.taken(p, s)
	case "answer":
		m.answerInside(p, s)
	case "taskdone":
		if !p.tasks[s.Text] {
			m.errorf("%v: no such task", s)
		}
		delete(p.tasks, s.Text)
	case "tick":
		m.ticked(p, s)
	case "down":
		m.wentDown(p, s)
	}
}

func (m *reference) ticked(p *post, s seen) {
	t, armed := p.timers[s.Text]
	if !armed || t.due > m.now.at {
		m.errorf("%v: armed %v, for %v", s, armed, t.due)
		return
	}
	delete(p.timers, s.Text)
	if t.period > 0 {
		missed := int((m.now.at - t.due) / t.period)
		if missed != s.N {
			m.errorf("%v: missed %d", s, missed)
		}
		p.timers[s.Text] = modelTimer{due: t.due + time.Duration(missed+1)*t.period, period: t.period}
	}
}

// idles: who is not busy has handled all there is.
func (m *reference) idles(p *post) {
	if !p.ready || p.busy || p.ends || p.closed || p.cause != "" {
		return
	}
	for key, t := range p.timers {
		if t.due <= m.now.at {
			m.errorf("%s: the tick %s of %v never came", p.path, key, t.due)
		}
	}
	m.unanswered(p)
	for _, lane := range append(p.lanes[:], p.front) {
		for _, s := range lane {
			m.errorf("%v is not handled", s)
		}
	}
	if p.told != nil && !p.loose && p.spec.Supervisor == nil {
		m.errorf("%s was told to stop and goes on", p.path)
	}
}

// sent: what became of a letter is exactly what should.
func (m *reference) sent(p *post, s seen) {
	if s.Got == supervisor.Down && p.life != 0 && !p.began && p.told != nil {
		return // it may be down already
	}
	want := supervisor.Down
	if by := m.at[s.By]; s.By == "" || by.life == s.Life {
		want = m.post(p, s)
	}
	if s.Got != want {
		m.errorf("%v: it should be %v", s, want)
	}
}

func (m *reference) post(p *post, s seen) supervisor.Delivery {
	if p.life == 0 || p.closed || p.spec.Supervisor != nil {
		return supervisor.Down
	}
	m.lastLetter = max(m.lastLetter, s.N)
	lane := &p.lanes[s.Box.Lane]
	if i := slices.IndexFunc(*lane, func(o seen) bool { return o.Box.Key == s.Box.Key }); i >= 0 && s.Box.Key != "" {
		m.displaced((*lane)[i].N)
		(*lane)[i] = s
		m.coalesced++
		m.accepted++
		return supervisor.Coalesced
	}
	if letters(*lane) >= laneSize(p.spec, s.Box.Lane) {
		if s.Box.WhenFull == supervisor.Refuse {
			return supervisor.Refused
		}
		oldest := slices.IndexFunc(*lane, func(o seen) bool { return o.What != "down" })
		m.displaced((*lane)[oldest].N)
		*lane = append(slices.Delete(*lane, oldest, oldest+1), s)
		m.replaced++
		m.accepted++
		return supervisor.Replaced
	}
	*lane = append(*lane, s)
	m.accepted++
	return supervisor.Accepted
}

func laneSize(k *kid, lane supervisor.Lane) int {
	switch lane {
	case supervisor.Control:
		return orElse(k.Mailbox.Control, 16)
	case supervisor.Normal:
		return orElse(k.Mailbox.Normal, 64)
	}
	return orElse(k.Mailbox.Telemetry, 16)
}

// asked: a letter whose sender waits at most s.Wait.
func (m *reference) asked(p *post, s seen) {
	m.asks[s.N] = ask{sent: m.now.at, at: p, life: p.life, limit: s.Wait, want: m.post(p, s)}
}

var askErrors = []error{
	supervisor.ErrDown, supervisor.ErrRefused, supervisor.ErrRestarted, supervisor.ErrStopped, supervisor.ErrNoAnswer,
}

// askError is the name of an ask's outcome, "" for an answer.
func askError(err error) string {
	for _, known := range askErrors {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil {
		return "unknown"
	}
	return ""
}

func (m *reference) answered(s seen) {
	a := m.asks[s.N]
	delete(m.asks, s.N)
	if a.order != nil {
		m.orderAnswered(s, a)
		return
	}
	took := m.now.at - a.sent
	fine := false
	switch s.Text {
	case "":
		fine = a.got
	case supervisor.ErrDown.Error():
		fine = a.want == supervisor.Down
	case supervisor.ErrRefused.Error():
		fine = a.want == supervisor.Refused
	case supervisor.ErrNoAnswer.Error():
		fine = a.got || took == a.limit
	case supervisor.ErrStopped.Error(), supervisor.ErrRestarted.Error():
		fine = a.at.life != a.life || a.at.ends || a.at.closed
	}
	if !fine || took > a.limit {
		m.errorf("%v after %v of %v: asked %s, wanted %v, handled %v", s, took, a.limit, a.at.path, a.want, a.got)
	}
}
