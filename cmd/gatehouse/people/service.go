package people

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/edge/httpapi"
	"gatehouse/persistence/store"
	"gatehouse/supervisor"
)

// Source is a building whose people are changed. Its calls block.
type Source interface {
	ImportPeople(ctx context.Context, file io.ReadSeeker, o store.ImportOptions) (store.Report, error)
	ErasePerson(ctx context.Context, id access.CardholderID, by store.Author) (credentials int, err error)
	// RecordOwed tells the journal what it was not yet told.
	RecordOwed() error
}

// Options of a Service; all are required.
type Options struct {
	Source   Source
	Data     string // the data directory
	Operator access.OperatorID
	// Named says that the site file names a person.
	Named func(access.CardholderID) bool
	// FreeBytes is how much can still be written to a directory's disk.
	FreeBytes func(dir string) (int64, error)
	Executor  supervisor.Executor
	Log       zerolog.Logger
}

// Service changes people, one change at a time. It outlives its actor, so that what
// became of a change is still known after a crash.
type Service struct {
	o      Options
	making sync.Mutex // held by the task, also by one that hangs and was given up

	mu        sync.Mutex
	actor     supervisor.Ref
	uploading bool
	status    httpapi.PeopleStatus
}

// NewService makes a service; Spec is its place in the tree.
func NewService(o Options) *Service { return &Service{o: o} }

// stopDeadline is what the last step of a change may take, which nothing breaks off.
const stopDeadline = 10 * time.Second

// Spec is the actor.
func (s *Service) Spec() supervisor.ChildSpec {
	return supervisor.ChildSpec{ID: "people", StopDeadline: stopDeadline, New: func() supervisor.Actor { return &actor{Service: s} }}
}

// Status says what the last change came to.
func (s *Service) Status() httpapi.PeopleStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// begin asks the actor for a change: to import what was uploaded, or to erase.
type begin struct {
	erase access.CardholderID // "": an import
	file  io.ReadSeekCloser   // of an import
	at    time.Time
}

// Import keeps the file and begins to import it.
func (s *Service) Import(file io.Reader, size int64) (number uint64, err error) {
	if err := s.reserve(); err != nil {
		return 0, err
	}
	defer s.uploaded()
	kept, err := s.keep(file, size)
	if err != nil {
		return 0, err
	}
	if number, err = s.begin(begin{file: kept, at: s.o.Executor.Now()}); err != nil {
		_ = kept.Close() // nobody reads it
	}
	return number, err
}

// Erase begins to erase a person. The site file would bring back whom it names.
func (s *Service) Erase(id access.CardholderID) (number uint64, err error) {
	if s.o.Named(id) {
		return 0, httpapi.ErrNamedBySite
	}
	if err := s.reserve(); err != nil {
		return 0, err
	}
	defer s.uploaded()
	return s.begin(begin{erase: id, at: s.o.Executor.Now()})
}

// reserve keeps others away until the change is begun.
func (s *Service) reserve() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.uploading || s.status.Running:
		return httpapi.ErrPeopleChange
	case !s.actor.Valid():
		return errors.New("the building is not up yet")
	}
	s.uploading = true
	return nil
}

func (s *Service) uploaded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uploading = false
}

// room says how many bytes a file may have, and refuses one that the disk has no room
// for: the journal shares it. An import writes the file, its rows sorted, and a new
// store.
func (s *Service) room(size int64) (most int64, err error) {
	const times, spare = 5, 64 << 20
	free, err := s.o.FreeBytes(s.o.Data)
	if errors.Is(err, errors.ErrUnsupported) {
		return math.MaxInt64 - 1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("how much room there is cannot be told: %w", err)
	}
	rest := int64(spare)
	if db, err := os.Stat(filepath.Join(s.o.Data, store.FileName)); err == nil {
		rest += 2 * db.Size()
	}
	if need := max(0, size)*times + rest; free < need {
		return 0, fmt.Errorf("%w: %d MB are free, the import may take %d MB", httpapi.ErrNoRoom, free>>20, need>>20)
	}
	return (free - rest) / times, nil
}

// smallUpload is the largest file that is kept in memory, in bytes.
const smallUpload = 64 << 10

// keep keeps the file until it is imported. A small one needs no disk: on a full one a
// card can still be suspended, in the room that the daemon has in reserve.
func (s *Service) keep(file io.Reader, size int64) (io.ReadSeekCloser, error) {
	if 0 <= size && size <= smallUpload {
		return inMemory(file)
	}
	most, err := s.room(size)
	if err != nil {
		return nil, err
	}
	return s.write(file, most)
}

// memory is a small file.
type memory struct{ *bytes.Reader }

// Close has nothing to give back.
func (memory) Close() error { return nil }

func inMemory(file io.Reader) (io.ReadSeekCloser, error) {
	text, err := io.ReadAll(io.LimitReader(file, smallUpload+1))
	if err == nil && len(text) > smallUpload {
		err = errors.New("it is larger than was said")
	}
	if err != nil {
		return nil, fmt.Errorf("the file cannot be kept: %w", err)
	}
	return memory{bytes.NewReader(text)}, nil
}

// write writes the file down. It has no name, so that nothing is left of it however
// this process ends, and nobody else's import reads it.
func (s *Service) write(file io.Reader, most int64) (kept *os.File, err error) {
	path := filepath.Join(s.o.Data, daemon.UploadFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the file cannot be kept: %w", err)
	}
	kept, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the file cannot be kept: %w", err)
	}
	err = os.Remove(path)
	var n int64
	if err == nil {
		n, err = io.Copy(kept, io.LimitReader(file, most+1))
	}
	switch {
	case err != nil:
		err = fmt.Errorf("the file cannot be kept: %w", err)
	case n > most:
		err = fmt.Errorf("%w for a file of more than %d MB", httpapi.ErrNoRoom, most>>20)
	default:
		return kept, nil
	}
	return nil, errors.Join(err, kept.Close())
}

