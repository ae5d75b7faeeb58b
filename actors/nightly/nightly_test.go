package nightly_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the same clock changes on any machine

	"github.com/google/go-cmp/cmp"
	"github.com/robfig/cron/v3"
	"pgregory.net/rapid"

	"gatehouse/actors/nightly"
)

func load(t testing.TB, zone string) *time.Location {
	t.Helper()
	place, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return place
}

func parse(t testing.TB, expression string) nightly.Schedule {
	t.Helper()
	s, err := nightly.Parse(expression)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// runs are the first n runs after an instant.
func runs(t testing.TB, s nightly.Schedule, place *time.Location, after time.Time, n int) (list []string) {
	t.Helper()
	for range n {
		next, ok := s.Next(place, after)
		if !ok || !next.After(after) {
			t.Fatalf("next after %v is %v, %v", after, next, ok)
		}
		list, after = append(list, next.Format(time.RFC3339)), next
	}
	return list
}

// Both nights of 2026, and other places where a clock is set.
func TestNightsInWhichTheClockIsSet(t *testing.T) {
	for _, c := range []struct {
		name, zone, expression, after string
		want                          []string
	}{
		{
			"Berlin skips 02:00 to 03:00", "Europe/Berlin", "0 2 * * *", "2026-03-27T12:00:00+01:00",
			[]string{"2026-03-28T02:00:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"},
		},
		{
			"all that is skipped runs at one instant, once", "Europe/Berlin", "0,15,30 2,3 * * *", "2026-03-29T00:00:00+01:00",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-29T03:15:00+02:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:00:00+02:00"},
		},
		{
			"Berlin repeats 02:00 to 03:00", "Europe/Berlin", "0 2 * * *", "2026-10-24T12:00:00+02:00",
			[]string{"2026-10-25T02:00:00+02:00", "2026-10-26T02:00:00+01:00"},
		},
		{
			"asked in between, in the repeated hour", "Europe/Berlin", "30 2 * * *", "2026-10-25T02:10:00+01:00",
			[]string{"2026-10-26T02:30:00+01:00"},
		},
		{
			"what was not yet shown runs after the repeated hour", "Europe/Berlin", "*/30 * * * *", "2026-10-25T02:20:00+02:00",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-25T03:00:00+01:00"},
		},
		{
			"New York", "America/New_York", "30 2 * * *", "2026-03-07T12:00:00-05:00",
			[]string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"},
		},
		{
			"New York in autumn", "America/New_York", "30 1 * * *", "2026-10-31T12:00:00-04:00",
			[]string{"2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"},
		},
		{
			"Lord Howe skips half an hour", "Australia/Lord_Howe", "10 2 * * *", "2026-10-03T12:00:00+10:30",
			[]string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:10:00+11:00"},
		},
		{
			"Lord Howe repeats half an hour", "Australia/Lord_Howe", "45 1 * * *", "2026-04-04T12:00:00+11:00",
			[]string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"},
		},
		{
			"Apia skipped a day", "Pacific/Apia", "0 2 * * *", "2011-12-28T12:00:00-10:00",
			[]string{"2011-12-29T02:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T02:00:00+14:00", "2012-01-01T02:00:00+14:00"},
		},
		{
			"Kwajalein had a day twice", "Pacific/Kwajalein", "0 2 * * *", "1969-09-28T12:00:00+11:00",
			[]string{"1969-09-29T02:00:00+11:00", "1969-09-30T02:00:00+11:00", "1969-10-01T02:00:00-12:00"},
		},
		{
			"asked at the end of the day that Kwajalein had twice", "Pacific/Kwajalein", "45 23 * * *", "1969-09-30T23:30:00-12:00",
			[]string{"1969-10-01T23:45:00-12:00"},
		},
		{
			"Havana skips midnight", "America/Havana", "0 0 * * *", "2026-03-07T12:00:00-05:00",
			[]string{"2026-03-08T01:00:00-04:00", "2026-03-09T00:00:00-04:00"},
		},
		{
			"the first of a month, weeks away", "UTC", "0 2 1 * *", "2026-01-01T02:00:00Z",
			[]string{"2026-02-01T02:00:00Z", "2026-03-01T02:00:00Z"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := runs(t, parse(t, c.expression), load(t, c.zone), instant(t, c.after), len(c.want))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The control: the library alone leaves the skipped night out and runs the repeated
// one twice. Were it otherwise, this package would not be needed.
func TestTheLibraryAloneFails(t *testing.T) {
	berlin := load(t, "Europe/Berlin")
	s, err := cron.ParseStandard("0 2 * * *")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, after := range []string{"2026-03-28T12:00:00+01:00", "2026-10-24T12:00:00+02:00", "2026-10-25T02:00:00+02:00"} {
		got = append(got, s.Next(instant(t, after).In(berlin)).Format(time.RFC3339))
	}
	want := []string{"2026-03-30T02:00:00+02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the library's own rule has changed; read nightly's rule again:\n%s", diff)
	}
}

// readings is a drawn schedule: the oracle reads the sets, the product the text.
type readings struct {
	minutes, hours []int
	weekday        int // -1: every
}

func (r readings) expression() string {
	day := "*"
	if r.weekday >= 0 {
		day = fmt.Sprint(r.weekday)
	}
	return fmt.Sprintf("%s %s * * %s", list(r.minutes), list(r.hours), day)
}

func list(numbers []int) string {
	var texts []string
	for _, n := range numbers {
		texts = append(texts, fmt.Sprint(n))
	}
	return strings.Join(texts, ",")
}

func (r readings) has(reading time.Time) bool {
	return has(r.minutes, reading.Minute()) && has(r.hours, reading.Hour()) && (r.weekday < 0 || int(reading.Weekday()) == r.weekday)
}

func has(numbers []int, n int) bool {
	for _, m := range numbers {
		if m == n {
			return true
		}
	}
	return false
}

// watch is the oracle. Somebody looks at the clock on the wall once a minute, from
// two days before, and keeps the latest reading ever seen; whenever the clock
// shows a later one, every reading in between is due. It is slow and knows nothing
// of zones, offsets or periods.
func watch(r readings, place *time.Location, after, until time.Time) (due []time.Time) {
	var latest time.Time
	for now := after.Truncate(time.Minute).Add(-48 * time.Hour); now.Before(until); now = now.Add(time.Minute) {
		l := now.In(place)
		shown := time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC)
		if latest.IsZero() {
			latest = shown
		}
		run := false
		for latest.Before(shown) {
			latest = latest.Add(time.Minute)
			run = run || r.has(latest)
		}
		if run && now.After(after) {
			due = append(due, now)
		}
	}
	return due
}

var changes = []struct{ zone, around string }{
	{"Europe/Berlin", "2026-03-29T01:00:00Z"},
	{"Europe/Berlin", "2026-10-25T01:00:00Z"},
	{"America/New_York", "2026-03-08T07:00:00Z"},
	{"America/New_York", "2026-11-01T06:00:00Z"},
	{"Australia/Lord_Howe", "2026-04-04T15:00:00Z"},
	{"Australia/Lord_Howe", "2026-10-03T15:30:00Z"},
	{"Africa/Casablanca", "2026-02-15T02:00:00Z"},
	{"Africa/Casablanca", "2026-03-22T02:00:00Z"},
	{"Pacific/Apia", "2011-12-30T10:00:00Z"},
	{"Pacific/Kwajalein", "1969-09-30T13:00:00Z"},
	{"America/Havana", "2026-03-08T05:00:00Z"},
	{"Asia/Kathmandu", "1985-12-31T18:30:00Z"},
	{"UTC", "2026-06-01T00:00:00Z"},
}

// Around every change of a clock, whatever the expression: the runs are those of
// somebody who watches the clock.
func TestNextIsWhatAWatcherSees(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := rapid.SampledFrom(changes).Draw(rt, "change")
		place := load(t, c.zone)
		r := readings{
			minutes: rapid.SliceOfNDistinct(rapid.IntRange(0, 59), 1, 5, rapid.ID).Draw(rt, "minutes"),
			hours:   rapid.SliceOfNDistinct(rapid.IntRange(0, 23), 1, 8, rapid.ID).Draw(rt, "hours"),
			weekday: rapid.IntRange(-1, 6).Draw(rt, "weekday"),
		}
		s := parse(t, r.expression())
		after := instant(t, c.around).Add(time.Duration(rapid.Int64Range(-30*3600, 30*3600).Draw(rt, "seconds")) * time.Second)
		until := after.Add(9 * 24 * time.Hour) // a weekday comes again, even one that was skipped
		due := watch(r, place, after, until)
		for _, want := range due {
			next, ok := s.Next(place, after)
			if !ok || !next.Equal(want) {
				rt.Fatalf("%s in %s after %v: got %v, %v, want %v", r.expression(), c.zone, after.In(place), next, ok, want.In(place))
			}
			after = next
		}
		if next, _ := s.Next(place, after); next.Before(until) {
			rt.Fatalf("%s in %s after %v: got %v, want none", r.expression(), c.zone, after.In(place), next)
		}
	})
}

// From any instant the next run is later, and no later one is next from before it.
func TestNextIsMonotone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := rapid.SampledFrom(changes).Draw(rt, "change")
		place := load(t, c.zone)
		s := parse(t, rapid.SampledFrom([]string{"0 2 * * *", "*/7 1-3 * * *", "0 0 1,15 * 1", "59 23 * * *", "30 0 29 2 *"}).Draw(rt, "expression"))
		a := instant(t, c.around).Add(time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(rt, "ns")))
		b := a.Add(time.Duration(rapid.Int64Range(0, 1e14).Draw(rt, "later")))
		x, xok := s.Next(place, a)
		y, yok := s.Next(place, b)
		if !xok || !yok || !x.After(a) || !y.After(b) || y.Before(x) || (b.Before(x) && !x.Equal(y)) {
			rt.Fatalf("after %v: %v; after %v: %v", a, x, b, y)
		}
	})
}

