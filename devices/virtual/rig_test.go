package virtual_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/devices"
	"gatehouse/devices/virtual"
)

func open(t *testing.T, rig *virtual.Rig, configs ...devices.Config) *devices.Registry {
	t.Helper()
	r := devices.NewRegistry(rig.Driver())
	if err := r.Open(configs).Err(); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheLayouts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		layout  map[string]string
		options map[string]string
		want    string
	}{
		{"a door", nil, nil, "[in out] [lock] [contact fire rex tamper] [] [in out]"},
		{"the rig's own", map[string]string{"locks": "a"}, nil, "[] [a] [] [] []"},
		{
			"the device's own", nil,
			map[string]string{"readers": "r1, r2", "locks": "l", "inputs": "i", "outputs": "o1,o2", "indicators": "x"},
			"[r1 r2] [l] [i] [o1 o2] [x]",
		},
	} {
		b, err := virtual.New(virtual.Options{Layout: tt.layout}).Driver().Open(devices.Config{ID: "d", Options: tt.options})
		got := fmt.Sprint(slices.Sorted(maps.Keys(b.Readers)), slices.Sorted(maps.Keys(b.Locks)),
			slices.Sorted(maps.Keys(b.Inputs)), slices.Sorted(maps.Keys(b.Outputs)), slices.Sorted(maps.Keys(b.Indicators)))
		if err != nil || got != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestBadOptions(t *testing.T) {
	for _, options := range []map[string]string{
		{"readers": "in,in"},
		{"readers": ""},
		{"locks": "a,,b"},
		{"inputs": "a/b"},
		{"reader": "in"},
	} {
		rig := virtual.New(virtual.Options{})
		if _, err := rig.Driver().Open(devices.Config{ID: "d", Options: options}); !errors.Is(err, devices.ErrBadDevice) {
			t.Errorf("%v: got %v", options, err)
		}
		open(t, rig, devices.Config{ID: "d", Driver: virtual.DriverName})
	}
}

func TestRefusedDevices(t *testing.T) {
	rig := virtual.New(virtual.Options{})
	rig.Refuse("absent", fmt.Errorf("unplugged: %w", devices.ErrUnavailable))
	rig.Refuse("broken", fs.ErrPermission)
	r := devices.NewRegistry(rig.Driver())
	report := r.Open([]devices.Config{{ID: "absent", Driver: "virtual"}, {ID: "broken", Driver: "virtual"}})
	if report.Results[0].State != devices.Skipped || report.Results[1].State != devices.Failed {
		t.Error(report)
	}
	rig.Refuse("broken", nil)
	open(t, rig, devices.Config{ID: "broken", Driver: "virtual"})
}

func TestOneSideMeetsTheOther(t *testing.T) {
	rig := virtual.New(virtual.Options{})
	r := open(t, rig, devices.Config{ID: "door-1", Driver: "virtual"})
	reader, _ := r.Reader("door-1/in")
	lock, _ := r.Lock("door-1/lock")
	contact, _ := r.Input("door-1/contact")
	light, _ := r.Indicator("door-1/out")

	var heard []devices.CardRead
	defer reader.Listen(func(c devices.CardRead) { heard = append(heard, c) })()
	read := devices.CardRead{Bits: 26, Raw: [16]byte{0xab}, Origin: devices.Origin{File: "f", Row: 2, Order: 1}}
	rig.Reader("door-1/in").Present(read)
	rig.Reader("door-1/out").Present(read)
	if diff := cmp.Diff([]devices.CardRead{read}, heard); diff != "" {
		t.Error(diff)
	}
	var moves []string
	rig.OnMove(func(name string, release bool) { moves = append(moves, fmt.Sprint(name, " ", release)) })
	for _, release := range []bool{false, true, true, false} {
		if err := lock.Drive(release); err != nil || rig.Lock("door-1/lock").Released() != release {
			t.Errorf("Drive(%v): %v", release, err)
		}
	}
	if diff := cmp.Diff([]string{"door-1/lock true", "door-1/lock false"}, moves); diff != "" {
		t.Error(diff)
	}
	rig.Input("door-1/contact").Set(true)
	if active, err := contact.Level(); err != nil || !active {
		t.Errorf("level %v, %v", active, err)
	}
	show := devices.Show{Light: devices.Green, Beeps: 2, Text: "welcome"}
	if err := light.Indicate(show); err != nil || rig.Indicator("door-1/out").Shown() != show {
		t.Errorf("%v, shown %v", err, rig.Indicator("door-1/out").Shown())
	}
	rig.Indicator("door-1/out").SetCan(devices.Can{Light: true})
	_ = light.Indicate(show)
	if got := rig.Indicator("door-1/out").Shown(); got != (devices.Show{Light: devices.Green}) {
		t.Errorf("without buzzer and text it shows %v", got)
	}
}

func TestLockCountsAndRemembers(t *testing.T) {
	lock := virtual.New(virtual.Options{}).Lock("d/lock")
	if got := lock.History(); lock.Released() || len(got) != 0 {
		t.Errorf("a new lock: released %v, history %v", lock.Released(), got)
	}
	for _, release := range []bool{false, true, true, false} {
		_ = lock.Drive(release)
	}
	if diff := cmp.Diff([]bool{false, true, true, false}, lock.History()); diff != "" {
		t.Error(diff)
	}
	if lock.Moves() != 2 || lock.Drives() != 4 {
		t.Errorf("%d moves, %d drives, want 2, 4", lock.Moves(), lock.Drives())
	}
	for range 100 {
		_ = lock.Drive(true)
	}
	if got := lock.History(); len(got) != virtual.HistorySize || slices.Contains(got, false) {
		t.Errorf("history after 100 more: %v", got)
	}
}

func TestFaults(t *testing.T) {
	rig := virtual.New(virtual.Options{})
	fault := errors.New("wire cut")
	lock, input, output, light := rig.Lock("d/l"), rig.Input("d/i"), rig.Output("d/o"), rig.Indicator("d/x")
	for _, part := range []struct {
		name string
		fail func(error)
		use  func() error
		same func() bool
	}{
		{"lock", lock.Fail, func() error { return lock.Drive(true) }, func() bool { return !lock.Released() && lock.Drives() == 0 }},
		{"input", input.Fail, func() error { _, err := input.Level(); return err }, func() bool { return true }},
		{"output", output.Fail, func() error { return output.Set(true) }, func() bool { return !output.On() && output.Moves() == 0 }},
		{"indicator", light.Fail, func() error { return light.Indicate(devices.Show{Beeps: 1}) }, func() bool { return light.Shows() == 0 }},
	} {
		part.fail(fault)
		if err := part.use(); !errors.Is(err, fault) || !part.same() {
			t.Errorf("failed %s: %v, unchanged %v", part.name, err, part.same())
		}
		part.fail(nil)
		if err := part.use(); err != nil {
			t.Errorf("repaired %s: %v", part.name, err)
		}
	}
	if !lock.Released() || !output.On() || output.Moves() != 1 || light.Shows() != 1 {
		t.Error("after the repair the parts did not do as told")
	}
}

func TestJam(t *testing.T) {
	rig := virtual.New(virtual.Options{})
	lock := rig.Lock("d/lock")
	var moves []bool
	rig.OnMove(func(_ string, release bool) { moves = append(moves, release) })
	lock.Jam(true)
	if err := lock.Drive(true); err != nil || lock.Released() || lock.Moves() != 0 {
		t.Errorf("jammed: %v, released %v, %d moves", err, lock.Released(), lock.Moves())
	}
	lock.Jam(false)
	if !lock.Released() || lock.Moves() != 1 || !cmp.Equal(moves, []bool{true}) {
		t.Errorf("after the jam: released %v, %d moves, hook %v", lock.Released(), lock.Moves(), moves)
	}
}

func TestDoorIsPhysical(t *testing.T) {
	rig := virtual.New(virtual.Options{})
	door, lock := rig.Door("d"), rig.Lock("d/lock")
	var moved []bool
	defer rig.Input("d/contact").Listen(func(open bool) { moved = append(moved, open) })()
	if err := door.Open(); !errors.Is(err, virtual.ErrSecured) || door.IsOpen() {
		t.Errorf("a locked door: %v, open %v", err, door.IsOpen())
	}
	_ = lock.Drive(true)
	if err := door.Open(); err != nil || !door.IsOpen() {
		t.Errorf("a released door: %v, open %v", err, door.IsOpen())
	}
	_ = lock.Drive(false)
	if err := door.Open(); err != nil {
		t.Errorf("an open door: %v", err)
	}
	door.Close()
	door.Force()
	door.Close()
	if diff := cmp.Diff([]bool{true, false, true, false}, moved); diff != "" {
		t.Error(diff)
	}
	lock.Jam(true)
	_ = lock.Drive(true)
	if err := door.Open(); !errors.Is(err, virtual.ErrSecured) {
		t.Errorf("a jammed door: %v", err)
	}
}

func TestStateOutlivesTheOpening(t *testing.T) {
	rig := virtual.New(virtual.Options{})
	config := devices.Config{ID: "d", Driver: "virtual"}
	first, err := rig.Driver().Open(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rig.Driver().Open(config); !errors.Is(err, virtual.ErrOpen) {
		t.Errorf("opened twice: %v", err)
	}
	calls := 0
	first.Readers["in"].Listen(func(devices.CardRead) { calls++ })
	_ = first.Locks["lock"].Drive(true)
	_ = first.Close()
	if err := first.Locks["lock"].Drive(false); !errors.Is(err, devices.ErrClosed) || !rig.Lock("d/lock").Released() {
		t.Errorf("driven after Close: %v", err)
	}
	if _, err := first.Inputs["rex"].Level(); !errors.Is(err, devices.ErrClosed) {
		t.Errorf("level after Close: %v", err)
	}
	if err := first.Indicators["in"].Indicate(devices.Show{}); !errors.Is(err, devices.ErrClosed) {
		t.Errorf("indicated after Close: %v", err)
	}
	first.Readers["in"].Listen(func(devices.CardRead) { calls++ })
	second, err := rig.Driver().Open(config)
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Close() // must not close the second opening
	rig.Reader("d/in").Present(devices.CardRead{})
	if calls != 0 {
		t.Errorf("a listener of the first opening was called %d times", calls)
	}
	if !rig.Lock("d/lock").Released() || second.Locks["lock"].Drive(true) != nil || rig.Lock("d/lock").Moves() != 1 {
		t.Error("the second opening does not find the bolt where it was")
	}
}

// A building has 1,000 doors; what the rig takes must not hide what they take.
func TestPartsAreSmall(t *testing.T) {
	const doors, parts = 1000, 9
	before := heap()
	rig := virtual.New(virtual.Options{})
	for i := range doors {
		for kind, names := range virtual.DoorLayout() {
			for name := range strings.SplitSeq(names, ",") {
				touch(rig, kind, fmt.Sprintf("door-%d/%s", i, name))
			}
		}
	}
	perPart := (heap() - before) / (doors * parts)
	r := open(t, rig)
	for i := range doors {
		r.Open([]devices.Config{{ID: fmt.Sprintf("door-%d", i), Driver: "virtual"}})
	}
	perDoor := (heap() - before) / doors
	runtime.KeepAlive(r)
	t.Logf("%d bytes a part, %d bytes an open door in the registry", perPart, perDoor)
	if perPart > 300 || perDoor > 5<<10 {
		t.Errorf("%d bytes a part (want at most 300), %d bytes an open door (want at most 5 KiB)", perPart, perDoor)
	}
}

func touch(rig *virtual.Rig, kind, name string) {
	switch kind {
	case "readers":
		rig.Reader(name)
	case "locks":
		rig.Lock(name)
	case "inputs":
		rig.Input(name)
	case "indicators":
		rig.Indicator(name)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
