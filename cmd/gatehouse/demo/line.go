package demo

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/site"
)

// style makes lines of events.
type style struct {
	colour bool
	zone   *time.Location
	doors  map[access.DoorID]string
	people map[access.CardholderID]string
}

func newStyle(s *site.Site, colour bool) style {
	st := style{colour, zone(s), map[access.DoorID]string{}, map[access.CardholderID]string{}}
	for _, d := range s.Rules.Doors {
		st.doors[d.ID] = d.Name
	}
	for _, h := range s.Holders {
		st.people[h.ID] = h.Name
	}
	return st
}

// Colours of a terminal.
const (
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	green  = "\x1b[32m"
	dim    = "\x1b[2m"
	plain  = "\x1b[0m"
)

// colours are those of the kinds of events; the others are dim.
var colours = map[access.Kind]string{
	access.KindGranted:         green,
	access.KindDenied:          yellow,
	access.KindCommandRefused:  yellow,
	access.KindForcedOpen:      red,
	access.KindHeldOpen:        red,
	access.KindFireReleased:    red,
	access.KindTamper:          red,
	access.KindRecordLate:      red,
	access.KindJournalDegraded: red,
	access.KindStoreDegraded:   red,
	access.KindGap:             red,
	access.KindActorFailed:     red,
	access.KindReadsRefused:    red,
	access.KindLockFault:       red,
}

// line appends an event as "time door kind who why".
func (s *style) line(text []byte, e *access.Event) []byte {
	door := "building"
	if e.Door != "" {
		door = s.doors[e.Door]
	}
	line := fmt.Sprintf("%s  %-16s  %-17s  %-22s  %s",
		e.Time.In(s.zone).Format(time.TimeOnly), door, words(e.Kind.String()), s.who(e), why(e))
	colour := colours[e.Kind]
	if colour == "" {
		colour = dim
	}
	return s.paint(text, colour, line)
}

func (s *style) skipped(text []byte, n uint64) []byte {
	return s.paint(text, dim, fmt.Sprintf("... %d lines skipped", n))
}

// paint keeps control characters, whoever wrote them, off the terminal.
func (s *style) paint(text []byte, colour, line string) []byte {
	line = strings.TrimRight(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, line), " ")
	if s.colour {
		line = colour + line + plain
	}
	return append(append(text, line...), '\n')
}

func (s *style) who(e *access.Event) string {
	switch {
	case e.Cardholder != "":
		return strings.TrimRight(string(e.Cardholder)+" "+s.people[e.Cardholder], " ")
	case e.Operator != "":
		return "operator " + string(e.Operator)
	}
	return ""
}

// why is the reason, and what else is worth the rest of the line.
func why(e *access.Event) string {
	var parts []string
	add := func(ok bool, part string) {
		if ok {
			parts = append(parts, part)
		}
	}
	add(e.Reason != access.ReasonNone, words(e.Reason.String()))
	add(e.Kind == access.KindModeChanged || e.Kind == access.KindCommandRefused, words(e.Mode.String()))
	add(e.Kind == access.KindPassage && e.To != "", string(e.From)+" to "+string(e.To))
	add(e.Held != "" && e.Kind == access.KindGranted, "anti-passback (soft): was held to be in "+string(e.Held))
	add(e.Held != "" && e.Kind != access.KindGranted, "was held to be in "+string(e.Held))
	add(e.Count > 0, counted(e))
	add(e.Detail != "", detail(e))
	return strings.Join(parts, ", ")
}

// counted is the event's count with what it counts, where the kind alone does not say
// it.
func counted(e *access.Event) string {
	switch e.Kind {
	case access.KindStarted, access.KindRulesChanged:
		return fmt.Sprintf("rules version %d", e.Count)
	case access.KindPeopleChanged, access.KindPersonErased:
		return fmt.Sprintf("%d cardholders and credentials", e.Count)
	default:
		return fmt.Sprint(e.Count)
	}
}

// detail leaves out why an actor ended: a panic's text can hold anything, even a
// card number. The tree and the log tell more.
func detail(e *access.Event) string {
	if e.Kind == access.KindActorRestarted || e.Kind == access.KindActorFailed {
		path, _, _ := strings.Cut(e.Detail, ": ")
		return path
	}
	if e.Kind == access.KindRulesChanged {
		return strings.TrimPrefix(e.Detail, fmt.Sprintf("version %d; ", e.Count)) // counted says it
	}
	return e.Detail
}

func words(s string) string { return strings.ReplaceAll(s, "_", " ") }
