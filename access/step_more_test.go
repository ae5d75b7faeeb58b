package access

import "testing"

// Fire, several grants at once, and the begin and end of a life.
func TestFire(t *testing.T) {
	t.Parallel()
	const on, off = true, false
	fire := func(active bool) FireInput { return FireInput{Active: active} }
	for name, script := range map[string]struct {
		change func(*Door)
		from   DoorState
		lines  []line
	}{
		"latched until reset": {plain, DoorState{}, []line{
			{fire(on), []string{"release", "persist locked fire=true", "#1 fire_released (fire)", "show released"}},
			{fire(on), none},
			{FireReset{"op"}, []string{"#2 command_refused locked by op (fire)"}},
			{fire(off), none},
			{FireReset{"op"}, []string{"secure", "persist locked fire=false", "#3 fire_reset by op", "show ready"}},
			{FireReset{"op"}, none},
		}},
		"over a lockdown": {plain, DoorState{Mode: LockedDown}, []line{
			{fire(on), []string{"release", "persist locked_down fire=true", "#1 fire_released (fire)", "show released"}},
			{fire(off), nil},
			{FireReset{}, []string{"secure", "persist locked_down fire=false", "#2 fire_reset", "show lockdown"}},
		}},
		"a lockdown during it changes the mode, not the lock": {plain, DoorState{}, []line{
			{fire(on), nil},
			{Command{Mode: LockedDown}, []string{"persist locked_down fire=true", "#2 mode_changed locked_down (operator)", "show released"}},
			{Command{Mode: LockedOpen}, []string{"#3 command_refused locked_open (lockdown)"}},
			{fire(off), none},
			{FireReset{}, []string{"secure", "persist locked_down fire=false", "#4 fire_reset", "show lockdown"}},
		}},
		"a release during it holds afterwards": {plain, DoorState{}, []line{
			{fire(on), nil},
			{Command{Mode: Unlocked}, []string{"#2 mode_changed unlocked (operator)", "persist unlocked fire=true", "show released"}},
			{fire(off), nil},
			{FireReset{}, []string{"persist unlocked fire=false", "#3 fire_reset", "show released"}},
		}},
		"a door that fire does not release": {func(d *Door) { d.FireRelease = false }, DoorState{}, []line{
			{fire(on), none},
		}},
		"a grant during it is recorded, and the strike does not matter": {plain, DoorState{}, []line{
			{fire(on), nil},
			{grantTo("ann", 7), []string{"#2 granted ann (credential)", "arm strike 5s", "show granted in"}},
			{TimerFired{TimerStrike}, []string{"#3 no_passage ann (strike_time) <-2", "cancel 7", "show released"}},
			{opens, []string{"#4 door_opened"}},
			{grantTo("bob", 8), []string{"#5 granted bob (credential)", "arm strike 5s", "show granted in", "#6 passage bob (credential) <-5", "confirm 8"}},
			{closes, []string{"disarm strike", "#7 door_closed", "show released"}},
		}},
		"releasing when it comes": {plain, DoorState{}, []line{
			{grantTo("ann", 7), nil},
			{Command{Mode: LockedOpen}, nil},
			{fire(on), []string{
				"release", "persist locked fire=true", "#3 fire_released (fire)", "show released",
				"persist locked_open fire=true", "show released",
				"disarm record", "arm strike 5s", "show granted in",
			}},
		}},
		"REX during it": {plain, DoorState{}, []line{
			{fire(on), nil},
			{REXPressed{}, []string{"release", "arm strike 5s", "#2 released (rex)", "show released"}},
			{TimerFired{TimerStrike}, []string{"#3 secured (strike_time) <-2", "show released"}},
		}},
		"reset with the door open": {plain, DoorState{}, []line{
			{fire(on), nil},
			{opens, []string{"#2 door_opened"}},
			{fire(off), nil},
			{FireReset{}, []string{"secure", "persist locked fire=false", "#3 fire_reset", "arm held 30s", "show ready"}},
		}},
		"an open door is not held open while it lasts": {plain, DoorState{}, []line{
			{REXPressed{}, nil},
			{opens, nil},
			{fire(on), []string{
				"release", "persist locked fire=true", "#3 fire_released (fire)", "disarm held", "show released",
			}},
		}},
		"nor while a mode releases the door": {plain, DoorState{}, []line{
			{REXPressed{}, nil},
			{opens, nil},
			{Command{Mode: Unlocked}, nil},
			{Recorded{3}, []string{"disarm record", "persist unlocked fire=false", "disarm held", "show released"}},
		}},
		"restored latch": {plain, Restore(Blocked, true), []line{
			{FireReset{}, []string{"secure", "persist blocked fire=false", "#1 fire_reset", "show lockdown"}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			door := testDoor()
			script.change(door)
			play(t, door, script.from, script.lines)
		})
	}
}

func TestSeveralGrants(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]line{
		"one opening, two people": {
			{grantTo("ann", 1), []string{"#1 granted ann (credential)", "arm record 150ms"}},
			{grantTo("bob", 2), []string{"#2 granted bob (credential)"}},
			{Recorded{1}, []string{"release", "arm strike 5s", "show granted in"}},
			{Recorded{2}, []string{"disarm record", "arm strike 5s", "show granted in"}},
			{opens, []string{
				"#3 door_opened", "#4 passage ann (credential) <-1", "confirm 1",
				"#5 passage bob (credential) <-2", "confirm 2", "arm held 30s",
			}},
		},
		"the second while the door is open, after its own record": {
			{grantTo("ann", 1), nil},
			{Recorded{1}, nil},
			{opens, nil},
			{grantTo("bob", 2), []string{"#4 granted bob (credential)", "arm record 150ms"}},
			{Recorded{4}, []string{
				"disarm record", "arm strike 5s", "show granted in",
				"#5 passage bob (credential) <-4", "confirm 2", "arm held 30s",
			}},
		},
		"the second is not recorded when the first opens and closes": {
			{grantTo("ann", 1), nil},
			{Recorded{1}, nil},
			{grantTo("bob", 2), nil},
			{opens, []string{"#3 door_opened", "#4 passage ann (credential) <-1", "confirm 1", "arm held 30s"}},
			{closes, []string{"secure", "disarm strike", "disarm held", "#5 door_closed", "show ready"}},
			{Recorded{2}, []string{"disarm record", "release", "arm strike 5s", "show granted in"}},
		},
		"strike time ends for the first only": {
			{grantTo("ann", 1), nil},
			{Recorded{1}, nil},
			{grantTo("bob", 2), nil},
			{TimerFired{TimerStrike}, []string{"secure", "#3 no_passage ann (strike_time) <-1", "cancel 1", "show ready"}},
			{TimerFired{TimerRecord}, []string{"release", "arm strike 5s", "show granted in", "#4 record_late (record_late) <-2"}},
		},
		"shown again while releasing: the limit is not put off": {
			{grantTo("ann", 1), nil},
			{grantTo("ann", 2), []string{"#2 granted ann (credential)", "#3 release_cancelled ann (credential) <-1", "cancel 1"}},
			{TimerFired{TimerRecord}, []string{"release", "arm strike 5s", "show granted in", "#4 record_late (record_late) <-2"}},
		},
		"shown again while released: goes on at once": {
			{grantTo("ann", 1), nil},
			{Recorded{1}, nil},
			{grantTo("ann", 2), []string{
				"#2 granted ann (credential)", "#3 no_passage ann (credential) <-1", "cancel 1", "arm strike 5s", "show granted in",
			}},
			{opens, []string{"#4 door_opened", "#5 passage ann (credential) <-2", "confirm 2", "arm held 30s"}},
		},
		"the fifth ends the oldest": {
			{grantTo("ann", 1), nil},
			{grantTo("bob", 2), nil},
			{grantTo("cyd", 3), nil},
			{grantTo("dan", 4), nil},
			{grantTo("eve", 5), []string{"#5 granted eve (credential)", "#6 release_cancelled ann (busy) <-1", "cancel 1"}},
			{Ending{ReasonStop}, []string{
				"secure", "disarm record",
				"#7 release_cancelled bob (stop) <-2", "cancel 2", "#8 release_cancelled cyd (stop) <-3", "cancel 3",
				"#9 release_cancelled dan (stop) <-4", "cancel 4", "#10 release_cancelled eve (stop) <-5", "cancel 5",
			}},
		},
		"a grant and an unlock, one frozen disk": {
			{Command{Mode: Unlocked}, nil},
			{grantTo("ann", 1), []string{"#2 granted ann (credential)"}},
			{TimerFired{TimerRecord}, []string{
				"release", "persist unlocked fire=false", "show released", "arm strike 5s", "show granted in",
				"#3 record_late (record_late) <-1",
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, testDoor(), DoorState{}, lines)
		})
	}
}

