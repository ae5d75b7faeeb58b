package limits

import (
	"io/fs"
	"math"
	"runtime/debug"
)

// ofGroup is how many percent of a control group's memory Go may use: the rest is
// for what Go does not count, the page cache of the journal above all.
const ofGroup = 90

// Memory is the limit of the Go runtime's memory; 0 is none.
type Memory struct {
	Bytes int64
	From  string // "GOMEMLIMIT", "memory.limit_mb", "cgroup v2", "cgroup v1"
}

// SetMemory sets the Go runtime's limit: GOMEMLIMIT of the environment wins, then
// the site file's megabytes (2^20 bytes, 0 for none), then 90 % of what the control
// group may use. root is the machine's file system.
func SetMemory(environment string, megabytes uint32, root fs.FS) Memory {
	m := choose(environment != "", megabytes, root)
	switch {
	case environment != "":
		m.Bytes = Current() // the runtime has read it already
	case m.Bytes > 0:
		debug.SetMemoryLimit(m.Bytes)
	}
	return m
}

func choose(environment bool, megabytes uint32, root fs.FS) Memory {
	if environment {
		return Memory{From: "GOMEMLIMIT"}
	}
	if megabytes > 0 {
		return Memory{int64(megabytes) << 20, "memory.limit_mb"}
	}
	if n, version, ok := cgroupLimit(root); ok {
		return Memory{n / 100 * ofGroup, version}
	}
	return Memory{}
}

// Current is the Go runtime's limit in bytes; 0 is none.
func Current() int64 {
	if n := debug.SetMemoryLimit(-1); n < math.MaxInt64 {
		return n
	}
	return 0
}
