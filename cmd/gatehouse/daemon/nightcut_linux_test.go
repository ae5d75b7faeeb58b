package daemon_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/access"
	"gatehouse/persistence/archive"
	"gatehouse/persistence/disktest"
)

// newShare makes an empty directory for the archive, durably.
func (n *night) newShare(d *disktest.Disk) {
	n.t.Helper()
	d.Format()
	n.site.Archive.Dir = filepath.Join(d.Dir(), "share")
	root, err := os.Open(d.Dir())
	if err == nil {
		err = errors.Join(os.Mkdir(n.site.Archive.Dir, 0o700), root.Sync(), root.Close())
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

// cutNight begins an archive on a disk that loses its power at the n-th change or
// sync. What it counted as archived then, so that retention might have dropped it,
// must be there when the power is back, and the next life must end the work.
func (n *night) cutNight(d *disktest.Disk, at int, lie disktest.Faults, closed map[string]string) error {
	n.t.Helper()
	n.newShare(d)
	d.Set(lie)
	d.CutAt(at)
	n.start()
	n.sim.Advance(12 * time.Minute)
	status, _ := n.d.Building.Archive()
	n.wasCut = d.Off()
	if n.wasCut != n.has(access.KindArchiveDegraded) {
		n.t.Errorf("cut %d: the power is off: %v, alarm: %v", at, n.wasCut, n.kinds())
	}
	_, _ = n.d.Stop() // the archive's lock cannot be given back without power
	n.now = n.sim.Now().Add(time.Minute)
	d.Reboot(uint64(at))
	d.Set(disktest.Faults{})
	if err := n.kept(status.Last); err != nil {
		return fmt.Errorf("cut %d: %w", at, err)
	}
	n.start()
	n.sim.Advance(12 * time.Minute)
	if n.has(access.KindArchiveDegraded) {
		n.stop()
		return fmt.Errorf("cut %d: %s", at, n.newest(access.KindArchiveDegraded).Detail)
	}
	n.wantArchived("epoch-1", closed)
	n.stop()
	return nil
}

// kept verifies what the archive counts, which is to reach the event last.
func (n *night) kept(last uint64) error {
	dir, reached := filepath.Join(n.site.Archive.Dir, "epoch-1"), uint64(0)
	if last == 0 {
		return nil
	}
	if _, err := archive.List(dir, func(e archive.Entry) error { reached = e.Last; return nil }); err != nil {
		return err
	}
	if reached < last {
		return fmt.Errorf("events up to %d were archived, %d are", last, reached)
	}
	_, err := archive.Verify(n.t.Context(), dir, n.ids, nil, func(_ archive.Entry, err error) error {
		if errors.Is(err, archive.ErrForeign) {
			return nil // a file that is not in the manifest yet
		}
		return err
	})
	return err
}

// A power cut at every change and sync of a run, the first creation included; in CI
// at every fourth (make powercut cuts at all).
func TestPowerCutsInTheNight(t *testing.T) {
	stride := 4
	if os.Getenv("CUTS") != "" {
		stride = 1
	}
	d := disktest.Mount(t)
	n := nightHouse(t, 2, time.Hour*24)
	closed := n.closed()
	cuts := 0
	for at := 1; ; at += stride {
		if err := n.cutNight(d, at, disktest.Faults{}, closed); err != nil {
			t.Fatal(err)
		}
		if !n.wasCut {
			break
		}
		cuts++
	}
	t.Logf("%d power cuts, 0 archived segments lost", cuts)
	if cuts < 10 {
		t.Error("hardly any cuts: this proves nothing")
	}
	lost := 0
	for at := 1; at < cuts*stride; at += 2 * stride {
		if err := n.cutNight(d, at, disktest.Faults{LieFiles: true, LieDirs: true}, closed); err != nil {
			lost++
		}
	}
	if lost == 0 {
		t.Error("a disk that lies about its syncs loses nothing: the cuts prove nothing")
	}
}

// One change or sync that fails, at any point of a run: an alarm, and the same life
// ends the work at its next try, a manifest of unknown state included.
func TestAFailureInTheNight(t *testing.T) {
	stride := 4
	if os.Getenv("CUTS") != "" {
		stride = 1
	}
	d := disktest.Mount(t)
	n := nightHouse(t, 2, time.Hour*24)
	closed := n.closed()
	failures := 0
	for at := 1; ; at += stride {
		n.newShare(d)
		d.FailAt(at)
		n.start()
		n.sim.Advance(20 * time.Minute)
		n.wantReady()
		n.wantArchived("epoch-1", closed)
		failed := d.Failed() > 0
		n.stop()
		if !failed {
			break
		}
		failures++
	}
	if failures < 10 {
		t.Errorf("only %d failures", failures)
	}
}
