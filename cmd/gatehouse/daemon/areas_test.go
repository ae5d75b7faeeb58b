package daemon_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"gatehouse/access"
)

const areasFile = "areas.snapshot"

// guarded is a house whose front door lets nobody into the hall twice.
func guarded(t *testing.T) *house {
	h := newHouse(t)
	s := *h.site
	s.Rules.Doors = append([]access.Door(nil), s.Rules.Doors...)
	for i := range s.Rules.Doors {
		d := &s.Rules.Doors[i]
		d.Readers = append([]access.Reader(nil), d.Readers...)
		if d.ID == "front" {
			d.Readers[0].AntiPassback = access.AntiPassbackHard
			out := d.Readers[0]
			out.ID, out.Side, out.From, out.To = "out", access.SideOut, out.To, out.From
			d.Readers = append(d.Readers, out)
		}
	}
	h.site = &s
	return h
}

func (h *house) enter() {
	h.card("front", knownCard)
	contact := h.rig.Input("front/contact")
	contact.Set(true)
	h.sim.Quiesce()
	contact.Set(false)
	h.sim.Advance(time.Second)
}

// Whatever is in the file with where people are, or none: the next life knows it.
func TestWherePeopleAreSurvives(t *testing.T) {
	spoils := map[string]func(h *house, old []byte){
		"sound":   func(*house, []byte) {},
		"missing": func(h *house, _ []byte) { h.put(areasFile, nil) },
		"old":     func(h *house, old []byte) { h.put(areasFile, old) },
		"half":    func(h *house, old []byte) { h.put(areasFile, old[:len(old)/2]) },
		"flipped": func(h *house, old []byte) { old[len(old)/2] ^= 4; h.put(areasFile, old) },
	}
	for name, spoil := range spoils {
		t.Run(name, func(t *testing.T) {
			h := guarded(t)
			h.start()
			h.sim.Advance(time.Minute)
			old, err := os.ReadFile(h.path(areasFile))
			if err != nil {
				t.Fatal(err)
			}
			h.enter()
			if name != "old" {
				h.sim.Advance(10 * time.Minute)
			}
			h.stop()
			spoil(h, old)
			h.start()
			h.card("front", knownCard)
			if e := h.newest(access.KindDenied); e.Reason != access.ReasonAntiPassback {
				t.Errorf("%v", e.Reason)
			}
			h.sim.Advance(time.Minute)
			h.stop()
		})
	}
}

// The journal is taken away, and one that begins anew reaches further: what was
// kept of the former one is not taken for its own.
func TestWherePeopleWereByAnotherJournal(t *testing.T) {
	h := guarded(t)
	h.start()
	h.enter()
	h.sim.Advance(time.Minute)
	h.stop()
	if err := os.RemoveAll(h.path("journal")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(h.path("index")); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.card("front", knownCard)
	if got := fmt.Sprint(h.newest(access.KindGranted).Held); got != "" {
		t.Errorf("held to be in %s", got)
	}
	h.stop()
}

func (h *house) put(name string, b []byte) {
	h.t.Helper()
	err := os.Remove(h.path(name))
	if b != nil {
		err = os.WriteFile(h.path(name), b, 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}
