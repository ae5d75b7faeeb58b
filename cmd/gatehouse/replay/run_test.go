package replay

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
)

// line is a row as a few lines of code read it that share nothing with the
// product.
type line struct {
	row, order int
	minute     string
	person     string
	kind       string
}

func readLines(t *testing.T, file string) (lines []line) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		f := strings.Split(l, ",")
		id, _ := strconv.Atoi(f[1])
		lines = append(lines, line{row: i + 2, minute: f[0], person: "p-" + strconv.Itoa(100 + id)[1:], kind: f[2]})
	}
	slices.SortStableFunc(lines, func(a, b line) int { return strings.Compare(a.minute, b.minute) })
	for i := range lines {
		lines[i].order = i + 1
	}
	return lines
}

// Where a type of row leads, and from where it may: the building's exit is not
// seen, the classified area's is.
var (
	leads   = map[string]string{"prox-in-building": "building", "prox-in-classified": "classified", "prox-out-classified": "building"}
	accepts = map[string]string{"prox-in-building": "outside|building", "prox-in-classified": "building", "prox-out-classified": "classified"}
	doorOf  = map[string]string{"prox-in-building": "entrance", "prox-in-classified": "classified", "prox-out-classified": "classified"}
)

// expected is the report as those few lines of code have it, times to the minute.
func expected(lines []line) Report {
	r := Report{
		Events: len(lines), Journaled: len(lines), Contradictions: []Contradiction{}, NoEntry: []NoEntry{},
		Doors: map[string]map[string]int{}, Denials: map[string]int{},
	}
	where, entered := map[string]string{}, map[string]bool{}
	for _, l := range lines {
		if held := where[l.person]; held != "" && !slices.Contains(strings.Split(accepts[l.kind], "|"), held) {
			r.Contradictions = append(r.Contradictions, Contradiction{l.minute, l.person, doorOf[l.kind], accepts[l.kind], held})
		}
		where[l.person] = leads[l.kind]
		day := l.minute[:10]
		if l.kind == "prox-in-building" {
			entered[l.person+day] = true
		}
		if r.Doors[doorOf[l.kind]] == nil {
			r.Doors[doorOf[l.kind]] = map[string]int{}
		}
		r.Doors[doorOf[l.kind]][day]++
	}
	for _, l := range lines {
		if l.kind == "prox-in-classified" && !entered[l.person+l.minute[:10]] {
			r.NoEntry = append(r.NoEntry, NoEntry{l.minute, l.person})
		}
	}
	return r
}

// toMinutes cuts the times of a report down to what the recording says.
func toMinutes(r Report) Report {
	for i := range r.Contradictions {
		r.Contradictions[i].Time = r.Contradictions[i].Time[:len(vastTime)]
	}
	for i := range r.NoEntry {
		r.NoEntry[i].Time = r.NoEntry[i].Time[:len(vastTime)]
	}
	return r
}

func TestTheWholeRecording(t *testing.T) {
	p := wholeRecording(t)
	lines := readLines(t, p.file)
	want := expected(lines)
	if diff := cmp.Diff(want, toMinutes(p.decoded(t))); diff != "" {
		t.Errorf("report (-independent +got):\n%s", diff)
	}
	if len(want.Contradictions) == 0 || len(want.NoEntry) == 0 {
		t.Error("the recording contradicts nothing: this test shows little")
	}
	t.Logf("%d rows, %d contradictions, %d without entry", want.Events, len(want.Contradictions), len(want.NoEntry))
	checkOutcomes(t, p.outcomes, lines)
}

// checkOutcomes: each row has its grant and then its passage, with its source, in
// time order.
func checkOutcomes(t *testing.T, got []outcome, lines []line) {
	t.Helper()
	if len(got) != 2*len(lines) {
		t.Fatalf("%d decisions and passages of %d rows", len(got), len(lines))
	}
	last := time.Time{}
	for i, l := range lines {
		grant, passage := got[2*i], got[2*i+1]
		if grant.Kind != access.KindGranted || passage.Kind != access.KindPassage || !grant.Time.After(last) {
			t.Fatalf("row %d: %+v then %+v", l.row, grant, passage)
		}
		last = grant.Time
		for _, o := range []outcome{grant, passage} {
			if o.File != "proxLog.csv" || o.Row != uint64(l.row) || o.Order != uint64(l.order) ||
				string(o.Person) != l.person || o.Time.Format(vastTime) != l.minute || string(o.To) != leads[l.kind] {
				t.Fatalf("row %d (%+v): %+v", l.row, l, o)
			}
		}
	}
}

func TestTwiceTheSameBytes(t *testing.T) {
	first := heavyRecording(t)
	second := play(t, memDir(t), first.file)
	if !bytes.Equal(first.report, second.report) {
		t.Errorf("the reports differ:\n%s", cmp.Diff(string(first.report), string(second.report)))
	}
	if diff := cmp.Diff(first.outcomes, second.outcomes); diff != "" {
		t.Error(diff)
	}
}

// handmade has everything in a few rows: shared minutes, rows out of time order,
// a contradiction of each kind, entries without the building's, and employees 77
// and 78, whom the embassy does not know.
const handmade = vastHeader + `
2008-01-02T08:00,1,prox-in-building
2008-01-02T08:00,1,prox-in-classified
2008-01-02T08:01,1,prox-in-classified
2008-01-02T09:00,1,prox-out-classified
2008-01-02T09:01,1,prox-out-classified
2008-01-03T09:01,1,prox-in-classified
2008-01-03T09:05,1,prox-in-building
2008-01-02T08:00,2,prox-in-building
2008-01-02T08:00,2,prox-in-building
2008-01-02T08:30,2,prox-in-classified
2008-01-02T12:00,2,prox-in-building
2008-01-03T23:59,2,prox-out-classified
2008-01-02T08:00,77,prox-in-building
2008-01-02T08:01,77,prox-in-classified
2008-01-02T08:30,78,prox-out-classified
2008-01-03T00:00,3,prox-in-classified
`

