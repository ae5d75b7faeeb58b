package supervisor

import (
	"runtime"
	"sync"
	"time"
)

// reportEvery is how often the crashes of one place may be an event.
const reportEvery = time.Minute

// crashes is what a place has not reported yet.
type crashes struct {
	last  time.Time // of the last report
	count uint64    // since then
}

// settle is a life's last act towards those who look at it: it is told in this
// order to the events' readers and to who monitors it. It is called once for
// every life, on its own turn or, when it was abandoned, on its parent's.
func (sh *shell) settle(r Reason) {
	sh.sys.emit(Event{Kind: EventExited, Path: sh.node.path, Incarnation: sh.epoch, Reason: r})
	if (r.Kind == ExitError || r.Kind == ExitPanic) && sh.sup == nil {
		sh.reportCrash(r)
	}
	sh.dropMonitors()
	sh.tellMonitors(r)
}

// reportCrash counts a crash of an actor and makes an event of the first, then
// of at most one a minute. A supervisor that gives up is EventEscalated.
func (sh *shell) reportCrash(r Reason) {
	if count := sh.node.countCrash(sh.sys.exec.Now()); count > 0 {
		sh.sys.emit(Event{Kind: EventCrashed, Path: sh.node.path, Incarnation: sh.epoch, Reason: r, Count: count})
	}
}

// countCrash returns how many crashes to report now, 0: none.
func (n *node) countCrash(now time.Time) (report uint64) {
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.crashes == nil {
		n.crashes = &crashes{}
	} else if now.Sub(n.crashes.last) < reportEvery {
		n.crashes.count++
		return 0
	}
	report = n.crashes.count + 1
	*n.crashes = crashes{last: now}
	return report
}

const maxStack = 4 << 10

// stackBuffers are for crashStack.
var stackBuffers = sync.Pool{New: func() any { return new([maxStack]byte) }}

// crashStack is the caller's stack as text, at most 4 KiB of it, and "" when too
// many were taken within this second: in a storm of panics it would cost more
// than the restarts.
func (s *System) crashStack() string {
	if !s.crashStacks.allow(s.exec.Now(), stacksPerSecond) {
		return ""
	}
	buf := stackBuffers.Get().(*[maxStack]byte)
	defer stackBuffers.Put(buf)
	return string(buf[:runtime.Stack(buf[:], false)])
}
