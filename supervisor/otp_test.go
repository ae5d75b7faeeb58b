package supervisor_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/supervisor/supervisortest"
)

// otpScripts is how many scripts run unless SCRIPTS says otherwise; SCRIPT=n
// runs the one of seed n alone.
const otpScripts = 500

// otpBatch is what OTP made of the scripts; it is asked once for all tests.
type otpBatch struct {
	scripts []*otpScript // random ones
	traces  map[uint64][][]string
	err     error
}

var otpShared = sync.OnceValue(func() *otpBatch {
	b := &otpBatch{}
	from, n := uint64(1), uint64(otpScripts)
	if text := os.Getenv("SCRIPTS"); text != "" {
		n, b.err = strconv.ParseUint(text, 10, 32)
	}
	if text := os.Getenv("SCRIPT"); text != "" {
		n = 1
		from, b.err = strconv.ParseUint(text, 10, 64)
	}
	if b.err != nil || n == 0 {
		b.err = fmt.Errorf("SCRIPTS and SCRIPT want a number above 0: %w", b.err)
		return b
	}
	for seed := from; seed < from+n; seed++ {
		b.scripts = append(b.scripts, newOTPScript(seed))
	}
	var differences []*otpScript
	for i, d := range otpDifferences() {
		differences = append(differences, d.script(i))
	}
	b.traces, b.err = runOTP(slices.Concat(b.scripts, differences))
	return b
})

// otp is the batch. Without Erlang the test is skipped, in CI it fails.
func otp(t *testing.T) *otpBatch {
	t.Helper()
	needErlang(t)
	b := otpShared()
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b
}

func needErlang(t *testing.T) {
	t.Helper()
	if supervisortest.RaceEnabled {
		t.Skip("the simulation is single-threaded: run it without -race")
	}
	if _, err := exec.LookPath("escript"); err == nil {
		return
	}
	const missing = "NOT COMPARED WITH ERLANG/OTP: there is no escript here; make ci-deps installs Erlang"
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
}

// runOTP hands all scripts to one run of Erlang and returns, by seed, the lines
// of each step.
func runOTP(scripts []*otpScript) (map[uint64][][]string, error) {
	var text strings.Builder
	for _, s := range scripts {
		fmt.Fprintf(&text, "%v.\n", s)
	}
	cmd := exec.Command("escript", filepath.Join("testdata", "otp", "otp.erl"))
	cmd.Stdin = strings.NewReader(text.String())
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("erlang: %w (are erlang-base and erlang-dev installed? make ci-deps)\n%s%s", err, complaints.Bytes(), out)
	}
	return parseOTP(string(out), len(scripts))
}

// parseOTP reads what otp.erl printed.
func parseOTP(out string, want int) (map[uint64][][]string, error) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if lines[len(lines)-1] != "done" {
		return nil, fmt.Errorf("erlang did not finish: its last line is %q", lines[len(lines)-1])
	}
	traces := map[uint64][][]string{}
	var seed uint64
	for _, line := range lines[:len(lines)-1] {
		switch word, rest, _ := strings.Cut(line, " "); word {
		case "otp":
		case "script":
			var err error
			if seed, err = strconv.ParseUint(rest, 10, 64); err != nil {
				return nil, err
			}
			traces[seed] = nil
		case "step":
			traces[seed] = append(traces[seed], nil)
		default:
			steps := traces[seed]
			steps[len(steps)-1] = append(steps[len(steps)-1], line)
		}
	}
	if len(traces) != want {
		return nil, fmt.Errorf("erlang ran %d scripts of %d", len(traces), want)
	}
	return traces, nil
}

// firstDifference is the step at which the traces part, -1 if they do not.
func firstDifference(otp, ours [][]string) int {
	for i := range max(len(otp), len(ours)) {
		if i >= len(otp) || i >= len(ours) || !cmp.Equal(otp[i], ours[i]) {
			return i
		}
	}
	return -1
}

// report is all that one needs to look into a difference.
func (s *otpScript) report(otp, ours [][]string, at int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d parts from OTP at step %d; replay: make otp SCRIPT=%d\n%v\n", s.seed, at, s.seed, s.tree)
	write := func(side string, lines []string) {
		for _, line := range lines {
			fmt.Fprintf(&b, "    %s %s\n", side, line)
		}
	}
	for i, step := range s.steps[:at+1] {
		fmt.Fprintf(&b, "step %d %v\n", i, step)
		if i < at {
			write("both", otp[i])
			continue
		}
		write("OTP ", otp[i])
		write("ours", ours[i])
	}
	return b.String()
}

// TestSweepOTP: the same scripts, the same traces of starts, stop hooks and
// exits with their reasons as OTP's own supervisor.
func TestSweepOTP(t *testing.T) {
	b := otp(t)
	lines, restarts, failures := 0, 0, 0
	for _, s := range b.scripts {
		run, ours := runOurs(s, nil)
		if run.wrong != "" {
			t.Errorf("seed %d: %s", s.seed, run.wrong)
		}
		if at := firstDifference(b.traces[s.seed], ours); at >= 0 {
			t.Error(s.report(b.traces[s.seed], ours, at))
			if failures++; failures == 3 {
				t.Fatal("and perhaps more")
			}
		}
		restarts += run.restarts
		for _, step := range ours {
			lines += len(step)
		}
	}
	t.Logf("%d scripts, %d lines, %d restarts", len(b.scripts), lines, restarts)
	if len(b.scripts) >= otpScripts && restarts < 3*len(b.scripts) {
		t.Error("fewer than 3 restarts a script: they test next to nothing")
	}
}
