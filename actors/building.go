package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// Errors of the facade.
var (
	ErrUnknownDoor = errors.New("no such door")
	ErrBadMode     = errors.New("no door can be told to take this mode")
	errNoIndex     = errors.New("this building has no index of its events")
	errBusEnded    = errors.New("the device's worker ended by itself")
)

// LockError says that a lock did not take its resting state at boot.
type LockError struct {
	Door access.DoorID
	Err  error
}

func (e *LockError) Error() string { return fmt.Sprintf("door %s: lock: %v", e.Door, e.Err) }
func (e *LockError) Unwrap() error { return e.Err }

// CommandLimit is how long an operator waits at most until a command is on disk.
const CommandLimit = 5 * time.Second

// Building is one daemon's tree of actors, and what survives their crashes: the
// events on their way to disk, the doors' modes, what is known to be wrong.
type Building struct {
	cfg      Config
	exec     supervisor.Executor
	began    time.Time
	asked    clockRead
	sys      atomic.Pointer[supervisor.System] // nil until the tree runs
	stopped  atomic.Bool
	order    []*place
	places   map[access.DoorID]*place
	intake   intake
	book     *book
	health   health
	checkups []*checkup
	watchers watchers
	links    links
	counts   counters
	excesses excesses
	reports  reports
	runtime  runtimeSource
	em       *emitter
	// When the archive is to run next, in ns since 1970; long ago while it is at
	// work, 0 for never.
	archiveAt atomic.Int64

	journal, modes, people, feed, tracker, indexer supervisor.Ref
}

// New prepares a building; nothing runs yet. Every door of the rules must have
// a lock in the wiring.
func New(cfg Config) (*Building, error) {
	if cfg.Executor == nil {
		cfg.Executor = supervisor.NewReal(cfg.Boot)
	}
	b := &Building{
		cfg: cfg, exec: cfg.Executor, began: cfg.Executor.Now(), places: map[access.DoorID]*place{},
		book: newBook(cfg.Rules.Doors(), cfg.Memory), health: health{degraded: cfg.Degraded, missing: cfg.Missing},
		checkups: checkups(cfg.Devices, cfg.Executor.Now()),
	}
	b.em = b.emitter("building", 1)
	for _, d := range cfg.Rules.Doors() {
		w := cfg.Wiring[d.ID]
		if w.Lock == nil {
			return nil, fmt.Errorf("door %s has no lock: wire one in the site file", d.ID)
		}
		p := &place{door: d, wiring: w, source: doorPrefix + string(d.ID), readers: map[access.ReaderID]supervisor.Ref{}, tallies: map[access.ReaderID]*tally{}}
		for i := range d.Readers {
			p.tallies[d.Readers[i].ID] = &tally{}
		}
		p.status.Store(&DoorStatus{ID: d.ID, Name: d.Name, Mode: b.book.get(d.ID).Mode, Standing: b.book.get(d.ID).Mode})
		b.order = append(b.order, p)
		b.places[d.ID] = p
	}
	return b, nil
}

// Start starts the tree; edge are the caller's own actors, started last and
// stopped first.
func (b *Building) Start(edge ...supervisor.ChildSpec) error {
	b.em.emit(access.Event{Kind: access.KindStarted, Count: b.cfg.Rules.Version(), Detail: b.cfg.Started})
	if b.cfg.Degraded != "" {
		b.em.emit(access.Event{Kind: access.KindStoreDegraded, Detail: b.cfg.Degraded})
	}
	return b.run(b.spec(edge))
}

func (b *Building) run(tree supervisor.SupervisorSpec) error {
	sys, err := supervisor.Start(tree, supervisor.Options{
		Root: Root, Executor: b.exec, OnBuilt: b.lookup, OnEvent: b.noteRuntime, OnFatal: b.fatal,
	})
	if err != nil {
		b.flush(false)
		return fmt.Errorf("the building cannot start: %w", err)
	}
	b.sys.Store(sys)
	return nil
}

// NoteStore records that the store was damaged and is whole again, and why. Call
// it before Start.
func (b *Building) NoteStore(why string) {
	b.em.emit(access.Event{Kind: access.KindStoreDegraded, Detail: why})
	b.em.emit(access.Event{Kind: access.KindStoreRestored, Detail: why})
}

// NoteJournalDamage raises the alarm that a part of the journal cannot be read any
// more and was set aside, and why. It stays for the building's life: what was lost
// does not come back, and somebody has to see it.
func (b *Building) NoteJournalDamage(why error) { b.health.set(&b.health.aside, why) }

