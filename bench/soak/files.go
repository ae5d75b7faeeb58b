package soak

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var number = regexp.MustCompile(`[0-9]+`)

// openFiles counts the open files of a process by what they are: "socket",
// "pipe", "anon_inode:[eventpoll]", or a path without its numbers. pid is "self"
// or a number. Where the machine has no /proc it is nil.
func openFiles(pid string) map[string]int {
	dir := filepath.Join("/proc", pid, "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	files := map[string]int{}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil || strings.HasPrefix(target, "/proc/") {
			continue // closed meanwhile, or what this listing is read from
		}
		files[kindOf(target)]++
	}
	return files
}

// kindOf is what an open file is, without what differs from one to the next.
func kindOf(target string) string {
	if kind, _, ok := strings.Cut(target, ":["); ok && kind != "anon_inode" {
		return kind
	}
	if strings.HasPrefix(target, "/") {
		return number.ReplaceAllString(strings.TrimSuffix(target, " (deleted)"), "#")
	}
	return target
}

// warmPoller opens what Go's network poller keeps for good, so that the first
// file that a building opens does not look like three.
func warmPoller() {
	if r, w, err := os.Pipe(); err == nil {
		_ = r.Close() // only its opening counts
		_ = w.Close()
	}
}
