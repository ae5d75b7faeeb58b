package backup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/edge/httpapi"
	"gatehouse/persistence/archive"
	"gatehouse/supervisor"
)

// bytesPerSecond is how fast a running daemon seals: half a core is left to doors.
const bytesPerSecond = 16 << 20

// ServiceOptions of a Service; all but Address, Recipients, Night and Free are
// required.
type ServiceOptions struct {
	Source   Source
	Building string
	Data     string
	Address  string
	// Recipients are sealed to if a request names none.
	Recipients []string
	Night      *Night // nil: only what is asked for is made
	Executor   supervisor.Executor
	Log        zerolog.Logger
	Free       func(dir string) (int64, error) // see Job
}

// Service makes the backups that a running daemon is asked for, and those of its
// nights, one at a time, in a task of its actor. It outlives the actor, so that what became of a backup is
// still known after a crash.
type Service struct {
	o      ServiceOptions
	bucket archive.Bucket // of the one task
	bytes  atomic.Uint64  // written and read back
	making sync.Mutex     // held by the task, also by one that hangs and was given up

	mu     sync.Mutex
	actor  supervisor.Ref
	status httpapi.BackupStatus
	newest time.Time // when the newest of the night's directory was made
}

// NewService makes a service; Spec is its place in the tree.
func NewService(o ServiceOptions) *Service {
	return &Service{o: o, bucket: archive.Bucket{BytesPerSecond: bytesPerSecond, BurstBytes: 256 << 10}}
}

// Spec is the actor.
func (s *Service) Spec() supervisor.ChildSpec {
	return supervisor.ChildSpec{ID: "backup", New: func() supervisor.Actor { return &actor{Service: s} }}
}

// Status says what the last backup came to.
func (s *Service) Status() httpapi.BackupStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Newest is when the newest backup of the night's directory was made; the zero time
// while none is known.
func (s *Service) Newest() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest
}

// begin asks the actor for a backup.
type begin struct {
	to   string
	by   archive.Recipients
	now  time.Time
	keep int // so many stay beside it, it included; 0: all
}

// Begin begins a backup to a new file on this machine, or in a directory, sealed
// to the recipients; none: those of the options.
func (s *Service) Begin(to string, recipients []string) error {
	if len(recipients) == 0 {
		recipients = s.o.Recipients
	}
	by, err := archive.ParseRecipients(recipients)
	if err != nil {
		return fmt.Errorf("%w: %w", httpapi.ErrBadBackup, err)
	}
	if !filepath.IsAbs(to) {
		return fmt.Errorf("%w: the file %q is not absolute", httpapi.ErrBadBackup, to)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.status.Running:
		return httpapi.ErrBackupRuns
	case !s.actor.Valid():
		return errors.New("the building is not up yet")
	}
	b := begin{to: to, by: by, now: s.o.Executor.Now()}
	if got := s.actor.Send(b); !got.OK() {
		return fmt.Errorf("the backup's actor does not take it (%v)", got)
	}
	s.runs(b)
	return nil
}

// take is Begin for the actor itself; false: another one is made.
func (s *Service) take(b begin) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status.Running {
		return false
	}
	s.runs(b)
	return true
}

func (s *Service) runs(b begin) {
	s.status = httpapi.BackupStatus{Running: true, File: b.to, Began: b.now.UTC()}
}

// actor is one life of the service.
type actor struct {
	*Service
	rota
}

// Start ends what an earlier life had begun.
func (a *actor) Start(c *supervisor.Context) error {
	a.reset(c.Self())
	if a.o.Night == nil {
		return nil
	}
	return a.look(c)
}

func (s *Service) reset(self supervisor.Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.actor = self
	if s.status.Running {
		s.status.Running, s.status.Error = false, "it was cut short by a restart; nothing of it was left"
	}
}

// Receive begins a backup and notes its end.
func (a *actor) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case begin:
		a.begin(c, m)
	case supervisor.Tick:
		return a.look(c)
	case supervisor.TaskDone:
		a.done(c, m)
	default:
		return fmt.Errorf("nobody sends the backup's actor a %T", m)
	}
	return nil
}

const makeTask = "backup"

func (a *actor) begin(c *supervisor.Context, b begin) {
	a.works(c.Now())
	err := c.Task(makeTask, 0, func(ctx context.Context) (any, error) { return a.make(ctx, b) })
	if err != nil {
		a.done(c, supervisor.TaskDone{Name: makeTask, Value: outcome{Done: Done{File: b.to}}, Err: err})
	}
}

func (a *actor) done(c *supervisor.Context, m supervisor.TaskDone) {
	a.busy--
	if a.o.Night != nil {
		defer a.lookAgain(c)
	}
	if m.Name == lookTask {
		newest, _ := m.Value.(time.Time)
		a.searched(c.Now(), newest, m.Err)
		return
	}
	done, _ := m.Value.(outcome)
	a.ended(done.Done, m.Err)
	switch {
	case a.nightly:
		a.nightly = false
		a.nightEnded(c.Now(), done, m.Err)
	case a.o.Night != nil:
		a.commandedEnded(done, m.Err)
	}
}

// outcome is what a task came to.
type outcome struct {
	Done
	tidy error // the backup is made, but older ones are left
}

func (s *Service) make(ctx context.Context, b begin) (done outcome, err error) {
	if !s.making.TryLock() {
		return done, errHangs
	}
	defer s.making.Unlock()
	done.Done, err = Make(ctx, Job{
		Source: s.o.Source, Building: s.o.Building, Data: s.o.Data, Address: s.o.Address, To: b.to,
		Sealing: archive.Sealing{Recipients: b.by, Pace: s.pace}, Now: b.now, Free: s.o.Free,
	})
	if err == nil {
		done.tidy = b.keepOnly(b.now)
	}
	return done, err
}

// pace keeps the rate. Waits too short for a timer to be worth it add up.
func (s *Service) pace(ctx context.Context, bytes int) error {
	const worthIt = 5 * time.Millisecond
	s.bytes.Add(uint64(bytes))
	if wait := s.bucket.Take(s.o.Executor.Now(), bytes); wait >= worthIt {
		s.o.Executor.Wait(ctx.Done(), wait)
	}
	return ctx.Err()
}

func (s *Service) ended(done Done, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.status
	st.Running, st.Bytes, st.Last, st.Fingerprint = false, done.Bytes, done.About.Last, done.Store.Fingerprint
	if done.File != "" {
		st.File = done.File
	}
	st.Signer = done.Signer
	if err != nil {
		st.Error = err.Error()
		s.o.Log.Error().Err(err).Str("file", st.File).Msg("backup failed")
		return
	}
	s.o.Log.Info().Str("file", st.File).Int64("bytes", st.Bytes).Str("signer", st.Signer).Msg("backup made")
}