// Stop stops the tree in reverse order and writes what is left to store and
// journal. That a building stopped in order is the last event of its life.
// Nothing is written beside a call that hangs (unless it is a device's check, which
// holds nothing): then the report has zombies, and the log says how many events are
// lost.
func (b *Building) Stop() supervisor.StopReport {
	sys := b.sys.Load()
	if sys == nil {
		return supervisor.StopReport{Complete: true}
	}
	report := sys.Stop()
	if b.stopped.Swap(true) {
		return report
	}
	if !report.Complete || report.Zombies > 0 && !b.OnlyChecksHang(report) {
		b.logLost(errCutShort)
		return report
	}
	last := b.flush(sys.Reason().Kind == supervisor.ExitShutdown) // not one that gave up
	report.Took += last.Took
	report.Abandoned = append(report.Abandoned, last.Abandoned...)
	report.Zombies += last.Zombies
	report.Complete = report.Complete && last.Complete
	return report
}

func (b *Building) fatal(r supervisor.Reason) {
	b.cfg.Log.Error().Str("reason", r.String()).Msg("the building gave up; outputs are at rest")
	if b.cfg.OnFatal != nil {
		b.cfg.OnFatal(r)
	}
}

// noteRuntime makes events of what the runtime tells. It is called on whatever
// goroutine it happens on. Events go to other systems, so they say of what was thrown
// only what cannot be about a person; the tree and the log tell all of it.
func (b *Building) noteRuntime(e supervisor.Event) {
	detail := e.Path + ": " + ending(e.Reason)
	switch e.Kind {
	case supervisor.EventCrashed, supervisor.EventSlow:
		b.reports.add(e)
	case supervisor.EventRestarting:
		b.system(access.Event{Kind: access.KindActorRestarted, Door: doorIn(e.Path), Detail: detail})
		b.cfg.Log.Warn().Str("actor", e.Path).Str("reason", e.Reason.String()).Dur("wait", e.Wait).
			Str("stack", e.Reason.Stack).Msg("actor restarts")
	case supervisor.EventFailed:
		b.system(access.Event{Kind: access.KindActorFailed, Door: doorIn(e.Path), Detail: detail})
		b.cfg.Log.Error().Str("actor", e.Path).Str("reason", e.Reason.String()).Msg("actor failed; secured; tried again later")
	case supervisor.EventAbandoned:
		b.reports.add(e)
		b.cfg.Log.Error().Str("actor", e.Path).Str("stack", e.Detail).Msg("actor did not stop and was abandoned")
	}
}

// Doors is the status of every door, by its place in the site file.
func (b *Building) Doors() []DoorStatus {
	tree := b.Tree()
	list := make([]DoorStatus, 0, len(b.order))
	doors := tree.Find(Root + "/doors")
	for i, p := range b.order { // the tree has them in the same order
		var at *supervisor.Tree
		if doors != nil {
			at = &doors.Children[i]
		}
		list = append(list, b.statusIn(p, at))
	}
	return list
}

// Door is the status of one door.
func (b *Building) Door(id access.DoorID) (DoorStatus, error) {
	p := b.places[id]
	if p == nil {
		return DoorStatus{}, fmt.Errorf("%w: %q", ErrUnknownDoor, id)
	}
	tree := b.Tree()
	return b.statusIn(p, tree.Find(DoorPath(id))), nil
}

// Command tells doors to take a mode (or, with Clear, to go back to normal). It
// returns when the change is on disk, or after CommandLimit with Saved false:
// then it is in force but only in memory. An unknown door refuses the whole
// command. It must not be called from inside an actor.
func (b *Building) Command(cmd access.Command, doors ...access.DoorID) (CommandReport, error) {
	if !cmd.Clear && (cmd.Mode == access.Accessed || cmd.Mode > access.DoubleLocked) {
		return CommandReport{}, fmt.Errorf("%w: %v", ErrBadMode, cmd.Mode)
	}
	if err := b.check(doors); err != nil {
		return CommandReport{}, err
	}
	return b.ask(setModes{slices.Clone(doors), cmd})
}

// ResetFire ends the latched fire release of doors. It is refused while a fire
// input is active.
func (b *Building) ResetFire(operator access.OperatorID, doors ...access.DoorID) (CommandReport, error) {
	if err := b.check(doors); err != nil {
		return CommandReport{}, err
	}
	return b.ask(resetFire{slices.Clone(doors), operator})
}

func (b *Building) check(doors []access.DoorID) error {
	for _, id := range doors {
		if b.places[id] == nil {
			return fmt.Errorf("%w: %q", ErrUnknownDoor, id)
		}
	}
	return nil
}

