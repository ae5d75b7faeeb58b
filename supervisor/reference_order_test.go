package supervisor_test

import (
	"errors"
	"slices"
	"strings"

	"gatehouse/supervisor"
)

// What the reference knows of StartChild and StopChild, and of Dynamic
// supervisors. An order takes effect in the instant in which it was accepted,
// behind what the supervisor hears of its children meanwhile.

// dynamicIDs are the ids that a sweep's dynamic children may have.
var dynamicIDs = []string{"d0", "d1", "d2", "d3"}

// perPlace is more than the lives of one place: a dynamic child that is added
// again lives at a new place, whose lives count from the next multiple on.
const perPlace = 100_000

// byOrder is what orders made of a place, in its parent's current life.
type byOrder struct {
	sacked, bade *moment // the last StopChild, of the life that runs; the last StartChild
	stopLast     bool    // of this instant's orders
	crossed      bool    // a plan began after the StopChild, in its instant
	held         bool    // StopChild keeps it down
	bid          bool    // StartChild left it to the plan
	mustStart    bool    // in this instant
	vague        bool    // it may be waiting, or gone
	fresh        bool    // its next life is the first of a new place
	anew         bool    // this life was
	bids, brands []int   // of this instant's orders; of the life that runs

	asked, surelyAsked bool // its start was ordered: perhaps, surely
}

type order struct {
	start, foreign, sure, ran, full, perhapsDown bool
	up, kid                                      *post // nil: no such child
	upLife, life                                 uint64
	at                                           moment
}

func parentOf(path string) string { return path[:strings.LastIndexByte(path, '/')] }

func (m *reference) isNow(t *moment) bool { return t != nil && t.instant == m.now.instant }

// bidden: StartChild may have started it, now.
func (m *reference) bidden(p *post) bool {
	return m.isNow(p.bade) && (!p.waiting || m.isNow(p.sacked)) || p.vague
}

// planned: a plan that has stopped it starts it again.
func (p *post) planned() bool {
	return !p.vague && !p.unsure && (p.bid || (!p.tried || p.spec.Restart != supervisor.Temporary) && !p.barred && !p.held)
}

func (m *reference) isNext(p *post, life uint64) bool {
	again, anew := p.last+1, p.last/perPlace*perPlace+perPlace+1
	switch {
	case p.last == 0:
		return life == 1
	case p.fresh:
		return life == anew
	case p.parent != nil && p.parent.isDynamic():
		return life == again && (p.waiting || p.vague) || life == anew && m.bidden(p)
	}
	return life == again
}

// ordered: somebody told a supervisor to start or stop a child.
func (m *reference) ordered(s seen) {
	up, k := m.at[parentOf(s.Path)], m.at[s.Path]
	o := &order{start: s.Text == "start", up: up, kid: k, upLife: up.life, at: m.now}
	down := up.life == 0 || s.By != "" && m.at[s.By].life != s.Life
	o.perhapsDown = down || up.going != nil && !slices.ContainsFunc(up.kids, func(k *post) bool { return k.life != 0 })
	if s.N > 0 {
		m.asks[s.N] = ask{order: o, sent: m.now.at, limit: s.Wait}
	} else if s.Got != supervisor.Accepted && !(o.perhapsDown && s.Got == supervisor.Down) || down && s.Got != supervisor.Down {
		m.errorf("%v: the supervisor lives: %v", s, !down)
	}
	if down || s.N == 0 && s.Got == supervisor.Down {
		return
	}
	up.orders++
	if k == nil || up.going != nil && !(up.soft && up.going.instant == m.now.instant) {
		return
	}
	o.life = k.life
	o.ran = k.life != 0 || up.stopping && k.planned() || k.waiting || k.due || k.bid || k.unsure || k.vague || k.owed != nil || k.exitedIn == m.now.instant || m.isNow(k.bade)
	dynamicActor := up.isDynamic() && k.spec.Supervisor == nil
	o.foreign = s.Brand > 0 && !dynamicActor || s.Brand == 0 && dynamicActor && k.spec.New == nil
	o.full = m.perhapsCrowd(k) >= orElse(up.spec.Supervisor.MaxChildren, 1<<20)
	switch {
	case !o.start:
		m.sack(k)
	case !o.foreign:
		m.bid(k, o, s.Brand)
	}
}

