package actors_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // the same clock changes on any machine

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/actors/nightly"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

const (
	archivePath   = actors.Root + "/chores/archive"
	retentionPath = actors.Root + "/chores/retention"
)

// parts is an archive without a disk, for a journal whose closed parts have ten
// events each.
type parts struct {
	now    func() time.Time
	during func() // in every Add

	mu     sync.Mutex
	closed []time.Time // their newest events
	taken  int
	opened bool
	fail   error
	calls  []string // what was called when
}

func (p *parts) call(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, name+" "+p.now().Format(time.RFC3339))
	return p.fail
}

func (p *parts) Open(context.Context) error {
	err := p.call("open")
	p.opened = p.opened || err == nil
	return err
}

func (p *parts) Add(context.Context) error {
	if p.during != nil {
		p.during()
	}
	err := p.call("add")
	if !p.opened {
		return errors.New("not open")
	}
	if err == nil && p.taken < len(p.closed) {
		p.taken++
	}
	return err
}

func (p *parts) Status() actors.ArchiveStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := actors.ArchiveStatus{Last: uint64(10 * p.taken), Waiting: len(p.closed) - p.taken}
	if s.Waiting > 0 {
		s.Since = p.closed[p.taken]
	}
	return s
}

func (p *parts) said() []string {
	list := p.calls
	p.calls = nil
	return list
}

// nightHouse is a building, not yet started, that archives at 02:00 in Berlin.
func nightHouse(t *testing.T, start string, exec func(sim.Options) supervisor.Executor, opts sim.Options) (*house, *parts) {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	schedule, err := nightly.Parse("0 2 * * *")
	if err != nil {
		t.Fatal(err)
	}
	if opts.Start, err = time.Parse(time.RFC3339, start); err != nil {
		t.Fatal(err)
	}
	opts.Start = opts.Start.In(berlin)
	h := newHouse(t, 1, exec(opts))
	p := &parts{now: h.config.Executor.Now}
	h.config.Chores = actors.Chores{Archive: p, Night: func(after time.Time) (time.Time, bool) { return schedule.Next(berlin, after) }}
	return h, p
}

func seeded(seed uint64) func(sim.Options) supervisor.Executor {
	return func(o sim.Options) supervisor.Executor { return sim.New(seed, o) }
}

