package disktest

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// Faults are what is wrong with a disk; the zero value is a sound one.
type Faults struct {
	Name   string        // of the files concerned: how it begins; "": all
	Read   syscall.Errno // of every read and open; what the kernel has cached is read all the same
	Change syscall.Errno // of every write, length, create, rename and unlink; EROFS: read-only
	Sync   syscall.Errno // of every sync; what was to be synced stays unsynced for good
	Quota  int64         // bytes that all files may have together; 0: no limit
	Frozen bool          // syncs wait until it is false again

	LieFiles, LieDirs bool // syncs of files, of directories say that they worked and do nothing
}

// Disk is a mounted disk.
type Disk struct {
	t   testing.TB
	dir string
	cmd *exec.Cmd
	in  io.WriteCloser
	to  *json.Encoder
	out *json.Decoder
}

// Mount mounts an empty disk until the test ends. Where the kernel or the user
// cannot, the test is skipped, loudly. The package's TestMain must call Main.
func Mount(t testing.TB) *Disk {
	t.Helper()
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil || os.Getuid() != 0 {
		_, _ = os.Stderr.WriteString("\n*** " + t.Name() + " IS SKIPPED: no power cut, no broken disk is tried. It needs /dev/fuse and root. ***\n\n")
		t.Skip("needs /dev/fuse and root: ", err)
	} else {
		_ = f.Close() // nothing was written
	}
	d := &Disk{t: t, dir: t.TempDir()}
	if err := d.start(); err != nil {
		t.Fatal("disktest: ", err)
	}
	var mounted reply
	if err := d.out.Decode(&mounted); err != nil || mounted.Err != "" {
		t.Fatal("disktest: not mounted (does TestMain call disktest.Main?): ", err, mounted.Err)
	}
	return d
}

func (d *Disk) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	d.cmd = exec.Command(self)
	d.cmd.Env = append(os.Environ(), mountEnv+"="+d.dir, "GORACE=atexit_sleep_ms=0")
	d.cmd.Stderr = os.Stderr
	if d.in, err = d.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	d.to, d.out = json.NewEncoder(d.in), json.NewDecoder(out)
	if err := d.cmd.Start(); err != nil {
		return err
	}
	d.t.Cleanup(d.end)
	return nil
}

// end also wakes whoever waits for the disk.
func (d *Disk) end() {
	_ = d.in.Close() // the server unmounts and ends
	if err := d.cmd.Wait(); err != nil {
		d.t.Error("disktest: the server: ", err)
		_ = syscall.Unmount(d.dir, syscall.MNT_DETACH) // it may not have come to that
	}
}

func (d *Disk) ask(r request) (answer reply) {
	d.t.Helper()
	err := d.to.Encode(r)
	if err == nil {
		err = d.out.Decode(&answer)
	}
	if err != nil {
		d.t.Fatalf("disktest: %s: %v", r.Do, err)
	}
	return answer
}

// Dir is where the disk is mounted.
func (d *Disk) Dir() string { return d.dir }

// Format empties the disk, mends it and turns it on.
func (d *Disk) Format() { d.t.Helper(); d.ask(request{Do: "format"}) }

// CutAt cuts the power at the n-th change or sync from now, 0: at once.
func (d *Disk) CutAt(n int) { d.t.Helper(); d.ask(request{Do: "cut", N: n}) }

// FailAt has the n-th change or sync from now fail, and no other. What a sync that
// fails should have synced is not synced by the next one either.
func (d *Disk) FailAt(n int) { d.t.Helper(); d.ask(request{Do: "fail", N: n}) }

// Failed is how many did since the disk was turned on.
func (d *Disk) Failed() int { d.t.Helper(); return d.ask(request{}).Failed }

// Off says whether the power is cut.
func (d *Disk) Off() bool { d.t.Helper(); return d.ask(request{}).Off }

// Ops is how many changes and syncs there were since the disk was turned on.
func (d *Disk) Ops() int { d.t.Helper(); return d.ask(request{}).Ops }

// Stuck is how many syncs wait on a frozen disk.
func (d *Disk) Stuck() int { d.t.Helper(); return d.ask(request{}).Stuck }

// Reboot turns the power off and on: of what was not synced, the seed says what
// survives. The disk is sound then. What is still open from before is stale.
func (d *Disk) Reboot(seed uint64) { d.t.Helper(); d.ask(request{Do: "reboot", Seed: seed}) }

// Set breaks the disk, or mends it.
func (d *Disk) Set(f Faults) { d.t.Helper(); d.ask(request{Do: "faults", Faults: f}) }