// sack: StopChild.
func (m *reference) sack(k *post) {
	now := m.now
	if k.owed != nil {
		k.owed.maybe = true
	}
	k.unsure = k.unsure || k.due || k.bid || k.waiting || k.parent.stopping && k.planned()
	k.held, k.due, k.bid, k.vague, k.crossed = true, false, false, false, false
	k.tried = true // else a plan would owe it its first start
	k.sacked, k.stopLast = &now, true
	switch {
	case k.life == 0 || k.cause != "" && !m.isNow(k.caused):
	case k.parent.going == nil:
		m.tell(k)
	case k.told == nil: // perhaps its supervisor does not listen any more
		k.told, k.loose = &now, true
	}
}

// bid: StartChild.
func (m *reference) bid(k *post, o *order, brand int) {
	now, up := m.now, k.parent
	o.sure = !o.ran && !o.full && up.going == nil && !m.isNow(k.sacked)
	if !m.isNow(k.bade) {
		k.bids = nil
	}
	k.bade, k.stopLast, k.bids = &now, false, append(k.bids, brand)
	plan := !up.isDynamic() && (up.stopping || !up.ready || slices.ContainsFunc(up.kids, func(o *post) bool {
		return o.life != 0 && (!o.ready || o.told != nil) || o.exitedIn == m.now.instant
	}))
	switch {
	case o.sure && plan:
		k.bid, k.held, k.barred = true, false, false
	case o.sure:
		k.mustStart, k.held, k.barred = true, false, false
	case plan:
		k.unsure = true
	}
}

// startedByOrder is what the orders mean for the life that starts now.
func (m *reference) startedByOrder(p *post, s seen) (o byOrder) {
	if p.parent == nil {
		return o
	}
	o.anew = p.parent.isDynamic() && (p.last == 0 || s.Life != p.last+1)
	o.asked = m.bidden(p) || p.asked && !p.ready
	o.surelyAsked = p.mustStart
	o.bade, o.stopLast, o.bids, o.brands = p.bade, p.stopLast, p.bids, p.brands
	if o.anew {
		o.brands = p.bids
		m.freshBelow(p)
	}
	if m.isNow(p.sacked) {
		o.sacked = p.sacked
	}
	return o
}

func (m *reference) freshBelow(p *post) {
	for _, k := range p.kids {
		k.fresh = k.last > 0
		m.freshBelow(k)
	}
}

// toldByOrder: a StopChild of this instant may have been meant for the life
// before, if a StartChild or a plan followed it.
func (m *reference) toldByOrder(p *post, crossed bool) {
	switch {
	case !m.isNow(p.sacked):
	case p.stopLast && !crossed:
		p.held = true
		m.tell(p)
	default:
		now := m.now
		p.told, p.loose, p.sacked = &now, true, nil
	}
}

// branded: the life was made by the New that the order brought.
func (m *reference) branded(p *post, s seen) {
	if p.brands == nil {
		p.brands = []int{0}
	}
	if !slices.Contains(p.brands, s.Brand) {
		m.errorf("%v: it was made by %d, not by one of %v", s, s.Brand, p.brands)
	}
	p.brands = []int{s.Brand}
}

// carriedOut: the instant is over, and so are its orders.
func (m *reference) carriedOut(k *post) {
	up := k.parent
	switch {
	case up == nil:
		return
	case k.mustStart && up.life != 0 && up.going == nil:
		m.errorf("%s was told to start and did not", k.path)
	case k.bid && k.life == 0:
		k.due = true
	}
	k.mustStart = false
	if !m.isNow(k.sacked) {
		return
	}
	k.waiting, k.due, k.bid = false, false, false
	switch {
	case !k.stopLast:
		k.held, k.vague = false, k.life == 0
	case k.crossed:
		k.held, k.unsure = false, true
	default:
		k.held, k.unsure = true, false
	}
}

// crowd is how many siblings there are at least; perhapsCrowd at most.
func (m *reference) crowd(p *post) (n int) {
	for _, k := range p.parent.kids {
		if k != p && (k.life != 0 || k.waiting && !m.isNow(k.sacked) && !k.vague) {
			n++
		}
	}
	return n
}

func (m *reference) perhapsCrowd(p *post) (n int) {
	for _, k := range p.parent.kids {
		if k.life != 0 || k.waiting || k.vague || k.exitedIn == m.now.instant || m.isNow(k.bade) {
			n++
		}
	}
	return n
}

func (p *post) living() (kids []*post) {
	for _, k := range p.kids {
		if k.life != 0 {
			kids = append(kids, k)
		}
	}
	return kids
}

func (p *post) parallelism() int { return orElse(p.spec.Supervisor.Parallelism, 256) }

// tellSome: a Dynamic supervisor that goes stops so many at a time, in any order.
func (m *reference) tellSome(up *post) {
	if up.going == nil {
		return
	}
	living := up.living()
	for _, k := range living {
		if len(living) <= up.parallelism() || m.hurried(up) {
			m.tell(k)
		} else if k.told == nil {
			now := m.now
			k.told, k.loose = &now, true
		}
	}
}

