package actors

import (
	"sync/atomic"
	"time"

	"gatehouse/access"
)

// emitter gives one life of an actor its place in the journal: a source, and
// numbers that only grow.
type emitter struct {
	b      *Building
	source access.Source
}

func (b *Building) emitter(name string, run uint64) *emitter {
	return &emitter{b, access.Source{Name: name, Boot: b.cfg.Boot, Run: run}}
}

// emit numbers an event and hands it to the journal.
func (e *emitter) emit(ev access.Event) {
	e.source.Number++
	ev.Source = e.source
	e.b.record(ev)
}

// clockRead is how far the time could be trusted when it was asked last.
type clockRead struct {
	at   atomic.Int64 // time since the start, in ns; 0: not asked yet
	said atomic.Uint32
}

// clock says how far the time can be trusted, since is since the start; the machine
// is asked once a second, not for each event.
func (b *Building) clock(since time.Duration) access.ClockQuality {
	if b.cfg.AskClock == nil {
		return b.cfg.Clock
	}
	if at := b.asked.at.Load(); at == 0 || since-time.Duration(at) >= time.Second {
		b.asked.said.Store(uint32(b.cfg.AskClock()))
		b.asked.at.Store(max(1, int64(since)))
	}
	return access.ClockQuality(b.asked.said.Load())
}

// record hands a numbered event to the journal. It never blocks.
func (b *Building) record(ev access.Event) {
	now := b.exec.Now()
	since := now.Sub(b.began)
	ev.Time, ev.Mono, ev.Clock = now.UTC(), since, b.clock(since)
	b.count(ev)
	if b.cfg.OnEvent != nil {
		b.cfg.OnEvent(ev)
	}
	b.intake.offer(ev)
	b.journal.Send(wake{})
}

// Emitter records the events of a source that is no actor of this package. It is
// not safe for concurrent use, and no two of the same name and run may be used.
type Emitter struct{ em *emitter }

// Emitter is for the source of this name; run tells its lives within a boot apart.
func (b *Building) Emitter(name string, run uint64) Emitter { return Emitter{b.emitter(name, run)} }

// Emit hands an event to the journal: it is numbered, gets its time, and waits for
// the disk in a bounded queue. It never blocks.
func (e Emitter) Emit(ev access.Event) { e.em.emit(ev) }

// Waiting is how many events are not yet on disk.
func (b *Building) Waiting() int { return b.intake.depth() }
