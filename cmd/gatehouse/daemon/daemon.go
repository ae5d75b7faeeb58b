package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
	"gatehouse/persistence"
	"gatehouse/persistence/index"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
	"gatehouse/supervisor"
)

// Journal is what a building writes to, and what can be read back from it.
type Journal interface {
	actors.Journal
	// Scan visits every event on disk, in order, until visit returns an error.
	Scan(visit func(access.Event) error) error
}

// Options of a daemon.
type Options struct {
	Site     *site.Site
	Data     string // the data directory; made if it is missing
	Executor supervisor.Executor
	Drivers  []devices.Driver
	Log      zerolog.Logger
	Clock    access.ClockQuality
	AskClock func() access.ClockQuality // how far the time can be trusted now; nil: always Clock
	Boot     uint64                     // tells the lives of the daemon apart
	// Machine tells the starts of the machine apart; "": starts of the daemon are not
	// counted.
	Machine string
	// Strict refuses a store or a journal that cannot be opened even when there is
	// a boot image to run on.
	Strict  bool
	Limits  actors.Limits // nil: nobody looks at what the process uses
	OnEvent func(access.Event)
	OnFatal func(supervisor.Reason)
	Probe   func(path string, msg any) // see actors.Config
	// FreeBytes says how much can still be written to a directory's disk; nil: asks
	// the machine.
	FreeBytes func(dir string) (int64, error)
	// Await blocks a worker for d or until ctx ends, and returns ctx's error; nil:
	// by the executor, which has to be a real one. A simulation has its own.
	Await func(ctx context.Context, d time.Duration) error
	// Bind is called once the data directory is this process's own, if it exists,
	// and before anything in it is written or it is made: the place to take a port.
	// nil: nothing to bind.
	Bind func() error
}

// Daemon is a building with everything it runs on.
type Daemon struct {
	Building *actors.Building
	// Journal stands for nothing durable when it could not be opened (degraded).
	Journal  Journal
	Registry *devices.Registry

	opts    Options
	journal *liveJournal // nil: could not be opened
	store   *liveStore   // likewise
	archive *liveArchive // nil: none is configured
	unlock  func() error
	// Why store and journal could not be opened; nil if they could.
	storeErr, journalErr error
	recovered            error // the store was damaged and is made anew

	lives Lives
	life  *lifeNote // nil: this one is not counted

	optional map[string]bool // devices that may be missing, and are
	missing  []string        // parts of devices that are not there and should be
	devices  []actors.Device // all of the site
	rules    access.Rules
	people   access.Directory
	memory   map[access.DoorID]access.DoorMemory
}

// Open makes everything ready; Start then starts the tree. A refused start
// leaves the data directory as it was, byte for byte.
func Open(o Options) (d *Daemon, err error) {
	d = &Daemon{opts: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
			d = nil
		}
	}()
	if err := d.claim(); err != nil {
		return d, err
	}
	if err := CheckOwner(o.Data, o.Site.Building.ID); err != nil {
		return d, err
	}
	image, imageErr := store.ReadImage(filepath.Join(o.Data, store.ImageName))
	wiring, fire := d.openDevices()
	d.boot(image, imageErr, wiring, fire)
	if err := d.openDatabases(image, imageErr); err != nil {
		return d, err
	}
	d.readLives()
	return d, d.build(wiring, fire)
}

// ErrOtherBuilding: the data directory is another building's.
var ErrOtherBuilding = errors.New("data directory of another building")

// otherBuilding is ErrOtherBuilding in one sentence.
type otherBuilding struct{ data, owner, site string }

func (e *otherBuilding) Error() string {
	return fmt.Sprintf("data directory %s belongs to the building %q, this site is %q: name another with --data", e.data, e.owner, e.site)
}

func (e *otherBuilding) Unwrap() error { return ErrOtherBuilding }

