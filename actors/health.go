package actors

import (
	"strings"
	"sync"

	"gatehouse/supervisor"
)

// health is what is wrong with the building as a whole. It outlives the actors
// that notice it.
type health struct {
	mu      sync.Mutex
	journal error
	aside   error // damage of the journal that was set aside
	store   error
	people  error
	areas   error
	fire    error
	// Of the chores.
	archive, retention, backup error

	degraded string
	missing  []string
}

// Health says whether the building serves its doors fully. Degraded lists what
// does not work, in plain words, also links to other systems, without which it is
// ready all the same.
type Health struct {
	Ready    bool     `json:"ready"`
	Degraded []string `json:"degraded"`
	Waiting  int      `json:"events_waiting"` // events not yet on disk
}

// The setters report whether the state changed between good and bad.
func (h *health) setJournal(err error) (changed bool) { return h.set(&h.journal, err) }
func (h *health) setStore(err error) (changed bool)   { return h.set(&h.store, err) }
func (h *health) setPeople(err error) (changed bool)  { return h.set(&h.people, err) }
func (h *health) setAreas(err error) (changed bool)   { return h.set(&h.areas, err) }
func (h *health) setFire(err error) (changed bool)    { return h.set(&h.fire, err) }

func (h *health) set(what *error, err error) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed := (*what == nil) != (err == nil)
	*what = err
	return changed
}

func (h *health) journalDown() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.journal != nil
}

func (h *health) list() (wrong []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	wrong = []string{}
	if h.degraded != "" {
		wrong = append(wrong, h.degraded)
	}
	wrong = append(wrong, h.missing...)
	if h.journal != nil {
		wrong = append(wrong, "journal: "+h.journal.Error())
	}
	if h.aside != nil {
		wrong = append(wrong, "journal: damage was set aside, which the gap events tell; this stays until the next start: "+h.aside.Error())
	}
	if h.store != nil {
		wrong = append(wrong, "store: "+h.store.Error())
	}
	if h.people != nil {
		wrong = append(wrong, "people: cards cannot be looked up: "+h.people.Error())
	}
	if h.areas != nil {
		wrong = append(wrong, "areas: where people are could not be read back from the journal: "+h.areas.Error())
	}
	if h.fire != nil {
		wrong = append(wrong, "fire input: "+h.fire.Error())
	}
	if h.archive != nil {
		wrong = append(wrong, "archive: "+h.archive.Error())
	}
	if h.retention != nil {
		wrong = append(wrong, "retention: "+h.retention.Error())
	}
	if h.backup != nil {
		wrong = append(wrong, "backup: "+h.backup.Error())
	}
	return wrong
}

// failures are the places of the tree that are beyond their budget, and whether it
// was by a panic or an error. What that said, the tree tells: this text goes to other
// systems.
func failures(t supervisor.Tree) (wrong []string) {
	if t.State == supervisor.StateFailed {
		how, _, _ := strings.Cut(t.LastReason, ": ")
		wrong = append(wrong, t.Path+" failed: "+how)
	}
	for _, c := range t.Children {
		wrong = append(wrong, failures(c)...)
	}
	return wrong
}
