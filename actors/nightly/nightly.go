// Package nightly says when a chore runs next by the clock on the wall, through
// the nights in which that clock is set. It is pure: the time, the place and the
// expression come in, an instant comes out.
//
// It must not know what runs, actors, or what time it is.
//
// The rule. A schedule is a set of wall clock readings, such as every day's 02:00.
// Each of them runs once: at the first instant at which the clock shows it or has
// gone past it. So what is skipped runs when the clock is set forward (a skipped
// hour's readings all at that one instant, a skipped day's too), and what is shown
// twice runs the first time. The library that reads the expression has a rule of
// its own, which leaves a skipped reading out and runs a repeated one twice; only
// its parser and its calendar are used.
package nightly

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// MaxExpression is the length of the longest expression in bytes.
const MaxExpression = 256

// ErrExpression: this is no schedule.
var ErrExpression = errors.New("no schedule")

// Schedule is a set of wall clock readings of whole minutes. The zero value is
// empty.
type Schedule struct{ readings cron.Schedule }

// Parse reads a cron expression of five fields: minute, hour, day of the month,
// month, day of the week, such as "0 2 * * *". Names of zones in it and words such
// as @daily are refused. Errors: ErrExpression.
func Parse(expression string) (Schedule, error) {
	if len(expression) > MaxExpression {
		return Schedule{}, fmt.Errorf("%w: the expression is longer than %d bytes; %s", ErrExpression, MaxExpression, hint)
	}
	if strings.ContainsAny(expression, "=@") { // TZ=, @every
		return Schedule{}, fmt.Errorf("%w: %q has more than times in it; %s", ErrExpression, expression, hint)
	}
	readings, err := fields.Parse(expression)
	if err != nil {
		return Schedule{}, fmt.Errorf("%w: %q: %w; %s", ErrExpression, expression, err, hint)
	}
	if readings.Next(leapYear).IsZero() {
		return Schedule{}, fmt.Errorf("%w: %q names a day that no month has; %s", ErrExpression, expression, hint)
	}
	return Schedule{readings}, nil
}

const hint = `write five fields (minute, hour, day of the month, month, day of the week), such as "0 2 * * *"`

var (
	fields   = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	leapYear = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
)

// longest is more than any clock on a wall was ever set by, and more than it can be
// away from UTC.
const longest = 48 * time.Hour

// Next is the first instant after after at which the schedule runs in place; ok is
// false if there is none within five years. The result is in place.
func (s Schedule) Next(place *time.Location, after time.Time) (next time.Time, ok bool) {
	if s.readings == nil {
		return time.Time{}, false
	}
	reading := s.readings.Next(shown(place, after))
	if reading.IsZero() {
		return time.Time{}, false
	}
	return reached(place, reading).In(place), true
}

// A reading of the wall clock is written as a time in UTC, where no clock is set.

func wall(t time.Time, offset int) time.Time { return t.UTC().Add(time.Duration(offset) * time.Second) }

// shown is the latest reading that the clock has shown or gone past up to t: the
// one of t, or a later one from before it was set back.
func shown(place *time.Location, t time.Time) time.Time {
	_, offset := t.In(place).Zone()
	latest := wall(t, offset)
	for p := periodOf(place, t.Add(-longest)); !p.end.IsZero() && !p.end.After(t); p = periodOf(place, p.end) {
		// At its end a period has shown everything before this, not this.
		if last := wall(p.end, p.offset).Add(-1); last.After(latest) {
			latest = last
		}
	}
	return latest
}

// reached is the first instant at which the clock shows reading or has gone past it.
func reached(place *time.Location, reading time.Time) time.Time {
	for p := periodOf(place, reading.Add(-longest)); ; p = periodOf(place, p.end) {
		at := reading.Add(time.Duration(-p.offset) * time.Second)
		if at.Before(p.begin) { // the clock was set past it
			return p.begin
		}
		if p.end.IsZero() || at.Before(p.end) {
			return at
		}
	}
}

// period is a time in which the clock is not set: from begin until before end,
// each zero if there is none.
type period struct {
	begin, end time.Time
	offset     int // seconds east of UTC
}

func periodOf(place *time.Location, t time.Time) period {
	t = t.In(place)
	_, offset := t.Zone()
	begin, end := t.ZoneBounds()
	return period{begin, end, offset}
}
