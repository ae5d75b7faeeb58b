package supervisor_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// namedTest is a test in docs/SUPERVISION.md: `TestName` or `ExampleName`, or
// `X` or `X/case` of the torture group X.
var namedTest = regexp.MustCompile("`((?:Test|Example)\\w*|[A-Q])(?:/([^`]+))?`")

// TestTheContractNamesTests: every test and case that docs/SUPERVISION.md names
// exists, and its table of OTP's cases adds up.
func TestTheContractNamesTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "SUPERVISION.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := testSources(t)
	named := namedTest.FindAllStringSubmatch(string(text), -1)
	for _, m := range named {
		name := m[1]
		if len(name) == 1 {
			name = "TestTorture" + name
		}
		file, found := tests[name]
		if !found {
			t.Errorf("%s: there is no %s", m[0], name)
		} else if m[2] != "" && !strings.Contains(file, strconv.Quote(m[2])) {
			t.Errorf("%s: its file has no case of this name", m[0])
		}
	}
	if len(named) < 100 {
		t.Errorf("only %d tests are named: is the page written otherwise now?", len(named))
	}
	equal(t, "OTP's cases", 97, otpCases(t, string(text)))
}

// testSources is the source of the file of each test.
func testSources(t *testing.T) map[string]string {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Example)\w*)\(`).FindAllStringSubmatch(string(text), -1) {
			sources[m[1]] = string(text)
		}
	}
	return sources
}

// otpCases is the sum of the table's column n.
func otpCases(t *testing.T, text string) (sum int) {
	for _, m := range regexp.MustCompile(`(?m)^\| [^|]*\| (\d+) \| [^ |]`).FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}
