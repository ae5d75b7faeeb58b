package access

// DoorMemory is what a door must still know after a crash, a restart or a power
// cut: its mode (never Accessed) and whether fire release is latched.
type DoorMemory struct {
	Door DoorID
	Mode Mode
	Fire bool
}
