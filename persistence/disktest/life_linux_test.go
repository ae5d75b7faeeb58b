package disktest_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/access"
	"gatehouse/persistence/disktest"
	"gatehouse/persistence/journal"
	"gatehouse/persistence/store"
)

const (
	cutsPerLife   = 6
	firstCreation = 50 // the first cut of life n comes at change n of so many
	laterCuts     = 60
)

// life is a journal and a store in one data directory, on a disk whose power is
// cut again and again. It does what their owner would: it keeps what is not
// acknowledged and hands it in again.
type life struct {
	t    *testing.T
	d    *disktest.Disk
	dir  string
	seed uint64
	rnd  *rand.Rand
	lie  disktest.Faults // of a control
	cuts int

	failing bool // single operations fail, too
	errors  int  // how many did
	failed  int  // since the last reboot

	j       *journal.Journal
	waiting []access.Event // not acknowledged
	sent    uint64         // numbers given out
	acked   uint64         // every number up to here is acknowledged

	s       *store.Store
	kept    world  // acknowledged
	asked   *world // under way
	changes int    // acknowledged
}

// world is what the store is to hold.
type world struct {
	Doors map[access.DoorID]access.DoorMemory
	Takes int // how often rules and people were changed
	Boots uint64
}

// openJournal and openStore are all that these tests know of how it is done.
func openJournal(dir string) (*journal.Journal, error) {
	return journal.Open(journal.Options{Dir: journalDir(dir), Building: "b", Boot: 1, SegmentBytes: 20_000})
}

func openStore(dir string) (*store.Store, error) {
	return store.Open(store.Options{Dir: dir, Random: bytes.NewReader(make([]byte, 16))})
}

func journalDir(dir string) string { return filepath.Join(dir, "journal") }

