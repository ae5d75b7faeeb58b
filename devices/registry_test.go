package devices_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/devices"
)

type nothing struct{}

func (nothing) Listen(func(devices.CardRead)) func() { return func() {} }
func (nothing) Drive(bool) error                     { return nil }
func (nothing) Set(bool) error                       { return nil }
func (nothing) Can() devices.Can                     { return devices.Can{} }
func (nothing) Indicate(devices.Show) error          { return nil }

type contact struct{}

func (contact) Level() (bool, error)     { return false, nil }
func (contact) Listen(func(bool)) func() { return func() {} }

func door() devices.Bundle {
	return devices.Bundle{
		Readers:    map[string]devices.Reader{"in": nothing{}, "out": nothing{}},
		Locks:      map[string]devices.Lock{"lock": nothing{}},
		Inputs:     map[string]devices.Input{"contact": contact{}},
		Outputs:    map[string]devices.Output{"lamp": nothing{}},
		Indicators: map[string]devices.Indicator{"in": nothing{}},
	}
}

// drivers is one driver for each way of opening.
func drivers(closed *[]string) []devices.Driver {
	var mu sync.Mutex
	closing := func(id string, err error) func() error {
		return func() error {
			mu.Lock()
			defer mu.Unlock()
			*closed = append(*closed, id)
			return err
		}
	}
	return []devices.Driver{
		{Name: "good", Open: func(c devices.Config) (devices.Bundle, error) {
			b := door()
			b.Close = closing(c.ID, nil)
			return b, nil
		}},
		{Name: "running", Open: func(c devices.Config) (devices.Bundle, error) {
			b := devices.Bundle{Close: closing(c.ID, fs.ErrInvalid)}
			b.Run = func(context.Context) error { return errors.New("run of " + c.ID) }
			return b, nil
		}},
		{Name: "absent", Open: func(devices.Config) (devices.Bundle, error) {
			return devices.Bundle{}, fmt.Errorf("no port ttyX: %w", devices.ErrUnavailable)
		}},
		{Name: "broken", Open: func(devices.Config) (devices.Bundle, error) {
			return devices.Bundle{}, fs.ErrPermission
		}},
		{Name: "panics", Open: func(devices.Config) (devices.Bundle, error) { panic("kaboom") }},
		{Name: "nil", Open: func(c devices.Config) (devices.Bundle, error) {
			return devices.Bundle{Locks: map[string]devices.Lock{"lock": nil}, Close: closing(c.ID, nil)}, nil
		}},
		{Name: "badclose", Open: func(devices.Config) (devices.Bundle, error) {
			return devices.Bundle{Close: func() error { panic("late kaboom") }}, nil
		}},
		{Name: "empty"},
	}
}

func TestOpenSaysWhatBecameOfEach(t *testing.T) {
	var closed []string
	r := devices.NewRegistry(drivers(&closed)...)
	report := r.Open([]devices.Config{
		{ID: "a", Driver: "good"},
		{ID: "b", Driver: "absent"},
		{ID: "c", Driver: "broken"},
		{ID: "d", Driver: "broken", Optional: true},
		{ID: "e", Driver: "panics"},
		{ID: "f", Driver: "panics", Optional: true},
		{ID: "g", Driver: "osdp", Optional: true},
		{ID: "h", Driver: "nil"},
		{ID: "i", Driver: "empty"},
		{ID: "a", Driver: "good"},
		{ID: "x/y", Driver: "good"},
		{ID: "", Driver: "good"},
		{ID: "z", Driver: "running"},
	})
	for i, want := range []struct {
		state devices.State
		err   error
		text  string
	}{
		{devices.Loaded, nil, "loaded  a (good)"},
		{devices.Skipped, devices.ErrUnavailable, "no port ttyX"},
		{devices.Failed, fs.ErrPermission, "failed  c (broken): permission denied"},
		{devices.Skipped, fs.ErrPermission, "skipped d (broken): permission denied"},
		{devices.Failed, nil, "kaboom"},
		{devices.Failed, nil, "kaboom"},
		{devices.Skipped, devices.ErrUnknownDriver, `unknown driver "osdp": there is absent, badclose, broken, empty, good, nil, panics, running`},
		{devices.Failed, nil, "nil for lock lock"},
		{devices.Failed, nil, "panicked"},
		{devices.Failed, devices.ErrBadDevice, `"a" is taken`},
		{devices.Failed, devices.ErrBadDevice, "slash"},
		{devices.Failed, devices.ErrBadDevice, "empty"},
		{devices.Loaded, nil, "loaded  z (running)"},
	} {
		got := report.Results[i]
		if got.State != want.state || !strings.Contains(got.String(), want.text) {
			t.Errorf("device %d: got %q, want %s with %q", i, got, want.state, want.text)
		}
		if want.err != nil && !errors.Is(got.Err, want.err) {
			t.Errorf("device %d: %v is no %v", i, got.Err, want.err)
		}
	}
	if diff := cmp.Diff([]int{2, 3, 8}, []int{
		report.Count(devices.Loaded), report.Count(devices.Skipped), report.Count(devices.Failed),
	}); diff != "" {
		t.Error(diff)
	}
	if err := report.Err(); !errors.Is(err, fs.ErrPermission) || errors.Is(err, devices.ErrUnavailable) {
		t.Errorf("the report's error is that of the failed only, got %v", err)
	}
	if diff := cmp.Diff([]string{"h"}, closed); diff != "" {
		t.Errorf("a bundle that is refused is closed: %s", diff)
	}
	if n := strings.Count(report.String(), "\n"); n != 12 {
		t.Errorf("report has %d line breaks, want 12", n)
	}
}

