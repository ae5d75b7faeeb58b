package replay

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/persistence"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
)

func eventsIn(t testing.TB, data string) (events []access.Event) {
	t.Helper()
	j, err := journal.OpenReadOnly(filepath.Join(data, journalDir), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	if events, err = j.Read(0, 1<<20); err != nil {
		t.Fatal(err)
	}
	return events
}

// contents are all files below dir.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// half is a data directory with an interrupted replay of the file.
func half(t *testing.T, file string) string {
	t.Helper()
	o, _ := options(t, memDir(t), file)
	ctx, cancel := context.WithCancel(context.Background())
	if err := Run(&countdown{ctx, 5, cancel}, o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return o.Data
}

// Each refusal is one clear error, and the data directory stays as it was.
func TestRefusals(t *testing.T) {
	file := handmadeFile(t)
	for _, c := range []struct {
		name   string
		change func(o *Options)
		want   string
	}{
		{"not resumed", func(o *Options) { o.Resume = false }, "holds a replay of badges.csv already: go on with it by --resume, or name another directory"},
		{"another recording", func(o *Options) { o.File = renamed(t, file, "other.csv", handmade) }, `holds events of the recording "badges.csv": name an empty directory`},
		{"a changed recording", func(o *Options) {
			o.File = renamed(t, file, "badges.csv", strings.Replace(handmade, "08:00,1,prox-in-classified", "08:02,1,prox-in-classified", 1))
		}, "badges.csv or the site file was changed since"},
		{"a shorter recording", func(o *Options) { o.File = renamed(t, file, "badges.csv", good) }, "badges.csv or the site file was changed since"},
		{"another time zone", func(o *Options) { o.Site.Building.TimeZone = "Europe/Berlin" }, "does not fit"},
		{"another building", func(o *Options) { o.Site.Building.ID = "ministry" }, `belongs to the building "embassy", this site is "ministry": name another with --data`},
		{"other rules", func(o *Options) { o.Site.Rules.Doors[0].StrikeTime++ }, "begun with other rules, people or door modes"},
		{"other people", func(o *Options) { o.Site.Holders[3].Suspended = true }, "begun with other rules, people or door modes"},
		{"fewer people", func(o *Options) { o.Site.Holders = o.Site.Holders[1:] }, "begun with other rules, people or door modes"},
		{"other cards", func(o *Options) { o.Site.Credentials[3].Suspended = true }, "begun with other rules, people or door modes"},
		{"a door's mode", func(o *Options) { lockDown(t, o.Data) }, "begun with other rules, people or door modes"},
		{"real devices", func(o *Options) { o.Site.Devices[0].Driver = "osdp" }, "virtual devices only"},
		{"bad rows", func(o *Options) { o.File = renamed(t, file, "badges.csv", good+"x") }, "badges.csv:3: 1 fields"},
		{"no file", func(o *Options) { o.File = "testdata/none.csv" }, "give the path of a file in the format vast2009"},
		{"a directory", func(o *Options) { o.File = "testdata" }, "testdata: cannot be read"},
		{"format", func(o *Options) { o.Format = "csv" }, `unknown format "csv"`},
		{"form", func(o *Options) { o.Report = "xml" }, `unknown form "xml"`},
		{"corrupt journal", func(o *Options) { flip(t, filepath.Join(o.Data, segment), "p-01") }, "is damaged at byte"},
		{"corrupt store", func(o *Options) { flip(t, filepath.Join(o.Data, "store.db"), "Employee 33") }, "store.db"},
		{"live events", func(o *Options) { live(t, o.Data) }, "of a building that was no replay"},
	} {
		o, out := options(t, half(t, file), file)
		o.Resume = true
		c.change(&o)
		before := contents(t, o.Data)
		err := Run(context.Background(), o)
		if err == nil || !strings.Contains(err.Error(), c.want) || out.Len() > 0 {
			t.Errorf("%s: %v; want %s", c.name, err, c.want)
		}
		if diff := cmp.Diff(before, contents(t, o.Data)); diff != "" {
			t.Errorf("%s: the data directory changed", c.name)
		}
	}
}

// renamed is another recording, beside or in place of the first.
func renamed(t *testing.T, file, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if path == file {
		t.Fatal("the same file")
	}
	writeFile(t, path, text)
	return path
}

// flip damages every place of a file that says what.
func flip(t *testing.T, path, what string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := strings.ReplaceAll(string(text), what, "?"+what[1:])
	if damaged == string(text) {
		t.Fatalf("%s does not say %q", path, what)
	}
	writeFile(t, path, damaged)
}

// live adds what a building that is no replay would write.
func live(t *testing.T, data string) {
	t.Helper()
	j, err := journal.Open(journal.Options{Dir: filepath.Join(data, journalDir), Building: "embassy", Boot: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	e := access.Event{Kind: access.KindStarted, Clock: access.ClockSynchronised, Source: access.Source{Name: "building", Boot: 1 << 40, Run: 1, Number: 1}}
	if err := j.Commit([]access.Event{e}); err != nil {
		t.Fatal(err)
	}
}

func lockDown(t *testing.T, data string) {
	t.Helper()
	s, err := store.Open(store.Options{Dir: data})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SaveDoors([]access.DoorMemory{{Door: "entrance", Mode: access.LockedDown}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A store without a journal is no replay either, if it says something else.
func TestAStoreOfAnotherSite(t *testing.T) {
	file := handmadeFile(t)
	o, _ := options(t, half(t, file), file)
	if err := os.RemoveAll(filepath.Join(o.Data, journalDir)); err != nil {
		t.Fatal(err)
	}
	o.Site.Holders[3].Suspended = true
	if err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "other rules, people or door modes") {
		t.Errorf("another site: %v", err)
	}
	o.Site.Holders[3].Suspended = false
	mustRun(t, o)
}

// Nobody walks in on a denied card, whatever holds the door open.
func TestADeniedCardOpensNothing(t *testing.T) {
	o, _ := options(t, memDir(t), handmadeFile(t))
	rec, err := load(o)
	if err != nil {
		t.Fatal(err)
	}
	p, err := begin(o, rec, position{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = p.house.Stop() }()
	unknown := slices.IndexFunc(rec.rows, func(w row) bool { return w.line == 14 })
	if err := p.rig.Lock("entrance/lock").Drive(true); err != nil {
		t.Fatal(err)
	}
	if err := p.feed(&rec.rows[unknown]); err != nil {
		t.Fatal(err)
	}
	for _, e := range eventsIn(t, o.Data) {
		if e.Kind == access.KindDoorOpened || e.Kind == access.KindGranted {
			t.Errorf("%+v", e)
		}
	}
}

func TestLockedDataDirectory(t *testing.T) {
	file := handmadeFile(t)
	o, _ := options(t, half(t, file), file)
	unlock, err := persistence.Lock(o.Data)
	if err != nil {
		t.Fatal(err)
	}
	if err := Run(context.Background(), o); !errors.Is(err, persistence.ErrLocked) {
		t.Errorf("locked: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	o.Resume = true
	mustRun(t, o) // the refusal left no lock behind
}

// --resume of what never began begins.
func TestResumeFromNothing(t *testing.T) {
	want := play(t, memDir(t), handmadeFile(t))
	o, out := options(t, filepath.Join(memDir(t), "new"), want.file)
	o.Resume = true
	mustRun(t, o)
	if diff := cmp.Diff(string(want.report), out.String()); diff != "" {
		t.Error(diff)
	}
}

// A replay that was stopped before its first row can be begun again.
func TestBegunAgain(t *testing.T) {
	want := play(t, memDir(t), handmadeFile(t))
	o, out := options(t, memDir(t), want.file)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Run(ctx, o); !errors.Is(err, context.Canceled) || len(eventsIn(t, o.Data)) == 0 {
		t.Fatal(err)
	}
	mustRun(t, o)
	if diff := cmp.Diff(string(want.report), out.String()); diff != "" {
		t.Error(diff)
	}
}

// scripted is a journal in memory.
type scripted []access.Event

func (s scripted) Last() uint64 { return uint64(len(s)) }

func (s scripted) Scan(visit func(access.Event) error) error {
	for _, e := range s {
		if err := visit(e); err != nil {
			return err
		}
	}
	return nil
}

// A row with two decisions, or with none, is not journaled.
func TestJournaledIsExactlyOne(t *testing.T) {
	o, _ := options(t, memDir(t), handmadeFile(t))
	mustRun(t, o)
	rec, err := load(o)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := access.Compile(o.Site.Rules)
	if err != nil {
		t.Fatal(err)
	}
	var without, double scripted
	for _, e := range eventsIn(t, o.Data) {
		decision := e.Kind == access.KindGranted || e.Kind == access.KindDenied
		if double = append(double, e); decision && e.Origin.Order == 5 {
			e.Kind = access.KindDenied
			double = append(double, e, e)
		} else {
			without = append(without, e)
		}
	}
	for name, s := range map[string]scripted{"none": without, "three": double} {
		if r, err := readBack(s, rec, rules); err != nil || r.Events != 16 || r.Journaled != 15 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}
