package actors_test

import (
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/supervisor/sim"
)

// memoryOccupancy is an OccupancyStore without a disk.
type memoryOccupancy struct {
	mu    sync.Mutex
	kept  actors.Occupancy
	saves int
	loads int
	fail  error // of Save
	blind error // of Load
}

func (m *memoryOccupancy) Load() (actors.Occupancy, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	if m.blind != nil {
		return actors.Occupancy{}, m.blind
	}
	o := m.kept
	if o.Places != nil {
		o.Places = placesOf(maps.Collect(o.Places.All()))
	}
	return o, nil
}

func placesOf(m map[access.CardholderID]access.Place) *access.Places {
	p := &access.Places{}
	for who, at := range m {
		p.Set(who, at)
	}
	return p
}

func (m *memoryOccupancy) Save(o actors.Occupancy) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.kept = o
	m.saves++
	return nil
}

// fading is a journal that loses its oldest events, or its newest ones and
// then gives their numbers again.
type fading struct {
	list   []access.Event
	last   uint64
	visits int // events that were read
}

func (j *fading) Commit([]access.Event) error { return nil }
func (j *fading) Last() uint64                { return j.last }

func (j *fading) Read(after uint64, limit int) (page []access.Event, _ error) {
	for _, e := range j.list {
		if e.Seq > after && len(page) < limit {
			page = append(page, e)
		}
	}
	j.visits += len(page)
	return page, nil
}

func (j *fading) write(e access.Event) {
	j.last++
	e.Seq, e.Time = j.last, sim.Epoch.Add(time.Duration(j.last)*time.Second)
	j.list = append(j.list, e)
}

func (j *fading) forget(n int) { j.list = j.list[min(n, len(j.list)):] }

func (j *fading) setBack(n int) {
	n = min(n, len(j.list))
	j.list = j.list[:len(j.list)-n]
	j.last -= uint64(n)
}

// full is where people are by all of the journal's events.
func (j *fading) full() map[access.CardholderID]access.Place {
	all := map[access.CardholderID]access.Place{}
	for _, e := range j.list {
		if e.Kind == access.KindPassage && e.Cardholder != "" && e.To != "" {
			all[e.Cardholder] = access.Place{Area: e.To, Seq: e.Seq}
		}
	}
	return all
}

// prepared is a building that does not run.
func prepared(t testing.TB, j actors.Journal, o actors.OccupancyStore) *actors.Building {
	t.Helper()
	h := newHouse(t, 1, sim.New(1, sim.Options{}))
	h.config.Journal, h.config.Occupancy = j, o
	b, err := actors.New(h.config)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What is kept and the events after it are the same as all events, whatever
// becomes of the journal between a save and a start: it grows, its oldest events
// go, it is set back and goes on otherwise, or the save is lost or an old one.
func TestKeptAndTailAreTheWholeJournal(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		j, store := &fading{}, &memoryOccupancy{}
		b := prepared(t, j, store)
		old := store.kept
		var boot uint64
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			switch rapid.SampledFrom([]string{"write", "write", "write", "keep", "keep", "drop", "back", "old", "lost", "blind"}).Draw(r, "step") {
			case "write":
				for range rapid.IntRange(1, 8).Draw(r, "events") {
					boot++
					j.write(access.Event{
						Kind:       rapid.SampledFrom([]access.Kind{access.KindPassage, access.KindPassage, access.KindGranted}).Draw(r, "kind"),
						Cardholder: rapid.SampledFrom([]access.CardholderID{"", "a", "b", "c", "d"}).Draw(r, "who"),
						To:         rapid.SampledFrom([]access.AreaID{"", "hall", "vault", access.Outside}).Draw(r, "to"),
						Source:     access.Source{Name: "door/1", Boot: boot, Run: 1, Number: 1},
					})
				}
			case "keep":
				old = store.kept
				if err := b.Keep(); err != nil {
					r.Fatal(err)
				}
			case "drop":
				j.forget(rapid.IntRange(0, 12).Draw(r, "forgotten"))
			case "back":
				j.setBack(rapid.IntRange(0, 6).Draw(r, "set back"))
			case "old":
				store.kept = old
			case "lost":
				store.kept = actors.Occupancy{}
			case "blind":
				store.blind = errDisk
			}
			got, err := b.WhereByJournal()
			store.blind = nil
			if err != nil {
				r.Fatal(err)
			}
			if diff := cmp.Diff(j.full(), maps.Collect(got.Places.All())); diff != "" {
				r.Fatalf("-all +kept and tail:\n%s", diff)
			}
		}
	})
}

// A start reads what came after the last save, and two events that say what the
// journal is.
func TestAStartReadsTheTailOnly(t *testing.T) {
	const all, tail = 5000, 7
	j, store := &fading{}, &memoryOccupancy{}
	b := prepared(t, j, store)
	for i := range all {
		if i == all-tail {
			if err := b.Keep(); err != nil {
				t.Fatal(err)
			}
		}
		j.write(access.Event{
			Kind: access.KindPassage, Cardholder: access.CardholderID(fmt.Sprint(i % 9)), To: "hall",
			Source: access.Source{Name: "door/1", Number: uint64(i + 1)},
		})
	}
	for name, row := range map[string]struct {
		spoil func(*actors.Occupancy)
		want  int
	}{
		"sound":       {func(*actors.Occupancy) {}, tail + 2},
		"none":        {func(o *actors.Occupancy) { *o = actors.Occupancy{} }, all + 1},
		"other event": {func(o *actors.Occupancy) { o.Source.Boot++ }, all + 2},
		"other time":  {func(o *actors.Occupancy) { o.Time = o.Time.Add(1) }, all + 2},
		"ahead":       {func(o *actors.Occupancy) { o.Through = all + 1 }, all + 1},
	} {
		spoilt := &memoryOccupancy{kept: store.kept}
		row.spoil(&spoilt.kept)
		b := prepared(t, j, spoilt)
		j.visits = 0
		if _, err := b.WhereByJournal(); err != nil {
			t.Fatal(err)
		}
		if j.visits != row.want {
			t.Errorf("%s: %d events were read, want %d", name, j.visits, row.want)
		}
	}
}

