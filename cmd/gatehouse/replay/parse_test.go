package replay

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
)

func parseText(t *testing.T, zone, text string) ([]row, error) {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	places, err := findPlaces(embassy(t))
	if err != nil {
		t.Fatal(err)
	}
	return parse("log.csv", strings.NewReader(text), loc, places)
}

// good is a row that is right; bad ones come after it.
const good = vastHeader + "\n2008-01-02T08:45,0,prox-in-building\n"

func TestMistakesNameTheLine(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "log.csv:1: no rows: the file must begin with"},
		{"header only", vastHeader + "\n", "log.csv:2: no rows"},
		{"header", "Date,ID,Type\n", `log.csv:1: the header is "Date,ID,Type": it must be Datetime,ID,Type`},
		{"byte order mark", "\ufeff" + good, "log.csv:1: the header is"},
		{"a field too few", good + "2008-01-02T08:45,0", "log.csv:3: 2 fields instead of 3"},
		{"a field too many", good + "2008-01-02T08:45,0,prox-in-building,", "log.csv:3: 4 fields"},
		{"empty line", good + "\n", "log.csv:3: 1 fields"},
		{"no time", good + ",0,prox-in-building", `log.csv:3: the time is ""`},
		{"seconds", good + "2008-01-02T08:45:00,0,prox-in-building", "log.csv:3: the time is"},
		{"zone", good + "2008-01-02T08:45Z,0,prox-in-building", "log.csv:3: the time is"},
		{"date only", good + "2008-01-02,0,prox-in-building", "log.csv:3: the time is"},
		{"no such day", good + "2008-02-30T08:45,0,prox-in-building", "log.csv:3: the time is"},
		{"one digit", good + "2008-01-02T8:45,0,prox-in-building", `log.csv:3: the time "2008-01-02T8:45" does not exist as it is written`},
		{"negative", good + "2008-01-02T08:45,-1,prox-in-building", `log.csv:3: the employee is "-1"`},
		{"leading zero", good + "2008-01-02T08:45,07,prox-in-building", `log.csv:3: the employee is "07"`},
		{"space", good + "2008-01-02T08:45, 7,prox-in-building", "log.csv:3: the employee is"},
		{"no employee", good + "2008-01-02T08:45,,prox-in-building", "log.csv:3: the employee is"},
		{"no card", good + "2008-01-02T08:45,65535,prox-in-building", "log.csv:3: employee 65535: facility 9 and number 65536 are no card"},
		{"type", good + "2008-01-02T08:45,7,prox-out-building", `log.csv:3: the type is "prox-out-building": it must be one of prox-in-building, prox-in-classified, prox-out-classified`},
		{"long line", good + strings.Repeat("x", maxLine+1), "log.csv:3: the line is longer than 1024 bytes"},
		{"binary", good + "\x00\x01", "log.csv:3: 1 fields"},
	} {
		rows, err := parseText(t, "UTC", c.text)
		var m *Mistakes
		if rows != nil || !errors.As(err, &m) || len(m.List) != 1 || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %d rows, %v; want %s", c.name, len(rows), err, c.want)
		}
	}
}

func TestAllMistakesInOneRun(t *testing.T) {
	_, err := parseText(t, "UTC", good+"yesterday,me,in\n"+good+"2008-01-02T08:45,0,prox-in-building\n")
	want := []string{"log.csv:3: the time", "log.csv:3: the employee", "log.csv:3: the type", "log.csv:4: the time", "log.csv:4: the employee", "log.csv:4: the type"}
	lines := strings.Split(fmt.Sprint(err), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d mistakes:\n%v", len(lines), err)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("mistake %d: %s; want %s", i, line, want[i])
		}
	}
	_, err = parseText(t, "UTC", vastHeader+"\n"+strings.Repeat("x\n", 50))
	lines = strings.Split(err.Error(), "\n")
	if len(lines) != maxMistakes+1 || !strings.HasPrefix(lines[maxMistakes], "and 30 more") {
		t.Errorf("50 mistakes:\n%v", err)
	}
}

func TestLineEnds(t *testing.T) {
	unix, err := parseText(t, "UTC", good)
	if err != nil || len(unix) != 1 {
		t.Fatal(unix, err)
	}
	for name, text := range map[string]string{
		"windows":     strings.ReplaceAll(good, "\n", "\r\n"),
		"no last end": strings.TrimSuffix(good, "\n"),
	} {
		rows, err := parseText(t, "UTC", text)
		if err != nil || len(rows) != 1 || !rows[0].at.Equal(unix[0].at) {
			t.Errorf("%s: %v, %v", name, rows, err)
		}
	}
}

// An hour that the clock skips is no time; one that it repeats is.
func TestDaylightSaving(t *testing.T) {
	row := vastHeader + "\n%s,0,prox-in-building\n"
	for at, fine := range map[string]bool{
		"2008-03-30T01:59": true, "2008-03-30T02:00": false, "2008-03-30T02:59": false, "2008-03-30T03:00": true,
		"2008-10-26T02:30": true,
	} {
		if _, err := parseText(t, "Europe/Berlin", fmt.Sprintf(row, at)); (err == nil) != fine {
			t.Errorf("%s: %v", at, err)
		}
	}
}

func TestRowsAreSpreadOverTheirMinute(t *testing.T) {
	rows, err := parseText(t, "UTC", vastHeader+`
2008-01-02T08:46,5,prox-in-building
2008-01-02T08:45,4,prox-in-building
2008-01-02T08:45,3,prox-in-classified
2008-01-02T08:44,2,prox-out-classified
2008-01-02T08:45,1,prox-in-building
`)
	if err != nil {
		t.Fatal(err)
	}
	rec := &recording{file: "log.csv", rows: rows}
	rec.arrange()
	var got []string
	for _, w := range rec.rows {
		got = append(got, fmt.Sprint(w.read.Origin, w.order, w.line, " ", w.at.Format("15:04:05"), " ", w.place.part))
		card, err := w.place.format.Decode(w.read.Bits, w.read.Raw[:])
		if want := (access.Card{Facility: 9, Number: 8 - w.line}); err != nil || card != want {
			t.Errorf("line %d: card %v, %v; want %v", w.line, card, err, want)
		}
	}
	want := []string{
		"{log.csv 5 1} 1 5 08:44:00 classified/out",
		"{log.csv 3 2} 2 3 08:45:00 entrance/in",
		"{log.csv 4 3} 3 4 08:45:20 classified/in",
		"{log.csv 6 4} 4 6 08:45:40 entrance/in",
		"{log.csv 2 5} 5 2 08:46:00 entrance/in",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestASiteWithoutTheDoors(t *testing.T) {
	s := embassy(t)
	s.Rules.Doors[0].ID = "front"
	s.Rules.Doors[1].Readers = s.Rules.Doors[1].Readers[:1]
	s.Devices[0].Driver = "osdp"
	_, err := findPlaces(s)
	for _, want := range []string{`prox-in-building at reader "in" of door "entrance"`, `prox-out-classified at reader "out" of door "classified"`, "driver osdp"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}
