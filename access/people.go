package access

import "time"

// Cardholder is a person (or a role) that can be let in.
// ValidFrom and ValidUntil bound the validity: from inclusive, until exclusive;
// a zero time leaves that end open.
type Cardholder struct {
	ID         CardholderID
	Name       string
	ValidFrom  time.Time
	ValidUntil time.Time
	Levels     []LevelID
	Suspended  bool
}

// Credential ties a card to a cardholder, with a validity of its own.
type Credential struct {
	ID         CredentialID
	Card       Card
	Holder     CardholderID
	ValidFrom  time.Time
	ValidUntil time.Time
	Suspended  bool // lost, stolen or handed back
}

// Person is a credential together with the cardholder that it belongs to.
type Person struct {
	Credential Credential
	Cardholder Cardholder
}

// Directory finds who a card belongs to; known is false when it is nobody's. Its
// methods are safe for concurrent use.
type Directory interface {
	// Recall answers from memory, at once and without an allocation. ok is false when
	// memory does not have everybody: then the card is to be looked up.
	Recall(card Card) (person Person, known, ok bool)
	// Lookup may wait for a disk, so workers call it only. It waits for no change
	// under way. An error means that the directory itself cannot answer.
	Lookup(card Card) (person Person, known bool, err error)
}

// Level is an access level: which doors, and when.
type Level struct {
	ID      LevelID
	Name    string
	Entries []LevelEntry
}

// LevelEntry opens Doors during Schedule. AllDoors stands for every door of the
// building.
type LevelEntry struct {
	Doors    []DoorID
	AllDoors bool
	Schedule ScheduleID
}

// Always is the schedule that every building has: at any time.
const Always ScheduleID = "always"

// Schedule is a week in local civil time.
type Schedule struct {
	ID        ScheduleID
	Intervals []Interval
}

// Interval is a part of one weekday: FromMinute inclusive, ToMinute exclusive,
// in minutes after midnight, 0 <= FromMinute < ToMinute <= 1440.
type Interval struct {
	Day        time.Weekday
	FromMinute int
	ToMinute   int
}

// Rules is everything that says who may pass where and when, except the people.
type Rules struct {
	Version   uint64
	Location  string // IANA name of the building's time zone, e.g. "Europe/Berlin"; "" is UTC
	Doors     []Door
	Areas     []Area
	Levels    []Level
	Schedules []Schedule
}
