package access

// Verdict is the outcome of a decision. The zero value is Denied.
type Verdict uint8

const (
	Denied Verdict = iota
	Granted
)

// Reason says by what a passage was granted or why it was denied. The set is
// closed; the numbers are written to disk: only ever append.
type Reason uint16

const (
	ReasonNone Reason = iota
	// granted
	ReasonCredential   // valid credential, level and schedule
	ReasonREX          // request to exit
	ReasonFire         // fire release
	ReasonOperator     // an operator's command
	ReasonModeUnlocked // valid credential at a door that is released anyway
	// denied
	ReasonUnknownCard
	ReasonCredentialNotYetValid
	ReasonCredentialExpired
	ReasonCredentialSuspended
	ReasonCardholderNotYetValid
	ReasonCardholderExpired
	ReasonCardholderSuspended
	ReasonNoLevel         // no access level names this door
	ReasonOutsideSchedule // a level names it, but not now
	ReasonBlocked         // door mode Blocked
	ReasonLockdown        // door mode LockedDown
	ReasonDoubleLocked    // door mode DoubleLocked
	ReasonAntiPassback    // hard anti-passback
	ReasonReserved        // the card is being admitted at another door right now
	ReasonAreaUnavailable // the areas gave no answer in time
	ReasonDirectoryFailed // the directory cannot answer
	ReasonBusy            // too many decisions in flight at this door
	ReasonUnreadable      // the bits fit no configured card format
	// not decisions: causes of other events
	ReasonSchedule
	ReasonStrikeTime
	ReasonDoorClosed
	ReasonRestart
	ReasonStop
	ReasonRecordLate
	ReasonNoContact
	ReasonRestored
	ReasonDeadline // denied or taken back: the decision came too late for who stands there
)