func (b *Building) ask(msg any) (CommandReport, error) {
	answer, err := b.modes.Ask(msg, CommandLimit+time.Second)
	if err != nil {
		return CommandReport{}, fmt.Errorf("the command was not confirmed, look at the doors' modes: %w", err)
	}
	return answer.(CommandReport), nil
}

// Events reads up to limit events with Seq > after from disk.
func (b *Building) Events(after uint64, limit int) ([]access.Event, error) {
	return b.cfg.Journal.Read(after, limit)
}

// Find returns the next page of the recorded events that match. It reads a bounded
// part of the disk.
func (b *Building) Find(ctx context.Context, s access.Search) (access.Found, error) {
	if b.cfg.Index == nil {
		return access.Found{}, errNoIndex
	}
	return b.cfg.Index.Find(ctx, s)
}

// IndexLag is how many events are on disk that the index has not taken up yet.
func (b *Building) IndexLag() uint64 {
	if b.cfg.Index == nil {
		return 0
	}
	return b.cfg.Index.Lag()
}

// Reindex throws the index of the events away; it is made anew meanwhile, and
// searches go on. It must not be called from inside an actor.
func (b *Building) Reindex() error {
	if b.cfg.Index == nil {
		return errNoIndex
	}
	answer, err := b.indexer.Ask(remake{}, CommandLimit)
	if err != nil {
		return fmt.Errorf("the index has not begun anew, it is busy or its disk hangs: %w", err)
	}
	err, _ = answer.(error)
	return err
}

// Grown says that the journal has got events that no actor of this building wrote.
func (b *Building) Grown() {
	if b.sys.Load() == nil {
		return // it will be read from the beginning
	}
	b.feed.Send(written{})
	if b.indexer.Valid() {
		b.indexer.Send(written{})
	}
}

// LastEvent is the Seq of the newest event on disk.
func (b *Building) LastEvent() uint64 { return b.cfg.Journal.Last() }

// Tree is the tree of actors at this moment; before it runs, its root alone.
func (b *Building) Tree() supervisor.Tree {
	if sys := b.sys.Load(); sys != nil {
		return sys.Tree()
	}
	return supervisor.Tree{ID: Root, Path: Root, Supervisor: true, State: supervisor.StateStopped}
}

// RuntimeCounts is what the tree owns and has counted; zero before it runs.
func (b *Building) RuntimeCounts() supervisor.Counts {
	if sys := b.sys.Load(); sys != nil {
		return sys.Counts()
	}
	return supervisor.Counts{}
}

// Ledger takes stock of what the tree owns.
func (b *Building) Ledger(known ...string) supervisor.Ledger {
	if sys := b.sys.Load(); sys != nil {
		return sys.Ledger(known...)
	}
	return supervisor.Ledger{}
}

// Health says what does not work. An optional device that is not well and a link
// that is down are listed and make the building no less ready.
func (b *Building) Health() Health {
	wrong := b.health.list()
	tree := b.Tree()
	if tree.State != supervisor.StateRunning {
		wrong = append(wrong, "the building is "+tree.State.String())
	}
	for _, p := range b.order {
		if p.jammed.Load() {
			wrong = append(wrong, "door "+string(p.door.ID)+": the lock does not do as told")
		}
	}
	var links []string // no door waits for what they need (rule 7)
	for _, text := range failures(tree) {
		if ofLinks(text) {
			links = append(links, text)
		} else {
			wrong = append(wrong, text)
		}
	}
	for _, over := range b.excesses.list() {
		wrong = append(wrong, "limits: "+over)
	}
	needed, optional := b.illDevices()
	wrong = append(wrong, needed...)
	ready := len(wrong) == 0
	wrong = append(append(append(wrong, optional...), links...), b.links.down()...)
	return Health{Ready: ready, Degraded: wrong, Waiting: b.intake.depth()}
}

// Down is closed when the tree is down; nil before it runs.
func (b *Building) Down() <-chan struct{} {
	if sys := b.sys.Load(); sys != nil {
		return sys.Down()
	}
	return nil
}

// Reason is why the tree is down; valid once Down is closed.
func (b *Building) Reason() supervisor.Reason {
	if sys := b.sys.Load(); sys != nil {
		return sys.Reason()
	}
	return supervisor.Reason{}
}

// Name is the building's id.
func (b *Building) Name() string { return b.cfg.Name }

// Now is the time on the building's clock.
func (b *Building) Now() time.Time { return b.exec.Now() }

// counters are the building's own metrics.
type counters struct {
	kinds   [64]atomic.Uint64
	denials [64]atomic.Uint64
}
