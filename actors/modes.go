package actors

import (
	"context"
	"errors"
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
	owed    []access.DoorID // too busy to take a command that secures; told again
}

// pending is an operator who waits until the doors are saved.
type pending struct {
	to      supervisor.ReplyTo
	wanted  []wanted
	results []CommandResult
	until   time.Time // then the operator is told that nothing is saved yet
}

// maxPending bounds the operators that can wait at once. One more is answered
// without waiting for the disk; the command is carried out all the same.
const maxPending = 64

// The task and the timers of modes.
const (
	saveTask    = "save"
	expireTimer = "expire"
	owedTimer   = "owed"
)

// Start saves what an earlier life left unsaved, and tells what it left untold.
func (m *modes) Start(c *supervisor.Context) error {
	m.em = m.b.emitter("modes", c.Incarnation())
	for _, p := range m.b.order {
		m.owed = append(m.owed, p.door.ID)
	}
	m.tellOwed(c)
	m.save(c)
	return nil
}

// Stop leaves no operator waiting.
func (m *modes) Stop(*supervisor.Context, supervisor.Reason) {
	for _, p := range m.waiting {
		m.reply(p)
	}
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
		if msg.Key == owedTimer {
			m.tellOwed(c)
			return nil
		}
		m.answer(c, nil)
		m.save(c)
	case supervisor.TaskDone:
		if msg.Name != saveTask {
			return nil
		}
		m.busy = false
		m.saved(c, msg.Err)
	}
	return nil
}

func (m *modes) command(c *supervisor.Context, msg setModes) {
	p := pending{to: c.ReplyTo()}
	for _, id := range msg.doors {
		now := m.b.book.get(id)
		ok, why := access.Permits(now.Mode, msg.command)
		switch {
		case !ok:
			m.refuse(&p, id, why, msg.command)
		case target(msg.command).Releases():
			m.release(c, &p, id, msg.command)
		default:
			m.secure(c, &p, id, msg.command)
		}
	}
	m.answerWhenSaved(c, p)
}

// refuse does not bother the door: it may not have heard yet of what forbids
// the command.
func (m *modes) refuse(p *pending, id access.DoorID, why access.Reason, cmd access.Command) {
	m.em.emit(access.Event{Kind: access.KindCommandRefused, Door: id, Mode: cmd.Mode, Operator: cmd.Operator, Reason: why})
	p.results = append(p.results, CommandResult{Door: id, Refused: why})
}

// release leaves everything to the door, which records before it releases.
func (m *modes) release(c *supervisor.Context, p *pending, id access.DoorID, cmd access.Command) {
	ok := c.Send(m.b.places[id].logic, toDoor{input: cmd}).OK()
	p.results = append(p.results, CommandResult{Door: id, Accepted: ok, Down: !ok})
	if ok {
		p.wanted = append(p.wanted, wanted{door: id, mode: cmd.Mode, given: m.b.book.given(id)})
	}
}

// secure has the mode in the book before the door is told: whatever crashes
// next, the door comes back secured.
func (m *modes) secure(c *supervisor.Context, p *pending, id access.DoorID, cmd access.Command) {
	number := m.b.book.secure(id, cmd)
	p.wanted = append(p.wanted, wanted{door: id, mode: target(cmd), given: number})
	down := m.tell(c, id, cmd, number)
	p.results = append(p.results, CommandResult{Door: id, Accepted: true, Down: down})
}

// tell hands a command that secures to a door. A door that is too busy is told
// again. For one that is down the lock is put to rest and the record is made
// here; the mode holds when it is back.
func (m *modes) tell(c *supervisor.Context, id access.DoorID, cmd access.Command, number uint64) (down bool) {
	p := m.b.places[id]
	switch c.Send(p.logic, toDoor{cmd, number}) {
	case supervisor.Refused:
		m.owed = append(m.owed, id)
		c.After(owedTimer, levelRetry)
	case supervisor.Down:
		m.b.restAside(c, p)
		if m.b.book.claim(id, number) {
			m.em.emit(access.Event{
				Kind: access.KindModeChanged, Door: id, Mode: target(cmd), Operator: cmd.Operator, Reason: access.ReasonOperator,
			})
		}
		return true
	}
	return false
}

