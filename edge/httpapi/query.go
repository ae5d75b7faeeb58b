package httpapi

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gatehouse/access"
)

// query is what a request wants of the events. Zero values match everything.
type query struct {
	after  uint64
	before uint64 // with newest only; none: latest
	newest bool   // the newest first, going backwards
	live   bool   // after was not given
	limit  int

	access.Filter
}

// latest is a number behind every event.
const latest = math.MaxUint64

func (q query) search() access.Search {
	s := access.Search{Filter: q.Filter, Newest: q.newest, At: q.after, Limit: q.limit}
	if q.newest {
		s.At = q.before
	}
	return s
}

// parseQuery refuses what it does not know: a misspelt filter must not give all
// events.
func parseQuery(r *http.Request) (query, error) {
	q := query{live: true, limit: defaultLimit, before: latest}
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
	return q, q.check()
}

func (q *query) set(name, value string) (err error) {
	switch name {
	case "after":
		q.live = false
		q.after, err = number(value)
	case "before":
		q.before, err = number(value)
	case "order":
		q.newest, err = newestFirst(value)
	case "limit":
		q.limit, err = limit(value)
	case "door":
		q.Door, err = id[access.DoorID](value)
	case "cardholder":
		q.Cardholder, err = id[access.CardholderID](value)
	case "kind":
		q.Kind, err = filter(access.ParseKind(clip(value)))
	case "reason":
		q.Reason, err = filter(access.ParseReason(clip(value)))
	case "from":
		q.From, err = instant(value)
	case "until":
		q.Until, err = instant(value)
	default:
		err = errors.New("there is none of that name: use after, before, order, limit, door, cardholder, kind, reason, from or until")
	}
	return err
}

// check refuses parameters that do not go together.
func (q query) check() error {
	switch {
	case q.newest && !q.live:
		return errors.New("the parameter \"after\" does not go with order=desc: use before")
	case q.before != latest && !q.newest:
		return errors.New("the parameter \"before\" goes with order=desc only")
	case !q.Until.IsZero() && !q.From.Before(q.Until):
		return errors.New("the parameter \"until\" is not later than \"from\"")
	}
	return nil
}

func number(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number from 0", clip(s))
	}
	return n, nil
}

func limit(s string) (int, error) {
	n, err := number(s)
	if err == nil && (n < 1 || n > maxLimit) {
		err = fmt.Errorf("%d is not from 1 to %d", n, maxLimit)
	}
	return int(min(n, maxLimit)), err
}

func newestFirst(s string) (bool, error) {
	if s != "asc" && s != "desc" {
		return false, fmt.Errorf("%q is neither asc (the oldest first) nor desc (the newest first)", clip(s))
	}
	return s == "desc", nil
}

func id[T ~string](s string) (T, error) {
	if s == "" {
		return "", errors.New("it is empty: leave it out to get all")
	}
	return T(s), nil
}

// filter refuses the word none, which lets everything through.
func filter[T access.Kind | access.Reason](word T, err error) (T, error) {
	if err == nil && word == 0 {
		err = errors.New("\"none\" filters nothing: leave it out to get all")
	}
	return word, err
}

// instant reads a time, or a date, which is the first instant of that day (UTC).
func instant(s string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	// In a query a + that is not written %2B arrives as a space.
	t, err := time.Parse(time.RFC3339, strings.ReplaceAll(s, " ", "+"))
	if err != nil {
		return t, fmt.Errorf("%q is neither a time such as 2026-03-02T11:00:00Z nor a date such as 2026-03-02", clip(s))
	}
	return t, nil
}

func badQuery(w http.ResponseWriter, err error) {
	fail(w, http.StatusBadRequest, problem{
		Code: "bad_query", Message: err.Error() + ".",
		Hint: "For example /api/events?order=desc&limit=100&door=ID&kind=denied&reason=no_level&from=2026-03-02.",
	})
}

// parseStream reads what a stream wants: it goes forward, from an event.
func parseStream(r *http.Request) (query, error) {
	q, err := parseQuery(r)
	if err != nil {
		return q, err
	}
	if q.newest || q.Timed() {
		return q, errors.New("a stream takes no order, before, from or until: it goes on after an event")
	}
	return lastEventID(r, q)
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
