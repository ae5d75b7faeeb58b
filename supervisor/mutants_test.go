package supervisor_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/supervisor"
)

// The mutation check asks whether the tests would notice: it plants one fault
// after the other (the table is in mutants_table_test.go) and demands that the
// test which the fault names fails. The faults are overlays of go test, so that
// the product has no switches for them.

// mutant is one fault.
type mutant struct {
	semantics int    // of the contract, 1 to 11
	name      string // what is wrong now
	file      string // of this folder
	anchor    string // stands in the file exactly once
	with      string // stands there instead
	by        string // the test or case that must fail
}

// TestMutantAnchors: the table still fits the code. The mutants themselves take
// minutes: make mutants.
func TestMutantAnchors(t *testing.T) {
	tests := testSources(t)
	seen, covered := map[string]bool{}, map[int]bool{}
	for _, m := range mutants {
		test, _, _ := strings.Cut(m.by, "/")
		switch text, err := m.mutated(); {
		case err != nil:
			t.Error(err)
		case !parses(text):
			t.Errorf("%q: %s is no Go any more", m.name, m.file)
		case tests[test] == "":
			t.Errorf("%q: there is no %s", m.name, test)
		case seen[m.name]:
			t.Errorf("two mutants are called %q", m.name)
		}
		seen[m.name], covered[m.semantics] = true, true
	}
	for n := 1; n <= 11; n++ {
		if !covered[n] {
			t.Errorf("no mutant for semantics %d of the contract", n)
		}
	}
	if len(covered) > 11 || len(mutants) < 15 {
		t.Errorf("%d mutants for %d semantics: want at least 15, for 11", len(mutants), len(covered))
	}
}

func parses(text string) bool {
	_, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	return err == nil
}

// mutated is the file with the fault in it.
func (m *mutant) mutated() (string, error) {
	text, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), m.anchor); n != 1 {
		return "", fmt.Errorf("%q: its anchor is %d times in %s, want once:\n%s", m.name, n, m.file, m.anchor)
	}
	return strings.Replace(string(text), m.anchor, m.with, 1), nil
}

// TestMutants is the check, run by make mutants. MUTANT selects those whose
// name contains it.
func TestMutants(t *testing.T) {
	if os.Getenv("MUTANTS") == "" {
		t.Skip("it takes minutes: make mutants")
	}
	clock := supervisor.NewReal(1)
	begin, caught, all := clock.Now(), 0, selected(os.Getenv("MUTANT"))
	if !control(t, all) {
		t.Fatal("a test fails without any fault: nothing can be said of the mutants")
	}
	for _, m := range all {
		from := clock.Now()
		how, err := m.run(t.TempDir())
		took := clock.Now().Sub(from).Round(100 * time.Millisecond)
		if err != nil {
			t.Errorf("semantics %d, %q: %v", m.semantics, m.name, err)
			continue
		}
		caught++
		fmt.Printf("semantics %2d  %-58s %-9s %s (%v)\n", m.semantics, m.name, how, m.by, took)
	}
	fmt.Printf("%d of %d mutants caught in %v\n", caught, len(all), clock.Now().Sub(begin).Round(time.Second))
}

func selected(part string) (some []mutant) {
	for _, m := range mutants {
		if strings.Contains(m.name, part) {
			some = append(some, m)
		}
	}
	return some
}

// control runs all that the mutants name without a fault: each must run, and pass.
func control(t *testing.T, all []mutant) bool {
	var patterns []string
	for _, m := range all {
		patterns = append(patterns, exactly(m.by))
	}
	v := goTest(strings.Join(patterns, "|"))
	for _, m := range all {
		if how := v.of(m.by); how != "pass" {
			t.Errorf("without a fault: %s: %s\n%s", m.by, how, v.output)
			return false
		}
	}
	return len(all) > 0
}

// run plants the fault. It reports how the test noticed it, else an error.
func (m *mutant) run(dir string) (how string, err error) {
	text, err := m.mutated()
	if err != nil {
		return "", err
	}
	overlay, err := writeOverlay(dir, m.file, text)
	if err != nil {
		return "", err
	}
	defer os.Unsetenv(planted)
	if err := os.Setenv(planted, filepath.Join(dir, m.file)); err != nil {
		return "", err
	}
	v := goTest(exactly(m.by), "-overlay", overlay)
	switch how = v.of(m.by); how {
	case "fails", "panics", "times out":
		return how, nil
	case "pass":
		return "", fmt.Errorf("it SURVIVED %s", m.by)
	}
	return "", fmt.Errorf("%s %s, which is no catch:\n%s", m.by, how, v.output)
}

// writeOverlay makes go test read the text instead of the file.
func writeOverlay(dir, file, text string) (overlay string, err error) {
	original, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	replaced := filepath.Join(dir, file)
	spec, err := json.Marshal(map[string]map[string]string{"Replace": {original: replaced}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, errors.Join(os.WriteFile(replaced, []byte(text), 0o600), os.WriteFile(overlay, spec, 0o600))
}

// exactly is the pattern for -run that matches this test alone.
func exactly(test string) string {
	parts := strings.Split(test, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}

// verdict is what a run of go test said.
type verdict struct {
	built  bool
	tests  map[string]string // how each that began has ended; "" if it never did
	output string
}

// planted names, in the environment, the file with the fault in it, for a test
// that builds the package itself.
const planted = "PLANTED_FAULT"

// quickBuild leaves inlining out, which is nearly half of the time that compiling takes.
const quickBuild = "-gcflags=gatehouse/supervisor/...=-l"

func goTest(pattern string, more ...string) verdict {
	args := append([]string{"test", "-json", "-vet=off", quickBuild, "-count=1", "-timeout=2m", "-run", pattern}, more...)
	cmd := exec.Command("go", append(args, ".")...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	v := verdict{built: true, tests: map[string]string{}}
	for line := range strings.Lines(string(out)) {
		v.read(line)
	}
	v.output += stderr.String()
	if err != nil {
		v.output += err.Error()
	}
	return v
}

// read takes an event of go test -json.
func (v *verdict) read(line string) {
	var e struct{ Action, Test, Output, FailedBuild string }
	if json.Unmarshal([]byte(line), &e) != nil {
		v.output += line
		return
	}
	v.output += e.Output
	v.built = v.built && e.FailedBuild == ""
	switch {
	case e.Test == "":
	case e.Action == "run":
		v.tests[e.Test] = ""
	case e.Action == "pass" || e.Action == "fail" || e.Action == "skip":
		v.tests[e.Test] = e.Action
	}
}

// of is how a test ended. One that never did was cut off: the process panicked
// in it, or was ended by its time limit.
func (v *verdict) of(test string) string {
	how, began := v.tests[strings.ReplaceAll(test, " ", "_")]
	switch {
	case !v.built:
		return "does not compile"
	case !began:
		return "did not run"
	case strings.Contains(v.output, "panic: test timed out") && how != "pass":
		return "times out"
	case how == "" || how == "fail" && strings.Contains(v.output, "\npanic: ") && strings.Contains(v.output, "\ngoroutine "):
		return "panics"
	case how == "fail":
		return "fails"
	}
	return how
}
