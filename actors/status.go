package actors

import (
	"strings"
	"sync"
	"time"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// DoorStatus is a door at one moment. Mode is what the door is now (Accessed
// while it is released for a moment), Standing the mode that it keeps.
type DoorStatus struct {
	ID           access.DoorID `json:"id"`
	Name         string        `json:"name"`
	Mode         access.Mode   `json:"mode"`
	Standing     access.Mode   `json:"standing_mode"`
	Released     bool          `json:"released"`
	Releasing    bool          `json:"releasing"`
	Fire         bool          `json:"fire_released"`
	Alarm        string        `json:"alarm,omitempty"`
	LockFault    bool          `json:"lock_fault,omitempty"` // the lock does not do as told
	ContactKnown bool          `json:"contact_known"`
	Open         bool          `json:"open"`
	Since        time.Time     `json:"since"` // the door's last change
	// Actor is the state of the door's actors: running, or what is wrong.
	Actor      string `json:"actor"`
	Restarts   uint64 `json:"restarts"`
	LastReason string `json:"last_reason,omitempty"`
}

// statusIn joins what the door's logic last published with the book and the
// state of its actors. The mode is the book's: whoever was told that a command is
// accepted sees it at once. A door whose actors are down is at rest, whatever it
// published.
func (b *Building) statusIn(p *place, at *supervisor.Tree) DoorStatus {
	s := *p.status.Load()
	m := b.book.get(p.door.ID)
	s.Standing, s.Fire, s.LockFault = m.Mode, m.Fire, p.fault.Load()
	if s.Mode != access.Accessed {
		s.Mode = m.Mode
	}
	if at == nil { // not started yet
		s.Actor = supervisor.StateStopped.String()
		return s
	}
	s.Actor, s.LastReason, s.Restarts = at.State.String(), at.LastReason, restarts(at)
	if at.State != supervisor.StateRunning {
		s.Mode, s.Releasing, s.Released = m.Mode, false, access.AtRest(m.Mode, m.Fire)
	}
	return s
}

func restarts(at *supervisor.Tree) (sum uint64) {
	sum = at.Restarts
	for i := range at.Children {
		sum += restarts(&at.Children[i])
	}
	return sum
}

// CommandResult is what a command did at one door. Refused is the reason when
// precedence forbids it; Down says that the door's actors are not running (or, if
// it is not Accepted, that they were too busy).
type CommandResult struct {
	Door     access.DoorID `json:"door"`
	Accepted bool          `json:"accepted"`
	Refused  access.Reason `json:"refused,omitempty"`
	Down     bool          `json:"down,omitempty"`
}

// CommandReport is the answer to a command. Saved: what was accepted survives a
// power cut.
type CommandReport struct {
	Results []CommandResult `json:"results"`
	Saved   bool            `json:"saved"`
}

// Count is how often something happened since the start.
type Count struct {
	Name  string
	Value uint64
}

// Counts are the events by kind and the denials by reason since the start.
func (b *Building) Counts() (kinds, denials []Count) {
	for i := range b.counts.kinds {
		if n := b.counts.kinds[i].Load(); n > 0 {
			kinds = append(kinds, Count{access.Kind(i).String(), n})
		}
		if n := b.counts.denials[i].Load(); n > 0 {
			denials = append(denials, Count{access.Reason(i).String(), n})
		}
	}
	return kinds, denials
}

func (b *Building) count(e access.Event) {
	if int(e.Kind) < len(b.counts.kinds) {
		b.counts.kinds[e.Kind].Add(1)
	}
	if e.Kind == access.KindDenied && int(e.Reason) < len(b.counts.denials) {
		b.counts.denials[e.Reason].Add(1)
	}
}

// runtimeSource numbers the events that the runtime's own reports become; they
// come from any goroutine.
type runtimeSource struct {
	mu     sync.Mutex
	number uint64
}

func (b *Building) system(ev access.Event) {
	b.runtime.mu.Lock()
	defer b.runtime.mu.Unlock()
	b.runtime.number++
	ev.Source = access.Source{Name: "runtime", Boot: b.cfg.Boot, Run: 1, Number: b.runtime.number}
	b.record(ev)
}

// NoteRequestFailed records that a request of the API ended in a panic: count of
// them since the last such event of its route. Detail says which and why.
func (b *Building) NoteRequestFailed(detail string, count uint64) {
	b.system(access.Event{Kind: access.KindRequestFailed, Detail: detail, Count: count})
}

// doorIn is the door that a path of the tree belongs to, "" if none.
func doorIn(path string) access.DoorID {
	rest, ok := strings.CutPrefix(path, Root+"/doors/")
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, "/")
	return access.DoorID(id)
}
