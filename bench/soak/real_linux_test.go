package soak

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/persistence/disktest"
)

// span is how long the daemon is soaked: `make soak-short` and `make soak` say it
// by SOAK. Without it these tests are left to them.
func span(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("SOAK")
	if text == "" {
		t.Skip("real time: make soak-short and make soak run it")
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second {
		t.Fatalf("SOAK=%q: give a time such as 60s or 10m", text)
	}
	return d
}

// program is the daemon as it is built for the product.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatehouse")
	build := exec.Command("go", "build", "-o", path, "gatehouse/cmd/gatehouse")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// The daemon owns at every quiet moment what it declared at the start, whatever
// traffic and faults there were.
func TestRealSoak(t *testing.T) {
	o := Real{Span: span(t), Seed: 1, Program: program(t), Dir: t.TempDir()}
	if disk, ok := mounted(t); ok {
		o.Dir = disk.Dir()
		o.Freeze = func(on bool) { disk.Set(disktest.Faults{Frozen: on}) }
	}
	r, err := RunReal(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(text(r))
	if !r.OK() {
		t.Error("a gate is broken")
	}
	for _, what := range []string{"panics", "dead devices", "cards by the hundred", "streams", "slow streams", "backups", "commands"} {
		if r.Faults[what] == 0 {
			t.Errorf("nothing of this was tried: %s", what)
		}
	}
}

// The control: a stream that somebody leaves open is found, in goroutines and in
// files, and named.
func TestRealSoakFindsAStream(t *testing.T) {
	span(t)
	r, err := RunReal(t.Context(), Real{Span: time.Second, Seed: 1, Program: program(t), Dir: t.TempDir(), Forget: true, Settle: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(text(r))
	for _, f := range r.Findings {
		if f.Gate == gateGoroutines && strings.Contains(f.What, "building/edge/http") && strings.Contains(strings.Join(f.Names, "\n"), "net/http.(*Server).Serve") {
			return
		}
	}
	t.Error("not found")
}

// mounted is a disk that can be frozen, where this machine has FUSE.
func mounted(t *testing.T) (disk *disktest.Disk, ok bool) {
	t.Helper()
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil || os.Getuid() != 0 {
		t.Log("*** no /dev/fuse or not root: no slow disk is tried ***")
		return nil, false
	} else if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return disktest.Mount(t), true
}
