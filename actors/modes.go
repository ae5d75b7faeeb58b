package actors

import (
	"context"
	"fmt"
	"time"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// modes carries out operators' commands on doors and keeps the doors' modes and
// fire latches on disk: all that changed since the last save in one
// transaction. Doors are told before the disk is; the operator is answered
// after it.
type modes struct {
	b       *Building
	busy    bool
	em      *emitter
	waiting []pending
}

// pending is an operator who waits until the doors are saved.
type pending struct {
	to      supervisor.ReplyTo
	doors   map[access.DoorID]access.DoorMemory
	results []CommandResult
	until   time.Time // then the operator is told that nothing is saved yet
}

// maxPending bounds the operators that can wait at once.
const maxPending = 64

// Start saves what an earlier life left unsaved.
func (m *modes) Start(c *supervisor.Context) error {
	m.em = m.b.emitter("modes", c.Incarnation())
	m.save(c)
	return nil
}

// Receive handles commands, wake-ups and save results.
func (m *modes) Receive(c *supervisor.Context, msg any) error {
	switch msg := msg.(type) {
	case setModes:
		m.command(c, msg)
	case resetFire:
		m.reset(c, msg)
	case wake:
		m.save(c)
	case supervisor.Tick:
		m.answer(c, nil)
		m.save(c)
	case supervisor.TaskDone:
		m.busy = false
		m.saved(c, msg)
	}
	return nil
}

func (m *modes) command(c *supervisor.Context, msg setModes) {
	p := pending{to: c.ReplyTo(), doors: map[access.DoorID]access.DoorMemory{}}
	for _, id := range msg.doors {
		p.results = append(p.results, m.commandOne(c, id, msg.command, p.doors))
	}
	m.answerWhenSaved(c, p)
}

// commandOne tells one door. A mode that secures is in the book before the door
// is told: whatever crashes next, the door comes back secured.
func (m *modes) commandOne(c *supervisor.Context, id access.DoorID, cmd access.Command, wait map[access.DoorID]access.DoorMemory) CommandResult {
	now := m.b.book.get(id)
	if ok, why := access.Permits(now.Mode, now.Fire, cmd); !ok {
		c.Send(m.b.places[id].logic, toDoor{cmd}) // it records the refusal
		return CommandResult{Door: id, Refused: why}
	}
	wanted := now
	if wanted.Mode = cmd.Mode; cmd.Clear {
		wanted.Mode = access.Locked
	}
	if !wanted.Mode.Releases() {
		m.b.book.set(wanted)
	}
	wait[id] = wanted
	switch d := c.Send(m.b.places[id].logic, toDoor{cmd}); {
	case d.OK():
		return CommandResult{Door: id, Accepted: true}
	case wanted.Mode.Releases():
		delete(wait, id)
		return CommandResult{Door: id, Down: true}
	default: // the lock is at rest already; the mode holds once the door is back
		return CommandResult{Door: id, Accepted: true, Down: true}
	}
}

func (m *modes) reset(c *supervisor.Context, msg resetFire) {
	p := pending{to: c.ReplyTo(), doors: map[access.DoorID]access.DoorMemory{}}
	for _, id := range msg.doors {
		r := CommandResult{Door: id}
		switch now := m.b.book.get(id); {
		case !now.Fire:
			r.Accepted = true
		case m.b.book.fireActive():
			r.Refused = access.ReasonFire
			c.Send(m.b.places[id].logic, toDoor{access.FireReset{Operator: msg.operator}})
		default:
			r.Accepted = c.Send(m.b.places[id].logic, toDoor{access.FireReset{Operator: msg.operator}}).OK()
			r.Down = !r.Accepted
			if now.Fire = false; r.Accepted {
				p.doors[id] = now
			}
		}
		p.results = append(p.results, r)
	}
	m.answerWhenSaved(c, p)
}

func (m *modes) answerWhenSaved(c *supervisor.Context, p pending) {
	if len(m.waiting) >= maxPending {
		p.to.Fail(supervisor.ErrRefused)
		return
	}
	p.until = c.Now().Add(CommandLimit)
	m.waiting = append(m.waiting, p)
	c.After("expire", CommandLimit)
	m.save(c)
	m.answer(c, nil)
}

// save writes everything that changed, one transaction at a time.
func (m *modes) save(c *supervisor.Context) {
	if m.busy {
		return
	}
	changes := m.b.book.changes()
	if len(changes) == 0 {
		m.answer(c, nil)
		return
	}
	m.busy = c.Task("save", 0, func(context.Context) (any, error) {
		return changes, m.b.cfg.Store.SaveDoors(changes)
	}) == nil
}

func (m *modes) saved(c *supervisor.Context, done supervisor.TaskDone) {
	if done.Err != nil {
		if m.b.health.setStore(fmt.Errorf("modes are kept in memory: %w", done.Err)) {
			m.em.emit(access.Event{Kind: access.KindStoreDegraded, Detail: done.Err.Error()})
			m.b.cfg.Log.Error().Err(done.Err).Msg("store degraded: modes hold, but only in memory")
		}
		m.answer(c, done.Err)
		c.After("retry", m.b.retry())
		return
	}
	m.b.book.saved(done.Value.([]access.DoorMemory))
	if m.b.health.setStore(nil) {
		m.em.emit(access.Event{Kind: access.KindStoreRestored})
		m.b.cfg.Log.Info().Msg("store restored")
	}
	m.save(c)
}

// answer tells those operators whose doors are all on disk. With an error it
// tells everybody: the command is in force, but only in memory.
func (m *modes) answer(c *supervisor.Context, err error) {
	kept := m.waiting[:0]
	for _, p := range m.waiting {
		done := m.settled(p)
		if err == nil && !done && c.Now().Before(p.until) {
			kept = append(kept, p)
			continue
		}
		p.to.Reply(CommandReport{Results: p.results, Saved: done})
	}
	clear(m.waiting[len(kept):])
	m.waiting = kept
}

func (m *modes) settled(p pending) bool {
	for id, want := range p.doors {
		now := m.b.book.get(id)
		if (now.Mode != want.Mode || (now.Fire && !want.Fire)) || !m.b.book.clean(id) {
			return false
		}
	}
	return true
}
