package daemon

import (
	"fmt"
	"time"

	"gatehouse/access"
)

const (
	// clockJump is how far the wall clock may get ahead of the monotonic one. Age is
	// counted in days, so less does no harm.
	clockJump = 24 * time.Hour
	// clockRest is how long a clock that jumped further is not believed: long enough
	// that somebody, or the time service, puts right what is wrong.
	clockRest = 24 * time.Hour
	// clockSlack is how much newer than now the newest event may be: it came while
	// now was on its way.
	clockSlack = time.Minute
)

// clockTrust remembers how the wall clock went, for whoever removes by age: a clock
// that is wrong must not empty the journal. Times are of the wall clock, since is
// the monotonic time since the daemon's start.
type clockTrust struct {
	looked  bool
	wall    time.Time     // at a look
	since   time.Duration // at the same look
	jumped  time.Duration // how far, zero: it did not
	resting time.Duration // until then
}

// doubt says why the clock is not believed, nil if it is. newest is the time of the
// newest event, zero if there is none.
func (c *clockTrust) doubt(wall time.Time, since time.Duration, newest time.Time, quality access.ClockQuality) error {
	c.look(wall.Round(0), since)
	switch {
	case quality == access.ClockUnsynchronised:
		return fmt.Errorf("nothing keeps the machine's clock right: set up time synchronisation (chrony, systemd-timesyncd)")
	case quality == access.ClockUnknown:
		return fmt.Errorf("whether the machine's clock is right cannot be told here")
	case newest.After(wall.Add(clockSlack)):
		return fmt.Errorf("the machine's clock says %s, which is before the newest event (%s)", wall.UTC().Format(time.RFC3339), newest.UTC().Format(time.RFC3339))
	case since < c.resting:
		return fmt.Errorf("the machine's clock jumped ahead by %v: it is believed again %v after that, put it right before", c.jumped.Round(time.Hour), clockRest)
	}
	return nil
}

// look compares the two clocks since they were last set against each other.
func (c *clockTrust) look(wall time.Time, since time.Duration) {
	ahead := wall.Sub(c.wall) - (since - c.since)
	switch {
	case !c.looked || ahead < -clockJump: // set back: nothing gets older by that
	case ahead > clockJump:
		c.jumped, c.resting = ahead, since+clockRest
	default:
		return
	}
	c.looked, c.wall, c.since = true, wall, since
}
