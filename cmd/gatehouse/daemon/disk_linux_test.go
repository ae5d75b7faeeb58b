package daemon_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/access"
)

// fill makes the open file of that name a full disk: every write to it fails
// from now on. The file itself stays as it is.
func (h *house) fill(name string) {
	h.t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		h.t.Skip("no /dev/full here: ", err)
	}
	defer full.Close()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		h.t.Skip("no /proc here: ", err)
	}
	for _, entry := range list {
		to, _ := os.Readlink(filepath.Join("/proc/self/fd", entry.Name()))
		fd, _ := strconv.Atoi(entry.Name())
		if to != h.path(name) || !forWriting(entry.Name()) {
			continue
		}
		if err := syscall.Dup3(int(full.Fd()), fd, syscall.O_CLOEXEC); err != nil {
			h.t.Fatal(err)
		}
		return
	}
	h.t.Fatalf("%s is not open", name)
}

// forWriting reports whether a descriptor is open for writing: lookups have one of
// their own.
func forWriting(fd string) bool {
	info, _ := os.ReadFile("/proc/self/fdinfo/" + fd)
	_, flags, _ := strings.Cut(string(info), "flags:")
	flags, _, _ = strings.Cut(flags, "\n")
	n, err := strconv.ParseUint(strings.TrimSpace(flags), 8, 64)
	return err == nil && n&syscall.O_ACCMODE != syscall.O_RDONLY
}

// A disk that fails under a running building: doors go on, and once it works
// again everything is on it, nothing twice.
func TestDiskFailsAndRecovers(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.fill(segment)
	h.card("front", knownCard)
	h.wantReleased("front", false)
	h.sim.Advance(150 * time.Millisecond)
	h.wantReleased("front", true)
	h.newest(access.KindRecordLate)
	h.newest(access.KindJournalDegraded)
	if h.d.Building.Health().Ready {
		t.Error("ready with a full disk")
	}
	h.sim.Advance(2 * time.Second)
	h.newest(access.KindJournalRestored)
	h.wantReady()

	if err := os.Remove(h.path("reserve")); err != nil { // it would save the change
		t.Fatal(err)
	}
	h.fill(storeFile)
	if saved := h.command(access.Command{Mode: access.LockedDown}, "back"); saved {
		t.Error("saved on a full disk")
	}
	h.newest(access.KindStoreDegraded)
	h.sim.Advance(2 * time.Second)
	h.newest(access.KindStoreRestored)
	h.wantReady()
	h.stop()

	onDisk := map[access.Source]int{}
	lived := h.events
	h.start()
	if got := h.status("back").Standing; got != access.LockedDown {
		t.Errorf("back is %v", got)
	}
	list, err := h.d.Journal.Read(0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		onDisk[e.Source]++
	}
	for _, e := range lived {
		if onDisk[e.Source] != 1 {
			t.Errorf("%v is %d times on disk", e.Kind, onDisk[e.Source])
		}
	}
	h.stop()
}

// wantReady fails unless all works and all is on disk.
func (h *house) wantReady() {
	h.t.Helper()
	if health := h.d.Building.Health(); !health.Ready || health.Waiting > 0 {
		h.t.Errorf("health: %+v", health)
	}
}