func newLife(t *testing.T, d *disktest.Disk, seed uint64, lie disktest.Faults) *life {
	t.Helper()
	l := &life{t: t, d: d, dir: filepath.Join(d.Dir(), "data"), seed: seed, rnd: rand.New(rand.NewPCG(seed, 1)), lie: lie}
	d.Format()
	if err := os.Mkdir(l.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	syncPath(t, d.Dir())
	l.d.Set(lie)
	l.d.CutAt(1 + int(seed)%firstCreation)
	return l
}

// run lives through its cuts. An error is a loss, or a file that does not open.
func (l *life) run() error {
	defer l.drop()
	for l.cuts < cutsPerLife {
		if err := l.turn(); err != nil {
			return err
		}
	}
	l.drop()
	if err := l.open(); err != nil {
		return fmt.Errorf("at last: %w", err)
	}
	l.drop()
	if _, err := journal.Verify(journalDir(l.dir), "b"); err != nil {
		return err
	}
	return store.Check(l.dir)
}

// turn does the next thing. Whatever fails without power may fail.
func (l *life) turn() error {
	err := l.act()
	if !l.d.Off() {
		return l.afterError(err)
	}
	l.drop()
	l.failed = 0
	l.d.Reboot(l.rnd.Uint64())
	l.cuts++
	l.d.Set(l.lie)
	if l.cuts < cutsPerLife {
		l.d.CutAt(1 + l.rnd.IntN(laterCuts))
	}
	return nil
}

// afterError opens everything again if it was the disk's.
func (l *life) afterError(err error) error {
	if l.failing && l.rnd.IntN(4) == 0 {
		l.d.FailAt(1 + l.rnd.IntN(laterCuts/4))
	}
	if err == nil {
		return nil
	}
	if now := l.d.Failed(); now > l.failed {
		l.errors += now - l.failed
		l.failed = now
		l.drop()
		return nil
	}
	return err
}

func (l *life) act() error {
	switch {
	case l.j == nil:
		return l.open()
	case l.s == nil:
		return l.openStore()
	}
	switch n := l.rnd.IntN(10); {
	case n < 6:
		return l.commit()
	case n < 8:
		return l.saveDoors()
	case n < 9:
		return l.take()
	default:
		return l.boot()
	}
}

func (l *life) drop() {
	if l.j != nil {
		_ = l.j.Close() // the power may be off
	}
	if l.s != nil {
		_ = l.s.Close()
	}
	l.j, l.s = nil, nil
}

// open opens both as after a start and checks what is there.
func (l *life) open() error {
	j, err := openJournal(l.dir)
	if err != nil {
		return fmt.Errorf("the journal does not open: %w", err)
	}
	l.j = j
	if err := l.checkJournal(); err != nil {
		return err
	}
	return l.openStore()
}

func (l *life) openStore() error {
	if err := l.checkImage(); err != nil {
		return err
	}
	s, err := openStore(l.dir)
	if err != nil {
		return fmt.Errorf("the store does not open: %w", err)
	}
	l.s = s
	held, err := l.held()
	if err != nil {
		return err
	}
	return l.settle("the store", held)
}

// held asks the store for all that it may have been told.
func (l *life) held() (held store.Image, err error) {
	if held.Rules, err = l.s.Rules(); err != nil {
		return held, err
	}
	doors, err := l.s.Doors()
	if err != nil {
		return held, err
	}
	held.Doors = slices.SortedFunc(maps.Values(doors), byID)
	for n := range l.kept.Takes + 2 {
		for _, number := range []int{n, n*1000 + n} { // of person 0 at the n-th change, of person n
			p, found, err := l.s.Lookup(access.Card{Number: uint64(number)})
			if err != nil {
				return held, err
			}
			if found && (n > 0 || number > 0) {
				held.Holders = append(held.Holders, p.Cardholder)
				held.Credentials = append(held.Credentials, p.Credential)
			}
		}
	}
	return held, nil
}

func byID(a, b access.DoorMemory) int { return strings.Compare(string(a.Door), string(b.Door)) }

func grant(n uint64) access.Event {
	return access.Event{
		Kind: access.KindGranted, Door: "d1", Reader: "in", Cardholder: "p1", Credential: "c1",
		Time:   time.Date(2026, 3, 1, 8, 0, 0, int(n), time.UTC),
		Source: access.Source{Name: "door/d1", Boot: 1, Run: 1, Number: n},
		Detail: strings.Repeat("x", int(n*7919%200)),
	}
}

func (l *life) commit() error {
	if len(l.waiting) == 0 {
		for range []int{1, 8, 200}[l.rnd.IntN(3)] {
			l.sent++
			l.waiting = append(l.waiting, grant(l.sent))
		}
	}
	if err := l.j.Commit(l.waiting); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	l.acked, l.waiting = l.sent, nil
	return nil
}

// checkJournal: everything acknowledged is there, once, in order, unchanged; of
// the batch under way all or nothing.
func (l *life) checkJournal() error {
	var last uint64
	for {
		batch, err := l.j.Read(last, 512)
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			break
		}
		for _, e := range batch {
			last++
			want := grant(last)
			want.Seq = last
			if want != e { // cmp only when it must explain: this runs a million times
				return fmt.Errorf("event %d: %s", last, cmp.Diff(want, e))
			}
		}
	}
	if last != l.acked && last != l.sent {
		return fmt.Errorf("events: acknowledged %d, sent %d, found %d", l.acked, l.sent, last)
	}
	return nil
}

// change hands a change to the store.
func (l *life) change(next world, do func() error) error {
	l.asked = &next
	if err := do(); err != nil {
		return fmt.Errorf("change: %w", err)
	}
	l.kept, l.asked = next, nil
	l.changes++
	return nil
}

func (l *life) saveDoors() error {
	next := l.kept
	next.Doors = maps.Clone(next.Doors)
	if next.Doors == nil {
		next.Doors = map[access.DoorID]access.DoorMemory{}
	}
	var list []access.DoorMemory
	for range 1 + l.rnd.IntN(20) {
		m := access.DoorMemory{
			Door: access.DoorID(fmt.Sprint("d", l.rnd.IntN(30))),
			Mode: []access.Mode{access.Locked, access.Blocked, access.LockedDown, access.LockedOpen}[l.rnd.IntN(4)],
			Fire: l.rnd.IntN(2) == 0,
		}
		next.Doors[m.Door], list = m, append(list, m)
	}
	return l.change(next, func() error { return l.s.SaveDoors(list) })
}

