package httpapi_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"gatehouse/access"
	"gatehouse/actors"
)

// TestManual: docs/API.md names every word, field, error and metric.
func TestManual(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "API.md"))
	if err != nil {
		t.Fatal(err)
	}
	words := append(enumerations(), fields(actors.DoorStatus{}, actors.CommandResult{}, actors.CommandReport{}, actors.DeviceStatus{}, actors.LinkStatus{}, actors.Health{})...)
	for _, s := range []actors.DeviceState{
		actors.DeviceWaiting, actors.DeviceOK, actors.DeviceDegraded, actors.DeviceHangs, actors.DeviceMissing, actors.DeviceUnasked,
	} {
		words = append(words, string(s))
	}
	for _, s := range []actors.LinkState{actors.LinkStarting, actors.LinkUp, actors.LinkDown} {
		words = append(words, string(s))
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sources {
		if !strings.HasSuffix(name, "_test.go") {
			words = append(words, inSource(t, name)...)
		}
	}
	if len(words) < 150 {
		t.Fatalf("only %d words to look for", len(words))
	}
	for _, w := range words {
		if !regexp.MustCompile("[`/]" + regexp.QuoteMeta(w) + "[`{]").Match(text) {
			t.Errorf("docs/API.md says nothing of %q", w)
		}
	}
}

// enumerations are the words of kinds, reasons, modes and clock qualities.
func enumerations() (words []string) {
	for i := range 100 {
		for _, w := range []string{
			access.Kind(i).String(), access.Reason(i).String(), access.Mode(i).String(), access.ClockQuality(i).String(),
		} {
			if !strings.Contains(w, "(") && w != "none" {
				words = append(words, w)
			}
		}
	}
	return words
}

// fields are the names of structs' fields in JSON.
func fields(structs ...any) (names []string) {
	for _, s := range structs {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(s)) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			names = append(names, name)
		}
	}
	return names
}

// inSource are the fields, codes of errors, parameters, actions and metrics in a
// file of this package.
func inSource(t *testing.T, name string) (words []string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{`json:"(\w+)`, `Code: +"(\w+)"`, `case "([\w-]+)":`, `"(\w+)": +{Mode`} {
		for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
			words = append(words, string(m[1]))
		}
	}
	for _, m := range regexp.MustCompile(`desc\("(\w+)"`).FindAllSubmatch(text, -1) {
		words = append(words, "gatehouse_"+string(m[1]))
	}
	return words
}