// Where people are is kept soon after the start, then when it is ten minutes or
// 10,000 events behind, and not when nothing has changed.
func TestWhenOccupancyIsKept(t *testing.T) {
	store := &memoryOccupancy{}
	h := newHouse(t, 1, sim.New(1, sim.Options{}), hard)
	h.config.Occupancy = store
	h.start()
	want := func(saves int, what string) {
		t.Helper()
		if store.saves != saves {
			t.Errorf("%s: %d saves, want %d", what, store.saves, saves)
		}
	}
	h.sim.Advance(59 * time.Second)
	want(0, "before the first look")
	h.sim.Advance(time.Second)
	want(1, "after a minute")
	loads := store.loads
	h.sim.Advance(time.Hour)
	want(1, "nothing has changed")
	if store.loads != loads {
		t.Errorf("nothing has changed, but it was looked up %d times", store.loads-loads)
	}
	h.through(1, "in", 1)
	h.sim.Advance(time.Minute)
	want(2, "late")
	h.through(1, "in", 2)
	h.sim.Advance(9 * time.Minute)
	want(2, "not late yet")
	h.sim.Advance(time.Minute)
	want(3, "late again")
	for i := range 9_990 {
		h.journal.events = append(h.journal.events, access.Event{Seq: h.journal.Last() + 1, Source: access.Source{Name: "other", Number: uint64(i + 1)}})
	}
	h.sim.Advance(time.Minute)
	want(3, "not many events yet")
	for i := range 10 {
		h.journal.events = append(h.journal.events, access.Event{Seq: h.journal.Last() + 1, Source: access.Source{Name: "more", Number: uint64(i + 1)}})
	}
	h.sim.Advance(time.Minute)
	want(4, "many events")
	if got, _ := store.kept.Places.Get("p-1"); got.Area != "hall" {
		t.Errorf("p-1 is kept in %q", got.Area)
	}
	h.stopClean()
}

// An occupancy that cannot be kept or read harms nobody; that is tried again.
func TestOccupancyThatCannotBeKept(t *testing.T) {
	store := &memoryOccupancy{fail: errDisk, blind: errDisk}
	h := newHouse(t, 1, sim.New(1, sim.Options{}), hard)
	h.config.Occupancy = store
	h.start()
	h.through(1, "in", 1)
	h.sim.Advance(5 * time.Minute)
	h.through(1, "in", 1)
	if got := h.last("p-1"); got != "denied anti_passback" || !h.b.Health().Ready {
		t.Errorf("p-1: %s, %+v", got, h.b.Health())
	}
	store.fail = nil
	h.sim.Advance(time.Minute)
	if store.saves != 1 {
		t.Errorf("%d saves", store.saves)
	}
	h.stopClean()
}

// A save that hangs keeps neither the areas nor the doors from anything.
func TestASaveThatHangs(t *testing.T) {
	h := newHouse(t, 1, sim.New(1, sim.Options{Hold: func(_, name string) sim.Hold {
		if name == "keep" {
			return sim.Hold{Start: 24 * time.Hour}
		}
		return sim.Hold{}
	}}), hard)
	h.config.Occupancy = &memoryOccupancy{}
	h.probed()
	h.start()
	h.sim.Advance(time.Hour)
	h.through(1, "in", 1)
	h.panics(trackerPath, "", 1)
	h.b.Poke(trackerPath)
	h.sim.Advance(time.Second)
	h.through(1, "in", 1)
	if got := h.last("p-1"); got != "denied anti_passback" {
		t.Errorf("p-1: %s", got)
	}
}

// A new life of the building takes up what was kept and the passages after it.
func TestTheNextLifeTakesUpWhatWasKept(t *testing.T) {
	store := &memoryOccupancy{}
	first := newHouse(t, 1, sim.New(1, sim.Options{}), hard)
	first.config.Occupancy = store
	first.start()
	first.through(1, "in", 1)
	first.through(1, "in", 2)
	first.sim.Advance(time.Minute)
	first.through(1, "out", 2)
	first.through(1, "in", 3)
	first.stopClean()

	second := newHouse(t, 1, sim.New(2, sim.Options{}), hard)
	second.config.Occupancy, second.config.Journal, second.config.Boot = store, first.journal, 8
	second.journal = first.journal
	for i := range second.journal.events[:store.kept.Through-1] {
		second.journal.events[i].Kind = access.KindNone // nobody is to read this again
	}
	second.start()
	for who, want := range map[uint64]string{1: "denied anti_passback", 2: "granted credential", 3: "denied anti_passback"} {
		second.through(1, "in", who)
		if got := second.last(fmt.Sprintf("p-%d", who)); got != want {
			t.Errorf("p-%d: %s, want %s", who, got, want)
		}
	}
	second.stopClean()
}