// take changes the rules, one cardholder and one card, and adds one of each.
func (l *life) take() error {
	next := l.kept
	next.Takes++
	var holders []access.Cardholder
	var cards []access.Credential
	for _, n := range []int{0, next.Takes} {
		id := fmt.Sprint("p", n)
		holders = append(holders, access.Cardholder{ID: access.CardholderID(id), Name: fmt.Sprint("Nr. ", next.Takes)})
		cards = append(cards, access.Credential{ID: access.CredentialID(id), Holder: access.CardholderID(id), Card: access.Card{Number: uint64(n*1000 + next.Takes)}})
	}
	return l.change(next, func() error {
		_, changed, err := l.s.Take(rulesOf(next), holders, cards, store.Author{Operator: "test"})
		if err == nil && !changed {
			err = errors.New("the store saw no difference")
		}
		return err
	})
}

func rulesOf(w world) access.Rules {
	if w.Takes == 0 {
		return access.Rules{}
	}
	return access.Rules{Areas: []access.Area{{ID: "hall", Name: fmt.Sprint("Hall ", w.Takes)}}}
}

func (l *life) boot() error {
	next := l.kept
	next.Boots++
	return l.change(next, func() error {
		n, err := l.s.NextBoot()
		if err == nil && n <= l.kept.Boots {
			err = fmt.Errorf("boot %d comes after boot %d", n, l.kept.Boots)
		}
		next.Boots = n // one more if an earlier one was lost on the way
		return err
	})
}

// checkImage: once a change is acknowledged there is a sound boot image that has
// it, whatever else is on the disk.
func (l *life) checkImage() error {
	image, err := store.ReadImage(filepath.Join(l.dir, store.ImageName))
	if errors.Is(err, store.ErrNoImage) && cmp.Equal(l.kept, world{}) {
		return nil
	}
	if err != nil {
		return err
	}
	return l.compare("the boot image", image)
}

// settle: the change under way was made or was not, as a whole.
func (l *life) settle(what string, held store.Image) error {
	if err := l.compare(what, held); err != nil {
		return err
	}
	if l.asked != nil && diffWorld(*l.asked, held) == "" {
		boots := l.kept.Boots // an image does not tell them
		l.kept = *l.asked
		l.kept.Boots = boots
	}
	l.asked = nil
	return nil
}

func (l *life) compare(what string, held store.Image) error {
	diff := diffWorld(l.kept, held)
	if diff == "" || l.asked != nil && diffWorld(*l.asked, held) == "" {
		return nil
	}
	return fmt.Errorf("%s is not what was acknowledged: %s", what, diff)
}

// diffWorld says how an image differs from what it should be.
func diffWorld(w world, held store.Image) string {
	want := slices.SortedFunc(maps.Values(w.Doors), byID)
	if diff := cmp.Diff(want, held.Doors); diff != "" && len(want)+len(held.Doors) > 0 {
		return diff
	}
	rules := rulesOf(w)
	rules.Version = uint64(w.Takes)
	if diff := cmp.Diff(rules, held.Rules); diff != "" {
		return diff
	}
	people := w.Takes + 1
	if w.Takes == 0 {
		people = 0
	}
	if len(held.Holders) != people || len(held.Credentials) != people {
		return fmt.Sprintf("%d cardholders, %d credentials, want %d of each", len(held.Holders), len(held.Credentials), people)
	}
	for _, h := range held.Holders {
		want := "Nr. " + strings.TrimPrefix(string(h.ID), "p")
		if h.ID == "p0" {
			want = fmt.Sprint("Nr. ", w.Takes)
		}
		if h.Name != want {
			return fmt.Sprintf("cardholder %s is %q, want %q", h.ID, h.Name, want)
		}
	}
	return ""
}
