package actors_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/devices"
	"gatehouse/supervisor"
	"gatehouse/supervisor/sim"
)

const (
	healthPath = actors.Root + "/chores/health"
	every      = 30 * time.Second
	checkLimit = 5 * time.Second
)

// clinic is a house with devices whose checks do what a test wants.
type clinic struct {
	*house
	does  map[string]func(context.Context) error
	calls map[string]int
	at    map[string][]time.Time // when a check began
	most  map[string]int         // at the same time, by device
	under map[string]int
}

func newClinic(t testing.TB, opts sim.Options, ids ...string) *clinic {
	t.Helper()
	k := &clinic{
		house: newHouse(t, 1, sim.New(1, opts)),
		does:  map[string]func(context.Context) error{}, calls: map[string]int{}, at: map[string][]time.Time{},
		most: map[string]int{}, under: map[string]int{},
	}
	for _, id := range ids {
		k.config.Devices = append(k.config.Devices, actors.Device{ID: id, Driver: "virtual", Check: func(ctx context.Context) error { return k.check(ctx, id) }})
	}
	k.probed()
	return k
}

func (k *clinic) check(ctx context.Context, id string) error {
	k.calls[id]++
	k.at[id] = append(k.at[id], k.sim.Now())
	k.under[id]++
	k.most[id] = max(k.most[id], k.under[id])
	defer func() { k.under[id]-- }()
	if f := k.does[id]; f != nil {
		return f(ctx)
	}
	return nil
}

func (k *clinic) device(id string) actors.DeviceStatus {
	k.t.Helper()
	for _, d := range k.b.Devices() {
		if d.ID == id {
			return d
		}
	}
	k.t.Fatalf("no device %s", id)
	return actors.DeviceStatus{}
}

// changes are the events about a device, oldest first.
func (k *clinic) changes(id string) (list []string) {
	for _, e := range k.journal.events {
		device := strings.TrimPrefix(e.Detail, "device ")
		if e.Kind == access.KindDeviceDegraded || e.Kind == access.KindDeviceRestored {
			if name, _, _ := strings.Cut(device, ":"); name == id {
				list = append(list, e.Kind.String())
			}
		}
	}
	return list
}

var errIll = errors.New("no answer on the line")

// faults are what can be wrong with a check, what the device's state is then, and
// how to end what does not end by itself.
var faults = map[string]struct {
	does  func(*sim.Sim) func(context.Context) error
	state actors.DeviceState
	text  string
	end   func(*clinic)
}{
	"error": {func(*sim.Sim) func(context.Context) error {
		return func(context.Context) error { return errIll }
	}, actors.DeviceDegraded, "no answer on the line", nil},
	"hangs in the call": {func(s *sim.Sim) func(context.Context) error {
		return func(ctx context.Context) error { return s.Await(ctx, time.Hour) }
	}, actors.DeviceDegraded, "no answer within 5s", nil},
	"deaf to its context": {func(s *sim.Sim) func(context.Context) error {
		return func(context.Context) error { s.Block(); return nil }
	}, actors.DeviceHangs, "does not come back", func(k *clinic) { k.sim.Unblock(healthPath) }},
	"long error": {func(*sim.Sim) func(context.Context) error {
		return func(context.Context) error { return errors.New(strings.Repeat("\xff\u00e4", 1e5)) }
	}, actors.DeviceDegraded, "?\u00e4?\u00e4", nil},
	"panics": {func(*sim.Sim) func(context.Context) error {
		return func(context.Context) error { panic("bug") }
	}, actors.DeviceDegraded, "bug", nil},
	"too slow": {func(s *sim.Sim) func(context.Context) error {
		return func(context.Context) error { s.Sleep(checkLimit); return nil }
	}, actors.DeviceDegraded, "no answer within 5s", nil},
	"slow but in time": {func(s *sim.Sim) func(context.Context) error {
		return func(ctx context.Context) error { return s.Await(ctx, checkLimit-1) }
	}, actors.DeviceOK, "", nil},
}

// What a driver says is cut at a letter and has nothing in it that moves a terminal.
func TestWhatACheckSaysIsOneLine(t *testing.T) {
	k := newClinic(t, sim.Options{}, "ill")
	k.does["ill"] = func(context.Context) error { return errors.New("\x1b[2Ja\n" + strings.Repeat("ä", 200)) }
	k.start()
	k.sim.Advance(every)
	bad := k.all(access.KindDeviceDegraded)
	if len(bad) != 1 {
		t.Fatalf("%d events", len(bad))
	}
	for _, text := range []string{k.device("ill").LastError, bad[0].Detail} {
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\x1b\n") || len(text) > 300 {
			t.Errorf("%d bytes: %q", len(text), text)
		}
	}
	k.stopClean()
}

