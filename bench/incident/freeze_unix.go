//go:build unix

package incident

import (
	"fmt"
	"os"
	"syscall"
)

// canFreeze: a process can be stopped here without being ended.
const canFreeze = true

func freeze(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }
func thaw(p *os.Process) error   { return p.Signal(syscall.SIGCONT) }

// enoughFiles complains if this process may not open as many files as the leaks
// take: the bench is the other end of every connection that is left open.
func enoughFiles(need uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Cur < need {
		return fmt.Errorf("this process may open %d files and needs %d for what leaks; raise the limit (ulimit -n %d)", limit.Cur, need, need)
	}
	return nil
}
