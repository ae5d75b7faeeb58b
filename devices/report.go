package devices

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// State says what became of a configured device. The zero value is Failed.
type State uint8

const (
	Failed  State = iota // it should work and does not
	Skipped              // its hardware is not here, or it is optional and does not work
	Loaded               // open
)

func (s State) String() string {
	switch s {
	case Loaded:
		return "loaded"
	case Skipped:
		return "skipped"
	}
	return "failed"
}

// Result is what became of one device. Err says why it is not loaded; it is nil
// when it is.
type Result struct {
	ID     string
	Driver string
	State  State
	Err    error
}

func (r Result) String() string {
	if r.Err == nil {
		return fmt.Sprintf("%-7s %s (%s)", r.State, r.ID, r.Driver)
	}
	return fmt.Sprintf("%-7s %s (%s): %v", r.State, r.ID, r.Driver, r.Err)
}

// Report is what became of all devices of one Open, in the order given.
type Report struct {
	Results []Result
}

// Count says how many devices are in the state.
func (r Report) Count(s State) int {
	n := 0
	for _, res := range r.Results {
		if res.State == s {
			n++
		}
	}
	return n
}

// Err joins why devices failed; nil when none did. Skipped ones are no error.
func (r Report) Err() error {
	var errs []error
	for _, res := range r.Results {
		if res.State == Failed {
			errs = append(errs, fmt.Errorf("device %q (driver %q): %w", res.ID, res.Driver, res.Err))
		}
	}
	return errors.Join(errs...)
}

// Missing are the devices that are not loaded.
func (r Report) Missing() []Result {
	return slices.DeleteFunc(slices.Clone(r.Results), func(res Result) bool { return res.State == Loaded })
}

// String is one line for each device.
func (r Report) String() string {
	lines := make([]string, len(r.Results))
	for i, res := range r.Results {
		lines[i] = res.String()
	}
	return strings.Join(lines, "\n")
}

// check refuses a bundle with a nil part: it would panic in the hands of an
// actor, far from its cause.
func (b *Bundle) check() error {
	var missing []string
	missing = append(missing, nils("reader", b.Readers)...)
	missing = append(missing, nils("lock", b.Locks)...)
	missing = append(missing, nils("input", b.Inputs)...)
	missing = append(missing, nils("output", b.Outputs)...)
	missing = append(missing, nils("indicator", b.Indicators)...)
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("the driver gave nil for %s; this is a bug of the driver", strings.Join(missing, ", "))
}

func nils[P comparable](kind string, parts map[string]P) []string {
	var none P
	var found []string
	for _, name := range keys(parts) {
		if parts[name] == none {
			found = append(found, kind+" "+name)
		}
	}
	return found
}

// inventory names every part: "readers in, out; locks lock".
func (b *Bundle) inventory() string {
	var kinds []string
	add := func(kind string, names []string) {
		if len(names) > 0 {
			kinds = append(kinds, kind+" "+list(names))
		}
	}
	add("readers", keys(b.Readers))
	add("locks", keys(b.Locks))
	add("inputs", keys(b.Inputs))
	add("outputs", keys(b.Outputs))
	add("indicators", keys(b.Indicators))
	if len(kinds) == 0 {
		return "no parts"
	}
	return strings.Join(kinds, "; ")
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// list writes at most ten names: a site may have a thousand.
func list(names []string) string {
	const most = 10
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
