package daemon

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gatehouse/access"
	"gatehouse/actors"
)

func someOccupancy() actors.Occupancy {
	return actors.Occupancy{
		Through: 70_000, Source: access.Source{Name: "door/front", Boot: 1 << 63, Run: 3, Number: 4},
		Time: time.Date(2026, 3, 1, 7, 0, 0, 123456789, time.UTC),
		Places: placesOf(map[access.CardholderID]access.Place{
			"p-1": {Area: "hall", Seq: 3}, "p-2": {Area: access.Outside, Seq: 69_999}, "p-3": {Area: "hall", Seq: 12},
		}),
	}
}

func placesOf(m map[access.CardholderID]access.Place) *access.Places {
	p := &access.Places{}
	for who, at := range m {
		p.Set(who, at)
	}
	return p
}

// byMap compares places as the map that they are.
var byMap = cmp.Transformer("map", func(p *access.Places) map[access.CardholderID]access.Place { return maps.Collect(p.All()) })

// What was saved is loaded again, also by the one who finds what a crash left.
func TestOccupancyFile(t *testing.T) {
	l := &liveOccupancy{dir: t.TempDir(), building: "house", limit: 1 << 20}
	rapid.Check(t, func(r *rapid.T) {
		want := someOccupancy()
		want.Places = &access.Places{}
		for range rapid.IntRange(0, 50).Draw(r, "people") {
			who := access.CardholderID(rapid.String().Draw(r, "who"))
			want.Places.Set(who, access.Place{Area: access.AreaID(rapid.StringN(1, 5, -1).Draw(r, "area")), Seq: rapid.Uint64().Draw(r, "seq")})
		}
		if err := errors.Join(l.Save(want), os.WriteFile(l.path()+".tmp", []byte("half a fi"), 0o600)); err != nil {
			r.Fatal(err)
		}
		got, err := l.Load()
		if diff := cmp.Diff(want, got, byMap); diff != "" || err != nil {
			r.Fatalf("%v\n%s", err, diff)
		}
	})
}

// A file with any bit flipped, cut anywhere, with something behind it, too large
// or of another building is no occupancy.
func TestOccupancyFileThatIsNotSound(t *testing.T) {
	l := &liveOccupancy{dir: t.TempDir(), building: "house", limit: 1 << 20}
	if o, err := l.Load(); err != nil || o.Through != 0 {
		t.Fatalf("no file: %+v, %v", o, err)
	}
	sound := appendOccupancy(nil, "house", someOccupancy())
	if _, _, err := parseOccupancy(sound); err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(sound) {
		b := slices.Clone(sound)
		b[bit/8] ^= 1 << (bit % 8)
		if _, _, err := parseOccupancy(b); !errors.Is(err, errOccupancy) {
			t.Errorf("bit %d: %v", bit, err)
		}
	}
	for n := range sound {
		if _, _, err := parseOccupancy(sound[:n]); !errors.Is(err, errOccupancy) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, _, err := parseOccupancy(append(slices.Clone(sound), 0)); !errors.Is(err, errOccupancy) {
		t.Errorf("one byte more: %v", err)
	}
	if err := os.WriteFile(l.path(), appendOccupancy(nil, "other", someOccupancy()), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Load(); !errors.Is(err, errOccupancyOther) {
		t.Errorf("another building's: %v", err)
	}
	l.limit = 10
	if _, err := l.Load(); !errors.Is(err, errOccupancySize) {
		t.Errorf("too large: %v", err)
	}
}

// A save that fails leaves the file before and nothing else; one beside another is
// refused, and so is one that is too large.
func TestOccupancySaveThatFails(t *testing.T) {
	l := &liveOccupancy{dir: t.TempDir(), building: "house", limit: 1 << 20}
	if err := l.Save(someOccupancy()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(l.path()+".tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Save(someOccupancy()); err == nil || !strings.Contains(err.Error(), "check the disk") {
		t.Errorf("%v", err)
	}
	l.saving.Lock()
	if err := l.Save(someOccupancy()); !errors.Is(err, errOccupancyBusy) {
		t.Errorf("%v", err)
	}
	l.saving.Unlock()
	l.limit = 10
	if err := l.Save(someOccupancy()); !errors.Is(err, errOccupancySize) {
		t.Errorf("%v", err)
	}
	l.limit = 1 << 20
	if got, err := l.Load(); err != nil || got.Through != someOccupancy().Through {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := os.Stat(l.path() + ".tmp"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
}
