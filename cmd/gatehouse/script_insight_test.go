package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"gatehouse/cmd/gatehouse/demo"
)

// bundle FILE: fails unless it has every part of a diagnosis of the demo, and no
// name, no card in a form that tells it from any number, and not the token.
func (s *script) bundle(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "bundle FILE")
	parts, err := unpack([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	for _, name := range []string{
		"about.json", "config.json", "tree.txt", "health.json", "ledger.json", "crashes.json", "limits.json", "goroutines.txt", "metrics.txt",
		"heap.txt", "allocs.txt", "waits.txt", "heap.pb.gz unpacked", "allocs.pb.gz unpacked", "block.pb.gz unpacked", "mutex.pb.gz unpacked", "trace.out",
	} {
		if len(parts[name]) == 0 {
			ts.Fatalf("there is no %s", name)
		}
	}
	if text := parts["errors.txt"]; len(text) > 0 {
		ts.Fatalf("parts are missing: %s", text)
	}
	var ledger struct{ Unaccounted []any }
	ts.Check(json.Unmarshal(parts["ledger.json"], &ledger))
	if len(ledger.Unaccounted) > 0 {
		ts.Fatalf("nobody owns some goroutines: %s", parts["ledger.json"])
	}
	secrets := []string{ts.Getenv("TOKEN")}
	for _, h := range demo.Site(1).Holders {
		secrets = append(secrets, h.Name)
	}
	for _, c := range demo.Site(1).Credentials {
		for _, form := range []string{`"number": %d`, `number=%d`, "7-%d", "7/%d"} {
			secrets = append(secrets, fmt.Sprintf(form, c.Card.Number))
		}
	}
	if list := found(parts, secrets); len(list) > 0 {
		ts.Fatalf("it gives away:\n%s", strings.Join(list, "\n"))
	}
}

// alarms: fails unless every figure of the daemon has a threshold, and none is over
// it.
func (s *script) alarms(ts *testscript.TestScript, _ []string) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + ts.Getenv("API") + "/api/limits")
	ts.Check(err)
	defer resp.Body.Close()
	var status struct{ Figures, Thresholds map[string]uint64 }
	ts.Check(json.NewDecoder(resp.Body).Decode(&status))
	if len(status.Figures) != 5 {
		ts.Fatalf("figures: %v", status.Figures)
	}
	for name, value := range status.Figures {
		if status.Thresholds[name] <= value {
			ts.Fatalf("%s is %d, its threshold %d", name, value, status.Thresholds[name])
		}
	}
}
