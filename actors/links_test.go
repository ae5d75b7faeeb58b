package actors_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

// dying is an actor that never gets to live.
type dying struct{}

func (dying) Start(*supervisor.Context) error        { return errDisk }
func (dying) Receive(*supervisor.Context, any) error { return nil }

// linked is a house with the links one and two.
func linked(t *testing.T, make func() supervisor.Actor) *house {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	b, err := actors.New(h.config)
	if err != nil {
		t.Fatal(err)
	}
	h.b = b
	b.Link(supervisor.ChildSpec{ID: "one", New: make}, supervisor.ChildSpec{ID: "two", New: make})
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	h.quiet()
	return h
}

type resting struct{}

func (resting) Receive(*supervisor.Context, any) error { return nil }

// Each change of a link makes one event, whatever it is told in between; a link that
// is down is degraded, and the building as ready as before.
func TestTheStateOfLinks(t *testing.T) {
	h := linked(t, func() supervisor.Actor { return resting{} })
	for _, err := range []error{nil, nil, errDisk, errDisk, errors.New("other"), nil, nil, errDisk, nil} {
		h.b.NoteLink("one", err)
		h.sim.Advance(time.Second)
	}
	var got []string
	for _, e := range h.journal.events {
		if e.Kind == access.KindLinkDegraded || e.Kind == access.KindLinkRestored {
			got = append(got, e.Kind.String()+" "+e.Detail)
		}
	}
	down := "link_degraded one: " + errDisk.Error()
	if diff := cmp.Diff([]string{down, "link_restored one", down, "link_restored one"}, got); diff != "" {
		t.Error(diff)
	}
	h.b.NoteLink("two", errDisk)
	h.sim.Quiesce()
	if got := h.b.Health(); !got.Ready || !cmp.Equal(got.Degraded, []string{"link two: " + errDisk.Error()}) {
		t.Errorf("health: %+v", got)
	}
	h.b.NoteSent("two", h.b.LastEvent())
	h.b.NoteLink("nobody", errDisk)
	none := uint64(0)
	want := []actors.LinkStatus{
		{Name: "one", State: actors.LinkUp, Since: sim.Epoch.Add(8 * time.Second), LastSuccess: sim.Epoch.Add(8 * time.Second), LastError: errDisk.Error(), Failures: 4},
		{Name: "two", State: actors.LinkDown, Since: sim.Epoch.Add(9 * time.Second), LastError: errDisk.Error(), Failures: 1, Lag: &none},
	}
	if diff := cmp.Diff(want, h.b.Links()); diff != "" {
		t.Error(diff)
	}
	h.card(1, "in", 1)
	h.sim.Quiesce()
	if lag := h.b.Links()[1].Lag; lag == nil || *lag == 0 {
		t.Errorf("events were recorded, and the lag is %v", lag)
	}
	h.answers(1)
	h.stopClean()
}

// The actors of links stand between doors and chores, and fail for themselves.
func TestLinksThatCannotStart(t *testing.T) {
	h := linked(t, func() supervisor.Actor { return dying{} })
	h.sim.Advance(time.Minute)
	var order []string
	tree := h.b.Tree()
	for _, c := range tree.Children {
		order = append(order, c.ID)
	}
	if got := strings.Join(order, " "); !strings.Contains(got, "doors links") {
		t.Errorf("the tree has %s", got)
	}
	if got := h.b.Health(); !got.Ready || len(got.Degraded) != 2 || !strings.HasPrefix(got.Degraded[0], "building/links/one failed") {
		t.Errorf("health: %+v", got)
	}
	h.answers(1)
}

// What the other side has a say in is short and moves no terminal.
func TestAnErrorOfALinkIsOneLine(t *testing.T) {
	h := linked(t, func() supervisor.Actor { return resting{} })
	h.b.NoteLink("one", errors.New("a\x1b[2J\n\xff"+strings.Repeat("x", 10_000)))
	h.sim.Quiesce()
	if got := h.b.Links()[0].LastError; len(got) > 300 || !strings.HasPrefix(got, "a [2J ") {
		t.Errorf("%q", got)
	}
	h.b.NoteLink("two", errors.New(""))
	if got := h.b.Links()[1]; got.State != actors.LinkDown || got.LastError == "" {
		t.Errorf("an error without words: %+v", got)
	}
	h.stopClean()
}
