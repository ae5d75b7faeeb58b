package actors

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// LinkState is whether a link to another system works.
type LinkState string

const (
	LinkStarting LinkState = "starting" // not known yet
	LinkUp       LinkState = "up"
	LinkDown     LinkState = "down"
)

// LinkStatus is a link to another system at one moment.
type LinkStatus struct {
	Name  string    `json:"name"`
	State LinkState `json:"state"`
	Since time.Time `json:"since"`
	// LastSuccess and LastError are of this life of the daemon; an error stays
	// after the link is up again.
	LastSuccess time.Time `json:"last_success,omitzero"`
	LastError   string    `json:"last_error,omitempty"`
	Failures    uint64    `json:"failures"` // since the start
	// Lag is how many of the journal's events the other system has not acknowledged;
	// nil for a link that passes none on.
	Lag *uint64 `json:"lag_events,omitempty"`
}

// links is what is known of the links. It outlives their actors.
type links struct {
	mu    sync.Mutex
	specs []supervisor.ChildSpec
	all   []*link
}

type link struct {
	LinkStatus
	sends bool
	acked uint64 // Seq
}

// Link adds the actors of links to other systems to the tree. Call it before
// Start. They live between the doors and the chores, and whatever becomes of them
// the building is as ready as before (rule 7).
func (b *Building) Link(specs ...supervisor.ChildSpec) {
	b.links.mu.Lock()
	defer b.links.mu.Unlock()
	for _, spec := range specs {
		b.links.specs = append(b.links.specs, b.withProbe(spec))
		b.links.all = append(b.links.all, &link{LinkStatus: LinkStatus{Name: spec.ID, State: LinkStarting, Since: b.exec.Now().UTC()}})
	}
}

// NoteLink says what the last use of a link came to, nil: it worked. A change
// between up and down makes an event. A link that nobody added is not noted.
func (b *Building) NoteLink(name string, err error) {
	wrong := ""
	if err != nil {
		wrong = cmp.Or(oneLine(err.Error()), "failed")
	}
	kind := b.links.note(name, wrong, b.exec.Now().UTC())
	switch kind {
	case access.KindLinkDegraded:
		b.system(access.Event{Kind: kind, Detail: name + ": " + wrong})
		b.cfg.Log.Warn().Str("link", name).Str("error", wrong).Msg(kind.String())
	case access.KindLinkRestored:
		b.system(access.Event{Kind: kind, Detail: name})
		b.cfg.Log.Info().Str("link", name).Msg(kind.String())
	}
}

// maxLinkError bounds what is kept of a link's error, in bytes: the other side can
// have a say in it.
const maxLinkError = 300

// oneLine is a text that is short and has nothing in it that moves a terminal.
func oneLine(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxLinkError)], "")
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

func (l *links) note(name, wrong string, now time.Time) (change access.Kind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.find(name)
	if k == nil {
		return access.KindNone
	}
	was := k.State
	if wrong == "" {
		k.State, k.LastSuccess = LinkUp, now
	} else {
		k.State, k.LastError = LinkDown, wrong
		k.Failures++
	}
	if k.State == was {
		return access.KindNone
	}
	k.Since = now
	switch {
	case k.State == LinkDown:
		return access.KindLinkDegraded
	case was == LinkDown:
		return access.KindLinkRestored
	}
	return access.KindNone // it just began
}

func (l *links) find(name string) *link {
	if i := slices.IndexFunc(l.all, func(k *link) bool { return k.Name == name }); i >= 0 {
		return l.all[i]
	}
	return nil
}

// NoteSent says up to which event another system has acknowledged the journal.
func (b *Building) NoteSent(name string, seq uint64) {
	b.links.mu.Lock()
	defer b.links.mu.Unlock()
	if k := b.links.find(name); k != nil {
		k.sends, k.acked = true, seq
	}
}

// Links is the status of every link, in the order in which they were added.
func (b *Building) Links() []LinkStatus {
	last := b.LastEvent()
	b.links.mu.Lock()
	defer b.links.mu.Unlock()
	list := make([]LinkStatus, 0, len(b.links.all))
	for _, k := range b.links.all {
		s := k.LinkStatus
		if k.sends {
			lag := last - min(last, k.acked)
			s.Lag = &lag
		}
		list = append(list, s)
	}
	return list
}

// down lists the links that do not work, in plain words.
func (l *links) down() (wrong []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.all {
		if k.State == LinkDown {
			wrong = append(wrong, "link "+k.Name+": "+k.LastError)
		}
	}
	return wrong
}

// ofLinks says whether a text of failures is about the links' actors.
func ofLinks(failure string) bool { return strings.HasPrefix(failure, Root+"/links/") }
