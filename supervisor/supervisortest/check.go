package supervisortest

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatehouse/supervisor"
)

// patience is how long things may take on a slow machine under the race
// detector, on whatever clock the executor has.
const patience = 30 * time.Second

// Eventually waits on the executor's clock until the condition holds, and fails
// the test if it never does. Under simulation virtual time passes meanwhile.
func Eventually(t testing.TB, x supervisor.Executor, what string, cond func() bool) {
	t.Helper()
	if !holds(x, patience, cond) {
		t.Fatalf("never: %s", what)
	}
}

// holds looks every millisecond of the executor's clock.
func holds(x supervisor.Executor, limit time.Duration, cond func() bool) bool {
	for range limit / time.Millisecond {
		if cond() {
			return true
		}
		x.Wait(nil, time.Millisecond)
	}
	return cond()
}

// NoLeaks fails the test unless nothing is left of a stopped system: no actor,
// timer, worker or zombie, no goroutine that the ledger cannot account for, no
// tick that had nobody to go to, no panic in a hook. It waits a little for what
// is just ending.
func NoLeaks(t testing.TB, sys *supervisor.System) {
	t.Helper()
	noLeaks(t, sys, patience)
}

func noLeaks(t testing.TB, sys *supervisor.System, patience time.Duration) {
	t.Helper()
	var bad string
	clean := holds(supervisor.NewReal(1), patience, func() bool {
		bad = leaks(sys)
		return bad == ""
	})
	if !clean {
		t.Errorf("leaks after the stop: %s", bad)
		return
	}
	var err error
	for range 10 { // each waits for half a second
		if err = goleak.Find(); err == nil {
			return
		}
	}
	t.Error(err)
}

func leaks(sys *supervisor.System) string {
	select {
	case <-sys.Down():
	default:
		return "the system is not down"
	}
	l := sys.Ledger()
	for _, c := range []struct {
		what string
		n    int64
	}{
		{"actors", l.Actors},
		{"timers", l.Timers},
		{"workers", l.Workers},
		{"zombies", l.Zombies},
		{"ticks as dead letters", int64(l.DeadTimers)},
		{"panics in hooks", int64(l.HookPanics)},
	} {
		if c.n != 0 {
			return fmt.Sprintf("%d %s", c.n, c.what)
		}
	}
	for _, s := range l.Unaccounted {
		return fmt.Sprintf("%d goroutine(s) started by %s in %s, labels %s:\n%s", s.Count, s.Creator, s.BeganIn, s.Labels, s.Stack)
	}
	return ""
}

// Seeds is how many seeds a sweep runs: what the environment's SEEDS says, else
// quick. A sweep is a test named TestSweep*; it is skipped under the race
// detector, which would find nothing in one goroutine.
func Seeds(t testing.TB, quick int) int {
	t.Helper()
	if RaceEnabled {
		t.Skip("a sweep is single-threaded: run it without -race")
	}
	text := os.Getenv("SEEDS")
	if text == "" {
		return quick
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("SEEDS=%q: want a number of seeds above 0", text)
	}
	return n
}
