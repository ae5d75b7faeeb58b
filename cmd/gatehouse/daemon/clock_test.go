package daemon

import (
	"strings"
	"testing"
	"time"

	"gatehouse/access"
)

// What is believed of a wall clock, minute by minute: jumps, sleeps, set backs, and
// events that are newer than now.
func TestClockTrust(t *testing.T) {
	const day = 24 * time.Hour
	type step struct {
		after   time.Duration // monotonic
		jump    time.Duration // of the wall clock, besides
		newest  time.Duration // of the newest event, against the wall clock then
		quality access.ClockQuality
		doubt   string // "": it is believed
	}
	ok := access.ClockSynchronised
	for name, steps := range map[string][]step{
		"it goes on for years":    {{0, 0, 0, ok, ""}, {1000 * day, 0, 0, ok, ""}, {1000 * day, 0, 0, ok, ""}},
		"nobody keeps it right":   {{0, 0, 0, access.ClockUnsynchronised, "nothing keeps"}, {day, 0, 0, ok, ""}},
		"nobody knows":            {{0, 0, 0, access.ClockUnknown, "cannot be told"}},
		"it is a simulation's":    {{0, 0, 0, access.ClockVirtual, ""}},
		"an event came meanwhile": {{0, 0, 59 * time.Second, ok, ""}},
		"it was set back":         {{0, 0, 0, ok, ""}, {time.Minute, -3 * day, 3 * day, ok, "before the newest event"}, {time.Minute, 0, 0, ok, ""}},
		"it slept for a night":    {{0, 0, 0, ok, ""}, {time.Minute, 20 * time.Hour, 0, ok, ""}},
		"it slept for nights":     {{0, 0, 0, ok, ""}, {time.Minute, 20 * time.Hour, 0, ok, ""}, {day, 20 * time.Hour, 0, ok, "jumped ahead by 40h"}},
		"it jumps, and is believed a day later": {
			{0, 0, 0, ok, ""},
			{time.Minute, 10 * 365 * day, 0, ok, "jumped ahead by 87600h"},
			{day - time.Minute, 0, 0, ok, "jumped ahead"},
			{time.Minute, 0, 0, ok, ""},
		},
		"it jumps, and is put right": {
			{0, 0, 0, ok, ""},
			{time.Minute, 10 * 365 * day, 0, ok, "jumped ahead"},
			{time.Hour, -10 * 365 * day, 0, ok, "jumped ahead"},
			{day, 0, 0, ok, ""},
			{time.Minute, 10 * 365 * day, 0, ok, "jumped ahead"},
		},
		"it jumps twice": {
			{0, 0, 0, ok, ""},
			{time.Minute, 2 * day, 0, ok, "jumped ahead by 48h"},
			{23 * time.Hour, 3 * day, 0, ok, "jumped ahead by 72h"},
			{23 * time.Hour, 0, 0, ok, "jumped ahead"},
			{2 * time.Hour, 0, 0, ok, ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var c clockTrust
			wall, since := time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC), time.Duration(0)
			for i, s := range steps {
				wall, since = wall.Add(s.after+s.jump), since+s.after
				err := c.doubt(wall, since, wall.Add(s.newest), s.quality)
				if (err == nil) != (s.doubt == "") || err != nil && !strings.Contains(err.Error(), s.doubt) {
					t.Errorf("step %d: %v, want %q", i, err, s.doubt)
				}
			}
		})
	}
}

// An empty journal has no newest event.
func TestClockWithoutEvents(t *testing.T) {
	var c clockTrust
	if err := c.doubt(time.Unix(0, 0), 0, time.Time{}, access.ClockSynchronised); err != nil {
		t.Error(err)
	}
}

// The kernel says yes or no, and changes nothing.
func TestMachineClock(t *testing.T) {
	switch got := MachineClock(); got {
	case access.ClockSynchronised, access.ClockUnsynchronised, access.ClockUnknown:
		t.Logf("the clock of this machine is %v", got)
	default:
		t.Errorf("%v", got)
	}
	if n := testing.AllocsPerRun(100, func() { MachineClock() }); n > 0 { // each event asks
		t.Errorf("%v allocations", n)
	}
}