func (m *modes) tellOwed(c *supervisor.Context) {
	owed := m.owed
	m.owed = nil
	for _, id := range owed {
		if cmd, number, ok := m.b.book.owed(id); ok {
			m.tell(c, id, cmd, number)
		}
	}
}

func (m *modes) reset(c *supervisor.Context, msg resetFire) {
	p := pending{to: c.ReplyTo()}
	for _, id := range msg.doors {
		switch {
		case !m.b.book.get(id).Fire:
			p.results = append(p.results, CommandResult{Door: id, Accepted: true})
		case m.b.book.fireActive():
			m.refuse(&p, id, access.ReasonFire, access.Command{Operator: msg.operator})
		default:
			ok := c.Send(m.b.places[id].logic, toDoor{input: access.FireReset{Operator: msg.operator}}).OK()
			p.results = append(p.results, CommandResult{Door: id, Accepted: ok, Down: !ok})
			if ok {
				p.wanted = append(p.wanted, wanted{door: id, reset: true})
			}
		}
	}
	m.answerWhenSaved(c, p)
}

func (m *modes) answerWhenSaved(c *supervisor.Context, p pending) {
	p.until = c.Now().Add(CommandLimit)
	if len(m.waiting) < maxPending {
		m.waiting = append(m.waiting, p)
	} else {
		m.reply(p)
	}
	m.save(c)
	m.answer(c, nil)
}

// save writes everything that changed, one transaction at a time.
func (m *modes) save(c *supervisor.Context) {
	if m.busy {
		return
	}
	changes := m.b.book.take()
	if len(changes) == 0 {
		if !m.b.book.dirty() { // an earlier life may not have come to say so
			m.works()
		}
		m.answer(c, nil)
		return
	}
	err := c.Task(saveTask, 0, func(ctx context.Context) (any, error) { return nil, m.b.saveDoors(ctx, changes) })
	if m.busy = err == nil; !m.busy {
		m.b.book.giveBack(changes, err)
	}
}

var errCutShort = errors.New("the call did not return")

// saveDoors is a save's worker. It may outlive the actor's life that began it;
// then it wakes the next one.
func (b *Building) saveDoors(ctx context.Context, changes []access.DoorMemory) (err error) {
	err = errCutShort // should the store panic
	defer func() {
		b.book.giveBack(changes, err)
		if ctx.Err() != nil {
			b.modes.Send(wake{})
		}
	}()
	err = b.cfg.Store.SaveDoors(changes)
	return err
}

func (m *modes) saved(c *supervisor.Context, err error) {
	if err != nil {
		if m.b.health.setStore(fmt.Errorf("modes are kept in memory: %w", err)) {
			m.em.emit(access.Event{Kind: access.KindStoreDegraded, Detail: err.Error()})
			m.b.cfg.Log.Error().Err(err).Msg("store degraded: modes hold, but only in memory")
		}
		m.answer(c, err)
		c.After("retry", m.b.retry())
		return
	}
	m.works()
	m.save(c)
}

func (m *modes) works() {
	if m.b.health.setStore(nil) {
		m.em.emit(access.Event{Kind: access.KindStoreRestored})
		m.b.cfg.Log.Info().Msg("store restored")
	}
}

// answer tells those operators whose doors are all on disk, and those who have
// waited long enough. With an error it tells everybody: the command is in force,
// but only in memory.
func (m *modes) answer(c *supervisor.Context, err error) {
	kept := m.waiting[:0]
	for _, p := range m.waiting {
		if err == nil && !m.settled(p) && c.Now().Before(p.until) {
			kept = append(kept, p)
			continue
		}
		m.reply(p)
	}
	clear(m.waiting[len(kept):])
	if m.waiting = kept; len(kept) == 0 {
		m.waiting = nil
		c.CancelTimer(expireTimer)
		return
	}
	c.After(expireTimer, kept[0].until.Sub(c.Now())) // the oldest
}

func (m *modes) reply(p pending) {
	p.to.Reply(CommandReport{Results: p.results, Saved: m.settled(p)})
}

func (m *modes) settled(p pending) bool {
	for _, w := range p.wanted {
		if !m.b.book.settled(w) {
			return false
		}
	}
	return true
}
