package access

import (
	"testing"
	"time"
)

// testDoor has every part; a test that needs less takes some away.
func testDoor() *Door {
	return &Door{
		ID: "d1", StrikeTime: 5 * time.Second, HeldOpenTime: 30 * time.Second, RecordLimit: 150 * time.Millisecond,
		FireRelease: true, HasContact: true, HasREX: true, Egress: EgressREX,
		Readers: []Reader{{ID: "in", From: Outside, To: "hall"}, {ID: "out", Side: SideOut, From: "hall", To: Outside}},
	}
}

func plain(*Door) {}

// grantTo is a decision in favour of a person; its reservation is the given one.
func grantTo(who CardholderID, reservation uint64) Decided {
	return Decided{Decision{
		Verdict: Granted, Reason: ReasonCredential, Reader: "in", Credential: CredentialID(who) + "-card",
		Cardholder: who, From: Outside, To: "hall", Reservation: reservation,
	}}
}

func denial(reservation uint64) Decided {
	return Decided{Decision{Reason: ReasonUnknownCard, Reader: "in", Reservation: reservation}}
}

// line is an input and every action that it must cause, in order.
type line struct {
	in   Input
	want []string
}

// play runs a door through lines, beginning in the state that Begin left.
func play(t *testing.T, door *Door, s DoorState, lines []line) DoorState {
	t.Helper()
	s, _ = Step(door, s, Begin{Contact: ContactClosed}, monday)
	for i, l := range lines {
		var actions []Action
		s, actions = Step(door, s, l.in, monday)
		if l.want == nil {
			continue // only a step on the way
		}
		got := sayAll(actions)
		if len(got) == 0 && len(l.want) == 0 {
			continue
		}
		if !equal(got, l.want) {
			t.Errorf("line %d, %T%+v", i+1, l.in, l.in)
			same(t, l.want, got)
		}
	}
	return s
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

var (
	none   = []string{}
	opens  = ContactMoved{Open: true}
	closes = ContactMoved{}
)

// scripts are the stories of one door, action for action.
var scripts = map[string]struct {
	change func(*Door)
	from   DoorState
	lines  []line
}{
	"granted, opened, closed": {plain, DoorState{}, []line{
		{grantTo("ann", 7), []string{"#1 granted ann (credential)", "arm record 150ms"}},
		{Recorded{1}, []string{"disarm record", "release", "arm strike 5s", "show granted in"}},
		{opens, []string{"#2 door_opened", "#3 passage ann (credential) <-1", "confirm 7", "arm held 30s"}},
		{closes, []string{"secure", "disarm strike", "disarm held", "#4 door_closed", "show ready"}},
	}},
	"granted, not opened": {plain, DoorState{}, []line{
		{grantTo("ann", 7), nil},
		{Recorded{1}, nil},
		{TimerFired{TimerStrike}, []string{"secure", "#2 no_passage ann (strike_time) <-1", "cancel 7", "show ready"}},
		{TimerFired{TimerStrike}, none},
	}},
	"record of something older does not release": {plain, DoorState{}, []line{
		{denial(0), nil},
		{grantTo("ann", 7), nil},
		{Recorded{1}, none},
		{Recorded{2}, []string{"disarm record", "release", "arm strike 5s", "show granted in"}},
		{Recorded{2}, none},
	}},
	"a record from the future counts only for what there is": {plain, DoorState{}, []line{
		{Recorded{99}, none},
		{grantTo("ann", 7), []string{"#1 granted ann (credential)", "arm record 150ms"}},
	}},
	"frozen disk": {plain, DoorState{}, []line{
		{grantTo("ann", 7), nil},
		{TimerFired{TimerRecord}, []string{
			"release", "arm strike 5s", "show granted in", "#2 record_late (record_late) <-1",
		}},
		{Recorded{2}, none},
		{TimerFired{TimerRecord}, none},
	}},
	"durability group": {func(d *Door) { d.Durability = Group }, DoorState{}, []line{
		{grantTo("ann", 7), []string{"#1 granted ann (credential)", "release", "arm strike 5s", "show granted in"}},
		{Recorded{1}, none},
		{Command{Mode: LockedDown, Operator: "op"}, nil},
		{Command{Clear: true}, nil},
		{Command{Mode: Unlocked, Operator: "op"}, []string{"#5 mode_changed unlocked by op (operator)", "release", "persist unlocked fire=false", "show released"}},
		{Recorded{5}, none},
	}},
	"no contact": {func(d *Door) { d.HasContact = false }, DoorState{}, []line{
		{grantTo("ann", 7), nil},
		{Recorded{1}, []string{
			"disarm record", "release", "arm strike 5s", "show granted in",
			"#2 passage ann (no_contact) <-1", "confirm 7",
		}},
		{opens, none},
		{TimerFired{TimerStrike}, []string{"secure", "show ready"}},
	}},
	"strike time ends while the door is open, then held open": {plain, DoorState{}, []line{
		{grantTo("ann", 0), nil},
		{Recorded{1}, nil},
		{opens, []string{"#2 door_opened", "#3 passage ann (credential) <-1", "arm held 30s"}},
		{TimerFired{TimerStrike}, []string{"secure", "show ready"}},
		{TimerFired{TimerHeld}, []string{"#4 held_open", "show alarm"}},
		{closes, []string{"#5 door_closed", "#6 held_open_ended <-5", "show ready"}},
	}},
	"denied": {plain, DoorState{}, []line{
		{denial(0), []string{"#1 denied (unknown_card)", "show denied in", "arm indicate 3s"}},
		{TimerFired{TimerIndicate}, []string{"show ready"}},
	}},
	"denied after a reservation": {plain, DoorState{}, []line{
		{denial(9), []string{"#1 denied (unknown_card)", "cancel 9", "show denied in", "arm indicate 3s"}},
	}},
	"a decision older than the lockdown": {plain, DoorState{Mode: LockedDown}, []line{
		{grantTo("ann", 7), []string{"#1 denied ann (lockdown)", "cancel 7", "show denied in", "arm indicate 3s"}},
	}},
	"lockdown while releasing": {plain, DoorState{}, []line{
		{grantTo("ann", 7), nil},
		{Command{Mode: LockedDown, Operator: "op"}, []string{
			"secure", "#2 release_cancelled ann (lockdown) <-1", "cancel 7", "disarm record",
			"persist locked_down fire=false", "#3 mode_changed locked_down by op (operator)", "show lockdown",
		}},
		{Recorded{1}, none},
	}},
	"lockdown while accessed": {plain, DoorState{}, []line{
		{grantTo("ann", 7), nil},
		{Recorded{1}, nil},
		{Command{Mode: LockedDown, Operator: "op"}, []string{
			"secure", "disarm strike", "#2 no_passage ann (lockdown) <-1", "cancel 7",
			"persist locked_down fire=false", "#3 mode_changed locked_down by op (operator)", "show lockdown",
		}},
	}},
	"lockdown while the door stands open": {plain, DoorState{}, []line{
		{grantTo("ann", 0), nil},
		{Recorded{1}, nil},
		{opens, nil},
		{Command{Mode: LockedDown}, []string{
			"secure", "disarm strike", "persist locked_down fire=false", "#4 mode_changed locked_down (operator)", "show lockdown",
		}},
		{TimerFired{TimerHeld}, []string{"#5 held_open", "show alarm"}},
		{closes, []string{"#6 door_closed", "#7 held_open_ended <-6", "show lockdown"}},
	}},
	"only clear ends a lockdown": {plain, DoorState{Mode: LockedDown}, []line{
		{Command{Mode: Unlocked, Operator: "op"}, []string{"#1 command_refused unlocked by op (lockdown)"}},
		{Command{Mode: Locked, Operator: "op"}, []string{"#2 command_refused locked by op (lockdown)"}},
		{Command{Clear: true, Operator: "op"}, []string{
			"secure", "persist locked fire=false", "#3 mode_changed locked by op (operator)", "show ready",
		}},
	}},
	"unlock": {plain, DoorState{}, []line{
		{Command{Mode: Unlocked, Operator: "op"}, []string{"#1 mode_changed unlocked by op (operator)", "arm record 150ms"}},
		{Recorded{1}, []string{"disarm record", "release", "persist unlocked fire=false", "show released"}},
		{opens, []string{"#2 door_opened"}},
		{Command{Mode: Locked}, []string{
			"secure", "persist locked fire=false", "#3 mode_changed locked (operator)", "arm held 30s", "show ready",
		}},
	}},
	"unlock on a frozen disk": {plain, DoorState{}, []line{
		{Command{Mode: LockedOpen}, nil},
		{TimerFired{TimerRecord}, []string{
			"release", "persist locked_open fire=false", "show released", "#2 record_late (record_late) <-1",
		}},
	}},
	"unlock, cancelled by a lockdown": {plain, DoorState{}, []line{
		{Command{Mode: Unlocked}, nil},
		{Command{Mode: LockedDown}, []string{
			"secure", "#2 release_cancelled (lockdown) <-1", "persist locked_down fire=false", "disarm record",
			"persist locked_down fire=false", "#3 mode_changed locked_down (operator)", "show lockdown",
		}},
		{Recorded{1}, none},
	}},
	"a second release replaces the first": {plain, DoorState{}, []line{
		{Command{Mode: Unlocked}, nil},
		{Command{Mode: LockedOpen}, []string{
			"#2 release_cancelled (operator) <-1", "persist locked fire=false", "#3 mode_changed locked_open (operator)",
		}},
		{Recorded{2}, none},
		{Recorded{3}, []string{"disarm record", "release", "persist locked_open fire=false", "show released"}},
	}},
	"secured again although it is": {plain, DoorState{}, []line{
		{Command{Mode: Locked}, []string{"secure", "#1 mode_changed locked (operator)", "show ready"}},
	}},
	"REX goes first, in a lockdown too": {plain, DoorState{Mode: LockedDown}, []line{
		{REXPressed{}, []string{"release", "arm strike 5s", "#1 released (rex)", "show granted"}},
		{opens, []string{"#2 door_opened", "arm held 30s"}},
		{closes, []string{"secure", "disarm strike", "disarm held", "#3 door_closed", "#4 secured (door_closed) <-1", "show lockdown"}},
	}},
	"REX without opening": {plain, DoorState{Mode: Blocked}, []line{
		{REXPressed{}, nil},
		{TimerFired{TimerStrike}, []string{"secure", "#2 secured (strike_time) <-1", "show lockdown"}},
	}},
	"REX while a grant waits for its record": {plain, DoorState{}, []line{
		{grantTo("ann", 7), nil},
		{REXPressed{}, []string{"release", "arm strike 5s", "#2 released (rex)", "show granted"}},
		{opens, []string{"#3 door_opened", "arm held 30s"}},
		{Recorded{1}, []string{"disarm record", "arm strike 5s", "show granted in", "#4 passage ann (credential) <-1", "confirm 7", "arm held 30s"}},
	}},
	"a lockdown lets a REX release run out, since egress goes first": {plain, DoorState{}, []line{
		{REXPressed{}, nil},
		{Command{Mode: LockedDown}, []string{
			"arm strike 5s", "persist locked_down fire=false", "#2 mode_changed locked_down (operator)", "show granted",
		}},
		{TimerFired{TimerStrike}, []string{"secure", "#3 secured (strike_time) <-1", "show lockdown"}},
		{REXPressed{}, []string{"release", "arm strike 5s", "#4 released (rex)", "show granted"}},
	}},
	"forced open": {plain, DoorState{}, []line{
		{opens, []string{"#1 door_opened", "#2 forced_open <-1", "show alarm"}},
		{opens, none},
		{closes, []string{"#3 door_closed", "#4 forced_open_ended <-3", "show ready"}},
		{closes, none},
	}},
	"opened while releasing is forced": {plain, DoorState{}, []line{
		{grantTo("ann", 7), nil},
		{opens, []string{"#2 door_opened", "#3 forced_open <-2", "show alarm"}},
		{Recorded{1}, []string{"disarm record", "release", "arm strike 5s", "show granted in", "#4 passage ann (credential) <-1", "confirm 7"}},
	}},
	"a handle that nothing tells us of": {func(d *Door) { d.Egress, d.HasREX = EgressMechanical, false }, DoorState{}, []line{
		{opens, []string{"#1 door_opened", "arm held 30s"}},
		{TimerFired{TimerHeld}, []string{"#2 held_open", "show alarm"}},
	}},
	"a handle with a REX contact": {func(d *Door) { d.Egress = EgressMechanical }, DoorState{}, []line{
		{opens, []string{"#1 door_opened", "#2 forced_open <-1", "show alarm"}},
	}},
	"a hard-wired cut is worth an alarm": {func(d *Door) { d.Egress, d.HasREX = EgressHardwired, false }, DoorState{}, []line{
		{opens, []string{"#1 door_opened", "#2 forced_open <-1", "show alarm"}},
	}},
	"tamper": {plain, DoorState{}, []line{
		{TamperChanged{Active: true, Detail: "in"}, []string{"#1 tamper"}},
		{TamperChanged{Detail: "in"}, []string{"#2 tamper_ended"}},
	}},
	"accessed is no mode to command": {plain, DoorState{}, []line{
		{Command{Mode: Accessed}, []string{"#1 command_refused accessed"}},
		{Command{Mode: DoubleLocked + 1}, []string{"#2 command_refused mode(7)"}},
	}},
	"no input": {plain, DoorState{}, []line{{nil, none}}},
}

func TestScripts(t *testing.T) {
	t.Parallel()
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			door := testDoor()
			script.change(door)
			play(t, door, script.from, script.lines)
		})
	}
}

func TestPermits(t *testing.T) {
	t.Parallel()
	for current := Locked; current <= DoubleLocked; current++ {
		for wanted := Locked; wanted <= DoubleLocked+1; wanted++ {
			ok, why := Permits(current, Command{Mode: wanted})
			wantOK, wantWhy := true, ReasonNone
			switch {
			case wanted == Accessed || wanted > DoubleLocked:
				wantOK = false
			case current == LockedDown && wanted != LockedDown:
				wantOK, wantWhy = false, ReasonLockdown
			}
			if ok != wantOK || why != wantWhy {
				t.Errorf("%v to %v: %t %v", current, wanted, ok, why)
			}
			if ok, _ := Permits(current, Command{Mode: wanted, Clear: true}); !ok {
				t.Errorf("clear is refused in %v", current)
			}
		}
	}
}
