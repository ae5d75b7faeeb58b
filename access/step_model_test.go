package access

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// world is what is round a door's logic, as small as it can be: a lock, a
// journal that commits when told, timers in virtual time, and the accounts that
// must come out even. It checks every action as it is carried out.
type world struct {
	door   *Door
	s      DoorState
	now    time.Time
	in     Input // the input under way
	before DoorState

	lock     bool
	until    time.Time            // of the last release; zero: never late
	due      map[uint64]time.Time // deadlines of grants
	timers   map[Timer]time.Time
	disk     uint64 // events up to this number are on disk
	open     map[uint64]bool
	reserved map[uint64]bool
	lastRes  uint64
	stored   Persist
	run      uint64
	audit    *Audit
	wrong    []string
	passed   []Event // in this step
}

func newWorld(rules *Compiled) *world {
	door := rules.Doors()[0]
	w := &world{
		door: door, now: monday, timers: map[Timer]time.Time{}, open: map[uint64]bool{},
		due: map[uint64]time.Time{}, reserved: map[uint64]bool{}, audit: NewAudit(rules, 0), run: 1,
	}
	w.step(Begin{Contact: ContactClosed})
	return w
}

func (w *world) fail(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf("%T%+v: ", w.in, w.in)+fmt.Sprintf(format, args...))
}

// step carries an input out and checks what must hold after any.
func (w *world) step(in Input) []Action {
	w.in, w.before, w.passed = in, w.s, nil
	var actions []Action
	w.s, actions = Step(w.door, w.s, in, w.now)
	for _, a := range actions {
		w.carryOut(a)
	}
	for _, a := range actions {
		if d, ok := a.(Drive); ok && d.Release {
			w.checkInTime(d)
		}
	}
	w.checkSecured(in, actions)
	if w.s.Fire && !w.lock {
		w.fail("fire is latched, the lock is secured")
	}
	_, strike := w.timers[TimerStrike]
	if w.lock && !w.s.Fire && !w.s.Mode.Releases() && !strike {
		w.fail("released without a mode, a fire or a timer that ends it")
	}
	if _, armed := w.timers[TimerRecord]; armed != w.s.Releasing() {
		w.fail("releasing is %t, its timer is armed: %t", w.s.Releasing(), armed)
	}
	for timer := range TimerIndicate + 1 {
		if _, armed := w.timers[timer]; armed != w.s.armed.has(timer) {
			w.fail("the state is wrong about timer %v", timer)
		}
	}
	if w.stored.Mode != w.s.Mode || w.stored.Fire != w.s.Fire {
		w.fail("persisted %+v, is %v %t", w.stored, w.s.Mode, w.s.Fire)
	}
	return actions
}

func (w *world) carryOut(a Action) {
	switch a := a.(type) {
	case Record:
		w.record(a.Event)
	case Drive:
		if a.Release && !w.lock && !w.mayRelease() {
			w.fail("released without a cause")
		}
		w.lock, w.until = a.Release, a.Until
		w.audit.Drive(w.door.ID, a.Release, w.now)
	case Arm:
		w.timers[a.Timer] = w.now.Add(a.After)
	case Disarm:
		if _, armed := w.timers[a.Timer]; !armed {
			w.fail("timer %v was not armed", a.Timer)
		}
		delete(w.timers, a.Timer)
	case ConfirmPassage:
		w.unreserve(a.Reservation)
	case CancelPassage:
		w.unreserve(a.Reservation)
	case Persist:
		w.stored = a
	}
}

// checkInTime: a release that only cards ask for is for one whose deadline is not
// over, and the lock is told until when.
func (w *world) checkInTime(a Drive) {
	if _, rex := w.in.(REXPressed); rex || w.s.held() || w.s.rex != 0 && w.s.accessed {
		return
	}
	var latest time.Time
	for _, g := range w.s.grants[:w.s.waiting] {
		if due := w.due[g.number]; g.open && due.IsZero() {
			return
		} else if g.open && due.After(latest) {
			latest = due
		}
	}
	for _, e := range w.passed { // without a contact the passage is made already
		if due := w.due[e.Cause]; due.IsZero() {
			return
		} else if due.After(latest) {
			latest = due
		}
	}
	if !w.now.Before(latest) || !a.Until.Equal(latest) {
		w.fail("released at %v until %v, the deadline is %v", w.now, a.Until, latest)
	}
}

// mayRelease: which inputs may move the lock to released, and when.
func (w *world) mayRelease() bool {
	switch in := w.in.(type) {
	case REXPressed:
		return true
	case FireInput:
		return in.Active && w.door.FireRelease
	case Recorded:
		return w.before.Releasing() && w.before.Mode != LockedDown
	case TimerFired:
		return in.Timer == TimerRecord && w.before.Releasing() && w.before.Mode != LockedDown
	case LockLate:
		return w.before.held() || w.before.accessed && (w.before.rex != 0 || w.before.waiting > 0)
	case Begin:
		return AtRest(w.stored.Mode, w.stored.Fire)
	case Decided:
		return w.door.Durability == Group && in.Decision.Verdict == Granted && w.before.Mode.refuses() == ReasonNone
	case Command:
		return w.door.Durability == Group && in.Mode.Releases() && !in.Clear && w.before.Mode != LockedDown
	}
	return false
}