// Each fault of a check is that device's own: it is named once, its neighbour is
// checked as before, doors answer, and it ends when the fault does.
func TestFaultsOfChecks(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			k := newClinic(t, sim.Options{}, "ill", "well")
			k.start()
			k.sim.Advance(every)
			if d := k.device("ill"); d.State != actors.DeviceOK || d.Checks != 1 {
				t.Fatalf("at first: %+v", d)
			}
			k.does["ill"] = fault.does(k.sim)
			k.sim.Advance(5 * every)
			d := k.device("ill")
			bad := fault.state != actors.DeviceOK
			if d.State != fault.state || !strings.Contains(d.LastError, fault.text) || bad != (d.LastError != "") || k.b.Health().Ready == bad {
				t.Errorf("%+v, health %+v", d, k.b.Health())
			}
			if len(d.LastError) > 500 || !utf8.ValidString(d.LastError) {
				t.Errorf("%q", d.LastError)
			}
			if want := 5; fault.state != actors.DeviceHangs && k.calls["ill"] != 1+want {
				t.Errorf("%d checks, want %d", k.calls["ill"], 1+want)
			}
			if k.most["ill"] > 1 || fault.state == actors.DeviceHangs && k.calls["ill"] != 2 {
				t.Errorf("%d checks, %d at the same time: one at a time", k.calls["ill"], k.most["ill"])
			}
			if k.calls["well"] != 6 || k.device("well").State != actors.DeviceOK {
				t.Errorf("its neighbour: %d checks, %+v", k.calls["well"], k.device("well"))
			}
			k.answers(1)
			delete(k.does, "ill")
			if fault.end != nil {
				fault.end(k)
			}
			k.sim.Advance(2 * every)
			if d := k.device("ill"); d.State != actors.DeviceOK || !k.b.Health().Ready {
				t.Errorf("afterwards: %+v, health %+v", d, k.b.Health())
			}
			want := ""
			switch {
			case fault.state == actors.DeviceHangs: // that it came back late is news, too
				want = "[device_degraded device_degraded device_restored]"
			case bad:
				want = "[device_degraded device_restored]"
			default:
				want = "[]"
			}
			if got := fmt.Sprint(k.changes("ill")); got != want {
				t.Errorf("events %s, want %s", got, want)
			}
			k.stopClean()
		})
	}
}

// A thousand checks of each fault leave nothing: no timer, no task, and no event
// beyond the changes.
func TestAThousandFaultyChecks(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			k := newClinic(t, sim.Options{}, "ill", "well")
			k.does["ill"] = fault.does(k.sim)
			k.start()
			k.sim.Advance(every - time.Second)
			at := func() supervisor.Counts { c := k.b.RuntimeCounts(); c.Coalesced = 0; return c }
			k.sim.Advance(every)
			first := at()
			k.sim.Advance(1000 * every)
			if got := at(); got != first {
				t.Errorf("after 1,000 periods %+v, after one %+v", got, first)
			}
			if n := k.calls["well"]; n < 1000 {
				t.Errorf("its neighbour was checked %d times", n)
			}
			if n := len(k.changes("ill")); n > 1 {
				t.Errorf("%d events of one change", n)
			}
			delete(k.does, "ill")
			if fault.end != nil {
				fault.end(k)
			}
			k.sim.Advance(2 * every)
			if d := k.device("ill"); d.State != actors.DeviceOK {
				t.Errorf("afterwards: %+v", d)
			}
			if l := k.b.Ledger(); l.Workers != 0 || l.Timers != 1 || l.Zombies != 0 { // the timer of the next check
				t.Errorf("left: %+v", l)
			}
			k.stopClean()
		})
	}
}

// A device that was not there at the start is on the list, is not checked, and
// keeps the building unready only by what is missing of it; one without a check
// is on the list, too. An optional one that is ill makes nobody unready.
func TestDevicesThatAreNotAsked(t *testing.T) {
	k := newClinic(t, sim.Options{}, "gone", "mute", "spare")
	k.config.Devices[0].Missing = devices.ErrUnavailable
	k.config.Devices[1].Check = nil
	k.config.Devices[2].Optional = true
	k.does["spare"] = func(context.Context) error { return errIll }
	k.start()
	k.sim.Advance(2 * every)
	for id, want := range map[string]actors.DeviceState{
		"gone": actors.DeviceMissing, "mute": actors.DeviceUnasked, "spare": actors.DeviceDegraded,
	} {
		if d := k.device(id); d.State != want {
			t.Errorf("%+v, want %s", d, want)
		}
	}
	if k.calls["gone"]+k.calls["mute"] != 0 || len(k.changes("spare")) != 1 {
		t.Errorf("calls %v, events %v", k.calls, k.changes("spare"))
	}
	health := k.b.Health()
	if !health.Ready || fmt.Sprint(health.Degraded) != "[device spare: no answer on the line]" {
		t.Errorf("%+v", health)
	}
	k.stopClean()
}

