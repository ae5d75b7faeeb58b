//go:build !linux

package daemon

import "gatehouse/access"

// MachineClock does not know.
func MachineClock() access.ClockQuality { return access.ClockUnknown }