func TestExpressionsThatAreRefused(t *testing.T) {
	for _, expression := range []string{
		"", "2", "@daily", "@every 1s", "TZ=", "TZ=Europe/Berlin 0 2 * * *", "CRON_TZ=x", "0 2 * * * *", "60 2 * * *", "0 2 30 2 *",
		"*/0 * * * *", "0 2 31 4,6 *", strings.Repeat("0,", 200) + "0 2 * * *",
	} {
		if _, err := nightly.Parse(expression); err == nil || !strings.Contains(err.Error(), `such as "0 2 * * *"`) {
			t.Errorf("%q: %v", expression, err)
		}
	}
	if _, ok := (nightly.Schedule{}).Next(time.UTC, time.Unix(0, 0)); ok {
		t.Error("the zero value has a next run")
	}
}

// FuzzParse: no expression makes the library panic, and what is accepted has a next
// run.
func FuzzParse(f *testing.F) {
	f.Add("0 2 * * *")
	f.Add("*/5 1-3 1,15 jan-mar mon")
	f.Fuzz(func(t *testing.T, expression string) {
		s, err := nightly.Parse(expression)
		if err != nil {
			return
		}
		after := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		if next, ok := s.Next(time.UTC, after); !ok || !next.After(after) {
			t.Errorf("%q: next is %v, %v", expression, next, ok)
		}
	})
}
