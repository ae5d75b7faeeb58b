package limits

import (
	"runtime/debug"
	"testing"
	"testing/fstest"
)

// machine is a file system of these files; the name of each is given without its
// first slash.
func machine(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

const (
	v2mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw\n"
	v1mount = "31 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n" +
		"32 23 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	inDocker = "32 23 0:28 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
)

func TestTheLimitOfTheControlGroup(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
		from  string
	}{
		{"no groups at all", nil, 0, ""},
		{"version 2", map[string]string{
			"proc/self/cgroup": "0::/system.slice/gatehouse.service\n", "proc/self/mountinfo": v2mount,
			"sys/fs/cgroup/system.slice/gatehouse.service/memory.max": "536870912\n",
		}, 536870912, "cgroup v2"},
		{"version 2 without a limit", map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2mount, "sys/fs/cgroup/a/memory.max": "max\n",
		}, 0, ""},
		{"a parent allows less", map[string]string{
			"proc/self/cgroup": "0::/a/b/c\n", "proc/self/mountinfo": v2mount,
			"sys/fs/cgroup/a/memory.max": "100000000\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/b/c/memory.max": "300000000\n",
		}, 100000000, "cgroup v2"},
		{"a parent allows more", map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2mount,
			"sys/fs/cgroup/a/memory.max": "400000000\n", "sys/fs/cgroup/a/b/memory.max": "300000000\n",
		}, 300000000, "cgroup v2"},
		{"a container that sees its own part", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2mount, "sys/fs/cgroup/memory.max": "268435456\n",
		}, 268435456, "cgroup v2"},
		{"version 1", map[string]string{
			"proc/self/cgroup": "3:cpu,cpuacct:/x\n2:memory:/x\n", "proc/self/mountinfo": v1mount,
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "1073741824\n", "sys/fs/cgroup/cpu/x/memory.limit_in_bytes": "1\n",
		}, 1073741824, "cgroup v1"},
		{"version 1 without a limit", map[string]string{
			"proc/self/cgroup": "2:memory:/\n", "proc/self/mountinfo": v1mount,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0, ""},
		{"version 1 in a container", map[string]string{
			"proc/self/cgroup": "2:memory:/docker/abc\n", "proc/self/mountinfo": inDocker,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "2000000000\n",
		}, 2000000000, "cgroup v1"},
		{"both versions", map[string]string{
			"proc/self/cgroup": "2:memory:/x\n0::/x\n", "proc/self/mountinfo": v1mount + v2mount,
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "700000000\n", "sys/fs/cgroup/x/memory.max": "max\n",
		}, 700000000, "cgroup v1"},
		{"nonsense", map[string]string{
			"proc/self/cgroup": "memory\n::\n", "proc/self/mountinfo": "a b c\n - cgroup2\n" + v2mount, "sys/fs/cgroup/memory.max": "-1",
		}, 0, ""},
	} {
		got, from, ok := cgroupLimit(machine(c.files))
		if got != c.want || from != c.from || ok != (c.want > 0) {
			t.Errorf("%s: %d %q %v, want %d %q", c.name, got, from, ok, c.want, c.from)
		}
	}
}

func TestWhoSetsTheLimit(t *testing.T) {
	group := machine(map[string]string{
		"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2mount, "sys/fs/cgroup/memory.max": "1000000000\n",
	})
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	debug.SetMemoryLimit(1 << 40) // as GOMEMLIMIT would
	for _, c := range []struct {
		environment string
		megabytes   uint32
		group       bool
		want        Memory
		set         int64 // what the runtime has afterwards
	}{
		{"1TiB", 512, true, Memory{1 << 40, "GOMEMLIMIT"}, 1 << 40},
		{"", 0, false, Memory{}, 1 << 40},
		{"", 512, true, Memory{512 << 20, "memory.limit_mb"}, 512 << 20},
		{"", 0, true, Memory{900000000, "cgroup v2"}, 900000000},
	} {
		root := machine(nil)
		if c.group {
			root = group
		}
		if got := SetMemory(c.environment, c.megabytes, root); got != c.want {
			t.Errorf("%+v: %+v", c, got)
		}
		if got := Current(); got != c.set {
			t.Errorf("%+v: the runtime has %d", c, got)
		}
	}
}