// TestPassageOutcome: what a passage and its opposite carry of the decision.
func TestPassageOutcome(t *testing.T) {
	t.Parallel()
	in := grantTo("ann", 7)
	in.Decision.Held, in.Decision.Origin = "vault", Origin{File: "f", Row: 3, Order: 2}
	door := testDoor()
	s := play(t, door, DoorState{}, []line{{in, nil}, {Recorded{1}, nil}})
	_, actions := Step(door, s, opens, monday)
	same(t, Event{
		Kind: KindPassage, Source: Source{Number: 3}, Origin: in.Decision.Origin, Door: "d1", Reader: "in",
		Cardholder: "ann", Credential: "ann-card", Reason: ReasonCredential, From: Outside, To: "hall", Cause: 1,
	}, actions[1].(Record).Event)

	_, actions = Step(door, DoorState{}, in, monday)
	if e := actions[0].(Record).Event; e.Held != "vault" || e.From != Outside || e.To != "hall" || e.Door != "d1" {
		t.Errorf("the grant is recorded as %+v", e)
	}
}

func TestBegin(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		from    DoorState
		contact Contact
		want    []string
	}{
		"locked":        {Restore(Locked, false), ContactClosed, []string{"secure", "show ready"}},
		"lockdown":      {Restore(LockedDown, false), ContactClosed, []string{"secure", "show lockdown"}},
		"double locked": {Restore(DoubleLocked, false), ContactUnknown, []string{"secure", "show lockdown"}},
		"locked open":   {Restore(LockedOpen, false), ContactOpen, []string{"release", "show released"}},
		"fire":          {Restore(LockedDown, true), ContactClosed, []string{"release", "show released"}},
		"found open, no alarm": {Restore(Locked, false), ContactOpen, []string{
			"secure", "arm held 30s", "show ready",
		}},
		"unlocked falls back": {Restore(Unlocked, false), ContactClosed, []string{
			"secure", "persist locked fire=false", "#1 mode_changed locked (restart)", "show ready",
		}},
		"accessed was never stored": {Restore(Accessed, false), ContactClosed, []string{
			"secure", "persist locked fire=false", "#1 mode_changed locked (restart)", "show ready",
		}},
	} {
		_, actions := Step(testDoor(), row.from, Begin{Contact: row.contact}, monday)
		t.Run(name, func(t *testing.T) { same(t, row.want, sayAll(actions)) })
	}
}

