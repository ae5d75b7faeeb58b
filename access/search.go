package access

import "time"

// Filter chooses events. A zero field chooses all.
type Filter struct {
	Door       DoorID
	Cardholder CardholderID
	Kind       Kind
	Reason     Reason
	From       time.Time // the first instant
	Until      time.Time // the first instant that is too late
}

// Timed reports whether the filter asks for a time.
func (f *Filter) Timed() bool { return !f.From.IsZero() || !f.Until.IsZero() }

// Matches reports whether e is chosen: all that is asked for has to fit.
func (f *Filter) Matches(e *Event) bool {
	return (f.Door == "" || e.Door == f.Door) && (f.Cardholder == "" || e.Cardholder == f.Cardholder) &&
		(f.Kind == KindNone || e.Kind == f.Kind) && (f.Reason == ReasonNone || e.Reason == f.Reason) &&
		!e.Time.Before(f.From) && (f.Until.IsZero() || e.Time.Before(f.Until))
}

// Search asks for one page of the recorded events that a filter chooses.
type Search struct {
	Filter
	Newest bool   // the newest first, going backwards
	At     uint64 // events after this one, or with Newest before it
	Limit  int    // events of the page, at least 1
}

// Found is a page. While there is More, whoever asks again with At = Next misses
// nothing and gets nothing twice. A page with More can be empty: the work for one
// page has a bound.
type Found struct {
	Events []Event
	Next   uint64
	More   bool // not everything was looked at
}