func handmadeFile(t testing.TB) string {
	t.Helper()
	path := t.TempDir() + "/badges.csv"
	writeFile(t, path, handmade)
	return path
}

func TestTheReportIsThis(t *testing.T) {
	o, out := options(t, memDir(t), handmadeFile(t))
	mustRun(t, o)
	checkGolden(t, "testdata/handmade.json", out.String())
	o, out = options(t, memDir(t), o.File)
	o.Report = formText
	mustRun(t, o)
	checkGolden(t, "testdata/handmade.txt", out.String())
}

// checkGolden compares with a file that was checked by hand.
func checkGolden(t *testing.T, path, got string) {
	t.Helper()
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestAMadeRecordingIsLikeTheRealOne(t *testing.T) {
	path := t.TempDir() + "/proxLog.csv"
	writeFile(t, path, madeRecording(7, 20, 5))
	p := play(t, t.TempDir(), path) // a disk, where there is one
	lines := readLines(t, path)
	want := expected(lines)
	if diff := cmp.Diff(want, toMinutes(p.decoded(t))); diff != "" {
		t.Errorf("report (-independent +got):\n%s", diff)
	}
	if len(want.Contradictions) == 0 || len(want.NoEntry) == 0 || len(lines) < 500 {
		t.Errorf("%d rows, %d contradictions, %d without entry: not like the real one", len(lines), len(want.Contradictions), len(want.NoEntry))
	}
}

// The rate goes to stderr and never to stdout.
func TestProgressIsForPeople(t *testing.T) {
	path := t.TempDir() + "/proxLog.csv"
	writeFile(t, path, madeRecording(7, 20, 5))
	o, out := options(t, memDir(t), path)
	var told bytes.Buffer
	seconds := 0
	o.Err, o.Clock = &told, func() time.Time {
		seconds++
		return time.Unix(int64(seconds), 0)
	}
	mustRun(t, o)
	lines := strings.Split(strings.TrimSpace(told.String()), "\n")
	if len(lines) < 4 || !strings.HasPrefix(lines[0], "replay: row 128 of ") || !strings.HasSuffix(lines[len(lines)-1], " rows/s") {
		t.Errorf("told:\n%s", told.String())
	}
	if strings.Contains(out.String(), "rows/s") {
		t.Error("the rate is in the report")
	}
}

// A site's own time zone says what a row's time means; its rules say who passes.
func TestRowsAreLocalTime(t *testing.T) {
	o, out := options(t, memDir(t), handmadeFile(t))
	o.Site.Building.TimeZone, o.Site.Rules.Location = "America/New_York", "America/New_York"
	mustRun(t, o)
	if got := out.String(); !strings.Contains(got, `"2008-01-02T08:01:00-05:00"`) || strings.Contains(got, "2008-01-04") {
		t.Errorf("report:\n%s", got)
	}
	if first := outcomes(t, o.Data)[0]; first.Time != time.Date(2008, 1, 2, 13, 0, 0, 0, time.UTC) {
		t.Errorf("the first row is at %s", first.Time)
	}
}

func TestHardAntiPassbackDenies(t *testing.T) {
	o, out := options(t, memDir(t), handmadeFile(t))
	for i := range o.Site.Rules.Doors {
		for j := range o.Site.Rules.Doors[i].Readers {
			o.Site.Rules.Doors[i].Readers[j].AntiPassback = access.AntiPassbackHard
		}
	}
	mustRun(t, o)
	if !strings.Contains(out.String(), `"anti_passback": `) || !strings.Contains(out.String(), `"expected": "building"`) {
		t.Errorf("report:\n%s", out)
	}
}

// Without a contact nobody sees the door open: the release is the passage.
func TestADoorWithoutAContact(t *testing.T) {
	o, out := options(t, memDir(t), handmadeFile(t))
	want := play(t, memDir(t), o.File)
	for i := range o.Site.Wiring {
		o.Site.Wiring[i].Contact = ""
		o.Site.Rules.Doors[i].HasContact = false
	}
	mustRun(t, o)
	if diff := cmp.Diff(string(want.report), out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestInterruptedInOrder(t *testing.T) {
	want := play(t, memDir(t), handmadeFile(t))
	o, out := options(t, memDir(t), want.file)
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("enough")
	o.Out = &failing{}
	err := Run(&countdown{ctx, 5, func() { cancel(why) }}, o)
	if !errors.Is(err, why) || !strings.Contains(err.Error(), "after 5 of 16 rows, go on with --resume") {
		t.Fatalf("interrupted: %v", err)
	}
	o.Out, o.Resume = out, true
	mustRun(t, o)
	if diff := cmp.Diff(string(want.report), out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	mustRun(t, o) // there is nothing left to do: the report once more
	if diff := cmp.Diff(string(want.report), out.String()); diff != "" {
		t.Error(diff)
	}
}

// countdown is a context that is asked some times before it ends.
type countdown struct {
	context.Context
	left int
	end  func()
}

func (c *countdown) Err() error {
	if c.left == 0 {
		c.end()
	}
	c.left--
	return c.Context.Err()
}

type failing struct{}

var errFull = errors.New("pipe is gone")

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestAReportThatCannotBeWritten(t *testing.T) {
	o, _ := options(t, memDir(t), handmadeFile(t))
	for _, form := range []string{formJSON, formText} {
		o.Out, o.Report = failing{}, form
		if err := Run(context.Background(), o); !errors.Is(err, errFull) {
			t.Errorf("%s: %v", form, err)
		}
		o.Resume = true
	}
}
