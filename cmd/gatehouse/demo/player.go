package demo

import (
	"time"

	"gatehouse/devices/virtual"
	"gatehouse/supervisor"
)

// player is the actor that does on a rig what a crowd does. The crowd outlives
// it: after a restart everybody is where they were.
type player struct {
	rig   *virtual.Rig
	crowd *Crowd
}

// playLimit is how many actions one turn plays at most: after a long pause much
// is due at once.
const playLimit = 32

// Actor plays the crowd on the rig, in the time of the system that it runs in.
// Only one may play a crowd.
func Actor(rig *virtual.Rig, crowd *Crowd) supervisor.Actor { return &player{rig, crowd} }

// ChildSpec is the crowd as a child of a building's edge.
func ChildSpec(rig *virtual.Rig, crowd *Crowd) supervisor.ChildSpec {
	return supervisor.ChildSpec{
		ID:  "crowd",
		New: func() supervisor.Actor { return Actor(rig, crowd) },
		Backoff: supervisor.Backoff{
			Min: 100 * time.Millisecond, Max: 30 * time.Second, Factor: 2, Jitter: 0.2, ResetAfter: 10 * time.Second,
		},
	}
}

// Start waits for the first action.
func (p *player) Start(c *supervisor.Context) error {
	p.wait(c)
	return nil
}

// Receive plays what is due.
func (p *player) Receive(c *supervisor.Context, msg any) error {
	if _, ok := msg.(supervisor.Tick); !ok {
		return nil
	}
	for range playLimit {
		a, ok := p.crowd.Next(c.Now())
		if !ok {
			break
		}
		p.play(a, c.Now())
	}
	p.wait(c)
	return nil
}

func (p *player) wait(c *supervisor.Context) {
	c.After("next", max(p.crowd.Due().Sub(c.Now()), 0))
}

func (p *player) play(a Action, now time.Time) {
	device := string(a.Door)
	door := p.rig.Door(device)
	switch a.Kind {
	case Present:
		p.rig.Present(device+"/"+string(a.Reader), a.Read)
	case Press:
		p.rig.Move(device+"/rex", true)
	case LetGo:
		p.rig.Move(device+"/rex", false)
	case Open:
		p.crowd.Opened(a, door.Open() == nil, now)
	case Handle, Force:
		door.Force()
	case Close:
		door.Close()
	}
}