// CheckOwner refuses, with ErrOtherBuilding, a data directory whose journal says
// that it is another building's: its rules, its doors' modes and its boot image
// are not this one's, so not one output may move by them. A journal that cannot
// be read says nothing.
func CheckOwner(data, building string) error {
	owner, err := journal.Building(JournalDir(data))
	if err == nil && owner != building {
		return &otherBuilding{data, owner, building}
	}
	return nil
}

// claim takes the data directory and the ports. A directory that does not exist
// has no owner; it is made only once the ports are ours.
func (d *Daemon) claim() error {
	err := d.own()
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return err
	}
	if d.opts.Bind != nil {
		if err := d.opts.Bind(); err != nil {
			return err
		}
	}
	if !missing {
		return nil
	}
	if err := makeDir(d.opts.Data); err != nil {
		return fmt.Errorf("the data directory cannot be made: %w; name another with --data", err)
	}
	return d.own()
}

// makeDir makes a directory durably, with those above it: what is synced in a
// directory whose own name is not on disk is gone after a power cut.
func makeDir(path string) error {
	parent := filepath.Dir(path)
	if _, err := os.Stat(parent); errors.Is(err, fs.ErrNotExist) && parent != path {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return persistence.SyncDir(parent)
}

// own takes the data directory for this process alone.
func (d *Daemon) own() (err error) {
	if d.unlock, err = persistence.Lock(d.opts.Data); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// boot puts the outputs where they belong before anything else runs.
func (d *Daemon) boot(image store.Image, imageErr error, wiring map[access.DoorID]actors.Wiring, fire []devices.Input) {
	active, _ := actors.FireLevel(fire) // its actor reports an input that cannot be read
	var memory map[access.DoorID]access.DoorMemory
	if imageErr == nil {
		memory = byDoor(image.Doors)
	}
	for _, err := range actors.Boot(d.opts.Site.Rules.Doors, memory, wiring, active) {
		if _, said := errors.AsType[*notThere](err); !said { // when the devices were opened
			d.opts.Log.Error().Err(err).Msg("output not at rest")
		}
	}
}

// openDatabases opens store and journal; without them it falls back to the boot
// image (design rule 12), unless there is none or the start is strict. It looks
// before it opens: a refused start has written nothing.
func (d *Daemon) openDatabases(image store.Image, imageErr error) error {
	mayFallBack := imageErr == nil && !d.opts.Strict
	if !mayFallBack {
		if err := d.look(); err != nil {
			return err
		}
	}
	if d.storeErr = d.openStore(); d.storeErr != nil && !mayFallBack {
		return d.storeErr
	}
	if d.journalErr = d.openJournal(); d.journalErr != nil && !mayFallBack {
		return d.journalErr
	}
	if d.journalErr != nil {
		d.opts.Log.Error().Err(d.journalErr).Msg("degraded: events wait in memory; the journal is left as it is")
	}
	if d.storeErr == nil {
		return nil
	}
	d.opts.Log.Error().Err(d.storeErr).Msg("degraded: running on the boot image; the store is left as it is")
	d.rules, d.memory = image.Rules, byDoor(image.Doors)
	if image.WithoutPeople {
		d.people = absent{d.storeErr}
		return nil
	}
	people, err := access.NewPeople(image.Holders, image.Credentials)
	if err != nil {
		return fmt.Errorf("the boot image cannot be used: %w", err)
	}
	d.people = people
	return nil
}

// Degraded says why store or journal could not be opened; nil if they could.
func (d *Daemon) Degraded() error { return errors.Join(d.storeErr, d.journalErr) }

// look reads store and journal without changing them.
func (d *Daemon) look() error {
	storeErr := store.Check(d.opts.Data)
	if errors.Is(storeErr, fs.ErrNotExist) {
		storeErr = nil // the first start makes one
	}
	return errors.Join(storeErr, d.lookAtJournal())
}

func (d *Daemon) lookAtJournal() error {
	j, err := journal.OpenReadOnly(d.journalDir(), d.opts.Site.Building.ID)
	switch {
	case err == nil:
		return j.Close()
	case errors.Is(err, fs.ErrNotExist):
		return nil // the first start makes one
	case errors.Is(err, journal.ErrCorrupt) && !d.opts.Strict:
		return nil // it will be set aside
	}
	return err
}

// IndexDir is where a data directory keeps the journal's index.
func IndexDir(data string) string { return filepath.Join(data, "index") }

// JournalDir is where a data directory keeps its journal.
func JournalDir(data string) string { return filepath.Join(data, "journal") }

func (d *Daemon) journalDir() string { return JournalDir(d.opts.Data) }

// openStore opens the store, on a full disk in the room that the reserve leaves.
func (d *Daemon) openStore() error {
	room := &reserve{data: d.opts.Data}
	err := d.openStoreIn(room)
	if errors.Is(err, syscall.ENOSPC) && room.give() {
		err = d.openStoreIn(room)
	}
	return err
}

func (d *Daemon) openStoreIn(room *reserve) error {
	open := func(again bool) (*store.Store, error) {
		o := store.Options{Dir: d.opts.Data, Random: rand.Reader, Rewrite: again}
		if !d.opts.Strict {
			o.Recover = &store.Recover{Now: d.opts.Executor.Now(), Backups: filepath.Join(d.opts.Data, "backup")}
		}
		s, err := store.Open(o)
		if err == nil && s.Recovered() != nil {
			d.opts.Log.Error().Err(s.Recovered()).Msg("the store was damaged and is made anew")
		}
		return s, err
	}
	s, err := open(false)
	if err != nil {
		return err
	}
	d.recovered = s.Recovered()
	if err := d.take(s); err != nil {
		return errors.Join(err, s.Close())
	}
	d.store = &liveStore{open: open, s: s, reserve: room}
	d.people = d.store
	return nil
}

// siteFile is who changes what the site file changes.
const siteFile access.OperatorID = "site-file"

// take brings the site file's differences into the store and reads back what is
// in force.
func (d *Daemon) take(s *store.Store) (err error) {
	in := d.opts.Site
	by := store.Author{Operator: siteFile, Time: d.opts.Executor.Now()}
	if _, _, err = s.Take(in.Rules, in.Holders, in.Credentials, by); err != nil {
		return err
	}
	if d.rules, err = s.Rules(); err != nil {
		return err
	}
	d.memory, err = s.Doors()
	return err
}

// openJournal opens the journal. Damage keeps nobody from recording: it is set
// aside, unless the start is strict.
func (d *Daemon) openJournal() error {
	o := journal.Options{
		Dir: d.journalDir(), Building: d.opts.Site.Building.ID, Boot: d.opts.Boot,
		SegmentBytes: int64(d.opts.Site.Journal.SegmentMB) << 20, // 0: the journal's own default
	}
	j, damage := journal.Open(o)
	if errors.Is(damage, journal.ErrCorrupt) && !d.opts.Strict {
		var err error
		o.Quarantine = true
		if j, err = journal.Open(o); err != nil {
			return err
		}
	} else if damage != nil {
		return damage
	}
	l := &liveJournal{Journal: j, strict: d.opts.Strict, stamp: d.stamp, log: d.opts.Log}
	if err := l.record(damage, j.Gaps()); err != nil {
		return errors.Join(err, j.Close())
	}
	d.journal = l
	return nil
}

// stamp gives an event that no actor sends its time.
func (d *Daemon) stamp(e *access.Event) {
	e.Time, e.Clock = d.opts.Executor.Now().UTC(), d.clock()
}

func (d *Daemon) clock() access.ClockQuality {
	if d.opts.AskClock != nil {
		return d.opts.AskClock()
	}
	return d.opts.Clock
}

// build makes the tree, not yet running.
func (d *Daemon) build(wiring map[access.DoorID]actors.Wiring, fire []devices.Input) error {
	compiled, err := d.compile()
	if err != nil {
		return fmt.Errorf("the rules cannot be used: %w", err)
	}
	d.Journal = absent{d.journalErr}
	if d.journal != nil {
		d.Journal = d.journal
	}
	var s actors.Store = absent{d.storeErr}
	degraded := "" // what is wrong with the journal, its actor finds out
	if d.store != nil {
		s = d.store
	} else {
		degraded = d.storeErr.Error()
	}
	chores, err := d.chores()
	if err != nil {
		return err
	}
	var occupancy actors.OccupancyStore
	if d.journal != nil {
		occupancy = &liveOccupancy{dir: d.opts.Data, building: d.opts.Site.Building.ID, limit: occupancyBytes}
	}
	d.Building, err = actors.New(actors.Config{
		Name: d.opts.Site.Building.ID, Boot: d.opts.Boot, Rules: compiled, Directory: d.people, Memory: d.memory,
		Wiring: wiring, Fire: fire, Buses: d.buses(), Journal: d.Journal, Store: s, Index: index.New(IndexDir(d.opts.Data), d.Journal), Occupancy: occupancy, Chores: chores, Devices: d.devices, Degraded: degraded, Missing: d.missing,
		Clock: d.opts.Clock, AskClock: d.opts.AskClock, Executor: d.opts.Executor, Log: d.opts.Log, OnEvent: d.opts.OnEvent, OnFatal: d.opts.OnFatal,
		Probe: d.opts.Probe, Started: d.started(),
	})
	return err
}

// compile takes the doors of the site file, since that is where the wires are,
// and the rules that are in force. After the fall back to a boot image that knows
// other doors, the site file's rules are the next best.
func (d *Daemon) compile() (*access.Compiled, error) {
	rules := d.rules
	rules.Doors = d.opts.Site.Rules.Doors
	compiled, err := access.Compile(rules)
	if err != nil && d.storeErr != nil {
		return access.Compile(d.opts.Site.Rules)
	}
	return compiled, err
}

func (d *Daemon) buses() map[string]func(context.Context) error {
	runs := map[string]func(context.Context) error{}
	for _, r := range d.Registry.Runs() {
		runs[r.ID] = r.Run
	}
	return runs
}

// Start starts the tree.
func (d *Daemon) Start(edge ...supervisor.ChildSpec) error {
	if d.store != nil {
		if err := ClearLeftovers(d.opts.Data); err != nil {
			d.opts.Log.Error().Err(err).Msg("what an earlier life left may hold names in the clear")
		}
		d.store.reserve.take()
	}
	d.noteLife()
	d.record()
	if d.recovered != nil {
		d.Building.NoteStore(d.recovered.Error())
	}
	if d.journal != nil {
		d.journal.alarm(d.Building.NoteJournalDamage)
	}
	if err := d.Building.Start(edge...); err != nil {
		d.ends(EndRefused)
		return errors.Join(err, d.close())
	}
	return nil
}

// record brings what changed into the journal, before anything else of this life.
// Without a journal it waits in the store.
func (d *Daemon) record() {
	if d.journal == nil || d.store == nil {
		return
	}
	if err := d.RecordOwed(); err != nil {
		d.opts.Log.Error().Err(err).Msg("not recorded")
	}
}

// Stop stops the tree in reverse order, writes what is left, and closes
// everything. What an abandoned actor still holds is left to the process's end.
func (d *Daemon) Stop() (supervisor.StopReport, error) {
	report := d.Building.Stop()
	if !report.Complete || report.Zombies > 0 {
		err := fmt.Errorf("not everything stopped in time: %v", report.Abandoned)
		if d.Building.OnlyChecksHang(report) { // a device may not be closed beside them
			err = errors.Join(err, d.closeData(), d.unlock())
		}
		return report, err
	}
	how := EndInOrder
	if d.Building.Reason().Kind != supervisor.ExitShutdown {
		how = EndGaveUp
	}
	d.ends(how)
	return report, d.close()
}

// Close gives back what Open took; for a daemon that was never started.
func (d *Daemon) Close() error { return d.close() }

func byDoor(list []access.DoorMemory) map[access.DoorID]access.DoorMemory {
	m := make(map[access.DoorID]access.DoorMemory, len(list))
	for _, d := range list {
		m[d.Door] = d
	}
	return m
}
