package backup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // Berlin, on any machine

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/edge/httpapi"
	"gatehouse/persistence/archive"
)

// nights is an office at noon on 1 June that makes backups at 02:30 in Berlin.
type nights struct {
	*office
	dir       string
	archiving bool
	atDue     func()   // when one is due
	notes     []string // changes of the state, each with its time
	wrong     bool
}

// newNights has backups of these times in its directory.
func newNights(t *testing.T, keep int, made ...string) *nights {
	t.Helper()
	n := &nights{office: newOffice(t), dir: t.TempDir()}
	next, err := daemon.Night("30 2 * * *", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	n.service = NewService(ServiceOptions{
		Source: n.source, Building: "house", Data: n.office.dir, Executor: n.sim, Log: zerolog.Nop(),
		Night: &Night{Dir: n.dir, Keep: keep, Recipients: []string{n.key}, Next: next, Archiving: n.archives, Note: n.note},
	})
	for _, name := range made {
		n.write(name)
	}
	return n
}

func (n *nights) archives() bool {
	if n.atDue != nil {
		n.atDue()
	}
	return n.archiving
}

func (n *nights) note(err error) {
	if n.wrong == (err != nil) {
		return
	}
	n.wrong = err != nil
	what := "good"
	if n.wrong {
		what = err.Error()
	}
	n.notes = append(n.notes, n.sim.Now().Format("02 15:04:05 ")+what)
}

func (n *nights) write(name string) {
	n.t.Helper()
	if err := os.WriteFile(filepath.Join(n.dir, name), nil, 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// until advances to a time in UTC.
func (n *nights) until(at string) {
	n.t.Helper()
	t, err := time.Parse("2006-01-02 15:04:05", "2026-06-"+at)
	if err != nil {
		n.t.Fatal(err)
	}
	n.sim.AdvanceTo(t)
}

// want fails unless the directory has exactly these files.
func (n *nights) want(names ...string) {
	n.t.Helper()
	var got []string
	list, err := os.ReadDir(n.dir)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, e := range list {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(names, got); diff != "" {
		n.t.Errorf("at %v (-want +got):\n%s", n.sim.Now(), diff)
	}
	n.tidy()
}

func (n *nights) wantNotes(want ...string) {
	n.t.Helper()
	if diff := cmp.Diff(want, n.notes); diff != "" {
		n.t.Errorf("notes (-want +got):\n%s", diff)
	}
}

// at is the name of a backup of this time in June.
func at(time string) string { return "backup-202606" + time + "Z.tar.zst.age" }

// lastMay is the name of a backup of the last night before the start.
const lastMay = "backup-20260601T003000Z.tar.zst.age"

func TestABackupEachNight(t *testing.T) {
	n := newNights(t, 7, lastMay)
	n.start()
	if got := n.service.Newest(); !got.Equal(time.Date(2026, 6, 1, 0, 30, 0, 0, time.UTC)) {
		t.Errorf("newest: %v", got)
	}
	n.until("02 00:29:59")
	n.want(lastMay)
	n.until("02 00:30:00")
	n.want(lastMay, at("02T003000"))
	n.until("02 23:00:00")
	n.want(lastMay, at("02T003000"))
	n.until("03 00:30:00")
	n.want(lastMay, at("02T003000"), at("03T003000"))
	if got := n.service.Newest(); !got.Equal(n.sim.Now()) {
		t.Errorf("newest: %v", got)
	}
	if s := n.service.Status(); s.File != filepath.Join(n.dir, at("03T003000")) || s.Running || s.Error != "" || s.Last != 7 {
		t.Errorf("%+v", s)
	}
	n.wantNotes()
}

// A night was missed when the newest backup is older than it; one of the future is
// none. It is made up behind the archive, once.
func TestAMissedBackupIsMadeUp(t *testing.T) {
	for name, made := range map[string][]string{
		"none yet": {"notes.txt"}, "the night before": {"backup-20260531T003000Z.tar.zst.age"}, "of a wrong clock": {"backup-20360531T003000Z.tar.zst.age"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNights(t, 7, made...)
			n.start()
			n.until("01 10:10:59")
			n.want(made...)
			n.until("01 10:20:01")
			if got := n.service.Newest(); got.Before(n.sim.Now().Add(-10 * time.Minute)) {
				t.Fatalf("newest: %v", got)
			}
			list, err := os.ReadDir(n.dir)
			if err != nil || len(list) != 2 {
				t.Errorf("%v, %v", list, err)
			}
			n.until("02 00:29:59")
			if again, err := os.ReadDir(n.dir); err != nil || len(again) != 2 {
				t.Errorf("%v, %v", again, err)
			}
		})
	}
}

// It waits for the archive, but not for one that hangs.
func TestABackupWaitsForTheArchive(t *testing.T) {
	n := newNights(t, 7, lastMay)
	n.archiving = true
	n.start()
	n.until("02 01:10:30")
	n.want(lastMay)
	n.archiving = false
	n.until("02 01:11:00")
	n.want(lastMay, at("02T011100"))
	n.archiving = true
	n.until("03 04:29:59")
	n.want(lastMay, at("02T011100"))
	n.until("03 04:30:00")
	n.want(lastMay, at("02T011100"), at("03T043000"))
	n.wantNotes()
}

// What keeps it from being made is one alarm, tried again less and less often;
// meanwhile nothing is removed, also of as many as should stay.
func TestANightThatFails(t *testing.T) {
	n := newNights(t, 1, lastMay)
	n.start()
	tried := []string{}
	n.source.fail = func() error {
		tried = append(tried, n.sim.Now().Format("15:04:05"))
		return errors.New("disk on strike")
	}
	n.until("02 00:45:00")
	n.want(lastMay)
	if diff := cmp.Diff([]string{"00:30:00", "00:31:00", "00:33:00", "00:37:00", "00:45:00"}, tried); diff != "" {
		t.Errorf("tried (-want +got):\n%s", diff)
	}
	n.until("03 00:00:00")
	if len(tried) < 24 || len(tried) > 30 {
		t.Errorf("tried %d times in a day", len(tried))
	}
	n.source.fail = nil
	n.until("03 01:30:00")
	if len(n.notes) != 2 || n.notes[0] != "02 00:30:00 disk on strike" || !strings.HasSuffix(n.notes[1], " good") {
		t.Errorf("notes: %q", n.notes)
	}
	if got := n.service.Newest(); got.Before(time.Date(2026, 6, 3, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("newest: %v", got)
	}
	n.want(archive.BackupName(n.service.Newest()))
}

// A directory that is not there is an alarm, and no file of that name.
func TestABackupWithoutItsDirectory(t *testing.T) {
	n := newNights(t, 7, lastMay)
	away := n.dir + "-away"
	if err := os.Rename(n.dir, away); err != nil {
		t.Fatal(err)
	}
	n.start()
	n.until("02 00:40:00")
	if _, err := os.Stat(n.dir); err == nil || len(n.notes) != 1 {
		t.Errorf("%v, %q", err, n.notes)
	}
	if err := os.Rename(away, n.dir); err != nil {
		t.Fatal(err)
	}
	n.until("02 02:40:00")
	if len(n.notes) != 2 || n.service.Newest().Before(time.Date(2026, 6, 2, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%q, %v", n.notes, n.service.Newest())
	}
}

// So many stay: the newest. Of a wrong clock, and cut short, go first; nothing else
// is touched.
func TestKeep(t *testing.T) {
	future, cut := "backup-20360531T003000Z.tar.zst.age", "backup-20260530T003000Z.tar.zst.age.tmp"
	n := newNights(t, 3, "Backup-1", "backup-20260531T003000Z.tar.zst.age", lastMay, future, cut, "z.tmp")
	n.start()
	n.until("02 00:30:00")
	n.want("Backup-1", "backup-20260531T003000Z.tar.zst.age", lastMay, at("02T003000"), "z.tmp")
	n.until("03 00:30:00")
	n.want("Backup-1", lastMay, at("02T003000"), at("03T003000"), "z.tmp")
	n.until("08 00:30:00")
	n.want("Backup-1", at("06T003000"), at("07T003000"), at("08T003000"), "z.tmp")
	n.wantNotes()
}

// The night and somebody's command never work beside each other.
func TestTheNightBesideACommand(t *testing.T) {
	n := newNights(t, 7, lastMay)
	n.start()
	n.until("02 00:28:00")
	n.hold = "backup"
	if err := n.begin("one"); err != nil {
		t.Fatal(err)
	}
	n.until("02 00:35:30")
	if s := n.service.Status(); !s.Running || filepath.Base(s.File) != "one" {
		t.Errorf("%+v", s)
	}
	n.sim.ReleaseAll()
	n.sim.Quiesce()
	n.want(lastMay)
	n.until("02 00:37:00")
	if err := n.begin("two"); !errors.Is(err, httpapi.ErrBackupRuns) {
		t.Errorf("beside the night's: %v", err)
	}
	n.hold = ""
	n.sim.ReleaseAll()
	n.sim.Quiesce()
	if list, err := os.ReadDir(n.dir); err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := os.Stat(filepath.Join(n.office.dir, "one")); err != nil {
		t.Error(err)
	}
	n.wantNotes()
}

// A command that comes at the very moment of the night goes first.
func TestACommandAtTheMomentOfTheNight(t *testing.T) {
	n := newNights(t, 7, lastMay)
	n.start()
	n.atDue = func() {
		n.atDue = nil
		if err := n.begin("one"); err != nil {
			t.Error(err)
		}
	}
	n.until("02 00:30:00")
	n.made("one")
	n.want(lastMay)
	n.until("02 00:31:00")
	n.want(lastMay, at("02T003100"))
	n.wantNotes()
}

// A call that hangs while its actor is started anew: the next life says so and does
// not write beside it.
func TestAHangingBackupIsNotJoined(t *testing.T) {
	n := newNights(t, 7, lastMay)
	n.source.fail = func() error { n.sim.Block(); return nil }
	n.start()
	n.until("02 00:30:00")
	n.service.actor.Send("crash")
	n.until("02 01:10:00")
	if len(n.notes) != 1 || !strings.Contains(n.notes[0], "still hangs") {
		t.Errorf("notes: %q", n.notes)
	}
	n.source.fail = nil
	n.sim.ReleaseAll()
	n.until("02 02:30:00")
	if len(n.notes) != 2 || n.service.Newest().Before(time.Date(2026, 6, 2, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("notes: %q, %v", n.notes, n.service.Newest())
	}
}

// A backup that hangs fails no call; the alarm says so, and ends with it.
func TestANightThatHangs(t *testing.T) {
	n := newNights(t, 7, lastMay)
	n.hold = "backup"
	n.start()
	n.until("02 00:39:59")
	n.wantNotes()
	n.until("02 00:41:00")
	if len(n.notes) != 1 || !strings.Contains(n.notes[0], "has not moved for 10m") {
		t.Errorf("notes: %q", n.notes)
	}
	n.sim.ReleaseAll()
	n.sim.Quiesce()
	if len(n.notes) != 2 || n.service.Newest().IsZero() {
		t.Errorf("notes: %q", n.notes)
	}
	n.want(lastMay, at("02T003000"))
}

// Somebody's backup counts where the night's are.
func TestACommandedBackupInTheNightsDirectory(t *testing.T) {
	n := newNights(t, 7, lastMay)
	n.start()
	n.until("01 12:00:00")
	if err := n.service.Begin(n.dir, []string{n.key}); err != nil {
		t.Fatal(err)
	}
	n.until("01 12:00:01")
	if got := n.service.Newest(); !got.Equal(n.sim.Now().Add(-time.Second)) {
		t.Errorf("newest: %v", got)
	}
	n.until("02 00:30:00")
	n.want(lastMay, at("01T120000"), at("02T003000"))
}

// Older ones that cannot be removed are an alarm, but the backup is there and is
// not made again.
func TestOlderBackupsThatStay(t *testing.T) {
	b := begin{to: filepath.Join(t.TempDir(), "missing", "x"), keep: 1}
	err := b.keepOnly(time.Time{})
	if err == nil || !strings.Contains(err.Error(), "the backup is made, but older ones cannot be removed") {
		t.Fatalf("%v", err)
	}
	n := newNights(t, 7)
	a, now := &actor{Service: n.service}, n.sim.Now()
	done := outcome{tidy: err}
	done.About.Made = now
	a.nightEnded(now, done, nil)
	if len(n.notes) != 1 || a.held(now) || a.due(now.Add(14*time.Hour)) || !a.due(now.Add(15*time.Hour)) {
		t.Errorf("%q, %+v", n.notes, &a.rota)
	}
}