func TestPanicKeepsItsStack(t *testing.T) {
	r := devices.NewRegistry(drivers(new([]string))...)
	var panicked *devices.PanicError
	err := r.Open([]devices.Config{{ID: "e", Driver: "panics"}}).Err()
	if !errors.As(err, &panicked) || !strings.Contains(string(panicked.Stack), "registry_test.go") {
		t.Errorf("no stack of the driver in %v", err)
	}
}

// Check and Open say the same, and a driver that breaks that is found at once.
func TestCheckWithoutHardware(t *testing.T) {
	good := drivers(new([]string))[0].Open
	says := func(p devices.Parts, err error) func(devices.Config) (devices.Parts, error) {
		return func(devices.Config) (devices.Parts, error) { return p, err }
	}
	all := devices.Parts{"readers": {"out", "in"}, "locks": {"lock"}, "inputs": {"contact"}, "outputs": {"lamp"}, "indicators": {"in"}}
	r := devices.NewRegistry(
		devices.Driver{Name: "honest", Open: good, Check: says(all, nil)},
		devices.Driver{Name: "boasts", Open: good, Check: says(devices.Parts{"locks": {"lock", "more"}}, nil)},
		devices.Driver{Name: "refuses", Open: good, Check: says(nil, devices.ErrBadDevice)},
		devices.Driver{Name: "blind", Open: good},
	)
	for _, tt := range []struct {
		driver string
		parts  devices.Parts
		check  error
		open   string // in the error of opening
	}{
		{"honest", all, nil, ""},
		{"boasts", devices.Parts{"locks": {"lock", "more"}}, nil, "this is a bug of the driver"},
		{"refuses", nil, devices.ErrBadDevice, "opened what its check refuses"},
		{"blind", nil, nil, ""},
		{"osdp", nil, devices.ErrUnknownDriver, "unknown driver"},
	} {
		parts, err := r.Check(devices.Config{ID: tt.driver, Driver: tt.driver})
		if diff := cmp.Diff(tt.parts, parts); diff != "" || !errors.Is(err, tt.check) {
			t.Errorf("%s: %v %s", tt.driver, err, diff)
		}
		result := r.Open([]devices.Config{{ID: tt.driver, Driver: tt.driver}}).Results[0]
		if tt.open == "" && result.State != devices.Loaded || tt.open != "" && (result.Err == nil || !strings.Contains(result.Err.Error(), tt.open)) {
			t.Errorf("%s: opened as %v", tt.driver, result)
		}
	}
	if diff := cmp.Diff([]string{"blind", "boasts", "honest", "refuses"}, r.Drivers()); diff != "" {
		t.Error(diff)
	}
}

func TestTwoDriversOfOneName(t *testing.T) {
	open := func(devices.Config) (devices.Bundle, error) { return door(), nil }
	r := devices.NewRegistry(devices.Driver{Name: "x", Open: open}, devices.Driver{Name: "x", Open: open})
	if err := r.Open([]devices.Config{{ID: "a", Driver: "x"}}).Err(); !errors.Is(err, devices.ErrBadDevice) {
		t.Errorf("got %v", err)
	}
}

