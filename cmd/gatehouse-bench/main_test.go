package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func runText(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(&process{out: &o, err: &e, ctx: t.Context()}, args)
	return code, o.String(), e.String()
}

func TestHelpSaysWhatThereIs(t *testing.T) {
	code, out, _ := runText(t, "--help")
	if code != exitOK || !strings.Contains(out, "incident") || !strings.Contains(out, "64 wrong usage") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if strings.Contains(out, "column") {
		t.Errorf("the help shows what is only for this program itself:\n%s", out)
	}
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{{"incidents"}, {"incident", "--fast"}, {"column", "--duty", "1", "--column", "ours"}, {}} {
		if code, _, errs := runText(t, args...); code != exitUsage || !strings.Contains(errs, "gatehouse-bench") {
			t.Errorf("%q: exit code %d, %q", args, code, errs)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{fmt.Errorf("%w: 1 of 2", errGate), exitBroken},
		{errors.New("no disk"), exitFailed},
	} {
		if got := report(&process{err: &bytes.Buffer{}}, c.err); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.want)
		}
	}
}

// A duty that there is not cannot be measured, and says so.
func TestNoSuchDuty(t *testing.T) {
	code, _, errs := runText(t, "column", "--duty", "8", "--column", "house")
	if code != exitFailed || !strings.Contains(errs, "no duty 8") {
		t.Errorf("exit code %d, %q", code, errs)
	}
	code, _, errs = runText(t, "incident", "--duty", "8", "--out", t.TempDir())
	if code != exitUsage || !strings.Contains(errs, "--duty must be one of") {
		t.Errorf("exit code %d, %q", code, errs)
	}
}
