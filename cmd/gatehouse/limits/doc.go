// Package limits knows what the process itself may use: the memory limit of the Go
// runtime, taken from the site file or the control group, the figures by which a
// leak shows, and the thresholds that a baseline came to.
//
// It judges nothing: the building's chore compares and alarms. It must not know
// doors, people or how it is asked.
package limits