func TestLookup(t *testing.T) {
	r := devices.NewRegistry(drivers(new([]string))...)
	r.Open([]devices.Config{
		{ID: "a", Driver: "good"},
		{ID: "b", Driver: "absent"},
		{ID: "c", Driver: "broken"},
		{ID: "z", Driver: "running"},
	})
	look := map[string]func(string) (any, error){
		"reader":    func(n string) (any, error) { return r.Reader(n) },
		"lock":      func(n string) (any, error) { return r.Lock(n) },
		"input":     func(n string) (any, error) { return r.Input(n) },
		"output":    func(n string) (any, error) { return r.Output(n) },
		"indicator": func(n string) (any, error) { return r.Indicator(n) },
	}
	for _, tt := range []struct {
		kind, name string
		err        error
		text       string
	}{
		{"reader", "a/in", nil, ""},
		{"reader", "a/out", nil, ""},
		{"lock", "a/lock", nil, ""},
		{"input", "a/contact", nil, ""},
		{"output", "a/lamp", nil, ""},
		{"indicator", "a/in", nil, ""},
		{"indicator", "a/out", devices.ErrNoPart, `indicator "a/out": device has no such part: it has readers in, out; locks lock; inputs contact; outputs lamp; indicators in`},
		{"lock", "z/lock", devices.ErrNoPart, "it has no parts"},
		{"lock", "a", devices.ErrNoPart, "device/part"},
		{"lock", "a/", devices.ErrNoPart, "device/part"},
		{"input", "door/contact", devices.ErrUnknownDevice, `unknown device "door": there is a, b, c, z`},
		{"reader", "b/in", devices.ErrUnavailable, "not loaded (skipped): no port ttyX"},
		{"reader", "c/in", devices.ErrNotLoaded, "not loaded (failed): permission denied"},
	} {
		got, err := look[tt.kind](tt.name)
		if !errors.Is(err, tt.err) || (err == nil) != (got != nil) {
			t.Errorf("%s %s: got %v, %v, want %v", tt.kind, tt.name, got, err, tt.err)
		}
		if err != nil && !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s %s: %q lacks %q", tt.kind, tt.name, err, tt.text)
		}
	}
	if err := r.Close(); err == nil {
		t.Error("device z closes with an error")
	}
	if _, err := r.Lock("a/lock"); !errors.Is(err, devices.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestAListOfNamesIsShort(t *testing.T) {
	r := devices.NewRegistry(drivers(new([]string))...)
	var configs []devices.Config
	for i := range 1000 {
		configs = append(configs, devices.Config{ID: fmt.Sprintf("d%03d", i), Driver: "good"})
	}
	r.Open(configs)
	if _, err := r.Lock("x/lock"); err == nil || !strings.Contains(err.Error(), "d009 and 990 more") {
		t.Errorf("got %v", err)
	}
}

func TestCloseOnceInReverse(t *testing.T) {
	var closed []string
	r := devices.NewRegistry(drivers(&closed)...)
	r.Open([]devices.Config{
		{ID: "1", Driver: "good"},
		{ID: "2", Driver: "running"},
		{ID: "3", Driver: "badclose"},
		{ID: "4", Driver: "running"},
		{ID: "5", Driver: "good"},
	})
	err := r.Close()
	if again := r.Close(); !errors.Is(again, err) {
		t.Errorf("the second Close says %v", again)
	}
	if diff := cmp.Diff([]string{"5", "4", "2", "1"}, closed); diff != "" {
		t.Error(diff)
	}
	for _, want := range []string{`"4": invalid argument`, `"2": invalid argument`, `"3": driver panicked: late kaboom`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	late := r.Open([]devices.Config{{ID: "6", Driver: "good"}})
	if !errors.Is(late.Err(), devices.ErrClosed) || closed[len(closed)-1] != "6" {
		t.Errorf("opened after Close: %v, closed %v", late, closed)
	}
}

func TestRunsInOrder(t *testing.T) {
	r := devices.NewRegistry(drivers(new([]string))...)
	r.Open([]devices.Config{
		{ID: "z", Driver: "running"},
		{ID: "m", Driver: "good"},
		{ID: "a", Driver: "running"},
	})
	var got []string
	for _, run := range r.Runs() {
		got = append(got, run.ID+": "+run.Run(t.Context()).Error())
	}
	if diff := cmp.Diff([]string{"z: run of z", "a: run of a"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOneIDOpenedAtOnce(t *testing.T) {
	var closed []string
	r := devices.NewRegistry(drivers(&closed)...)
	var wg sync.WaitGroup
	loaded := make([]int, 8)
	for i := range loaded {
		wg.Go(func() {
			loaded[i] = r.Open([]devices.Config{{ID: "a", Driver: "good"}}).Count(devices.Loaded)
			_, _ = r.Lock("a/lock")
			r.Runs()
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range loaded {
		sum += n
	}
	if err := r.Close(); err != nil || sum != 1 || len(closed) != 1 {
		t.Errorf("loaded %d times, closed %d times, %v", sum, len(closed), err)
	}
}
