package daemon_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/cmd/gatehouse/daemon"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/persistence/archive"
	"gatehouse/persistence/journal"
	"gatehouse/supervisor/sim"
)

// night is a house with a journal of many segments and an archive.
type night struct {
	*house
	key     string // of an identity file
	ids     archive.Identities
	free    int64
	onAwait func()
	wasCut  bool // the power was cut (cutNight)
}

// nightHouse has closed segments of about 300 KB, with events of before the start.
func nightHouse(t *testing.T, segments int, age time.Duration) *night {
	t.Helper()
	identity, recipient, err := archive.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	n := &night{house: newHouse(t), key: identity, free: 1 << 40}
	if n.ids, err = archive.ReadIdentities(strings.NewReader(identity)); err != nil {
		t.Fatal(err)
	}
	n.site.Archive = site.Archive{Dir: t.TempDir(), At: "0 2 * * *", Recipients: []string{recipient}, RateMBPerS: 1}
	n.change = func(o *daemon.Options) {
		o.FreeBytes = func(string) (int64, error) { return n.free, nil }
		o.Await = func(ctx context.Context, d time.Duration) error {
			if n.onAwait != nil {
				n.onAwait()
			}
			return n.sim.Await(ctx, d)
		}
	}
	n.fill(segments, 1, n.now.Add(-age))
	return n
}

// fill grows the journal by closed segments of an epoch.
func (n *night) fill(segments int, epoch uint64, at time.Time) {
	n.t.Helper()
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		n.t.Fatal(err)
	}
	j, err := journal.Open(journal.Options{
		Dir: daemon.JournalDir(n.dir), Building: n.site.Building.ID, Boot: epoch, SegmentBytes: 300_000, Epoch: epoch,
	})
	if err != nil {
		n.t.Fatal(err)
	}
	before := len(j.Segments())
	batch := make([]access.Event, 100)
	for len(j.Segments()) < before+segments {
		for i := range batch {
			batch[i] = access.Event{Time: at, Kind: access.KindDoorOpened, Door: "front", Detail: strings.Repeat("detail ", 20)}
		}
		if err := j.Commit(batch); err != nil {
			n.t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *night) segments() []journal.Segment {
	n.t.Helper()
	j, err := journal.OpenReadOnly(daemon.JournalDir(n.dir), n.site.Building.ID)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = j.Close() }() // opened for reading
	return j.Segments()
}

