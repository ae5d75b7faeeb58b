package devices

import "context"

// CardRead is a card as a reader saw it: Bits bits, first bit received first,
// left-aligned in Raw (as OSDP's RAW reply and a Wiegand line give them).
type CardRead struct {
	Bits   int
	Raw    [16]byte
	Origin Origin
}

// Origin is the row of a recording that a read was played from; zero for a
// live one. Order is the row's place in time order, from 1.
type Origin struct {
	File  string
	Row   uint64
	Order uint64
}

// Reader reads cards. Listen sets who is told; it replaces nobody: every
// listener is told until its cancel is called. After cancel returned, the
// listener is not called again. Listeners must not block.
type Reader interface {
	Listen(heard func(CardRead)) (cancel func())
}

// Lock moves a bolt, strike or magnet. Drive sets the desired state and returns
// without waiting for a bus; an error says that the device is known not to have
// taken it. Drive is idempotent and safe for concurrent use.
type Lock interface {
	Drive(release bool) error
}

// Input is a contact: door position, REX, fire, tamper. Level is the last known
// level; Listen as in Reader. Active means the thing the input is named for:
// open, pressed, fire, tampered.
type Input interface {
	Level() (active bool, err error)
	Listen(moved func(active bool)) (cancel func())
}

// Output is a plain relay or lamp, as Lock.
type Output interface {
	Set(on bool) error
}

// Colour of a reader's light.
type Colour uint8

const (
	Dark Colour = iota
	Red
	Green
	Amber
	Blue
)

// Show is the desired indication of a reader: a light, a number of beeps
// (0 none), a text ("" none).
type Show struct {
	Light Colour
	Beeps int
	Text  string
}

// Can says which parts of a Show an Indicator has.
type Can struct{ Light, Buzzer, Text bool }

// Indicator shows something to the person at a reader. What the hardware lacks
// is left out without an error; Can says what it lacks.
type Indicator interface {
	Can() Can
	Indicate(s Show) error
}

// Bundle is what a driver gives for one configured device: parts by their name
// within the device. Run is nil when the driver need not block; otherwise it
// blocks until ctx ends and is called by one worker at a time. Close frees what
// Open took; it is called once, after Run and Check returned.
//
// Check asks whether the hardware is well; nil when the driver cannot tell. It may
// block until ctx ends, and one worker at a time calls it, beside Run and the use
// of the parts. It changes nothing: no output moves, no listener is told. After
// Close it is an error.
type Bundle struct {
	Readers    map[string]Reader
	Locks      map[string]Lock
	Inputs     map[string]Input
	Outputs    map[string]Output
	Indicators map[string]Indicator
	Run        func(ctx context.Context) error
	Check      func(ctx context.Context) error
	Close      func() error
}
