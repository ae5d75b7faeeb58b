package access

import (
	"testing"
	"time"
)

// due is a grant with what is left until its deadline, seen from monday.
func due(who CardholderID, reservation uint64, left time.Duration) Decided {
	d := grantTo(who, reservation)
	d.Decision.Deadline = monday.Add(left)
	return d
}

// at is an input at an instant after monday.
type at struct {
	after time.Duration
	in    Input
	want  []string // nil: only a step on the way
}

// playAt is play with a clock.
func playAt(t *testing.T, door *Door, lines []at) DoorState {
	t.Helper()
	s, _ := Step(door, DoorState{}, Begin{Contact: ContactClosed}, monday)
	for i, l := range lines {
		var actions []Action
		s, actions = Step(door, s, l.in, monday.Add(l.after))
		if got := sayAll(actions); l.want != nil && !(len(got) == 0 && len(l.want) == 0) && !equal(got, l.want) {
			t.Errorf("line %d, %v %T%+v", i+1, l.after, l.in, l.in)
			same(t, l.want, got)
		}
	}
	return s
}

const ms = time.Millisecond

// TestDeadline is every way in which a release can come too late, and those that
// know no deadline.
func TestDeadline(t *testing.T) {
	t.Parallel()
	tooLate := []string{"#2 release_cancelled ann (deadline) <-1", "cancel 7", "show denied in", "arm indicate 3s", "disarm record"}
	for name, script := range map[string]struct {
		change func(*Door)
		lines  []at
	}{
		"the record limit stays within the deadline": {plain, []at{
			{0, due("ann", 7, 300*ms), []string{"#1 granted ann (credential)", "arm record 150ms"}},
			{150 * ms, TimerFired{TimerRecord}, []string{
				"release until 300ms", "arm strike 5s", "show granted in", "#2 record_late (record_late) <-1",
			}},
		}},
		"little time is left: half of it is the lock's": {plain, []at{
			{200 * ms, due("ann", 7, 300*ms), []string{"#1 granted ann (credential)", "arm record 50ms"}},
		}},
		"the earlier limit counts": {plain, []at{
			{0, due("ann", 7, 300*ms), nil},
			{10 * ms, due("bob", 8, 50*ms), []string{"#2 granted bob (credential)", "arm record 20ms"}},
			{20 * ms, due("cid", 9, 300*ms), []string{"#3 granted cid (credential)"}},
			{30 * ms, TimerFired{TimerRecord}, []string{
				"release until 300ms", "arm strike 5s", "show granted in", "show granted in", "show granted in",
				"#4 record_late (record_late) <-1",
			}},
		}},
		"a record that comes just in time": {plain, []at{
			{0, due("ann", 7, 300*ms), nil},
			{300*ms - 1, Recorded{1}, []string{"disarm record", "release until 300ms", "arm strike 5s", "show granted in"}},
		}},
		"a record that comes too late": {plain, []at{
			{0, due("ann", 7, 300*ms), nil},
			{300 * ms, Recorded{1}, tooLate},
			{301 * ms, opens, []string{"#3 door_opened", "#4 forced_open <-3", "show alarm"}},
		}},
		"a timer that comes too late": {plain, []at{
			{0, due("ann", 7, 300*ms), nil},
			{300 * ms, TimerFired{TimerRecord}, tooLate[:4]}, // and no record_late: nothing was released
		}},
		"one is late, one is not": {plain, []at{
			{0, due("ann", 7, 100*ms), nil},
			{10 * ms, due("bob", 8, 310*ms), nil},
			{100 * ms, Recorded{2}, []string{
				"#3 release_cancelled ann (deadline) <-1", "cancel 7", "show denied in", "arm indicate 3s",
				"disarm record", "release until 310ms", "arm strike 5s", "show granted in",
			}},
		}},
		"at an unlocked door nothing is late": {plain, []at{
			{0, Command{Mode: Unlocked, Operator: "op"}, nil},
			{0, Recorded{1}, nil},
			{300 * ms, due("ann", 7, 300*ms), []string{"#2 granted ann (credential)", "arm strike 5s", "show granted in"}},
		}},
		"fire while the record is late": {plain, []at{
			{0, due("ann", 7, 300*ms), nil},
			{400 * ms, FireInput{Active: true}, []string{
				"release", "persist locked fire=true", "#2 fire_released (fire)", "show released",
				"disarm record", "arm strike 5s", "show granted in",
			}},
		}},
		"rex knows none": {plain, []at{
			{time.Hour, REXPressed{}, []string{"release", "arm strike 5s", "#1 released (rex)", "show granted"}},
		}},
		"an operator's release knows none": {plain, []at{
			{0, Command{Mode: Unlocked, Operator: "op"}, []string{"#1 mode_changed unlocked by op (operator)", "arm record 150ms"}},
			{time.Hour, TimerFired{TimerRecord}, []string{"release", "persist unlocked fire=false", "show released", "#2 record_late (record_late) <-1"}},
		}},
		"without a deadline": {plain, []at{
			{0, grantTo("ann", 7), nil},
			{time.Hour, Recorded{1}, []string{"disarm record", "release", "arm strike 5s", "show granted in"}},
		}},
		"the lock was told too late": {plain, []at{
			{0, due("ann", 7, 300*ms), nil},
			{1 * ms, Recorded{1}, nil},
			{300 * ms, LockLate{}, []string{
				"#2 no_passage ann (deadline) <-1", "cancel 7", "show denied in", "arm indicate 3s", "secure", "disarm strike",
			}},
			{301 * ms, LockLate{}, none},
		}},
		"the lock was told too late for one of two": {plain, []at{
			{0, due("ann", 7, 300*ms), nil},
			{1 * ms, Recorded{1}, nil},
			{250 * ms, due("bob", 8, 550*ms), nil},
			{251 * ms, Recorded{2}, []string{"disarm record", "arm strike 5s", "show granted in"}},
			{300 * ms, LockLate{}, []string{
				"#3 no_passage ann (deadline) <-1", "cancel 7", "show denied in", "arm indicate 3s", "release until 550ms",
			}},
		}},
		"the lock was told too late, then somebody wants to leave": {plain, []at{
			{0, due("ann", 7, 300*ms), nil},
			{1 * ms, Recorded{1}, nil},
			{299 * ms, REXPressed{}, nil},
			{300 * ms, LockLate{}, []string{
				"#3 no_passage ann (deadline) <-1", "cancel 7", "show denied in", "arm indicate 3s", "release",
			}},
		}},
		"the lock was told too late, then it burns": {plain, []at{
			{0, due("ann", 7, 300*ms), nil},
			{1 * ms, Recorded{1}, nil},
			{299 * ms, FireInput{Active: true}, nil},
			{300 * ms, LockLate{}, []string{"release"}},
		}},
		"the lock was told too late, then came a lockdown": {plain, []at{
			{0, due("ann", 7, 300*ms), nil},
			{1 * ms, Recorded{1}, nil},
			{299 * ms, Command{Mode: LockedDown, Operator: "op"}, nil},
			{300 * ms, LockLate{}, none},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			door := testDoor()
			script.change(door)
			playAt(t, door, script.lines)
		})
	}
}