// Without a device that can be asked there is no actor for it.
func TestNobodyToCheck(t *testing.T) {
	h := simHouse(t, 1, 1, sim.Options{})
	tree := h.b.Tree()
	if tree.Find(healthPath) != nil || len(h.b.Devices()) != 0 {
		t.Error("an actor without work")
	}
	h.stopClean()
}

// The checks of many devices are spread over the period, each device's at the same
// instant of each, and whoever was ill at the same time as all others is found.
func TestChecksAreSpread(t *testing.T) {
	const n, parts = 1000, 30
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("rig-%d", i))
	}
	k := newClinic(t, sim.Options{}, ids...)
	k.start()
	began := k.sim.Now()
	k.sim.Advance(3*every - 1)
	var load [parts]int
	for _, id := range ids {
		at := k.at[id]
		if len(at) != 3 || at[1].Sub(at[0]) != every || at[2].Sub(at[1]) != every {
			t.Fatalf("%s was checked at %v", id, at)
		}
		load[at[0].Sub(began)*parts/every]++
	}
	for i, c := range load {
		if c > 3*n/parts || c == 0 {
			t.Errorf("%d of %d checks in part %d of %d of the period", c, n, i, parts)
		}
	}
	if c := k.b.RuntimeCounts(); c.Timers != 1 || c.Workers != 0 {
		t.Errorf("%+v: one timer for all", c)
	}
	k.stopClean()
}

// A check that hangs outlives the crash of the actor; no second one is begun beside
// it by the next life, which knows that it hangs.
func TestAHangingCheckIsNotMultipliedByACrash(t *testing.T) {
	k := newClinic(t, sim.Options{}, "ill", "well")
	k.does["ill"] = func(context.Context) error { k.sim.Block(); return nil }
	k.start()
	k.sim.Advance(every)
	for range 5 {
		k.panics(healthPath, "", 1)
		k.b.Poke(healthPath)
		k.sim.Advance(2 * every)
	}
	if k.calls["ill"] != 1 || k.device("ill").State != actors.DeviceHangs {
		t.Errorf("%d checks, %+v", k.calls["ill"], k.device("ill"))
	}
	if k.calls["well"] < 9 {
		t.Errorf("its neighbour was checked %d times", k.calls["well"])
	}
	if z := k.b.RuntimeCounts().Zombies; z != 1 {
		t.Errorf("%d zombies, want the one that hangs", z)
	}
	delete(k.does, "ill")
	k.sim.ReleaseAll()
	k.sim.Advance(2 * every)
	if d := k.device("ill"); d.State != actors.DeviceOK {
		t.Errorf("afterwards: %+v", d)
	}
	k.stopClean()
}

// A machine that slept for an hour checks every device once, not a hundred times.
func TestChecksAreNotMadeUp(t *testing.T) {
	k := newClinic(t, sim.Options{}, "rig", "bus")
	k.start()
	k.sim.Advance(every)
	k.sim.Stall(k.sim.Now().Add(time.Hour))
	k.sim.Advance(0)
	if k.calls["rig"]+k.calls["bus"] > 4 {
		t.Errorf("%v", k.calls)
	}
	k.sim.Advance(every)
	if k.calls["rig"] < 2 || k.calls["bus"] < 2 || k.calls["rig"]+k.calls["bus"] > 6 {
		t.Errorf("%v", k.calls)
	}
	k.stopClean()
}

// A check that hangs keeps the last events from nobody: they are written, and the
// report tells of the check.
func TestAStopBesideACheckThatHangs(t *testing.T) {
	k := newClinic(t, sim.Options{}, "ill")
	k.does["ill"] = func(context.Context) error { k.sim.Block(); return nil }
	k.start()
	k.sim.Advance(every)
	report := k.b.Stop()
	if report.Zombies != 1 || fmt.Sprint(report.Abandoned) != "["+healthPath+"]" || !k.b.OnlyChecksHang(report) {
		t.Errorf("%+v", report)
	}
	if !k.has(access.KindStopped) {
		t.Error("nothing says that the building stopped")
	}
	k.sim.ReleaseAll()
	k.sim.Quiesce()
	if l := k.b.Ledger(); l.Workers != 0 || l.Zombies != 0 {
		t.Errorf("left: %+v", l)
	}
}

// Beside any other call that hangs nothing is written, also when a check hangs.
func TestAStopBesideADiskThatHangs(t *testing.T) {
	k := newClinic(t, sim.Options{Hold: func(_, name string) sim.Hold {
		if name == "commit" {
			return sim.Hold{Start: sim.Forever}
		}
		return sim.Hold{}
	}}, "ill")
	k.does["ill"] = func(context.Context) error { k.sim.Block(); return nil }
	k.start()
	k.sim.Advance(every)
	if report := k.b.Stop(); k.b.OnlyChecksHang(report) || k.has(access.KindStopped) {
		t.Errorf("%+v", report)
	}
	k.sim.ReleaseAll()
	k.sim.Quiesce()
}
