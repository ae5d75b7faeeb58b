package daemon

import (
	"syscall"

	"gatehouse/access"
)

// MachineClock asks the kernel whether something keeps the machine's clock right
// (NTP, PTP): it forgets that by itself once nothing has done so for hours.
func MachineClock() access.ClockQuality {
	const unsynchronised, failed = 0x40, 5 // STA_UNSYNC, TIME_ERROR
	var t syscall.Timex                    // asks, and sets nothing
	state, err := syscall.Adjtimex(&t)
	switch {
	case err != nil:
		return access.ClockUnknown
	case state == failed || t.Status&unsynchronised != 0:
		return access.ClockUnsynchronised
	}
	return access.ClockSynchronised
}