func wantCalls(t *testing.T, p *parts, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, p.said()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// Both nights in which the clock is set, and one between: each is run once, and all
// that waits is taken, one part after the other.
func TestTheArchiveRunsEachNightOnce(t *testing.T) {
	h, p := nightHouse(t, "2026-03-28T12:00:00+01:00", seeded(1), sim.Options{})
	h.start()
	wantCalls(t, p, "open 2026-03-28T12:00:00+01:00")
	p.closed = []time.Time{h.sim.Now(), h.sim.Now()}
	h.sim.Advance(24 * time.Hour)
	wantCalls(t, p, "add 2026-03-29T03:00:00+02:00", "add 2026-03-29T03:00:00+02:00")
	h.sim.Advance(24 * time.Hour)
	wantCalls(t, p, "add 2026-03-30T02:00:00+02:00")
	h.stopClean()

	h, p = nightHouse(t, "2026-10-24T12:00:00+02:00", seeded(1), sim.Options{})
	h.start()
	h.sim.Advance(48 * time.Hour)
	wantCalls(t, p, "open 2026-10-24T12:00:00+02:00", "add 2026-10-25T02:00:00+02:00", "add 2026-10-26T02:00:00+01:00")
	h.stopClean()
}

// A run that was missed is made up soon after the start, not by all buildings at
// the same moment; what was closed since the last night waits for the next one.
func TestAMissedNightIsMadeUp(t *testing.T) {
	begun := map[string]bool{}
	for seed := range uint64(10) {
		h, p := nightHouse(t, "2026-06-01T12:00:00+02:00", seeded(seed), sim.Options{})
		p.closed = []time.Time{h.sim.Now().Add(-11 * time.Hour), h.sim.Now().Add(-time.Hour)}
		h.start()
		p.said()
		h.sim.Advance(time.Minute - time.Second)
		wantCalls(t, p)
		h.sim.Advance(10*time.Minute + time.Second)
		if got := p.said(); len(got) != 2 || got[0] != got[1] {
			t.Errorf("seed %d: %v", seed, got)
		} else {
			begun[got[0]] = true
		}
		h.stopClean()
	}
	if len(begun) < 4 {
		t.Errorf("ten buildings begin at %d different moments", len(begun))
	}
	h, p := nightHouse(t, "2026-06-01T12:00:00+02:00", seeded(1), sim.Options{})
	p.closed = []time.Time{h.sim.Now().Add(-9 * time.Hour)}
	h.start()
	p.said()
	h.sim.Advance(14*time.Hour - time.Second)
	wantCalls(t, p)
	h.sim.Advance(time.Second)
	wantCalls(t, p, "add 2026-06-02T02:00:00+02:00")
	h.stopClean()
}

// jumping is a simulation in which the clock on the wall can be set.
type jumping struct {
	*sim.Sim
	by time.Duration
}

// Now is what the clock shows.
func (j *jumping) Now() time.Time { return j.Sim.Now().Add(j.by) }

// A clock that was wrong by years when the building started, one that is set over
// the night, and one that is set back.
func TestAClockThatIsSet(t *testing.T) {
	clock := &jumping{by: 10 * 365 * 24 * time.Hour}
	h, p := nightHouse(t, "2026-06-01T12:00:00+02:00", func(o sim.Options) supervisor.Executor {
		clock.Sim = sim.New(1, o)
		return clock
	}, sim.Options{})
	h.sim = clock.Sim
	h.start()
	p.said()
	clock.by = 0
	h.sim.Advance(14 * time.Hour)
	wantCalls(t, p, "add 2026-06-02T02:00:00+02:00")
	h.sim.Advance(6 * time.Hour)
	clock.by = 20 * time.Hour
	h.sim.Advance(time.Minute)
	wantCalls(t, p, "add 2026-06-03T04:01:00+02:00")
	clock.by = 0
	h.sim.Advance(18 * time.Hour)
	wantCalls(t, p, "add 2026-06-03T02:00:00+02:00") // again, and finds nothing
	h.stopClean()
}

// What keeps the archive from working is a state with an alarm, tried again less
// and less often.
func TestAnArchiveThatFails(t *testing.T) {
	h, p := nightHouse(t, "2026-06-01T12:00:00+02:00", seeded(1), sim.Options{})
	p.fail = errDisk
	h.start()
	h.sim.Advance(16 * time.Minute)
	wantCalls(
		t, p, "open 2026-06-01T12:00:00+02:00", "open 2026-06-01T12:01:00+02:00",
		"open 2026-06-01T12:03:00+02:00", "open 2026-06-01T12:07:00+02:00", "open 2026-06-01T12:15:00+02:00",
	)
	if e := h.all(access.KindArchiveDegraded); len(e) != 1 || e[0].Detail != errDisk.Error() {
		t.Errorf("alarms: %+v", e)
	}
	if got := h.b.Health(); got.Ready || !cmp.Equal(got.Degraded, []string{"archive: " + errDisk.Error()}) {
		t.Errorf("health: %+v", got)
	}
	h.answers(1)
	h.sim.Advance(24 * time.Hour)
	if n := len(p.said()); n < 24 || n > 28 {
		t.Errorf("tried again %d times in a day", n)
	}
	p.fail = nil
	p.closed = []time.Time{h.sim.Now().Add(-24 * time.Hour)}
	h.sim.Advance(90 * time.Minute)
	if len(h.all(access.KindArchiveRestored)) != 1 || !h.b.Health().Ready || p.taken != 1 {
		t.Errorf("restored %d times, %d parts are archived, %+v", len(h.all(access.KindArchiveRestored)), p.taken, h.b.Health())
	}
	h.stopClean()
	h.once()
}

// An archive that hangs fails no call; the alarm says so, and ends with it.
func TestAnArchiveThatHangs(t *testing.T) {
	h, p := nightHouse(t, "2026-06-01T12:00:00+02:00", seeded(1), sim.Options{Hold: func(_, name string) sim.Hold {
		if name == "archive" {
			return sim.Hold{Start: sim.Forever}
		}
		return sim.Hold{}
	}})
	h.start()
	h.sim.Advance(10*time.Minute - time.Second)
	if h.has(access.KindArchiveDegraded) {
		t.Error("too early")
	}
	h.sim.Advance(time.Second)
	if e := h.all(access.KindArchiveDegraded); len(e) != 1 || !strings.Contains(e[0].Detail, "has not moved for 10m") {
		t.Errorf("alarms: %+v", e)
	}
	if !h.sim.Release(archivePath, "archive") {
		t.Fatal("nothing hung")
	}
	h.sim.Quiesce()
	if len(h.all(access.KindArchiveRestored)) != 1 || !h.b.Health().Ready || len(p.calls) != 1 {
		t.Errorf("%+v, %v", h.b.Health(), p.calls)
	}
	h.stopClean()
}

// stages are what a door's actors, the journal and the lock went through, each with
// its time, by the actor.
func stages(t *testing.T, change func(*house, *parts), hold func(owner, name string) sim.Hold) map[string][]string {
	h, p := nightHouse(t, "2026-06-01T12:00:00+02:00", seeded(1), sim.Options{Hold: hold})
	change(h, p)
	seen := map[string][]string{}
	note := func(path, what string) {
		if !strings.Contains(path, "/chores") {
			seen[path] = append(seen[path], h.sim.Now().Format(time.RFC3339Nano)+" "+what)
		}
	}
	h.config.Probe = func(path string, msg any) { note(path, fmt.Sprintf("%T", msg)) }
	h.config.OnEvent = func(e access.Event) { note("event of "+e.Source.Name, e.Kind.String()) }
	h.rig.OnMove(func(part string, release bool) { note(part, fmt.Sprintf("released: %v", release)) })
	h.start()
	h.sim.Advance(14*time.Hour - 2*time.Second)
	for i := range 6 {
		h.card(1, "in", uint64(i%2*98+1)) // p-1 and nobody
		h.sim.Advance(137 * time.Millisecond)
		h.contact(1).Set(true)
		h.sim.Advance(500 * time.Millisecond)
		h.contact(1).Set(false)
		h.sim.Advance(400 * time.Millisecond)
	}
	if n := len(h.all(access.KindGranted)); n != 3 {
		t.Errorf("%d grants", n)
	}
	h.sim.ReleaseAll()
	h.stopClean()
	return seen
}

// No decision has an archive on its path: between card and lock every actor but the
// archive's own handles the same messages at the same instants, with no archive, with
// one that works at that moment, and with one that hangs for ever.
func TestNoDecisionWaitsForTheArchive(t *testing.T) {
	none := func(string, string) sim.Hold { return sim.Hold{} }
	without := stages(t, func(h *house, _ *parts) { h.config.Chores = actors.Chores{} }, none)
	working := stages(t, func(h *house, p *parts) {
		p.closed = make([]time.Time, 10)
		for i := range p.closed {
			p.closed[i] = h.sim.Now()
		}
		p.during = func() { h.sim.Sleep(300 * time.Millisecond) }
	}, none)
	if diff := cmp.Diff(without, working); diff != "" {
		t.Errorf("an archive that works is noticed (-without +with):\n%s", diff)
	}
	added := 0
	hangs := stages(t, func(*house, *parts) {}, func(_, name string) sim.Hold {
		if name != "archive" {
			return sim.Hold{}
		}
		if added++; added == 1 {
			return sim.Hold{} // Open
		}
		return sim.Hold{Start: sim.Forever}
	})
	if diff := cmp.Diff(without, hangs); diff != "" {
		t.Errorf("an archive that hangs is noticed (-without +with):\n%s", diff)
	}
	if added != 2 {
		t.Errorf("the archive began %d times: this proves nothing", added)
	}
}

// shrinking is a retention without a disk.
type shrinking struct {
	next  actors.Removal
	fail  error
	house *house
	calls []string
}

func (s *shrinking) Choose(time.Time) (actors.Removal, error) {
	if s.fail == nil {
		s.calls = append(s.calls, "choose")
	}
	return s.next, s.fail
}

func (s *shrinking) Remove(what actors.Removal) error {
	s.calls = append(s.calls, fmt.Sprintf("remove %d, %d gap records", what.Through, len(s.house.all(access.KindGap))))
	s.next = actors.Removal{}
	return nil
}

// What goes for want of space leaves a gap record, which is there first, and an
// alarm; what goes in time leaves none; an error is an alarm.
func TestRetention(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{Hold: func(_, name string) sim.Hold {
		if name == "commit" {
			return sim.Hold{Start: 100 * time.Millisecond}
		}
		return sim.Hold{}
	}}))
	s := &shrinking{house: h}
	h.config.Chores.Retention = s
	h.start()
	h.sim.Advance(30 * time.Second) // each step has its look in the middle
	step := func(want ...string) {
		t.Helper()
		s.calls = nil
		h.sim.Advance(time.Minute)
		if diff := cmp.Diff(want, s.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	}
	step("choose")
	s.next = actors.Removal{Through: 40}
	step("choose", "remove 40, 0 gap records")
	if !h.b.Health().Ready {
		t.Errorf("%+v", h.b.Health())
	}
	s.next = actors.Removal{Through: 60, First: 51, Lost: 10}
	step("choose", "remove 60, 1 gap records")
	if e := h.all(access.KindGap); e[0].Count != 10 || e[0].Detail != "events 51 to 60 were removed for want of space" {
		t.Errorf("gap: %+v", e)
	}
	if h.b.Health().Ready || len(h.all(access.KindRetentionDegraded)) != 1 {
		t.Errorf("%+v", h.b.Health())
	}
	s.next = actors.Removal{Through: 60, First: 51, Lost: 10} // the same, after a crash
	step("choose", "remove 60, 1 gap records")
	step("choose")
	if !h.b.Health().Ready || len(h.all(access.KindRetentionRestored)) != 1 {
		t.Errorf("%+v", h.b.Health())
	}
	s.fail = errDisk
	step()
	if e := h.all(access.KindRetentionDegraded); len(e) != 2 || !strings.Contains(e[1].Detail, errDisk.Error()) {
		t.Errorf("alarms: %+v", e)
	}
	s.fail = nil
	s.next = actors.Removal{Pressed: true}
	step("choose")
	if h.b.Health().Ready {
		t.Error("a full disk is no alarm")
	}
	h.stopClean()
	h.once()
}

