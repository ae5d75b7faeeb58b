package disktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// mountEnv tells a test binary that it is to serve a disk there.
const mountEnv = "GATEHOUSE_DISKTEST_MOUNT"

// request is what a test asks of the process that serves its disk.
type request struct {
	Do     string
	N      int
	Seed   uint64
	Faults Faults
}

type reply struct {
	Err    string
	Ops    int
	Failed int
	Off    bool
	Stuck  int
}

// Main serves a disk, and ends the process, if Mount started this one for that.
// It is to be called first in TestMain of every package that uses Mount.
func Main() {
	dir := os.Getenv(mountEnv)
	if dir == "" {
		return
	}
	if err := serve(dir, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "disktest:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve answers requests until there are no more, then takes the mount away.
func serve(dir string, in io.Reader, out io.Writer) (err error) {
	m := newMedium()
	server, err := fuse.NewServer(&fileSystem{RawFileSystem: fuse.NewDefaultRawFileSystem(), m: m}, dir, &fuse.MountOptions{
		DirectMountStrict: true, FsName: "gatehouse-disktest", Name: "disktest", MaxWrite: 1 << 20,
		DisableXAttrs: true, DisableReadDirPlus: true, ExplicitDataCacheControl: true,
	})
	to := json.NewEncoder(out)
	if err != nil {
		return errors.Join(err, to.Encode(reply{Err: err.Error()}))
	}
	go server.Serve()
	defer func() { err = errors.Join(err, syscall.Unmount(dir, syscall.MNT_DETACH)) }()
	if err := server.WaitMount(); err != nil {
		return errors.Join(err, to.Encode(reply{Err: err.Error()}))
	}
	if err := to.Encode(reply{}); err != nil {
		return err
	}
	from := json.NewDecoder(in)
	for {
		var r request
		if err := from.Decode(&r); err != nil {
			return nil // the test has ended
		}
		answer, gone := m.do(r)
		for _, name := range gone {
			server.EntryNotify(rootID, name) // a name that the kernel has forgotten is fine, too
		}
		if err := to.Encode(answer); err != nil {
			return err
		}
	}
}

// do also says which names in the root mean another node from now on.
func (m *medium) do(r request) (answer reply, gone []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.nodes[rootID]
	switch r.Do {
	case "format":
		m.format()
	case "cut":
		m.cutAt = m.ops + r.N
		if r.N == 0 {
			m.cut()
		}
	case "fail":
		m.failAt = m.ops + r.N
	case "reboot":
		m.reboot(r.Seed)
	case "faults":
		m.faults = r.Faults
		m.wake()
	}
	if m.nodes[rootID] != was {
		gone = slices.Collect(maps.Keys(was.names))
	}
	return reply{Ops: m.ops, Failed: m.failed, Off: m.off, Stuck: m.stuck}, gone
}
