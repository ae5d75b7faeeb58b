package edge

import (
	"strconv"
	"time"

	"gatehouse/access"
)

// Event is an access.Event as JSON: words for enumerations, opaque ids only, never a
// name or a card number.
type Event struct {
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

// EventOf is an event as other systems are told of it.
func EventOf(e access.Event) Event {
	j := Event{
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