func (w *world) record(e Event) {
	if e.Source.Number <= w.before.Next || e.Door != w.door.ID {
		w.fail("event number %d after %d", e.Source.Number, w.before.Next)
	}
	w.before.Next = e.Source.Number
	switch e.Kind {
	case KindGranted:
		w.open[e.Source.Number] = true
		w.due[e.Source.Number] = w.in.(Decided).Decision.Deadline
	case KindPassage, KindNoPassage, KindReleaseCancelled:
		if !w.open[e.Cause] {
			w.fail("%v of %d, which is no open release", e.Kind, e.Cause)
		}
		delete(w.open, e.Cause)
		if due := w.due[e.Cause]; e.Reason == ReasonDeadline && (due.IsZero() || w.now.Before(due)) {
			w.fail("taken back at %v, the deadline is %v", w.now, due)
		}
		if e.Kind == KindPassage {
			w.passed = append(w.passed, e)
		}
	case KindModeChanged:
		w.modeChanged(e)
	}
	e.Source.Run, e.Time = w.run, w.now
	w.audit.Event(e)
}

// modeChanged: a mode that waits for its record is an open release, too.
func (w *world) modeChanged(e Event) {
	if w.s.wishNumber == e.Source.Number {
		w.open[e.Source.Number] = true
	}
}

func (w *world) unreserve(id uint64) {
	if !w.reserved[id] {
		w.fail("reservation %d ended twice", id)
	}
	delete(w.reserved, id)
}

// checkSecured: what secures does so in its own step, and first of all.
func (w *world) checkSecured(in Input, actions []Action) {
	secures := false
	switch in := in.(type) {
	case Command:
		ok, _ := Permits(w.beforeMode(), in)
		exit := w.before.accessed && w.before.rex != 0 && w.now.Before(w.before.rexUntil) // egress goes before the operator
		secures = ok && (in.Clear || !in.Mode.Releases()) && !w.s.Fire && !exit
	case FireReset:
		secures = !w.s.Fire && w.stored.Fire && !w.s.Mode.Releases()
	case Ending:
		secures = !AtRest(w.s.Mode, w.s.Fire)
	case TimerFired:
		if in.Timer == TimerStrike && w.lock && !w.s.held() {
			w.fail("the strike time is over and the lock still released")
		}
	}
	if secures && (w.lock || len(actions) == 0 || actions[0] != Action(Drive{})) {
		w.fail("not secured first: %v", sayAll(actions))
	}
}

func (w *world) beforeMode() Mode { return w.before.Mode }

// wait moves the time on, firing what falls due in order.
func (w *world) wait(d time.Duration) {
	until := w.now.Add(d)
	for {
		next, at := Timer(0), until.Add(1)
		for _, timer := range slices.Sorted(maps.Keys(w.timers)) {
			if w.timers[timer].Before(at) {
				next, at = timer, w.timers[timer]
			}
		}
		if at.After(until) {
			w.now = until
			return
		}
		if at.After(w.now) { // else it is late
			w.now = at
		}
		delete(w.timers, next)
		w.step(TimerFired{next})
	}
}

func (w *world) commit() {
	w.disk = w.s.Next
	w.step(Recorded{w.disk})
}

func (w *world) decide(verdict Verdict, who CardholderID, left time.Duration) {
	w.lastRes++
	w.reserved[w.lastRes] = true
	w.step(Decided{Decision{
		Verdict: verdict, Reason: ReasonCredential, Reader: "in", Cardholder: who, Reservation: w.lastRes,
		Deadline: w.deadline(left),
	}})
}

// deadline is an instant that is left away; 0: none.
func (w *world) deadline(left time.Duration) time.Time {
	if left == 0 {
		return time.Time{}
	}
	return w.now.Add(left)
}

// stall lets time pass without the door noticing; not while the lock is released,
// which nobody may hold up.
func (w *world) stall(d time.Duration) {
	if !w.lock {
		w.now = w.now.Add(d)
	}
}

// late is a lock that is told of a release when it is too late.
func (w *world) late() {
	until := w.until
	w.wait(max(0, until.Sub(w.now)))
	if !w.lock || until.IsZero() || !w.until.Equal(until) {
		return
	}
	w.lock, w.until = AtRest(w.stored.Mode, w.stored.Fire), time.Time{}
	w.audit.Drive(w.door.ID, w.lock, w.now)
	w.step(LockLate{})
}

// end stops the life in order; every account must be closed then.
func (w *world) end(why Reason) {
	w.wishMayBeDropped()
	w.step(Ending{why})
	for number := range w.open {
		w.fail("event %d has no outcome", number)
	}
	if len(w.timers) > 0 || len(w.reserved) > 0 || w.s.Releasing() {
		w.fail("left over: timers %v, reservations %v", w.timers, w.reserved)
	}
}

