package main

import (
	"strings"
	"testing"
	"time"
)

func TestLength(t *testing.T) {
	for text, want := range map[string]time.Duration{"187d": 187 * 24 * time.Hour, "10m": 10 * time.Minute, "60s": time.Minute} {
		if got, err := length(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "-3d", "1.5d", "70000d", "0s", "-1m", "soon"} {
		if got, err := length(text); err == nil {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
}

func TestSoakSaysWhatItNeeds(t *testing.T) {
	for _, row := range []struct {
		args string
		code int
		want string
	}{
		{"soak", exitUsage, "one of them"},
		{"soak --virtual 2d --real 1m", exitUsage, "one of them"},
		{"soak --virtual 3", exitUsage, "no time"},
		{"soak --virtual d", exitUsage, "no number of days"},
		{"soak --virtual 2h", exitFailed, "at least a day"},
		{"soak --real 1m --gatehouse /nowhere/gatehouse", exitFailed, "make build"},
	} {
		var out strings.Builder
		p := &process{out: &out, err: &out, ctx: t.Context()}
		if code := run(p, strings.Fields(row.args)); code != row.code || !strings.Contains(out.String(), row.want) {
			t.Errorf("%s: code %d, want %d, %s", row.args, code, row.code, out.String())
		}
	}
}
