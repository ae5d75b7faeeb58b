package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"gatehouse/edge"
)

// Bounds of a page.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// page is one answer. Whoever comes again from Next (with after, or with before
// when the newest come first) while there is More misses nothing and sees
// nothing twice. A filter that few events match can give an empty page with more
// to come.
type page struct {
	Events []edge.Event `json:"events"`
	Next   uint64       `json:"next"`
	Last   uint64       `json:"last"`
	More   bool         `json:"more"`
}

func (a *API) events(w http.ResponseWriter, r *http.Request) {
	if wants(r, "text/event-stream") {
		a.stream(w, r)
		return
	}
	q, err := parseQuery(r)
	if err != nil {
		badQuery(w, err)
		return
	}
	if a.beyond(w, q.after) {
		return
	}
	p, err := a.page(r.Context(), q)
	if err != nil {
		failRead(w, err)
		return
	}
	answer(w, http.StatusOK, p)
}

// page stops when the client has gone.
func (a *API) page(ctx context.Context, q query) (page, error) {
	found, err := a.o.Building.Find(ctx, q.search())
	if err != nil {
		return page{}, err
	}
	p := page{Events: make([]edge.Event, 0, len(found.Events)), Next: found.Next, More: found.More}
	for _, e := range found.Events {
		p.Events = append(p.Events, edge.EventOf(e))
	}
	p.Last = a.o.Building.LastEvent()
	if !q.newest {
		p.Last = max(p.Last, p.Next)
		p.More = p.Next < p.Last
	}
	return p, nil
}

// beyond refuses to wait for events after one that does not exist: the client
// has seen another journal, and would wait for ever.
func (a *API) beyond(w http.ResponseWriter, after uint64) bool {
	last := a.o.Building.LastEvent()
	if after <= last {
		return false
	}
	fail(w, http.StatusBadRequest, problem{
		Code:    "beyond_last",
		Message: fmt.Sprintf("There is no event %d yet: the last one is %d.", after, last),
		Hint:    "The journal was replaced since you read it: begin again with after=0.",
	})
	return true
}

func failRead(w http.ResponseWriter, err error) {
	fail(w, http.StatusServiceUnavailable, problem{
		Code: "journal_unreadable", Message: "The journal cannot be read: " + err.Error() + ".",
		Hint: "Doors go on without it; /readyz says what is wrong.",
	})
}
