package supervisor

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// phase of a life.
type phase uint8

const (
	phaseStarting phase = iota
	phaseRunning
	phaseEnding // the Stop hook ran; children and workers are being waited for
	phaseEnded
)

// Signals between shells. Those of a child are, or bring, the life that says it:
// what one says that is over must not be taken for its successor's word.
type (
	stopSignal      struct{ again bool } // the plan starts it again
	hurrySignal     struct{}             // stop, and the stop budget is spent already
	goroutineExited struct{}
	childReady      shell
	childExited     shell
	// childEnding: it ends by itself, but that may take time.
	childEnding struct {
		sh     *shell
		reason *Reason
	}
)

// shell is one life of an actor: the protoactor actor round the user's.
// protoactor never sees a panic, a Failure or a Restart.
type shell struct {
	sys       *System
	node      *node
	box       *mailbox
	parentBox *mailbox // nil for the root
	child     *child   // the parent's record of this child, nil for the root
	epoch     uint64
	user      Actor
	sup       *supervision // instead of user
	claim     *Claim       // of an Exclusive place
	c         Context
	phase     phase
	hookRan   bool
	ignored   bool
	cancelled bool        // under the mailbox's lock, like live and timers
	fenced    atomic.Bool // set under it
	over      atomic.Bool // who sets it ends this life: the shell itself or its parent
	reason    *Reason     // once it ends
	timers    []*timer
	byKey     map[string]*timer    // the same, once there are many
	workers   map[string]*worker   // until their results were delivered
	monitors  map[Monitor]*monitor // under the mailbox's lock
	live      int                  // workers not yet returned
	ctx       context.Context
	cancel    context.CancelFunc
}

// What protoactor says. A user may send its types too, which are messages like
// others.
type (
	processStarted struct{}
	processStopped struct{}
)

// Receive is called by protoactor with its own messages.
func (sh *shell) Receive(pc actor.Context) {
	switch pc.Message().(type) {
	case *actor.Started:
		sh.handle(processStarted{})
	case *actor.Stopped:
		sh.handle(processStopped{})
	}
}

// handle is called on the life's turns, for every message.
func (sh *shell) handle(msg any) {
	if sh.sup != nil {
		sh.sup.mu.Lock()
		defer sh.sup.leave()
		if sh.sup.dead.Load() {
			return
		}
	}
	switch msg := msg.(type) {
	case processStarted:
		sh.begin()
	case processStopped:
		sh.ended()
	case stopSignal:
		sh.box.setAgain(msg.again)
		sh.end(Reason{Kind: ExitShutdown})
	case hurrySignal:
		sh.end(Reason{Kind: ExitShutdown})
		sh.sup.hurry()
	case goroutineExited:
		sh.c.current, sh.c.msg = nil, nil
		sh.end(panicked(errGoexit, ""))
	case *worker:
		sh.workerEnded(msg)
	case *timer:
		sh.ticked(msg)
	case *keptTick:
		sh.deliverAs(msg.tick, msg)
	case *call:
		if sh.sup != nil {
			sh.sup.administer(msg.msg, msg.to)
			return
		}
		sh.asked(msg)
	case *ask:
		sh.answered(msg)
	case *monitor:
		sh.monitorDown(msg)
	default:
		if sh.sup != nil {
			sh.sup.receive(msg)
			return
		}
		sh.deliver(msg)
	}
}

func (sh *shell) begin() {
	if sh.phase != phaseStarting {
		return // stopped before it began
	}
	if sh.sup != nil {
		sh.sup.proceed()
		return
	}
	if r := sh.guard(sh.startUser); r != nil {
		if sh.ignored {
			*r = Reason{Kind: ExitNormal}
		}
		sh.end(*r)
		return
	}
	sh.ready()
	sh.endIfAsked()
}

func (sh *shell) startUser() error {
	sh.box.mark(false) // New may hang too, but most lives never run anything in this turn again
	sh.user = sh.node.newActor()
	if sh.user == nil {
		return errNoNew
	}
	if s, ok := sh.user.(Starter); ok {
		err := s.Start(&sh.c)
		sh.ignored = errors.Is(err, ErrIgnore)
		return err
	}
	return nil
}

func (sh *shell) ready() {
	if sh.phase != phaseStarting || sh.fenced.Load() {
		return
	}
	sh.phase = phaseRunning
	sh.node.setState(StateRunning, sh.epoch)
	sh.sys.emit(Event{Kind: EventReady, Path: sh.node.path, Incarnation: sh.epoch})
	if sh.parentBox != nil {
		sh.parentBox.signal((*childReady)(sh))
	} else {
		sh.sys.rootReady()
	}
}

// deliver hands a message to the user's actor.
func (sh *shell) deliver(msg any) { sh.deliverAs(msg, msg) }

// deliverAs: source is what Stash keeps instead of the message.
func (sh *shell) deliverAs(msg, source any) {
	sh.box.mark(true)
	sh.c.msg, sh.c.stashed = source, false
	r := sh.guard(func() error { return sh.user.Receive(&sh.c, msg) })
	sh.c.msg = nil
	if r != nil {
		sh.end(*r)
		return
	}
	sh.endIfAsked()
}

func (sh *shell) endIfAsked() {
	if sh.c.stop {
		sh.end(Reason{Kind: ExitNormal})
	}
}

// asked leaves no asker waiting for nothing: if the handler neither answered
// nor took the address, nobody ever will.
func (sh *shell) asked(c *call) {
	sh.c.current, sh.c.taken = c, false
	sh.deliver(c.msg)
	sh.c.current = nil
	switch {
	case sh.phase >= phaseEnding, sh.fenced.Load(): // fenced: its own answer was refused
		c.to.answer(nil, sh.box.lastWord())
	case !sh.c.taken:
		c.to.answer(nil, ErrNoAnswer)
	}
}