func (s *Service) begin(b begin) (number uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := s.actor.Send(b); !got.OK() {
		return 0, fmt.Errorf("the actor of people does not take it (%v)", got)
	}
	s.status = httpapi.PeopleStatus{Running: true, Number: s.status.Number + 1, Change: "import", Began: b.at.UTC()}
	if b.erase != "" {
		s.status.Change = "erase"
	}
	return s.status.Number, nil
}

// actor is one life of the service.
type actor struct {
	*Service
	changes bool // a change is under way
	tells   bool // a task tells the journal
	failing bool
}

const (
	changeTask = "change"
	recordTask = "record"
	owedTimer  = "owed"
	again      = 5 * time.Second // until the journal is told again
)

// Start ends what an earlier life had begun, and tells the journal what it left.
func (a *actor) Start(c *supervisor.Context) error {
	a.reset(c.Self())
	return a.record(c)
}

func (s *Service) reset(self supervisor.Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.actor = self
	if s.status.Running {
		s.status.Running, s.status.Error = false, "it was cut short by a restart; look whether it was made"
	}
}

// Receive begins a change and notes its end.
func (a *actor) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case begin:
		err := c.Task(changeTask, 0, func(ctx context.Context) (any, error) { return a.make(ctx, m) })
		if a.changes = err == nil; !a.changes {
			m.forget()
			a.ended(httpapi.PeopleStatus{}, err)
		}
	case supervisor.Tick:
		return a.record(c)
	case supervisor.TaskDone:
		if m.Name == recordTask {
			a.recorded(c, m.Err)
			return nil
		}
		a.changes = false
		end, _ := m.Value.(httpapi.PeopleStatus)
		a.ended(end, m.Err)
		switch {
		case end.Unrecorded != "":
			c.After(owedTimer, again)
		case m.Err != nil: // it may be made all the same, but for its last step
			return a.record(c)
		}
	default:
		return fmt.Errorf("nobody sends the actor of people a %T", m)
	}
	return nil
}

// forget gives the file of an import back.
func (b begin) forget() {
	if b.file != nil {
		_ = b.file.Close() // it was only read
	}
}

func (a *actor) record(c *supervisor.Context) error {
	switch {
	case a.changes: // its end tells
		c.After(owedTimer, again)
		return nil
	case a.tells:
		return nil
	}
	a.tells = true
	return c.Task(recordTask, 0, func(context.Context) (any, error) { return nil, a.tell() })
}

func (a *actor) recorded(c *supervisor.Context, err error) {
	a.tells = false
	if err == nil {
		a.failing = false
		return
	}
	if !a.failing {
		a.o.Log.Error().Err(err).Msg("changes of people or rules are made, but the journal does not have them yet; it is told again")
	}
	a.failing = true
	c.After(owedTimer, again)
}

var errHangs = errors.New("an earlier one still hangs; look at the disk of the data directory")

// tell tells the journal what it was not yet told.
func (s *Service) tell() error {
	if !s.making.TryLock() {
		return errHangs
	}
	defer s.making.Unlock()
	return s.o.Source.RecordOwed()
}

// make makes a change, then tells the journal.
func (s *Service) make(ctx context.Context, b begin) (end httpapi.PeopleStatus, err error) {
	defer b.forget()
	if !s.making.TryLock() {
		return end, errHangs
	}
	defer s.making.Unlock()
	by := store.Author{Operator: s.o.Operator, Time: b.at.UTC()}
	if b.erase != "" {
		n, err := s.o.Source.ErasePerson(ctx, b.erase, by)
		if err != nil {
			return httpapi.PeopleStatus{Unknown: errors.Is(err, store.ErrUnknown)}, err
		}
		end.Erased = &httpapi.ErasedReport{Credentials: n}
	} else if end, err = s.importFile(ctx, b.file, by); err != nil {
		return end, err
	}
	if err := s.o.Source.RecordOwed(); err != nil {
		end.Unrecorded = err.Error()
	}
	return end, nil
}

func (s *Service) importFile(ctx context.Context, f io.ReadSeeker, by store.Author) (end httpapi.PeopleStatus, err error) {
	r, err := s.o.Source.ImportPeople(ctx, f, store.ImportOptions{Author: by, Progress: s.progress})
	if mistakes, ok := errors.AsType[*store.Mistakes](err); ok {
		for _, m := range mistakes.List {
			end.Mistakes = append(end.Mistakes, httpapi.Mistake{Line: m.Line, Column: m.Column, Text: m.Text})
		}
		end.More = mistakes.More
		return end, nil
	}
	if err != nil {
		return end, err
	}
	end.Import = &httpapi.ImportReport{
		Lines: r.Lines, HoldersAdded: r.HoldersAdded, HoldersChanged: r.HoldersChanged, CredentialsAdded: r.CredentialsAdded,
		CredentialsChanged: r.CredentialsChanged, CredentialsRemoved: r.CredentialsRemoved, Version: r.Version,
	}
	return end, nil
}

func (s *Service) progress(stage string, done int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Stage, s.status.Done = stage, done
}

// ended notes what a change came to.
func (s *Service) ended(end httpapi.PeopleStatus, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end.Number, end.Change, end.Began = s.status.Number, s.status.Change, s.status.Began
	if err != nil {
		end.Error = err.Error()
	}
	s.status = end
	log := s.o.Log.Info()
	if err != nil {
		log = s.o.Log.Error().Err(err)
	}
	log.Str("change", end.Change).Int("mistakes", len(end.Mistakes)+end.More).Msg("people: a change has ended")
}
