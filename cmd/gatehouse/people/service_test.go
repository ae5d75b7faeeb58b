package people

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/edge/httpapi"
	"gatehouse/persistence/store"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

// source is a store, and a journal that may not work.
type source struct {
	s      *store.Store
	before func() // each change
	half   error  // what an import says that is made
	broken error  // of the journal
	told   []store.Change
}

func (s *source) ImportPeople(ctx context.Context, file io.ReadSeeker, o store.ImportOptions) (store.Report, error) {
	if s.before != nil {
		s.before()
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return store.Report{}, err
	}
	r, err := s.s.Import(ctx, file, o)
	return r, errors.Join(err, s.half)
}

func (s *source) ErasePerson(ctx context.Context, id access.CardholderID, by store.Author) (int, error) {
	if s.before != nil {
		s.before()
	}
	return s.s.Erase(ctx, id, by)
}

func (s *source) RecordOwed() error {
	pending, err := s.s.Pending()
	if err != nil || len(pending) == 0 || s.broken != nil {
		return errors.Join(err, s.broken)
	}
	s.told = append(s.told, pending...)
	return s.s.Settled(pending[len(pending)-1].Number)
}

// office is a service in a tree of its own, on virtual time.
type office struct {
	t       *testing.T
	dir     string
	free    int64
	source  *source
	service *Service
	sim     *sim.Sim
	hold    string // tasks of this name do not begin
	sys     *supervisor.System
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, dir: t.TempDir(), free: 1 << 40}
	s, err := store.Open(store.Options{Dir: o.dir, Random: strings.NewReader("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	o.source = &source{s: s}
	o.sim = sim.New(1, sim.Options{Hold: func(_, name string) sim.Hold {
		if o.hold == name {
			return sim.Hold{Start: sim.Forever}
		}
		return sim.Hold{}
	}})
	o.service = NewService(Options{
		Source: o.source, Data: o.dir, Operator: "api", Executor: o.sim, Log: zerolog.Nop(),
		Named:     func(id access.CardholderID) bool { return id == "named" },
		FreeBytes: func(string) (int64, error) { return o.free, nil },
	})
	return o
}

func (o *office) start() {
	o.t.Helper()
	sys, err := supervisor.Start(supervisor.SupervisorSpec{Children: []supervisor.ChildSpec{o.service.Spec()}}, supervisor.Options{Executor: o.sim})
	if err != nil {
		o.t.Fatal(err)
	}
	o.sys = sys
	o.t.Cleanup(func() { sys.Stop() })
	o.sim.Quiesce()
}

func (o *office) imports(text string) (uint64, error) {
	return o.service.Import(strings.NewReader(text), int64(len(text)))
}

// is fails unless the last change came to want, and no upload lies about.
func (o *office) is(want httpapi.PeopleStatus) {
	o.t.Helper()
	o.sim.Quiesce()
	if diff := cmp.Diff(want, o.service.Status(), cmpopts.IgnoreFields(httpapi.PeopleStatus{}, "Began", "Stage", "Done")); diff != "" {
		o.t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(o.dir, daemon.UploadFile)); !errors.Is(err, fs.ErrNotExist) {
		o.t.Error("an uploaded file is left")
	}
}

const two = "id,name,credential_id,card_number\np1,Wilhelmine,c1,1\np2,Zwei,c2,2\n"

func TestChanges(t *testing.T) {
	o := newOffice(t)
	if _, err := o.imports(two); err == nil {
		t.Error("begun before the tree runs")
	}
	o.start()
	if n, err := o.imports(two); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	for _, begin := range []func() (uint64, error){
		func() (uint64, error) { return o.imports(two) },
		func() (uint64, error) { return o.service.Erase("p1") },
	} {
		if _, err := begin(); !errors.Is(err, httpapi.ErrPeopleChange) {
			t.Errorf("a second one: %v", err)
		}
	}
	o.is(httpapi.PeopleStatus{Number: 1, Change: "import", Import: &httpapi.ImportReport{Lines: 2, HoldersAdded: 2, CredentialsAdded: 2, Version: 1}})
	if _, err := o.imports("id,card_number\np3,x\n"); err != nil {
		t.Fatal(err)
	}
	o.is(httpapi.PeopleStatus{Number: 2, Change: "import", Mistakes: []httpapi.Mistake{
		{Line: 2, Column: 1, Text: "credential_id: expected text of 1 to 255 bytes, without control characters"},
		{Line: 2, Column: 4, Text: "card_number: expected a whole number from 1 to 18446744073709551615"},
	}})
	if _, err := o.service.Erase("named"); !errors.Is(err, httpapi.ErrNamedBySite) {
		t.Errorf("whom the site file names: %v", err)
	}
	if _, err := o.service.Erase("nobody"); err != nil {
		t.Fatal(err)
	}
	o.is(httpapi.PeopleStatus{Number: 3, Change: "erase", Unknown: true, Error: `unknown cardholder: "nobody"; nothing is changed`})
	if _, err := o.service.Erase("p1"); err != nil {
		t.Fatal(err)
	}
	o.is(httpapi.PeopleStatus{Number: 4, Change: "erase", Erased: &httpapi.ErasedReport{Credentials: 1}})
	if len(o.source.told) != 2 || o.source.told[1].Author.Operator != "api" {
		t.Errorf("the journal was told %+v", o.source.told)
	}
}

// A file that does not arrive whole, or that there is no room for, changes nothing
// and leaves nothing.
func TestUploadsThatFail(t *testing.T) {
	o := newOffice(t)
	o.start()
	before, err := os.ReadFile(filepath.Join(o.dir, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	lost := errors.New("the line is dead")
	if _, err := o.service.Import(io.MultiReader(strings.NewReader(two), failing{lost}), -1); !errors.Is(err, lost) {
		t.Errorf("%v", err)
	}
	o.is(httpapi.PeopleStatus{})
	large := two + strings.Repeat("\n", smallUpload)
	o.free = 64<<20 + 5*int64(len(large))
	if _, err := o.imports(large); !errors.Is(err, httpapi.ErrNoRoom) {
		t.Errorf("%v", err)
	}
	o.is(httpapi.PeopleStatus{})
	after, err := os.ReadFile(filepath.Join(o.dir, store.FileName))
	if err != nil || string(before) != string(after) {
		t.Errorf("the store was changed, %v", err)
	}
	o.free = 64<<20 + 2*int64(len(before)) + 5*int64(len(two))
	if _, err := o.service.Import(strings.NewReader(two+"p3"), -1); !errors.Is(err, httpapi.ErrNoRoom) {
		t.Errorf("of unknown length: %v", err)
	}
	o.is(httpapi.PeopleStatus{})
	o.free = 0 // a small file asks for none
	if n, err := o.imports(two); n != 1 || err != nil {
		t.Errorf("and then: %d, %v", n, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A change that the journal cannot be told of is made, says so, and is told until the
// journal knows, also by the next life.
func TestAJournalThatDoesNotWork(t *testing.T) {
	o := newOffice(t)
	o.start()
	o.source.broken = errors.New("disk on strike")
	if _, err := o.imports(two); err != nil {
		t.Fatal(err)
	}
	o.is(httpapi.PeopleStatus{
		Number: 1, Change: "import", Unrecorded: "disk on strike",
		Import: &httpapi.ImportReport{Lines: 2, HoldersAdded: 2, CredentialsAdded: 2, Version: 1},
	})
	o.sim.Advance(4 * again)
	if len(o.source.told) > 0 {
		t.Fatal("it was told")
	}
	o.source.broken = nil
	o.sim.Advance(again)
	if len(o.source.told) != 1 {
		t.Errorf("told %d times", len(o.source.told))
	}
	o.sim.Advance(10 * again)
	if len(o.source.told) != 1 {
		t.Errorf("told %d times", len(o.source.told))
	}
	if _, err := o.source.s.Erase(t.Context(), "p1", store.Author{}); err != nil { // and the process dies
		t.Fatal(err)
	}
	o.sys.Stop()
	o.start()
	if len(o.source.told) != 2 {
		t.Errorf("told %d times", len(o.source.told))
	}
}

// A change that hangs keeps the next one away, also once its actor was given up; and
// a crash ends one with a word.
func TestAChangeThatHangsOrPanics(t *testing.T) {
	o := newOffice(t)
	o.start()
	o.source.before = func() { panic("a fault") }
	if _, err := o.imports(two); err != nil {
		t.Fatal(err)
	}
	o.sim.Quiesce()
	o.sim.Advance(again)
	if s := o.service.Status(); s.Running || s.Error == "" {
		t.Errorf("%+v", s)
	}
	o.source.before = func() { o.sim.Block() }
	if _, err := o.imports(two); err != nil {
		t.Fatal(err)
	}
	o.sim.Quiesce()
	o.sys.Stop()
	o.source.before = nil
	o.start() // as a restart by its supervisor
	if s := o.service.Status(); s.Running || !strings.Contains(s.Error, "cut short") {
		t.Errorf("%+v", s)
	}
	if _, err := o.service.Erase("p1"); err != nil {
		t.Fatal(err)
	}
	o.sim.Quiesce()
	if s := o.service.Status(); s.Error != errHangs.Error() {
		t.Errorf("beside one that hangs: %+v", s)
	}
	o.sim.ReleaseAll()
	o.sim.Advance(again)
	if _, err := o.imports(two); err != nil {
		t.Fatal(err)
	}
	o.sim.Quiesce()
	if s := o.service.Status(); s.Import == nil {
		t.Errorf("and then: %+v", s)
	}
}

// A change whose last step failed is made all the same: the journal is told.
func TestAChangeThatIsMadeButForItsLastStep(t *testing.T) {
	o := newOffice(t)
	o.start()
	o.source.half = errors.New("the store is changed, but not its boot image")
	if _, err := o.imports(two); err != nil {
		t.Fatal(err)
	}
	o.is(httpapi.PeopleStatus{Number: 1, Change: "import", Error: o.source.half.Error()})
	if len(o.source.told) != 1 {
		t.Errorf("the journal was told %d times", len(o.source.told))
	}
}

// A file has no name while it is on its way, so that nothing can be left of it.
func TestAnUploadHasNoName(t *testing.T) {
	o := newOffice(t)
	o.start()
	parts := 0
	file := watch{from: strings.NewReader(two), seen: func() {
		parts++
		if _, err := os.Stat(filepath.Join(o.dir, daemon.UploadFile)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it has one: %v", err)
		}
	}}
	if _, err := o.service.Import(&file, -1); err != nil || parts == 0 {
		t.Errorf("%d parts, %v", parts, err)
	}
}

type watch struct {
	from io.Reader
	seen func()
}

func (w *watch) Read(b []byte) (int, error) {
	w.seen()
	return w.from.Read(b)
}
