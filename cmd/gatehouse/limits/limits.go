package limits

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"gatehouse/actors"
	"gatehouse/edge/httpapi"
	"gatehouse/persistence"
)

// FileName is the baseline's thresholds in the data directory.
const FileName = "baseline.json"

// baseline is what that file says.
type baseline struct {
	Building   string            `json:"building"`
	Made       time.Time         `json:"made"`
	Thresholds map[string]uint64 `json:"thresholds"`
}

// Limits are the thresholds of one process. Its methods are safe for concurrent use.
type Limits struct {
	o     Options
	warm  sync.Mutex // held while collections run
	write sync.Mutex // held while the file is replaced

	mu     sync.Mutex
	b      baseline
	frozen error // why nothing may be written to the data directory
}

// Options of Limits; all but Memory are required.
type Options struct {
	Data     string // the data directory
	Building string
	Memory   Memory
	Now      func() time.Time
	Read     func() (Reading, error)
}

// New makes Limits without a baseline.
func New(o Options) *Limits { return &Limits{o: o} }

// Load reads the baseline's thresholds from the data directory; the error says why
// there are none. With frozen, which says why, none can be set in this life.
func (l *Limits) Load(frozen error) error {
	var b baseline
	err := persistence.ReadNote(l.path(), &b)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err == nil && b.Building != l.o.Building:
		err = fmt.Errorf("%s is of the building %q", l.path(), b.Building)
	case err == nil:
		err = check(b.Thresholds)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frozen = frozen
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no alarm by a baseline: %w; make one with gatehouse baseline", err)
	}
	if err == nil {
		l.b = b
	}
	return nil
}

func (l *Limits) path() string { return filepath.Join(l.o.Data, FileName) }

// Figures takes a reading for the chore that alarms.
func (l *Limits) Figures(context.Context) ([]actors.Figure, error) {
	r, err := l.o.Read()
	thresholds, values := inForce(l.set().Thresholds, r, l.o.Memory.Bytes), r.Figures()
	list := make([]actors.Figure, 0, len(Names))
	for _, name := range Names {
		if values[name] > 0 { // else it could not be read
			list = append(list, actors.Figure{Name: name, Value: values[name], Threshold: thresholds[name]})
		}
	}
	return list, err
}

func (l *Limits) set() baseline {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b
}

func (l *Limits) mayWrite() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.frozen
}

// Status is a reading with the thresholds.
func (l *Limits) Status() (httpapi.LimitsStatus, error) {
	r, err := l.o.Read()
	b := l.set()
	return httpapi.LimitsStatus{
		Figures: r.Figures(), Thresholds: inForce(b.Thresholds, r, l.o.Memory.Bytes), Baseline: b.Made,
		HeapLive: r.HeapLive, GCCycles: r.GCCycles, FilesLimit: r.FilesLimit, RSSAnon: r.RSSAnon,
		MemoryLimit: l.o.Memory.Bytes, MemoryLimitFrom: l.o.Memory.From,
	}, err
}

// WarmUp runs three collections, so that what the start left behind is in no figure.
// Beside another one it does nothing and waits for that.
func (l *Limits) WarmUp() {
	first := l.warm.TryLock()
	if !first {
		l.warm.Lock()
	}
	defer l.warm.Unlock()
	const cycles = 3
	for range cycles {
		if first {
			runtime.GC()
		}
	}
}

var errSetting = errors.New("thresholds are being saved already")

// Set replaces the baseline's thresholds, none of which is 0, for now and for later
// starts. The errors are httpapi.ErrBadLimit, why the directory is left alone, and
// those of the disk.
func (l *Limits) Set(thresholds map[string]uint64) error {
	if err := check(thresholds); err != nil {
		return err
	}
	if err := l.mayWrite(); err != nil {
		return fmt.Errorf("the data directory is left as it is: %w", err)
	}
	b := baseline{Building: l.o.Building, Made: l.o.Now().UTC(), Thresholds: maps.Clone(thresholds)}
	if !l.write.TryLock() { // on a disk that hangs one waits, not all who ask
		return errSetting
	}
	defer l.write.Unlock()
	if err := persistence.WriteNote(l.path(), b); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = b
	return nil
}