// wishMayBeDropped: a mode whose record arrived is no open release any more.
func (w *world) wishMayBeDropped() {
	for number := range w.open {
		if number != w.s.wishNumber && !w.s.hasGrant(number) {
			delete(w.open, number)
		}
	}
}

func (s DoorState) hasGrant(number uint64) bool {
	return slices.ContainsFunc(s.grants[:s.waiting], func(g grant) bool { return g.number == number })
}

// restart begins another life; a crash leaves the old one without an Ending, and
// its supervisor puts the lock to rest.
func (w *world) restart(crash bool) {
	if crash {
		w.timers, w.open, w.reserved = map[Timer]time.Time{}, map[uint64]bool{}, map[uint64]bool{}
		w.lock = AtRest(w.stored.Mode, w.stored.Fire)
		w.audit.Drive(w.door.ID, w.lock, w.now)
	} else {
		w.end(ReasonRestart)
	}
	contact := w.s.Contact
	w.run++
	w.s = Restore(w.stored.Mode, w.stored.Fire)
	w.step(Begin{Contact: contact})
}

// modelDoors differ in what is wired and how people get out.
func modelDoors() []*Compiled {
	var list []*Compiled
	for _, change := range []func(*Door){
		plain,
		func(d *Door) { d.HasContact = false },
		func(d *Door) { d.FireRelease = false },
		func(d *Door) { d.HasREX, d.Egress = false, EgressMechanical },
		func(d *Door) { d.Durability = Group },
	} {
		door := testDoor()
		for i := range door.Readers {
			door.Readers[i].From, door.Readers[i].To = "", ""
		}
		change(door)
		c, err := Compile(Rules{Doors: []Door{*door}})
		if err != nil {
			panic(err)
		}
		list = append(list, c)
	}
	return list
}

func actionsOf(w *world) map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"grant": func(t *rapid.T) {
			w.decide(Granted, rapid.SampledFrom([]CardholderID{"", "a", "b", "c", "d", "e", "f"}).Draw(t, "who"),
				time.Duration(rapid.SampledFrom([]int{0, 1, 40, 300}).Draw(t, "left"))*time.Millisecond)
		},
		"deny":   func(*rapid.T) { w.decide(Denied, "a", 0) },
		"commit": func(*rapid.T) { w.commit() },
		"old record": func(t *rapid.T) {
			w.step(Recorded{uint64(rapid.IntRange(0, int(w.disk)).Draw(t, "number"))})
		},
		"contact": func(t *rapid.T) { w.step(ContactMoved{rapid.Bool().Draw(t, "open")}) },
		"rex":     func(*rapid.T) { w.step(REXPressed{}) },
		"fire":    func(t *rapid.T) { w.step(FireInput{rapid.Bool().Draw(t, "active")}) },
		"reset":   func(*rapid.T) { w.step(FireReset{"op"}) },
		"command": func(t *rapid.T) {
			mode := rapid.SampledFrom([]Mode{Locked, Unlocked, Blocked, LockedDown, LockedOpen, DoubleLocked, Accessed}).Draw(t, "mode")
			w.step(Command{Mode: mode, Operator: "op", Clear: rapid.Bool().Draw(t, "clear")})
		},
		"wait": func(t *rapid.T) {
			w.wait(time.Duration(rapid.SampledFrom([]int{1, 100, 150, 4900, 5000, 30000}).Draw(t, "ms")) * time.Millisecond)
		},
		"stall": func(t *rapid.T) {
			w.stall(time.Duration(rapid.SampledFrom([]int{19, 100, 300}).Draw(t, "ms")) * time.Millisecond)
		},
		"late": func(*rapid.T) { w.late() },
		"stale timer": func(t *rapid.T) {
			timer := Timer(rapid.IntRange(0, int(TimerIndicate)).Draw(t, "timer"))
			if _, armed := w.timers[timer]; !armed {
				if before := w.s; len(w.step(TimerFired{timer})) > 0 || w.s != before {
					w.fail("a disarmed timer fired")
				}
			}
		},
		"restart": func(t *rapid.T) { w.restart(rapid.Bool().Draw(t, "crash")) },
	}
}

// TestDoorHolds runs random inputs against every kind of door. What must hold is
// in world; the audit, which sees only events and lock commands, must agree.
func TestDoorHolds(t *testing.T) {
	t.Parallel()
	for i, rules := range modelDoors() {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				w := newWorld(rules)
				actions := actionsOf(w)
				actions[""] = func(t *rapid.T) {
					if len(w.wrong) > 0 {
						t.Fatal(w.wrong)
					}
					if list, _ := w.audit.Violations(); len(list) > 0 {
						t.Fatal(list)
					}
				}
				t.Repeat(actions)
				w.end(ReasonStop)
				w.audit.Finish(w.now)
				actions[""](t)
			})
		})
	}
}
