package actors

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/devices"
	"gatehouse/supervisor"
)

// Journal keeps events. Its calls block and are made by workers only.
type Journal interface {
	// Commit writes the events durably, in order. It sets the Seq of those that
	// were kept; a repeat keeps Seq 0 and counts as kept. After an error none of
	// the batch may be called durable; the caller comes again with the same one.
	Commit(events []access.Event) error
	// Read returns up to limit events with Seq > after, in order. Safe for
	// concurrent use.
	Read(after uint64, limit int) ([]access.Event, error)
	// Last is the Seq of the newest event on disk.
	Last() uint64
}

// Preparer is a Journal that can get a batch ready while the one before it is being
// committed.
type Preparer interface {
	// Prepare does what can be done for the batch behind the one under way; commit
	// does the rest and is Commit of these events, which are left alone until then.
	// nil: it cannot now. It does not wait for the disk. At most one prepared batch is
	// not committed; it may be given up.
	Prepare(events []access.Event) (commit func() error)
}

// Store keeps the doors' modes and fire latches in one transaction, and the
// boot image after it.
type Store interface {
	SaveDoors(changes []access.DoorMemory) error
}

// Index finds events in the journal. Its calls block.
type Index interface {
	// Advance takes up to limit events that the journal has gained; done says that
	// there were no more. It is called by workers only, one at a time, and again
	// after an error.
	Advance(ctx context.Context, limit int) (done bool, err error)
	// Clear throws all away; Advance begins anew. It is called as Advance is.
	Clear() error
	// Find and Lag are safe for concurrent use. A page is complete, whatever became
	// of Advance.
	Find(ctx context.Context, s access.Search) (access.Found, error)
	// Lag is how many events of the journal are not taken up yet.
	Lag() uint64
}

// Config is a building about to run.
type Config struct {
	Name      string // building id
	Boot      uint64 // tells the lives of the daemon apart; random
	Rules     *access.Compiled
	Directory access.Directory
	Memory    map[access.DoorID]access.DoorMemory // as persisted; a door that is missing is Locked
	Wiring    map[access.DoorID]Wiring
	Fire      []devices.Input
	Buses     map[string]func(ctx context.Context) error // devices that must block, by id
	Journal   Journal
	Store     Store
	Index     Index          // nil: events cannot be searched
	Occupancy OccupancyStore // nil: a start reads the whole journal
	Chores    Chores
	Devices   []Device // all of the site, to be checked
	// Degraded says why the store or the journal could not be opened ("" if they
	// could): the building runs on the boot image.
	Degraded string
	Started  string // detail of the event that says that the building came up
	// Missing lists devices that the wiring has to do without, in plain words.
	Missing  []string
	Clock    access.ClockQuality
	AskClock func() access.ClockQuality // of the moment; nil: always Clock
	Executor supervisor.Executor
	Log      zerolog.Logger
	OnFatal  func(supervisor.Reason)
	// OnEvent is told every event as it is handed to the journal, before it is on
	// disk. It must not block. Tests and the demo's colours hang on it.
	OnEvent func(access.Event)
	// Probe is called before every message of every actor, and with Starting
	// before its start; a panic in it is the actor's. Tests inject faults by it.
	Probe func(path string, msg any)
	// Retry is how long the journal and the store wait after an I/O error;
	// default 1 s.
	Retry time.Duration
}

// Wiring is the devices of one door; what is not wired is nil.
type Wiring struct {
	Lock    devices.Lock
	Contact devices.Input
	REX     devices.Input
	Tamper  devices.Input
	Readers map[access.ReaderID]ReaderWiring
}

// ReaderWiring is the devices of one reader.
type ReaderWiring struct {
	Reader    devices.Reader
	Indicator devices.Indicator
}

func (w Wiring) input(what part) devices.Input {
	return [...]devices.Input{w.Contact, w.REX, w.Tamper}[what]
}

// Starting is what a Probe is told before an actor's start.
type Starting struct{}

// probed lets a Probe see what an actor is about to do.
type probed struct {
	supervisor.Actor
	probe func(path string, msg any)
}

// Start starts the actor.
func (p *probed) Start(c *supervisor.Context) error {
	p.probe(c.Self().Path(), Starting{})
	if s, ok := p.Actor.(supervisor.Starter); ok {
		return s.Start(c)
	}
	return nil
}

// Receive hands the message on.
func (p *probed) Receive(c *supervisor.Context, msg any) error {
	p.probe(c.Self().Path(), msg)
	return p.Actor.Receive(c, msg)
}

// Stop stops the actor.
func (p *probed) Stop(c *supervisor.Context, why supervisor.Reason) {
	if s, ok := p.Actor.(supervisor.Stopper); ok {
		s.Stop(c, why)
	}
}
