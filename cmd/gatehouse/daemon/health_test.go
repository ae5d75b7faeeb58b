package daemon_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/actors"
)

func (h *house) device(id string) actors.DeviceStatus {
	h.t.Helper()
	for _, d := range h.d.Building.Devices() {
		if d.ID == id {
			return d
		}
	}
	h.t.Fatalf("no device %s", id)
	return actors.DeviceStatus{}
}

func (h *house) count(kind access.Kind) (n int) {
	for _, e := range h.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// The site's devices are checked at the pace of the site file; one that is ill is
// known, one that is missing is on the list, and the doors do as before.
func TestDevicesAreChecked(t *testing.T) {
	h := newHouse(t)
	h.site.Health.EveryS, h.site.Health.Limit = 60, 10*time.Second
	h.rig.Refuse("back", errors.New("no such bus"))
	h.start()
	h.sim.Advance(time.Minute)
	if d := h.device("front"); d.State != actors.DeviceOK || d.Checks != 1 || d.Driver != "virtual" {
		t.Errorf("%+v", d)
	}
	if d := h.device("back"); d.State != actors.DeviceMissing || !strings.Contains(d.LastError, "no such bus") {
		t.Errorf("%+v", d)
	}
	h.rig.Ail("front", func(ctx context.Context) error { return h.sim.Await(ctx, time.Hour) })
	h.sim.Advance(2 * time.Minute)
	if d := h.device("front"); d.State != actors.DeviceDegraded || d.TookMS != 10_000 || h.count(access.KindDeviceDegraded) != 1 {
		t.Errorf("%+v, %d events", d, h.count(access.KindDeviceDegraded))
	}
	h.card("front", knownCard)
	h.wantReleased("front", true)
	h.rig.Ail("front", nil)
	h.sim.Advance(2 * time.Minute)
	if d := h.device("front"); d.State != actors.DeviceOK || h.count(access.KindDeviceRestored) != 1 {
		t.Errorf("%+v, %d events", d, h.count(access.KindDeviceRestored))
	}
	h.stop()
}

// A check that is deaf at the stop is left behind and named; everything is written
// and closed, and the next life finds it so.
func TestAStopBesideACheckThatIsDeaf(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.rig.Ail("front", func(context.Context) error { h.sim.Block(); return nil })
	h.sim.Advance(time.Minute)
	if d := h.device("front"); d.State != actors.DeviceHangs {
		t.Fatalf("%+v", d)
	}
	report, err := h.d.Stop()
	if err == nil || !strings.Contains(err.Error(), "chores/health") || report.Zombies != 1 {
		t.Errorf("%v, %+v", err, report)
	}
	h.now = h.sim.Now().Add(time.Minute)
	h.sim.ReleaseAll()
	h.sim.Quiesce()
	h.rig = newHouse(t).rig
	h.start()
	events, err := h.d.Building.Events(0, 100)
	if err != nil {
		t.Fatal(err)
	}
	stopped := 0
	for _, e := range events {
		if e.Kind == access.KindStopped {
			stopped++
		}
	}
	if stopped != 1 {
		t.Errorf("the first life stopped %d times by the journal", stopped)
	}
	h.stop()
}