// A crash of a chore touches nobody else, and it goes on afterwards.
func TestACrashOfAChore(t *testing.T) {
	for _, path := range []string{archivePath, retentionPath} {
		h, p := nightHouse(t, "2026-06-01T12:00:00+02:00", seeded(1), sim.Options{})
		s := &shrinking{house: h}
		h.config.Chores.Retention = s
		h.probed()
		h.start()
		before := lives(h.b.Tree(), map[string]uint64{})
		h.panics(path, "", 1)
		h.b.Poke(path)
		h.sim.Advance(time.Second)
		for place, n := range lives(h.b.Tree(), map[string]uint64{}) {
			want := before[place]
			if actors.Root+"/"+place == path {
				want++
			}
			if n != want {
				t.Errorf("%s crashed: %s is in life %d, want %d", path, place, n, want)
			}
		}
		p.said()
		h.sim.Advance(14 * time.Hour)
		if len(p.said()) != 1 || len(s.calls) < 14*60-1 {
			t.Errorf("%s crashed: it does not go on", path)
		}
		h.answers(1)
		h.stopClean()
	}
}

// The archive is in others' way from the moment at which it is due until it is done,
// and not between two tries.
func TestArchiving(t *testing.T) {
	hold := false
	h, p := nightHouse(t, "2026-06-01T12:00:00+02:00", seeded(1), sim.Options{Hold: func(_, name string) sim.Hold {
		if hold && name == "archive" {
			return sim.Hold{Start: sim.Forever}
		}
		return sim.Hold{}
	}})
	h.start()
	hold = true
	for _, step := range []struct {
		advance time.Duration
		want    bool
	}{{0, false}, {14*time.Hour - time.Second, false}, {time.Second, true}, {5 * time.Hour, true}} {
		h.sim.Advance(step.advance)
		if h.b.Archiving() != step.want {
			t.Errorf("at %v: %v", h.sim.Now(), !step.want)
		}
	}
	hold = false
	p.fail = errDisk
	h.sim.ReleaseAll()
	h.sim.Quiesce()
	if h.b.Archiving() {
		t.Error("between two tries")
	}
	h.sim.Stall(h.sim.Now().Add(time.Hour)) // nobody was told the time yet
	if !h.b.Archiving() {
		t.Error("it is due, and does not know it yet")
	}
	h.stopClean()
}

// The state of the backups makes an event of each change, and is in the health.
func TestTheStateOfTheBackups(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	h.start()
	for range 3 {
		h.b.NoteBackup(errDisk)
		h.sim.Quiesce()
	}
	if got := h.b.Health(); got.Ready || !cmp.Equal(got.Degraded, []string{"backup: " + errDisk.Error()}) {
		t.Errorf("health: %+v", got)
	}
	h.b.NoteBackup(nil)
	h.b.NoteBackup(nil)
	h.sim.Quiesce()
	bad, good := h.all(access.KindBackupDegraded), h.all(access.KindBackupRestored)
	if len(bad) != 1 || len(good) != 1 || bad[0].Detail != errDisk.Error() || !h.b.Health().Ready {
		t.Errorf("%+v, %+v, %+v", bad, good, h.b.Health())
	}
	h.stopClean()
	h.once()
}
