package site

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxText bounds a name, in characters.
const maxText = 200

// text reads a name for people: one line that a terminal can show.
func (p *parser) text(dst *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		switch {
		case !isText(n):
			p.wrong(n, "text (put it in quotes)")
		case n.Value == "" || utf8.RuneCountInString(n.Value) > maxText || strings.ContainsFunc(n.Value, unicode.IsControl):
			p.at(n, "%s: expected 1 to %d characters on one line, without control characters", p.key, maxText)
		default:
			*dst = n.Value
		}
	}
}

func (p *parser) truth(dst *bool) func(*yaml.Node) {
	return func(n *yaml.Node) {
		value, err := strconv.ParseBool(n.Value)
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || err != nil {
			p.wrong(n, "true or false")
			return
		}
		*dst = value
	}
}

// plainNumber keeps out what yaml reads as a number but a person does not: 010
// is eight, 0x10 sixteen, 1_000 a thousand.
var plainNumber = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)

func number[T uint32 | uint64](p *parser, dst *T, low, high T) func(*yaml.Node) {
	return func(n *yaml.Node) {
		value, err := strconv.ParseUint(n.Value, 10, 64)
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || !plainNumber.MatchString(n.Value) ||
			err != nil || value < uint64(low) || value > uint64(high) {
			p.wrong(n, fmt.Sprintf("a whole number from %d to %d (plain digits, no quotes)", low, high))
			return
		}
		*dst = T(value)
	}
}

// millis reads a duration in milliseconds.
func (p *parser) millis(dst *time.Duration, low uint32) func(*yaml.Node) {
	return func(n *yaml.Node) {
		ms := uint32(*dst / time.Millisecond)
		number(p, &ms, low, maxMillis)(n)
		*dst = time.Duration(ms) * time.Millisecond
	}
}

// choice reads one word of a closed set; word gives a value's word.
func choice[T any](p *parser, dst *T, word func(T) string, values ...T) func(*yaml.Node) {
	return func(n *yaml.Node) {
		words := make([]string, len(values))
		for i, v := range values {
			words[i] = word(v)
			if isText(n) && n.Value == words[i] {
				*dst = v
				return
			}
		}
		p.wrong(n, "one of "+strings.Join(words, ", "))
	}
}

// moment reads a date, which is its first instant in the building's time zone,
// or a time with its offset.
func (p *parser) moment(dst *time.Time) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && (isText(n) || n.ShortTag() == "!!timestamp") {
			if t, err := time.ParseInLocation(time.DateOnly, n.Value, p.zone); err == nil {
				*dst = t.UTC()
				return
			}
			if t, err := time.Parse(time.RFC3339, n.Value); err == nil {
				*dst = t.UTC()
				return
			}
		}
		p.wrong(n, "a date such as 2026-01-31 or a time such as 2026-01-31T08:00:00+01:00")
	}
}

// validity reads valid_from and valid_until; the first is read first.
func (p *parser) validity(from, until *time.Time) (field, field) {
	return field{"valid_from", "", p.moment(from)}, field{"valid_until", "", func(n *yaml.Node) {
		p.moment(until)(n)
		if !from.IsZero() && !until.IsZero() && !from.Before(*until) {
			p.at(n, "valid_until is not after valid_from — give a later one (it is the first instant that is not valid any more)")
		}
	}}
}

// clock reads a time of day as minutes after midnight.
func (p *parser) clock(dst *int, midnight bool) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if isText(n) && midnight && n.Value == "24:00" {
			*dst = minutesPerDay
			return
		}
		if t, err := time.Parse("15:04", n.Value); err == nil && isText(n) && len(n.Value) == len("15:04") {
			*dst = t.Hour()*60 + t.Minute()
			return
		}
		last := "23:59"
		if midnight {
			last = "24:00"
		}
		expected := `a time of day from "00:00" to "` + last + `"`
		if t, err := time.Parse("15:04", n.Value); err == nil && len(n.Value) == len("8:00") {
			expected += ` (write "` + t.Format("15:04") + `")`
		}
		p.wrong(n, expected)
	}
}
