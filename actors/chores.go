package actors

import (
	"context"
	"slices"
	"time"

	"gatehouse/access"
	"gatehouse/supervisor"
)

// Archive copies what the journal has closed to another place. Open and Add block;
// a call beside one that outlived its actor, because it hangs, is to be refused.
// Status answers at once, to anybody.
type Archive interface {
	// Open finds out how far the archive has got; once that worked it is nothing.
	Open(ctx context.Context) error
	// Add copies the oldest part that is not archived, if there is one, as slowly as
	// it is meant to. Once ctx ends it returns soon; the same part is begun again by
	// the next call, as after an error.
	Add(ctx context.Context) error
	Status() ArchiveStatus
}

// ArchiveStatus is how far an archive has got.
type ArchiveStatus struct {
	Last    uint64    // number of the last event that is archived
	Waiting int       // closed parts of the journal that are not
	Since   time.Time // the newest event of the oldest of these
	Bytes   uint64    // written and read back since the start
}

// Retention removes events that are no longer to be kept. Its calls block and are
// made by one worker at a time.
type Retention interface {
	// Choose says what may go at the time now; it removes nothing.
	Choose(now time.Time) (Removal, error)
	// Remove removes it for good.
	Remove(Removal) error
}

// Removal is what goes from the journal: all events up to Through, 0 for none.
// Lost of them, from First on, go only for want of space. Pressed: less is free
// than should be, whatever goes. Doubt says why what is too old stays: the clock is
// not believed.
type Removal struct {
	Through     uint64
	First, Lost uint64
	Pressed     bool
	Doubt       error
}

// Chores are what a building does beside its doors; what is nil is not done.
type Chores struct {
	Archive Archive
	// Night is the first instant after another at which the archive is to run, by
	// the clock on the wall; ok is false when there is none.
	Night     func(after time.Time) (night time.Time, ok bool)
	Retention Retention
	Checks    Checks // of the devices
	Limits    Limits
}

// Archive is how far the archive has got; ok is false without one.
func (b *Building) Archive() (status ArchiveStatus, ok bool) {
	if b.cfg.Chores.Archive == nil {
		return ArchiveStatus{}, false
	}
	return b.cfg.Chores.Archive.Status(), true
}

// Archiving says that the archive is at work, or should be by now.
func (b *Building) Archiving() bool {
	at := b.archiveAt.Load()
	return at != 0 && at <= b.exec.Now().UnixNano()
}

// NoteBackup says what keeps the building from being backed up at night; nil when
// nothing does. A change makes an event. Calls come one at a time.
func (b *Building) NoteBackup(err error) {
	b.note(b.system, &b.health.backup, err, access.KindBackupDegraded, access.KindBackupRestored)
}

// NoteProfiling records that profiling was switched on or off, by whom (nobody: by
// itself), and more in words.
func (b *Building) NoteProfiling(on bool, by access.OperatorID, detail string) {
	kind := access.KindProfilingOff
	if on {
		kind = access.KindProfilingOn
	}
	b.system(access.Event{Kind: kind, Operator: by, Detail: detail})
	b.cfg.Log.Info().Str("operator", string(by)).Str("detail", detail).Msg(kind.String())
}

// chores are the children of the supervisor of that name.
func (b *Building) chores() (children []supervisor.ChildSpec) {
	if b.cfg.Index != nil {
		children = append(children, b.actor("index", func() supervisor.Actor { return &indexer{b: b} }))
	}
	if b.cfg.Occupancy != nil {
		children = append(children, b.actor("occupancy", func() supervisor.Actor { return &keeper{b: b} }))
	}
	if b.cfg.Chores.Archive != nil {
		children = append(children, b.actor("archive", func() supervisor.Actor { return &archiver{b: b} }))
	}
	if b.cfg.Chores.Retention != nil {
		children = append(children, b.actor("retention", func() supervisor.Actor { return &retainer{b: b} }))
	}
	if slices.ContainsFunc(b.checkups, (*checkup).askable) {
		spec := b.actor("health", func() supervisor.Actor { return &checker{b: b} })
		spec.StopDeadline = time.Second // a check that is deaf holds up no stop
		children = append(children, spec)
	}
	if b.cfg.Chores.Limits != nil {
		children = append(children, b.actor("limits", func() supervisor.Actor { return &limiter{b: b} }))
	}
	return children
}

// look is how often a chore looks at the clock and at the disk. A clock that is
// set, or a machine that slept, is noticed within it.
const look = time.Minute

// lookTimer is the timer of every chore.
const lookTimer = "look"

// choreState notes the state of a chore and makes an event of each change.
func (b *Building) choreState(em *emitter, what *error, err error, bad, good access.Kind) {
	b.note(em.emit, what, err, bad, good)
}

func (b *Building) note(emit func(access.Event), what *error, err error, bad, good access.Kind) {
	if !b.health.set(what, err) {
		return
	}
	if err != nil {
		emit(access.Event{Kind: bad, Detail: err.Error()})
		b.cfg.Log.Error().Err(err).Msg(bad.String())
		return
	}
	emit(access.Event{Kind: good})
	b.cfg.Log.Info().Msg(good.String())
}
