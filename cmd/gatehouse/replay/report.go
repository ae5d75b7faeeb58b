package replay

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/site"
)

// Report is what came of a recording. It holds only what follows from recording
// and site file, and is read back from the journal. Days and times are those of
// the building.
type Report struct {
	Events int `json:"events"` // rows
	// Journaled is how many rows have exactly one granted or denied event, which
	// names them.
	Journaled int `json:"journaled"`
	// Contradictions are passages asked for where the person was held to be in an
	// area that the reader does not accept.
	Contradictions []Contradiction `json:"contradictions"`
	// NoEntry are entries of the classified area by people who were not let into
	// the building on that day.
	NoEntry []NoEntry `json:"no_entry"`
	// Doors are the rows per door and day (2008-01-31).
	Doors map[string]map[string]int `json:"doors"`
	// Denials are the denied rows by reason.
	Denials map[string]int `json:"denials"`
}

// Contradiction is one passage. Expected are the areas that the reader accepts,
// joined by "|", Got the one where the person was held to be.
type Contradiction struct {
	Time     string `json:"time"` // RFC 3339
	Person   string `json:"person"`
	Door     string `json:"door"`
	Expected string `json:"expected"`
	Got      string `json:"got"`
}

// NoEntry is one entry of the classified area.
type NoEntry struct {
	Time   string `json:"time"` // RFC 3339
	Person string `json:"person"`
}

// visit is a person on a day.
type visit struct {
	person access.CardholderID
	day    string
}

// tally takes the decisions of the journal one by one.
type tally struct {
	rec     *recording
	rules   *access.Compiled
	report  Report
	times   []uint8 // decisions by row, at most 2 are counted
	entered map[visit]bool
	inside  []entry
}

type entry struct {
	visit
	at time.Time
}

const dayFormat = "2006-01-02"

// readBack makes the report from the journal.
func readBack(h history, rec *recording, rules *access.Compiled) (*Report, error) {
	t := &tally{
		rec: rec, rules: rules, times: make([]uint8, len(rec.rows)), entered: map[visit]bool{},
		report: Report{
			Events: len(rec.rows), Contradictions: []Contradiction{}, NoEntry: []NoEntry{},
			Doors: map[string]map[string]int{}, Denials: map[string]int{},
		},
	}
	if err := h.Scan(t.take); err != nil {
		return nil, fmt.Errorf("the journal cannot be read back: %w", err)
	}
	t.finish()
	return &t.report, nil
}

func (t *tally) take(e access.Event) error {
	if e.Kind != access.KindGranted && e.Kind != access.KindDenied {
		return nil
	}
	if err := t.rec.foreign(e); err != nil || e.Origin.File == "" {
		return err
	}
	if n := &t.times[e.Origin.Order-1]; *n < 2 {
		*n++
	}
	at := e.Time.In(t.rules.Location())
	day := at.Format(dayFormat)
	days := t.report.Doors[string(e.Door)]
	if days == nil {
		days = map[string]int{}
		t.report.Doors[string(e.Door)] = days
	}
	days[day]++
	if e.Kind == access.KindDenied {
		t.report.Denials[e.Reason.String()]++
	} else {
		t.granted(e, entry{visit{e.Cardholder, day}, at})
	}
	if e.Held != "" {
		t.contradiction(e, at)
	}
	return nil
}

func (t *tally) granted(e access.Event, in entry) {
	switch (point{e.Door, e.Reader}) {
	case vastEntrance:
		t.entered[in.visit] = true
	case vastClassified:
		t.inside = append(t.inside, in)
	}
}

func (t *tally) contradiction(e access.Event, at time.Time) {
	var accepted []string
	if rule, ok := t.rules.Reader(e.Door, e.Reader); ok {
		for _, area := range t.rules.Accepts(rule) {
			accepted = append(accepted, string(area))
		}
	}
	t.report.Contradictions = append(t.report.Contradictions, Contradiction{
		Time: at.Format(time.RFC3339Nano), Person: string(e.Cardholder), Door: string(e.Door),
		Expected: strings.Join(accepted, "|"), Got: string(e.Held),
	})
}

func (t *tally) finish() {
	for _, n := range t.times {
		if n == 1 {
			t.report.Journaled++
		}
	}
	for _, in := range t.inside {
		if !t.entered[in.visit] {
			t.report.NoEntry = append(t.report.NoEntry, NoEntry{in.at.Format(time.RFC3339Nano), string(in.person)})
		}
	}
}

// title says what a report is about: the building, the file and its days.
func (r *recording) title(b site.Building) string {
	first, last := r.rows[0].at, r.rows[len(r.rows)-1].at
	return fmt.Sprintf("%s (%s), %s, %s to %s, times in %s",
		b.Name, b.ID, r.file, first.Format(dayFormat), last.Format(dayFormat), b.TimeZone)
}

// notes explain the words and times of the text.
const notes = `
[1] a passage asked for where the person was held to be in an area that the reader does not accept
[2] let into the classified area on a day without being let into the building on that day
The recording has minutes only: rows of one minute are spread over it, in the order of the file.
`

// write writes the report as JSON or, for people, as text with a title.
func (r *Report) write(w io.Writer, form, title string) error {
	if form == formJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\n\nrows\t%d\nrows in the journal\t%d\ncontradictions [1]\t%d\nno entry [2]\t%d\ndenied\t%d\n",
		title, r.Events, r.Journaled, len(r.Contradictions), len(r.NoEntry), total(r.Denials))
	r.writeLists(t)
	r.writeDays(t)
	fmt.Fprint(t, notes)
	return t.Flush()
}

func (r *Report) writeLists(t io.Writer) {
	if len(r.Denials) > 0 {
		fmt.Fprint(t, "\ndenied because\trows\n")
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Denials)) {
		fmt.Fprintf(t, "%s\t%d\n", reason, r.Denials[reason])
	}
	if len(r.Contradictions) > 0 {
		fmt.Fprint(t, "\ncontradiction [1] at\tperson\tdoor\texpected in\theld to be in\n")
	}
	for _, c := range r.Contradictions {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", c.Time, c.Person, c.Door, c.Expected, c.Got)
	}
	if len(r.NoEntry) > 0 {
		fmt.Fprint(t, "\nno entry [2] at\tperson\n")
	}
	for _, e := range r.NoEntry {
		fmt.Fprintf(t, "%s\t%s\n", e.Time, e.Person)
	}
}

// writeDays is one line a day, one column a door.
func (r *Report) writeDays(t io.Writer) {
	doors := slices.Sorted(maps.Keys(r.Doors))
	days := map[string]bool{}
	fmt.Fprint(t, "\nday")
	for _, door := range doors {
		fmt.Fprintf(t, "\t%s", door)
		for day := range r.Doors[door] {
			days[day] = true
		}
	}
	fmt.Fprintln(t)
	for _, day := range slices.Sorted(maps.Keys(days)) {
		fmt.Fprint(t, day)
		for _, door := range doors {
			fmt.Fprintf(t, "\t%d", r.Doors[door][day])
		}
		fmt.Fprintln(t)
	}
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
