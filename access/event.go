package access

import "time"

// Kind says what an event is about. The numbers are written to disk: only ever
// append.
type Kind uint16

const (
	KindNone             Kind = iota
	KindGranted               // a decision: may pass (Reason says by what)
	KindDenied                // a decision: may not pass (Reason says why)
	KindPassage               // the person went through: From -> To
	KindNoPassage             // a grant ended without the door having been opened
	KindReleaseCancelled      // a release was taken back before the lock moved
	KindReleased              // the lock was released (Reason: what for)
	KindSecured               // the lock was secured again
	KindDoorOpened
	KindDoorClosed
	KindForcedOpen
	KindForcedOpenEnded
	KindHeldOpen
	KindHeldOpenEnded
	KindModeChanged // Mode, Operator
	KindFireReleased
	KindFireReset
	KindTamper
	KindTamperEnded
	KindRecordLate      // alarm: a release did not wait for its record any longer
	KindJournalDegraded // alarm: events wait in memory
	KindJournalRestored
	KindStoreDegraded // alarm: running on the boot image
	KindStoreRestored
	KindGap             // Count events could not be kept
	KindActorRestarted  // Detail: actor's path and reason
	KindActorFailed     // alarm: out of budget, outputs secured
	KindReadsRefused    // Count card reads were refused because of a flood
	KindRulesChanged    // Count is the rules' version
	KindStarted         // the building came up
	KindStopped         // the building stopped in order
	KindLockFault       // alarm: the lock did not do as told
	KindCommandRefused  // an operator's command that precedence forbids
	KindLockFaultEnded  // the lock does as told again
	KindPeopleChanged   // Count cardholders and credentials were changed; Detail: version, ids, fingerprints
	KindPersonErased    // Cardholder's values were removed; Count with the credentials
	KindArchiveDegraded // alarm: events cannot be archived
	KindArchiveRestored
	KindRetentionDegraded // alarm: the journal has to shrink for want of space, or cannot
	KindRetentionRestored
	KindBackupDegraded // alarm: no backup can be made at night
	KindBackupRestored
	KindDeviceDegraded // alarm: a device's check failed or hung; Detail: device and why
	KindDeviceRestored
	KindLinkDegraded // alarm: another system cannot be reached; Detail: link and why
	KindLinkRestored
	KindRequestFailed // a request of the API ended in a panic; Detail: method, path pattern and panic
	KindLimitExceeded // alarm: memory, goroutines or files are over their threshold; Detail: which, value and threshold
	KindLimitRestored
	KindProfilingOn  // Operator switched profiling on; Detail: until when
	KindProfilingOff // it was switched off, by itself or by Operator
)

// ClockQuality says how far an event's wall time can be trusted.
type ClockQuality uint8

const (
	ClockUnknown ClockQuality = iota
	ClockSynchronised
	ClockUnsynchronised
	ClockRecorded // the time comes from a recording (replay)
	ClockVirtual  // the time comes from a simulation
)

// Source is who says so, and a number that only grows. The journal refuses a
// source's number that is not greater than the last, so an event that is sent
// twice is kept once. Run tells two lives of one source within a boot apart.
type Source struct {
	Name   string
	Boot   uint64
	Run    uint64
	Number uint64
}

// Origin is the row of a recording that an input came from; zero for live input.
// Order is the row's place in time order, from 1: it only grows during a replay.
type Origin struct {
	File  string
	Row   uint64
	Order uint64
}

// Event is what happened: what the journal keeps and everyone else is told.
// It carries opaque ids only, never a name or a card number.
type Event struct {
	Seq        uint64        // given by the journal, from 1
	Time       time.Time     // wall clock, UTC, nanoseconds
	Mono       time.Duration // monotonic, since the boot of the daemon
	Clock      ClockQuality
	Kind       Kind
	Source     Source
	Origin     Origin
	Door       DoorID
	Reader     ReaderID
	Cardholder CardholderID
	Credential CredentialID
	Operator   OperatorID
	Reason     Reason
	Mode       Mode
	From, To   AreaID
	// Held is set only when the passage contradicts where the person was held
	// to be, and is that area. On a granted event: soft anti-passback.
	Held   AreaID
	Count  uint64
	Detail string
	// Cause is the number (of the same source) of the event that this one
	// follows from, 0 if none: a release's grant, a passage's grant.
	Cause uint64
}