func TestEnding(t *testing.T) {
	t.Parallel()
	end := Ending{ReasonRestart}
	for name, row := range map[string]struct {
		from  DoorState
		lines []line
	}{
		"idle": {DoorState{}, []line{{end, []string{"secure"}}}},
		"releasing a mode": {DoorState{Mode: Blocked}, []line{
			{Command{Mode: Unlocked}, nil},
			{end, []string{"secure", "disarm record", "#2 release_cancelled (restart) <-1", "persist blocked fire=false"}},
		}},
		"accessed": {DoorState{}, []line{
			{grantTo("ann", 7), nil},
			{Recorded{1}, nil},
			{end, []string{"secure", "disarm strike", "#2 no_passage ann (restart) <-1", "cancel 7"}},
		}},
		"REX": {DoorState{}, []line{
			{REXPressed{}, nil},
			{end, []string{"secure", "disarm strike", "#2 secured (restart) <-1"}},
		}},
		"unlocked":             {DoorState{Mode: Unlocked}, []line{{end, []string{"secure", "#1 secured (restart)"}}}},
		"locked open keeps":    {DoorState{Mode: LockedOpen}, []line{{end, none}}},
		"fire keeps":           {DoorState{Mode: LockedDown, Fire: true}, []line{{end, none}}},
		"fire keeps, unlocked": {DoorState{Mode: Unlocked, Fire: true}, []line{{end, none}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, testDoor(), row.from, row.lines)
		})
	}
}

func TestShown(t *testing.T) {
	t.Parallel()
	door := testDoor()
	s := play(t, door, DoorState{}, []line{{grantTo("ann", 7), nil}})
	if s.Shown(door) != Locked || !s.Releasing() || s.Released() {
		t.Errorf("while releasing: %v", s.Shown(door))
	}
	s, _ = Step(door, s, Recorded{1}, monday)
	if s.Shown(door) != Accessed || s.Mode != Locked || s.Releasing() || !s.Released() {
		t.Errorf("after a grant: %v", s.Shown(door))
	}
	s, _ = Step(door, s, FireInput{Active: true}, monday)
	if s.Shown(door) != Locked {
		t.Errorf("with fire latched: %v", s.Shown(door))
	}
	if s := (DoorState{Mode: LockedOpen}); s.Shown(door) != LockedOpen {
		t.Errorf("locked open is shown as %v", s.Shown(door))
	}
}

func TestAtRest(t *testing.T) {
	t.Parallel()
	for m := Locked; m <= DoubleLocked; m++ {
		if AtRest(m, false) != (m == LockedOpen) || !AtRest(m, true) {
			t.Errorf("%v", m)
		}
	}
}
