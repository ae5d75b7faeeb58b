package backup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/edge/httpapi"
	"gatehouse/persistence/archive"
	"gatehouse/supervisor"
)

// bytesPerSecond is how fast a running daemon seals: half a core is left to doors.
const bytesPerSecond = 16 << 20

// ServiceOptions of a Service; all but Address and Recipients are required.
type ServiceOptions struct {
	Source   Source
	Building string
	Data     string
	Address  string
	// Recipients are sealed to if a request names none.
	Recipients []string
	Executor   supervisor.Executor
	Log        zerolog.Logger
}

// Service makes the backups that a running daemon is asked for, one at a time, in
// a task of its actor. It outlives the actor, so that what became of a backup is
// still known after a crash.
type Service struct {
	o      ServiceOptions
	bucket archive.Bucket // of the one task

	mu     sync.Mutex
	actor  supervisor.Ref
	status httpapi.BackupStatus
}

// NewService makes a service; Spec is its place in the tree.
func NewService(o ServiceOptions) *Service {
	return &Service{o: o, bucket: archive.Bucket{BytesPerSecond: bytesPerSecond, BurstBytes: 256 << 10}}
}

// Spec is the actor.
func (s *Service) Spec() supervisor.ChildSpec {
	return supervisor.ChildSpec{ID: "backup", New: func() supervisor.Actor { return actor{s} }}
}

// Status says what the last backup came to.
func (s *Service) Status() httpapi.BackupStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// begin asks the actor for a backup.
type begin struct {
	to string
	by archive.Recipients
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
	if got := s.actor.Send(begin{to, by}); !got.OK() {
		return fmt.Errorf("the backup's actor does not take it (%v)", got)
	}
	s.status = httpapi.BackupStatus{Running: true, File: to, Began: s.o.Executor.Now().UTC()}
	return nil
}

// actor is one life of the service.
type actor struct{ *Service }

// Start ends what an earlier life had begun.
func (a actor) Start(c *supervisor.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.actor = c.Self()
	if a.status.Running {
		a.status.Running, a.status.Error = false, "it was cut short by a restart; nothing of it was left"
	}
	return nil
}

// Receive begins a backup and notes its end.
func (a actor) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case begin:
		err := c.Task("backup", 0, func(ctx context.Context) (any, error) { return a.make(ctx, m) })
		if err != nil {
			a.ended(Done{File: m.to}, err)
		}
	case supervisor.TaskDone:
		done, _ := m.Value.(Done)
		a.ended(done, m.Err)
	default:
		return fmt.Errorf("nobody sends the backup's actor a %T", m)
	}
	return nil
}

func (s *Service) make(ctx context.Context, b begin) (Done, error) {
	return Make(ctx, Job{
		Source: s.o.Source, Building: s.o.Building, Data: s.o.Data, Address: s.o.Address, To: b.to,
		Sealing: archive.Sealing{Recipients: b.by, Pace: s.pace}, Now: s.o.Executor.Now(),
	})
}

// pace keeps the rate. Waits too short for a timer to be worth it add up.
func (s *Service) pace(ctx context.Context, bytes int) error {
	const worthIt = 5 * time.Millisecond
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
	if err != nil {
		st.Error = err.Error()
		s.o.Log.Error().Err(err).Str("file", st.File).Msg("backup failed")
		return
	}
	s.o.Log.Info().Str("file", st.File).Int64("bytes", st.Bytes).Msg("backup made")
}