func (sh *shell) ticked(t *timer) {
	if sh.sup != nil && t == &sh.sup.deadlines.ring {
		sh.sup.overdue()
		return
	}
	tick, ok := sh.tick(t)
	switch {
	case !ok:
	case sh.sup != nil:
		sh.sup.outOfBudget()
	default:
		sh.deliverAs(tick, t)
	}
}

// guard runs the user's code; a panic or an error becomes a Reason. The error's
// own methods are the user's too: they are called in here and nowhere else.
func (sh *shell) guard(f func() error) (r *Reason) {
	defer func() {
		if v := recover(); v != nil {
			crash := panicked(v, sh.sys.crashStack())
			r = &crash
		}
	}()
	if err := f(); err != nil {
		failed := failure(err)
		return &failed
	}
	return nil
}

// end begins the end of this life: run the Stop hook, refuse messages, stop
// timers, end children and workers, and only then tell the parent. The first
// reason stands. A life that was abandoned has ended already.
func (sh *shell) end(r Reason) {
	if sh.phase >= phaseEnding || sh.fenced.Load() {
		return
	}
	sh.reason = &r
	if r.Kind != ExitShutdown && sh.child != nil {
		sh.box.setAgain(sh.child.restarts(r))
	}
	sh.node.setState(StateStopping, sh.epoch)
	sh.tellEnding()
	if sh.sup != nil {
		sh.phase = phaseEnding
		sh.sup.stopAll()
		return
	}
	sh.runStopHook()
	sh.phase = phaseEnding
	sh.killTimers(every)
	sh.box.close()
	sh.cancelAll()
	sh.finishWhenDone()
}

// runStopHook runs it once: end is called again when the hook ends its
// goroutine instead of returning.
func (sh *shell) runStopHook() {
	s, ok := sh.user.(Stopper)
	if !ok || sh.hookRan {
		return
	}
	sh.hookRan = true
	sh.box.mark(true)
	if r := sh.guard(func() error { s.Stop(&sh.c, *sh.reason); return nil }); r != nil {
		sh.reason = r
	}
}

// tellEnding lets the parent put a deadline on an end that it did not ask for,
// when there is something that could take long.
func (sh *shell) tellEnding() {
	_, hook := sh.user.(Stopper)
	slow := sh.sup != nil || hook || len(sh.workers) > 0
	if slow && sh.parentBox != nil && sh.reason.Kind != ExitShutdown {
		sh.parentBox.signal(childEnding{sh, sh.reason})
	}
}

// finishWhenDone stops the process once nothing that this life owns is left. A
// parent that gives up at this very moment comes too late, or the shell does.
func (sh *shell) finishWhenDone() {
	if sh.phase != phaseEnding || len(sh.workers) > 0 || (sh.sup != nil && !sh.sup.empty()) {
		return
	}
	if !sh.over.CompareAndSwap(false, true) {
		return
	}
	sh.phase = phaseEnded
	sh.killTimers(every)
	sh.box.close()
	sh.cancelAll()
	sh.box.signal(stopProcess)
}

var stopProcess = &actor.Stop{}

// ended is protoactor's last word: the name is free again.
func (sh *shell) ended() {
	sh.box.end()
	if sh.claim != nil {
		sh.claim.revoke()
		sh.claim.Release()
	}
	sh.node.disownAll()
	sh.sys.actors.Add(-1)
	sh.node.setExited(*sh.reason, sh.epoch)
	sh.settle(*sh.reason)
	if sh.parentBox != nil {
		sh.parentBox.signal((*childExited)(sh))
	} else {
		sh.sys.rootExited(*sh.reason)
	}
}

// abandon gives this life up: fence it, detach its mailbox, free its name, in
// that order, so that its late end cannot touch its successor. It is called on
// the parent's turn, which says whether it starts the child again. False: it is
// just ending by itself, nothing of the user's runs any more, and its
// childExited is on the way.
func (sh *shell) abandon(r Reason, again bool) bool {
	if !sh.over.CompareAndSwap(false, true) {
		return false
	}
	stuck := sh.fence(again)
	if sh.claim != nil {
		sh.claim.revoke()
		if !stuck {
			sh.claim.Release()
		}
	}
	if sh.cancelAll(); stuck {
		sh.tellAbandoned(r)
	}
	if sh.sup != nil {
		sh.sup.abandonAll()
		sh.node.disownAll()
	}
	sh.sys.proto.ProcessRegistry.Remove(sh.sys.proto.NewLocalPID(sh.node.name))
	sh.sys.actors.Add(-1)
	sh.node.setExited(r, sh.epoch)
	sh.settle(r)
	sh.sys.countAbandoned()
	return true
}

// tellAbandoned takes the stack only when somebody wants to see it.
func (sh *shell) tellAbandoned(r Reason) {
	if sh.sys.heard() {
		sh.sys.emit(Event{
			Kind: EventAbandoned, Path: sh.node.path, Incarnation: sh.epoch,
			Reason: r, Detail: sh.sys.stackOf(sh.node.path),
		})
	}
}

// fence revokes all that this life could still do. It reports whether something
// of it still runs.
func (sh *shell) fence(again bool) (stuck bool) {
	handling := sh.box.detach(func() {
		sh.fenced.Store(true)
		sh.box.again = again
		stuck = sh.live > 0
		sh.countZombies(int64(sh.live))
		sh.killLocked(every)
		if sh.sup != nil {
			sh.sup.silenceLocked()
		}
	})
	return handling || stuck
}