// wantArchived fails unless the archive of an epoch holds exactly these segments,
// all of which open with the key and have the bytes that they had.
func (n *night) wantArchived(epoch string, bytes map[string]string) {
	n.t.Helper()
	dir, out := filepath.Join(n.site.Archive.Dir, epoch), n.t.TempDir()
	got := map[string]string{}
	if _, err := archive.List(dir, func(e archive.Entry) error {
		if err := archive.Extract(n.t.Context(), dir, e, n.ids, out); err != nil {
			return err
		}
		text, err := os.ReadFile(filepath.Join(out, e.Name))
		if _, twice := got[e.Name]; twice {
			n.t.Errorf("%s is archived twice", e.Name)
		}
		got[e.Name] = string(text)
		return err
	}); err != nil {
		n.t.Fatal(err)
	}
	if !cmp.Equal(bytes, got) {
		n.t.Errorf("%s holds %d segments of the %d, or other bytes", epoch, len(got), len(bytes))
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.tmp"))
	if len(left) > 0 || err != nil {
		n.t.Errorf("left behind: %v, %v", left, err)
	}
}

// closed are the bytes of the sealed segments, by name.
func (n *night) closed() map[string]string {
	n.t.Helper()
	all := map[string]string{}
	for _, s := range n.segments() {
		if !s.Sealed {
			continue
		}
		text, err := os.ReadFile(s.Path)
		if err != nil {
			n.t.Fatal(err)
		}
		all[filepath.Base(s.Path)] = string(text)
	}
	return all
}

// A night as it is meant: what is closed is archived, at the rate that is allowed;
// then, and not before, what is too old goes; the doors work all the while.
func TestANight(t *testing.T) {
	n := nightHouse(t, 4, 100*24*time.Hour)
	n.site.Journal.Retention = site.Retention{Days: 90}
	closed := n.closed()
	n.start()
	n.sim.Advance(time.Minute)
	if len(n.closed()) != len(closed) {
		t.Fatal("events go before they are archived")
	}
	n.sim.Advance(12 * time.Minute)
	n.wantArchived("epoch-1", closed)
	status, ok := n.d.Building.Archive()
	if !ok || status.Waiting != 0 || status.Last != n.segments()[0].First-1 || status.Bytes < uint64(len(closed)*300_000) {
		t.Errorf("status: %+v", status)
	}
	if list := n.segments(); len(list) != 1 || n.has(access.KindGap) || n.has(access.KindRetentionDegraded) {
		t.Errorf("%d segments are left, %v", len(list), n.kinds())
	}
	n.card("front", knownCard)
	n.wantReleased("front", true)
	n.wantReady()
	n.stop()
}

// The rate holds over a whole run, sealing and reading back counted.
func TestTheRateOfTheArchive(t *testing.T) {
	n := nightHouse(t, 4, time.Hour*24)
	var waits []time.Time
	n.onAwait = func() { waits = append(waits, n.sim.Now()) }
	n.start()
	n.sim.Advance(12 * time.Minute)
	status, _ := n.d.Building.Archive()
	took := waits[len(waits)-1].Sub(waits[0])
	if least := time.Duration(float64(status.Bytes-512<<10) / (1 << 20) * float64(time.Second)); took < least || status.Waiting > 0 {
		t.Errorf("%d bytes took %v, at least %v is meant; %+v", status.Bytes, took, least, status)
	}
	n.stop()
}

// A stop in the middle of a run ends it at once and leaves nothing half-done; the
// next life goes on.
func TestAStopInTheMiddleOfANight(t *testing.T) {
	n := nightHouse(t, 4, time.Hour*24)
	n.site.Archive.At = "*/5 * * * *"
	closed := n.closed()
	for stops := range 3 {
		waits := 0
		n.onAwait = func() { waits++ }
		n.start()
		for range 10_000 {
			if n.sim.Advance(50 * time.Millisecond); waits >= 3 {
				break
			}
		}
		begin := n.sim.Now()
		n.stop()
		if took := n.now.Add(-time.Minute).Sub(begin); took > 100*time.Millisecond || waits < 3 {
			t.Errorf("stop %d after %d waits took %v", stops, waits, took)
		}
	}
	n.onAwait = nil
	n.start()
	n.sim.Advance(12 * time.Minute)
	for _, s := range n.segments() { // those of the lives between are closed in time
		if s.Sealed && closed[filepath.Base(s.Path)] == "" {
			t.Errorf("%s is new", s.Path)
		}
	}
	n.wantArchived("epoch-1", closed)
	n.stop()
}

// A crash at any point of a run: what was on disk then is what the next life finds;
// it goes on, and all is archived once.
func TestACrashInTheMiddleOfANight(t *testing.T) {
	n := nightHouse(t, 3, time.Hour*24)
	closed := n.closed()
	var states []string
	n.onAwait = func() {
		at := filepath.Join(t.TempDir(), "state")
		if err := os.CopyFS(at, os.DirFS(n.site.Archive.Dir)); err != nil {
			t.Fatal(err)
		}
		states = append(states, at)
	}
	n.start()
	n.sim.Advance(12 * time.Minute)
	n.wantArchived("epoch-1", closed)
	n.stop()
	n.onAwait = nil
	if len(states) < 15 {
		t.Fatalf("only %d states", len(states))
	}
	cut := 0
	for i := 0; i < len(states); i += 4 {
		if half, _ := filepath.Glob(filepath.Join(states[i], "*", "*.tmp")); len(half) > 0 {
			cut++
		}
		n.site.Archive.Dir = states[i]
		n.start()
		n.sim.Advance(12 * time.Minute)
		n.wantArchived("epoch-1", closed)
		n.stop()
	}
	if cut < 2 {
		t.Errorf("only %d crashes left a file half-written", cut)
	}
}

// An archive that cannot be opened is an alarm, not a refused start; once its
// directory is there all is well again.
func TestAnArchiveWithoutItsDirectory(t *testing.T) {
	n := nightHouse(t, 2, time.Hour*24)
	closed := n.closed()
	n.site.Archive.Dir = filepath.Join(n.site.Archive.Dir, "share")
	n.start()
	if e := n.newest(access.KindArchiveDegraded); !strings.Contains(e.Detail, "share") {
		t.Errorf("alarm: %q", e.Detail)
	}
	n.card("front", knownCard)
	n.wantReleased("front", true)
	if err := os.Mkdir(n.site.Archive.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	n.sim.Advance(15 * time.Minute)
	n.newest(access.KindArchiveRestored)
	n.wantReady()
	n.wantArchived("epoch-1", closed)
	n.stop()
}

// With an identity file on the machine each file is opened with it: a key that is not
// the recipient's is an alarm, and nothing counts as archived; so is no file.
func TestAnIdentityOnTheMachine(t *testing.T) {
	n := nightHouse(t, 2, time.Hour*24)
	closed, path := n.closed(), filepath.Join(t.TempDir(), "key")
	n.site.Archive.IdentityFile = path
	other, _, err := archive.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ key, want string }{{"", "identity_file"}, {other, "wrong key"}, {n.key, ""}} {
		if c.key != "" {
			if err := os.WriteFile(path, []byte(c.key+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		n.start()
		n.sim.Advance(12 * time.Minute)
		status, _ := n.d.Building.Archive()
		if c.want == "" {
			n.wantReady()
			n.wantArchived("epoch-1", closed)
		} else if e := n.newest(access.KindArchiveDegraded); !strings.Contains(e.Detail, c.want) || status.Last > 0 {
			t.Errorf("alarm: %q, %+v", e.Detail, status)
		}
		n.stop()
	}
}

// A restored journal counts on in a new epoch, which is archived beside the old one.
func TestEachEpochHasAnArchiveOfItsOwn(t *testing.T) {
	n := nightHouse(t, 2, time.Hour*48)
	n.fill(3, 2, n.now.Add(-time.Hour*24))
	closed, of := n.closed(), map[uint64]map[string]string{1: {}, 2: {}}
	for _, s := range n.segments() {
		if name := filepath.Base(s.Path); s.Sealed {
			of[s.Epoch][name] = closed[name]
		}
	}
	for range 2 { // the second life finds everything done
		n.start()
		n.sim.Advance(15 * time.Minute)
		n.wantArchived("epoch-1", of[1])
		n.wantArchived("epoch-2", of[2])
		if s, _ := n.d.Building.Archive(); s.Waiting > 0 {
			t.Errorf("%+v", s)
		}
		n.wantReady()
		n.stop()
	}
}

// Events that went before they were archived are a gap that the archive knows of.
func TestTheArchiveGoesOnBehindAGap(t *testing.T) {
	n := nightHouse(t, 2, time.Hour*48)
	n.start()
	n.sim.Advance(12 * time.Minute)
	n.stop()
	n.fill(3, 1, n.now.Add(-time.Hour*24))
	list := n.segments()
	gone := slices.IndexFunc(list, func(s journal.Segment) bool { return s.Newest.After(n.now.Add(-time.Hour * 30)) })
	j, err := journal.Open(journal.Options{Dir: daemon.JournalDir(n.dir), Building: n.site.Building.ID})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Drop(list[gone].Last); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	n.start()
	n.sim.Advance(12 * time.Minute)
	n.wantReady()
	gaps := 0
	if _, err := archive.List(filepath.Join(n.site.Archive.Dir, "epoch-1"), func(e archive.Entry) error {
		if e.AfterGap {
			gaps++
		}
		return nil
	}); err != nil || gaps != 1 {
		t.Errorf("%d gaps, %v", gaps, err)
	}
	n.stop()
}

// An archive that hangs on its share while its actor is started anew: the next life
// says so and does not write beside the call that hangs.
func TestAHangingArchiveIsNotUsedTwice(t *testing.T) {
	n := nightHouse(t, 2, time.Hour*24)
	closed := n.closed()
	n.onAwait = func() { n.sim.Block() }
	crash, change := false, n.change
	n.change = func(o *daemon.Options) {
		change(o)
		o.Probe = func(path string, _ any) {
			if crash && strings.HasSuffix(path, "/chores/archive") {
				crash = false
				panic("injected")
			}
		}
	}
	n.start()
	n.sim.Advance(12 * time.Minute)
	n.onAwait = nil
	crash = true
	n.sim.Advance(90 * time.Second)
	if e := n.newest(access.KindArchiveDegraded); !strings.Contains(e.Detail, "still hangs") {
		t.Errorf("alarm: %q", e.Detail)
	}
	n.sim.ReleaseAll()
	n.sim.Advance(20 * time.Minute)
	n.newest(access.KindArchiveRestored)
	n.wantReady()
	n.wantArchived("epoch-1", closed)
	n.stop()
}

// A box that was restored from an older backup gives numbers a second time, beside
// the archive of the box that is gone: what it records is archived all the same.
func TestTheArchiveOfARestoredBox(t *testing.T) {
	gone := nightHouse(t, 4, time.Hour*48)
	gone.start()
	gone.sim.Advance(12 * time.Minute)
	gone.stop()
	n := restoredHouse(t, gone)
	closed := n.closed()
	if last := n.segments()[1].Last; last >= gone.segments()[3].Last {
		t.Fatalf("no number is given twice: %d", last)
	}
	n.site.Journal.Retention = site.Retention{Days: 1}
	n.start()
	n.sim.Advance(12 * time.Minute)
	n.wantReady()
	n.wantArchived("epoch-2", closed)
	n.stop()
}

// restoredHouse has two closed segments of epoch 2 and archives where gone did.
func restoredHouse(t *testing.T, gone *night) *night {
	t.Helper()
	n := nightHouse(t, 0, 0)
	n.site.Archive, n.ids = gone.site.Archive, gone.ids
	n.fill(2, 2, n.now.Add(-time.Hour*48))
	return n
}

// One backup that was restored twice makes two journals with the same epoch and the
// same numbers. The second one's events are not those that the first one archived:
// an alarm, nothing of the archive is touched, and nothing of the journal dropped.
func TestABackupThatWasRestoredTwice(t *testing.T) {
	gone := nightHouse(t, 1, time.Hour*48)
	first := restoredHouse(t, gone)
	first.site.Journal.Retention = site.Retention{Days: 1}
	archived := first.closed()
	first.start()
	first.sim.Advance(12 * time.Minute)
	first.wantReady()
	first.stop()
	if left := len(first.closed()); left != 0 {
		t.Fatalf("%d segments are left: this journal drops nothing, so the next would prove nothing", left)
	}

	second := restoredHouse(t, gone)
	second.site.Journal.Retention = site.Retention{Days: 1}
	closed := second.closed()
	second.start()
	second.sim.Advance(25 * time.Hour)
	alarm := second.newest(access.KindArchiveDegraded).Detail
	if !strings.Contains(alarm, "a backup was restored twice") || second.d.Building.Health().Ready {
		t.Errorf("alarm: %q, %+v", alarm, second.d.Building.Health())
	}
	second.stop()
	second.wantArchived("epoch-2", archived)
	now := second.closed()
	for name, bytes := range closed {
		if now[name] != bytes {
			t.Errorf("%s is archived nowhere, and was dropped", name)
		}
	}
}

// A file that vanished from the archive, or was cut short, is no archived segment:
// an alarm, and retention leaves the journal's own until it is back.
func TestAFileThatVanishedFromTheArchive(t *testing.T) {
	n := nightHouse(t, 2, time.Hour*48)
	n.start()
	n.sim.Advance(12 * time.Minute)
	closed := n.closed()
	n.wantArchived("epoch-1", closed)
	n.stop()
	path := filepath.Join(n.site.Archive.Dir, "epoch-1", "0000000000000001.seg.zst.age")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	n.site.Journal.Retention = site.Retention{Days: 1}
	n.start()
	n.sim.Advance(12 * time.Minute)
	if alarm := n.newest(access.KindArchiveDegraded).Detail; !strings.Contains(alarm, "bytes and should have") {
		t.Errorf("alarm: %q", alarm)
	}
	if len(n.closed()) < len(closed) {
		t.Error("a segment was dropped whose archive is not whole")
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	n.sim.Advance(2 * time.Hour)
	n.wantReady()
	if left := n.closed(); len(left) >= len(closed) {
		t.Errorf("%d segments are left: nothing goes although all is archived", len(left))
	}
	n.stop()
}

// A clock that nobody keeps right drops nothing by age: an alarm says so, until it is
// right. Live events say how far their time can be trusted. What goes for want of
// size asks no clock.
func TestRetentionDoesNotBelieveAnyClock(t *testing.T) {
	for name, maxMB := range map[string]uint64{"by age": 0, "by size as well": 1} {
		t.Run(name, func(t *testing.T) {
			n := nightHouse(t, 5, time.Hour*48)
			n.site.Archive = site.Archive{}
			n.site.Journal.Retention = site.Retention{Days: 1, MaxMB: maxMB}
			clock, change := access.ClockUnsynchronised, n.change
			n.change = func(o *daemon.Options) {
				change(o)
				o.AskClock = func() access.ClockQuality { return clock }
			}
			list := n.segments()
			n.start()
			n.sim.Advance(2 * time.Minute)
			alarm := n.newest(access.KindRetentionDegraded)
			if !strings.Contains(alarm.Detail, "events older than retention.days (1) stay: nothing keeps the machine's clock right") || alarm.Clock != clock {
				t.Errorf("%+v", alarm)
			}
			if n.d.Building.Health().Ready {
				t.Error("ready")
			}
			if left := len(n.segments()); maxMB == 0 && left < len(list) || maxMB > 0 && (left >= len(list) || left < 2) {
				t.Errorf("%d of %d segments are left", left, len(list))
			}
			clock = access.ClockSynchronised
			n.sim.Advance(2 * time.Minute)
			if e := n.newest(access.KindRetentionRestored); e.Clock != clock {
				t.Errorf("%+v", e)
			}
			n.wantReady()
			if left := n.segments(); len(left) != 1 {
				t.Errorf("%d segments are left", len(left))
			}
			n.stop()
		})
	}
}

// A disk that fills up while the archive is not there: the oldest events go, as few
// as must, with a gap record of exactly those, and an alarm until there is room.
func TestWantOfSpace(t *testing.T) {
	for name, archived := range map[string]bool{"an archive that cannot take them": true, "no archive": false} {
		t.Run(name, func(t *testing.T) {
			n := nightHouse(t, 5, time.Hour*24)
			n.site.Journal.Retention = site.Retention{Days: 90, MinFreeMB: 1}
			n.site.Archive.Dir = filepath.Join(n.site.Archive.Dir, "share")
			if !archived {
				n.site.Archive = site.Archive{}
			}
			list := n.segments()
			n.start()
			n.sim.Advance(90 * time.Second)
			if n.has(access.KindRetentionDegraded) {
				t.Fatal("there is room")
			}
			n.free = 1<<20 - list[0].Bytes - 1 // two have to go
			n.sim.Advance(time.Minute)
			n.free = 1 << 20
			if e := n.newest(access.KindGap); e.Count != list[1].Last {
				t.Errorf("gap of %d events, %d went", e.Count, list[1].Last)
			}
			n.newest(access.KindRetentionDegraded)
			if left := n.segments(); left[0].Path != list[2].Path {
				t.Errorf("the oldest is %s, want %s", left[0].Path, list[2].Path)
			}
			n.sim.Advance(time.Minute)
			n.newest(access.KindRetentionRestored)
			if first, err := n.d.Journal.Read(0, 1); err != nil || first[0].Seq != list[2].First {
				t.Errorf("the oldest event is %v, %v", first, err)
			}
			n.stop()
			n.start()
			n.stop()
		})
	}
}

// The machine is asked how much room there is; a disk has more than a megabyte, and
// less than a pebibyte.
func TestTheMachineKnowsItsFreeSpace(t *testing.T) {
	for min, alarm := range map[uint64]bool{1: false, 1 << 30: true} {
		n := nightHouse(t, 1, time.Hour)
		n.site.Journal.Retention = site.Retention{MinFreeMB: min}
		n.change = nil
		n.site.Archive = site.Archive{}
		n.start()
		n.sim.Advance(90 * time.Second)
		if n.has(access.KindRetentionDegraded) != alarm {
			t.Errorf("%d MB: %v", min, n.kinds())
		}
		n.stop()
	}
}

// What was archived before goes for want of space without a gap record; and when
// nothing more can go, that is an alarm.
func TestWantOfSpaceAfterTheArchive(t *testing.T) {
	n := nightHouse(t, 3, time.Hour*24)
	n.site.Journal.Retention = site.Retention{MinFreeMB: 1}
	n.start()
	n.sim.Advance(12 * time.Minute)
	n.free = 0
	n.sim.Advance(time.Minute)
	if list := n.segments(); len(list) != 1 || n.has(access.KindGap) {
		t.Errorf("%d segments are left, %v", len(list), n.kinds())
	}
	if e := n.newest(access.KindRetentionDegraded); !strings.Contains(e.Detail, "no more events can go") {
		t.Errorf("alarm: %q", e.Detail)
	}
	n.stop()
}

// With durability group nothing waits for a disk that is frozen, and the records
// follow; the default waits.
func TestDurability(t *testing.T) {
	for _, durability := range []access.Durability{access.BeforeUnlock, access.Group} {
		t.Run(durability.String(), func(t *testing.T) {
			h, frozen := newHouse(t), false
			for i := range h.site.Rules.Doors {
				h.site.Rules.Doors[i].Durability = durability
			}
			h.hold = func(_, name string) sim.Hold {
				if frozen && name == "commit" {
					return sim.Hold{Start: 500 * time.Millisecond}
				}
				return sim.Hold{}
			}
			h.start()
			h.sim.Advance(time.Minute)
			frozen = true
			durable := h.d.Building.LastEvent()
			h.card("front", knownCard)
			if h.d.Building.LastEvent() != durable {
				t.Fatal("the disk is not frozen")
			}
			h.wantReleased("front", durability == access.Group)
			h.sim.Advance(150 * time.Millisecond)
			h.wantReleased("front", true)
			if late := h.has(access.KindRecordLate); late != (durability == access.BeforeUnlock) {
				t.Errorf("record late: %v", late)
			}
			h.sim.Advance(time.Second)
			kept, err := h.d.Journal.Read(durable, 10)
			granted := func(e access.Event) bool { return e.Kind == access.KindGranted && e.Seq > durable }
			if err != nil || !slices.ContainsFunc(kept, granted) {
				t.Errorf("the record did not follow: %v, %v", kept, err)
			}
			frozen = false
			h.sim.Advance(time.Minute)
			if !h.has(access.KindPassage) && !h.has(access.KindNoPassage) {
				t.Error("the grant has no end")
			}
			h.stop()
		})
	}
}

// A schedule that cannot be read is a refused start; the site file's check comes
// first, so only a caller's mistake gets here.
func TestANightThatNeverComes(t *testing.T) {
	n := nightHouse(t, 1, time.Hour)
	n.site.Archive.At = "nonsense"
	if err := n.open(); err == nil || !strings.Contains(err.Error(), "schedule") {
		t.Errorf("opened: %v", err)
	}
}
