package supervisortest

import (
	"bytes"
	"fmt"
	"os"
	"runtime/pprof"
)

// leakProfile is the environment's word that this run must have Go's goroutine
// leak profile: "make leakprofile" says it.
const leakProfile = "LEAKPROFILE"

// Main runs a package's tests (a *testing.M), as TestMain. In a build that has Go's goroutine
// leak profile (GOEXPERIMENT=goroutineleakprofile) the process fails when a
// goroutine is left that can never go on: the garbage collector proves that
// nobody can reach what it waits for. NoLeaks sees more, but only where a test
// calls it.
func Main(m interface{ Run() int }) {
	code := m.Run()
	if text := leaked(); text != "" {
		fmt.Fprintln(os.Stderr, text)
		code = max(code, 1)
	}
	os.Exit(code)
}

// leaked is what the profile says against the tests that ran, "" if nothing.
func leaked() string {
	p := pprof.Lookup("goroutineleak")
	if p == nil {
		if os.Getenv(leakProfile) != "" {
			return leakProfile + " is set, but this build has no goroutine leak profile: set GOEXPERIMENT=goroutineleakprofile"
		}
		return ""
	}
	var stacks bytes.Buffer
	err := p.WriteTo(&stacks, 1) // looks for leaks first, and has labels; Count only counts those found earlier
	if n := p.Count(); err != nil || n > 0 {
		return fmt.Sprintf("%d goroutine(s) leaked (%v):\n%s", n, err, &stacks)
	}
	return ""
}
