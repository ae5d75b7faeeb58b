package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"gatehouse/access"
)

// Bounds of a page: how many events one answer holds, how many one read of the
// journal fetches, and how many are looked at for a filter that few match.
const (
	defaultLimit = 100
	maxLimit     = 1000
	readSize     = 500
	maxScan      = 50_000
)

// page is one answer. Whoever comes again from Next (with after, or with before
// when the newest come first) while there is More misses nothing and sees
// nothing twice. A filter that few events match can give an empty page with more
// to come.
type page struct {
	Events []event `json:"events"`
	Next   uint64  `json:"next"`
	Last   uint64  `json:"last"`
	More   bool    `json:"more"`
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

// page looks at a bounded number of events, and stops when the client has gone.
func (a *API) page(ctx context.Context, q query) (page, error) {
	p := page{Events: []event{}, Next: q.after}
	if q.newest {
		p.Next = min(q.before, a.o.Building.LastEvent()+1)
	}
	for scanned := 0; scanned < maxScan && len(p.Events) < q.limit && ctx.Err() == nil; {
		batch, err := a.batch(q, p.Next)
		if err != nil {
			return p, err
		}
		if len(batch) == 0 {
			p.end(q)
			break
		}
		p.add(q, batch)
		scanned += len(batch)
	}
	p.Last = max(a.o.Building.LastEvent(), p.Next)
	p.More = p.Next < p.Last
	if q.newest {
		p.Last, p.More = a.o.Building.LastEvent(), p.Next > 1
	}
	return p, nil
}

// batch is the next events to look at, in the order of the query. Backwards it
// reads the range of numbers before next.
func (a *API) batch(q query, next uint64) ([]access.Event, error) {
	if !q.newest {
		return a.o.Building.Events(next, readSize)
	}
	if next <= 1 {
		return nil, nil
	}
	size := min(readSize, next-1)
	list, err := a.o.Building.Events(next-1-size, int(size))
	// A journal that begins later than the range gives events behind it.
	list = slices.DeleteFunc(list, func(e access.Event) bool { return e.Seq >= next })
	slices.Reverse(list)
	return list, err
}

// add takes what matches, until the page is full.
func (p *page) add(q query, batch []access.Event) {
	for _, e := range batch {
		if len(p.Events) == q.limit {
			return
		}
		p.Next = e.Seq
		if q.matches(e) {
			p.Events = append(p.Events, toJSON(e))
		}
	}
}

// end notes that the journal has nothing further: backwards, nothing before.
func (p *page) end(q query) {
	if q.newest {
		p.Next = min(p.Next, 1)
	}
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