func (m *reference) hurried(up *post) bool {
	for ; up != nil; up = up.parent {
		if up.going != nil && m.since(*up.going) >= stopBudget(up) {
			return true
		}
	}
	return false
}

// notTooMany: no more are being stopped at a time than may.
func (m *reference) notTooMany(p *post) {
	up := p.parent
	if !up.isDynamic() || up.going == nil || m.hurried(up) {
		return
	}
	n := 0
	for _, k := range up.living() {
		if k.shut && k.sacked == nil {
			n++
		}
	}
	if n > up.parallelism() {
		m.errorf("%s stops %d children at a time", up.path, n)
	}
}

// stopsWent: it stops as many as it may.
func (m *reference) stopsWent(up *post) {
	if !up.isDynamic() || m.hurried(up) {
		return
	}
	living := up.living()
	idle := slices.IndexFunc(living, func(k *post) bool {
		return k.spec.Supervisor == nil && k.ready && !k.busy && !k.ends && k.cause == ""
	})
	if idle < 0 {
		return
	}
	busy := 0
	for _, k := range living {
		if k.busy || k.ends || k.cause != "" || !k.ready {
			busy++
		}
	}
	if busy < up.parallelism() {
		m.errorf("%s is not stopped, though only %d are", living[idle].path, busy)
	}
}

// orderErrors by what an asker can see of them.
var orderErrors = []error{
	supervisor.ErrIgnore, supervisor.ErrRunning, supervisor.ErrNoChild, supervisor.ErrChildren,
	supervisor.ErrDown, supervisor.ErrRestarted, supervisor.ErrStopped, supervisor.ErrNoAnswer,
}

// orderError is the name of an order's outcome, "" if it was carried out.
func orderError(err error) string {
	var child *supervisor.ChildError
	if errors.As(err, &child) {
		return "failed"
	}
	for _, known := range orderErrors {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil {
		return "foreign"
	}
	return ""
}

// orderAnswered: with what is true, and as soon as it is.
func (m *reference) orderAnswered(s seen, a ask) {
	if o := a.order; m.now.at-a.sent > a.limit || !m.trueOf(s.Text, o, a) {
		m.errorf("%v after %v of %v: that is not true of %+v, child %+v", s, m.now.at-a.sent, a.limit, *o, o.kid)
	}
}

func (m *reference) trueOf(text string, o *order, a ask) bool {
	k, at := o.kid, o.at.instant == m.now.instant
	switch text {
	case supervisor.ErrDown.Error():
		return at && o.perhapsDown
	case supervisor.ErrStopped.Error(), supervisor.ErrRestarted.Error():
		return o.up.life != o.upLife || o.up.going != nil || o.start && k != nil && k.exitedIn == m.now.instant || o.start && k != nil && m.isNow(k.sacked)
	case supervisor.ErrNoAnswer.Error():
		return m.now.at-a.sent == a.limit && k != nil && m.stillOpen(o, k)
	case supervisor.ErrNoChild.Error():
		return at && (k == nil || o.up.isDynamic() && !o.start && m.perhapsAbsent(o, k))
	}
	if k == nil || o.up.life != o.upLife && o.up.exitedIn != m.now.instant {
		return false
	}
	switch text {
	case "":
		if o.start {
			return k.readyIn == m.now.instant && !o.foreign
		}
		return k.life == 0 && (at || k.exitedIn == m.now.instant) || k.life != o.life || k.exitedIn == m.now.instant
	case supervisor.ErrRunning.Error():
		return at && o.start && !o.sure && !o.foreign
	case supervisor.ErrChildren.Error():
		return at && o.start && o.up.isDynamic() && o.full
	case supervisor.ErrIgnore.Error():
		return o.start && k.exitedIn == m.now.instant && (k.cause == "ignore" || k.life != 0 && m.isNow(k.bade))
	case "failed":
		return o.start && k.exitedIn == m.now.instant
	}
	return at && o.start && o.foreign
}

// stillOpen: nothing has happened that would have answered it.
func (m *reference) stillOpen(o *order, k *post) bool {
	if o.start {
		return k.readyIn == m.now.instant || k.life == 0 || !k.ready
	}
	return k.life != 0 && (k.life == o.life || k.begin.instant == o.at.instant) || k.exitedIn == m.now.instant
}

func (m *reference) perhapsAbsent(o *order, k *post) bool {
	return o.life == 0 && (!k.waiting || m.isNow(k.sacked)) || k.exitedIn == m.now.instant
}
