package access

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests read Berlin's clock changes on any machine

	"github.com/google/go-cmp/cmp"
)

// monday is noon in Berlin on a working day.
var monday = time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)

// house: an entrance that is badged in only, and a vault inside with a reader on
// each side.
func house() Rules {
	return Rules{
		Version:  7,
		Location: "Europe/Berlin",
		Areas:    []Area{{ID: "building"}, {ID: "vault"}},
		Doors: []Door{
			{ID: "entrance", HasContact: true, HasREX: true, Egress: EgressREX, FireRelease: true, Readers: []Reader{
				{ID: "in", From: Outside, To: "building", AntiPassback: AntiPassbackHard},
			}},
			{ID: "vault", HasContact: true, Egress: EgressREX, Readers: []Reader{
				{ID: "in", From: "building", To: "vault", AntiPassback: AntiPassbackHard},
				{ID: "out", Side: SideOut, From: "vault", To: "building", AntiPassback: AntiPassbackHard},
			}},
			{ID: "closet", Readers: []Reader{{ID: "in", From: "building", To: "building"}}},
		},
		Schedules: []Schedule{{ID: "office", Intervals: []Interval{
			{time.Monday, 8 * 60, 12 * 60}, {time.Monday, 12 * 60, 18 * 60}, {time.Sunday, 120, 240},
		}}, {ID: "sunday", Intervals: []Interval{{time.Sunday, 0, 1440}}}},
		Levels: []Level{
			{ID: "all", Entries: []LevelEntry{{AllDoors: true, Schedule: Always}}},
			{ID: "sundays", Entries: []LevelEntry{{AllDoors: true, Schedule: "sunday"}}},
			{ID: "staff", Entries: []LevelEntry{{Doors: []DoorID{"entrance"}, Schedule: "office"}}},
		},
	}
}

func compiled(t testing.TB, rules Rules) *Compiled {
	t.Helper()
	c, err := Compile(rules)
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	return c
}

func same[T any](t testing.TB, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// say puts an action into a line that a table can expect.
func say(a Action) string {
	switch a := a.(type) {
	case Record:
		return sayEvent(a.Event)
	case Drive:
		switch {
		case !a.Release:
			return "secure"
		case !a.Until.IsZero():
			return fmt.Sprintf("release until %v", a.Until.Sub(monday))
		}
		return "release"
	case Arm:
		return fmt.Sprintf("arm %v %v", a.Timer, a.After)
	case Disarm:
		return fmt.Sprintf("disarm %v", a.Timer)
	case Indicate:
		return strings.TrimSpace(fmt.Sprintf("show %v %s", a.Signal, a.Reader))
	case ConfirmPassage:
		return fmt.Sprintf("confirm %d", a.Reservation)
	case CancelPassage:
		return fmt.Sprintf("cancel %d", a.Reservation)
	case Persist:
		return fmt.Sprintf("persist %v fire=%t", a.Mode, a.Fire)
	}
	return fmt.Sprintf("%#v", a)
}

func sayEvent(e Event) string {
	line := fmt.Sprintf("#%d %v", e.Source.Number, e.Kind)
	if e.Cardholder != "" {
		line += " " + string(e.Cardholder)
	}
	if e.Kind == KindModeChanged || e.Kind == KindCommandRefused {
		line += " " + e.Mode.String()
	}
	if e.Operator != "" {
		line += " by " + string(e.Operator)
	}
	if e.Reason != ReasonNone {
		line += " (" + e.Reason.String() + ")"
	}
	if e.Held != "" {
		line += " held " + string(e.Held)
	}
	if e.Cause != 0 {
		line += fmt.Sprintf(" <-%d", e.Cause)
	}
	return line
}

func sayAll(actions []Action) []string {
	lines := []string{}
	for _, a := range actions {
		lines = append(lines, say(a))
	}
	return lines
}
