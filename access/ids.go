package access

// Opaque identifiers. They are chosen in the site file or by an import and are
// the only thing about a person that an Event carries.
type (
	DoorID       string
	ReaderID     string
	AreaID       string
	CardholderID string
	CredentialID string
	LevelID      string
	ScheduleID   string
	OperatorID   string
)

// Outside is the area that every building has and nobody declares: the world.
const Outside AreaID = "outside"

// Card is what a reader makes of the bits on a card: facility code and card
// number. Card numbers are personal: they never go into an event or a log.
type Card struct {
	Facility uint32
	Number   uint64
}
