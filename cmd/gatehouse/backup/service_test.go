package backup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/edge/httpapi"
	"gatehouse/persistence/archive"
	"gatehouse/persistence/store"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

// source is a store at event 7 of epoch 3; fail is told each copy.
type source struct {
	s    *store.Store
	fail func() error
}

func (s *source) CopyStore(path string, now time.Time) error {
	if s.fail != nil {
		if err := s.fail(); err != nil {
			return err
		}
	}
	return s.s.CopyTo(path, now)
}

func (s *source) Reached() (daemon.Cursors, error) { return daemon.Cursors{Epoch: 3, Last: 7}, nil }

// office is a service in a tree of its own, on virtual time.
type office struct {
	t       *testing.T
	dir     string
	key     string // public
	source  *source
	service *Service
	sim     *sim.Sim
	hold    string // tasks of this name do not begin
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, dir: t.TempDir()}
	s, err := store.Open(store.Options{Dir: o.dir, Random: strings.NewReader("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, o.key, err = archive.NewKey(); err != nil {
		t.Fatal(err)
	}
	o.source = &source{s: s}
	noon := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC) // in Berlin
	o.sim = sim.New(1, sim.Options{Start: noon, Hold: func(_, name string) sim.Hold {
		if o.hold == name {
			return sim.Hold{Start: sim.Forever}
		}
		return sim.Hold{}
	}})
	o.service = NewService(ServiceOptions{Source: o.source, Building: "house", Data: o.dir, Executor: o.sim, Log: zerolog.Nop()})
	return o
}

// start starts the tree until the test ends.
func (o *office) start() {
	o.t.Helper()
	sys, err := supervisor.Start(supervisor.SupervisorSpec{Children: []supervisor.ChildSpec{o.service.Spec()}}, supervisor.Options{Executor: o.sim})
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { sys.Stop() })
	o.sim.Quiesce()
}

func (o *office) begin(name string) error {
	return o.service.Begin(filepath.Join(o.dir, name), []string{o.key})
}

// made waits for the end and fails unless the backup is there.
func (o *office) made(name string) {
	o.t.Helper()
	o.sim.Quiesce()
	s := o.service.Status()
	info, err := os.Stat(filepath.Join(o.dir, name))
	if err != nil || s.Running || s.Error != "" || s.Bytes != info.Size() || s.Last != 7 || len(s.Fingerprint) != 32 {
		o.t.Errorf("%+v, %v", s, err)
	}
	o.tidy()
}

// tidy fails if the names and cards of a snapshot lie about.
func (o *office) tidy() {
	o.t.Helper()
	if _, err := os.Stat(filepath.Join(o.dir, snapshotDir)); err == nil {
		o.t.Error("a snapshot in the clear is left")
	}
}

func TestOneBackupAtATime(t *testing.T) {
	o := newOffice(t)
	if err := o.begin("early"); err == nil {
		t.Error("begun before the tree runs")
	}
	o.start()
	if err := o.begin("one"); err != nil {
		t.Fatal(err)
	}
	if err := o.begin("two"); !errors.Is(err, httpapi.ErrBackupRuns) {
		t.Errorf("a second one: %v", err)
	}
	if !o.service.Status().Running {
		t.Error("it does not run")
	}
	o.made("one")
	if err := o.begin("two"); err != nil {
		t.Fatal(err)
	}
	o.made("two")
	for _, err := range []error{o.service.Begin("relative", []string{o.key}), o.service.Begin("/x", nil), o.service.Begin("/x", []string{"age1x"})} {
		if !errors.Is(err, httpapi.ErrBadBackup) {
			t.Errorf("%v", err)
		}
	}
}

// A copy that fails, or panics, leaves nothing, is told, and the next one works.
func TestBackupThatFails(t *testing.T) {
	for name, fail := range map[string]func() error{
		"fails": func() error { return errors.New("disk on strike") }, "panics": func() error { panic("disk on strike") },
	} {
		o := newOffice(t)
		o.start()
		o.source.fail = fail
		if err := o.begin("one"); err != nil {
			t.Fatal(err)
		}
		o.sim.Quiesce()
		if s := o.service.Status(); s.Running || !strings.Contains(s.Error, "disk on strike") || s.File != filepath.Join(o.dir, "one") {
			t.Errorf("%s: %+v", name, s)
		}
		o.tidy()
		o.source.fail = nil
		if err := o.begin("one"); err != nil {
			t.Fatal(err)
		}
		o.made("one")
	}
}

// A life that ends within a backup does not leave the next one busy for ever.
func TestBackupCutShortByARestart(t *testing.T) {
	o := newOffice(t)
	o.hold = "backup"
	o.start()
	if err := o.begin("one"); err != nil {
		t.Fatal(err)
	}
	o.sim.Quiesce()
	if err := o.begin("two"); !errors.Is(err, httpapi.ErrBackupRuns) {
		t.Errorf("while it hangs: %v", err)
	}
	o.hold = ""
	o.service.actor.Send("crash")
	o.sim.Advance(time.Minute)
	if s := o.service.Status(); s.Running || !strings.Contains(s.Error, "cut short") {
		t.Errorf("%+v", s)
	}
	if err := o.begin("two"); err != nil {
		t.Fatal(err)
	}
	o.made("two")
}
