package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"gatehouse/access"
)

// Bounds of a page: how many events one answer holds, how many one read of the
// journal fetches, and how many are looked at for a filter that few match.
const (
	defaultLimit = 100
	maxLimit     = 1000
	readSize     = 500
	maxScan      = 20_000
)

// event is an access.Event as JSON: words for enumerations, opaque ids only.
type event struct {
	Seq        uint64              `json:"seq"`
	Time       time.Time           `json:"time"` // UTC, RFC 3339 with nanoseconds
	Clock      string              `json:"clock"`
	Kind       string              `json:"kind"`
	Door       access.DoorID       `json:"door,omitempty"`
	Reader     access.ReaderID     `json:"reader,omitempty"`
	Cardholder access.CardholderID `json:"cardholder,omitempty"`
	Credential access.CredentialID `json:"credential,omitempty"`
	Operator   access.OperatorID   `json:"operator,omitempty"`
	Reason     string              `json:"reason,omitempty"`
	Mode       string              `json:"mode,omitempty"`
	From       access.AreaID       `json:"from,omitempty"`
	To         access.AreaID       `json:"to,omitempty"`
	Held       access.AreaID       `json:"held,omitempty"`
	Count      uint64              `json:"count,omitempty"`
	Detail     string              `json:"detail,omitempty"`
	Source     source              `json:"source"`
	Cause      uint64              `json:"cause,omitempty"` // a number of the same source
	Origin     *origin             `json:"origin,omitempty"`
}

// source: boot is random over 64 bits, more than a JSON number holds everywhere.
type source struct {
	Name   string `json:"name"`
	Boot   string `json:"boot"`
	Run    uint64 `json:"run"`
	Number uint64 `json:"number"`
}

type origin struct {
	File string `json:"file"`
	Row  uint64 `json:"row"`
}

func toJSON(e access.Event) event {
	j := event{
		Seq: e.Seq, Time: e.Time.UTC(), Clock: e.Clock.String(), Kind: e.Kind.String(),
		Door: e.Door, Reader: e.Reader, Cardholder: e.Cardholder, Credential: e.Credential,
		Operator: e.Operator, From: e.From, To: e.To, Held: e.Held,
		Count: e.Count, Detail: e.Detail, Cause: e.Cause,
		Source: source{e.Source.Name, strconv.FormatUint(e.Source.Boot, 10), e.Source.Run, e.Source.Number},
	}
	if e.Reason != access.ReasonNone {
		j.Reason = e.Reason.String()
	}
	if e.Kind == access.KindModeChanged || e.Mode != 0 {
		j.Mode = e.Mode.String()
	}
	if e.Origin != (access.Origin{}) {
		j.Origin = &origin{e.Origin.File, e.Origin.Row}
	}
	return j
}

// query is what a request wants of the events. Zero values match everything.
type query struct {
	after  uint64
	live   bool // after was not given
	limit  int
	door   access.DoorID
	kind   access.Kind
	reason access.Reason
}

func (q query) filters() bool { return q.door != "" || q.kind != 0 || q.reason != 0 }

func (q query) matches(e access.Event) bool {
	return (q.door == "" || e.Door == q.door) && (q.kind == 0 || e.Kind == q.kind) &&
		(q.reason == 0 || e.Reason == q.reason)
}

// parseQuery refuses what it does not know: a misspelt filter must not give all
// events.
func parseQuery(r *http.Request) (query, error) {
	q := query{live: true, limit: defaultLimit}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, fmt.Errorf("the query cannot be read: %w", err)
	}
	for name, list := range values {
		if len(list) != 1 {
			return q, fmt.Errorf("the parameter %q is there %d times", clip(name), len(list))
		}
		if err := q.set(name, list[0]); err != nil {
			return q, fmt.Errorf("the parameter %q: %w", clip(name), err)
		}
	}
	return q, nil
}

func (q *query) set(name, value string) (err error) {
	switch name {
	case "after":
		q.live = false
		q.after, err = number(value)
	case "limit":
		var n uint64
		if n, err = number(value); err == nil && (n < 1 || n > maxLimit) {
			err = fmt.Errorf("%d is not from 1 to %d", n, maxLimit)
		}
		q.limit = int(min(n, maxLimit))
	case "door":
		q.door = access.DoorID(value)
	case "kind":
		q.kind, err = access.ParseKind(clip(value))
	case "reason":
		q.reason, err = access.ParseReason(clip(value))
	default:
		err = fmt.Errorf("there is none of that name: use after, limit, door, kind or reason")
	}
	return err
}

func number(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number from 0", clip(s))
	}
	return n, nil
}

func badQuery(w http.ResponseWriter, err error) {
	fail(w, http.StatusBadRequest, problem{
		Code: "bad_query", Message: err.Error() + ".",
		Hint: "For example /api/events?after=0&limit=100&door=ID&kind=denied&reason=no_level.",
	})
}

// page is one answer. Whoever comes again with after=next misses nothing and
// sees nothing twice; next == last: there is no more for now. A filter that few
// events match can give an empty page with more to come.
type page struct {
	Events []event `json:"events"`
	Next   uint64  `json:"next"`
	Last   uint64  `json:"last"`
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
	p, err := a.page(q)
	if err != nil {
		failRead(w, err)
		return
	}
	answer(w, http.StatusOK, p)
}

func (a *API) page(q query) (page, error) {
	p := page{Events: []event{}, Next: q.after}
	for scanned := 0; scanned < maxScan && len(p.Events) < q.limit; {
		size := readSize
		if !q.filters() {
			size = min(size, q.limit-len(p.Events))
		}
		batch, err := a.o.Building.Events(p.Next, size)
		if err != nil {
			return p, err
		}
		if len(batch) == 0 {
			break
		}
		p.add(q, batch)
		scanned += len(batch)
	}
	p.Last = max(a.o.Building.LastEvent(), p.Next)
	return p, nil
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

// lastEventID is where a stream goes on, by header before query.
func lastEventID(r *http.Request, q query) (query, error) {
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		return q, nil
	}
	after, err := number(id)
	if err != nil {
		return q, fmt.Errorf("the header Last-Event-ID: %w", err)
	}
	q.after, q.live = after, false
	return q, nil
}
