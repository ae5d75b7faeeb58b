package limits

import (
	"bufio"
	"bytes"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// unlimited is where cgroup v1 begins to mean "no limit": a page less than 2^63.
const unlimited = 1 << 62

// cgroupLimit is the tightest memory limit of the process's control groups, in
// bytes, and which version has it; ok is false without one. root is the machine's
// file system.
func cgroupLimit(root fs.FS) (bytes int64, version string, ok bool) {
	for _, g := range controlGroups(root) {
		for dir := g.dir; ; dir = path.Dir(dir) {
			if n, limited := limitIn(root, path.Join(g.mount, dir, g.file)); limited && (!ok || n < bytes) {
				bytes, version, ok = n, g.version, true
			}
			if dir == "/" {
				break
			}
		}
	}
	return bytes, version, ok
}

// controlGroup is where the process is in one hierarchy: at dir below mount, of
// which file holds the limit. A group is never above what its parents allow.
type controlGroup struct{ version, mount, dir, file string }

// controlGroups finds the hierarchies that limit memory.
func controlGroups(root fs.FS) (list []controlGroup) {
	mounts := mountsIn(root)
	text, _ := fs.ReadFile(root, "proc/self/cgroup") // none: no groups
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		g := controlGroup{version: "cgroup v2", dir: fields[2], file: "memory.max"}
		kind := "cgroup2"
		if fields[1] != "" {
			if !slices.Contains(strings.Split(fields[1], ","), "memory") {
				continue
			}
			g.version, g.file, kind = "cgroup v1", "memory.limit_in_bytes", "cgroup"
		}
		if m, ok := mounts[kind]; ok {
			g.mount, g.dir = m.at, m.below(g.dir)
			list = append(list, g)
		}
	}
	return list
}

// mount is a hierarchy that shows its part from root on.
type mount struct{ at, root string }

// below is where a group is in what the mount shows: a container may see its own
// part alone.
func (m mount) below(dir string) string {
	rest, inside := strings.CutPrefix(dir, strings.TrimSuffix(m.root, "/"))
	if !inside || rest != "" && rest[0] != '/' {
		return "/"
	}
	return path.Clean("/" + rest)
}

// mountsIn finds where the hierarchies of both versions are, by kind.
func mountsIn(root fs.FS) map[string]mount {
	found := map[string]mount{}
	text, _ := fs.ReadFile(root, "proc/self/mountinfo")
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		// id parent major:minor root mount-point options ... - kind source options
		before, after, _ := strings.Cut(lines.Text(), " - ")
		front, back := strings.Fields(before), strings.Fields(after)
		if len(front) < 5 || len(back) < 3 {
			continue
		}
		memory := back[0] == "cgroup" && slices.Contains(strings.Split(back[2], ","), "memory")
		if back[0] == "cgroup2" || memory {
			found[back[0]] = mount{at: strings.TrimPrefix(front[4], "/"), root: front[3]}
		}
	}
	return found
}

func limitIn(root fs.FS, name string) (bytes int64, ok bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" is no number
	return n, err == nil && n > 0 && n < unlimited
}
