package devicetest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/devices"
	"gatehouse/devices/devicetest"
	"gatehouse/devices/virtual"
)

func patience() <-chan time.Time { return time.After(20 * time.Second) }

func spawn(f func()) { go f() }

// onRig is a virtual device with all kinds of parts, and its other side.
func onRig() (devicetest.Device, error) {
	rig := virtual.New(virtual.Options{Layout: map[string]string{
		"readers": "in,out", "locks": "lock", "inputs": "contact,rex", "outputs": "lamp", "indicators": "in,out",
	}})
	rig.Indicator("d/out").SetCan(devices.Can{Light: true})
	bundle, err := rig.Driver().Open(devices.Config{ID: "d"})
	return devicetest.Device{
		Bundle:     bundle,
		Present:    func(reader string, read devices.CardRead) { rig.Reader("d/" + reader).Present(read) },
		Move:       func(input string, active bool) { rig.Input("d/" + input).Set(active) },
		ReadLock:   func(lock string) bool { return rig.Lock("d/" + lock).Released() },
		ReadOutput: func(output string) bool { return rig.Output("d/" + output).On() },
		Moves:      func(lock string) uint64 { return rig.Lock("d/" + lock).Moves() },
		Shown:      func(indicator string) devices.Show { return rig.Indicator("d/" + indicator).Shown() },
	}, err
}

func TestVirtual(t *testing.T) {
	devicetest.Run(t, devicetest.Harness{Open: onRig, Go: spawn, Patience: patience})
}

// onBus is onRig behind a bus with a Run, as a driver of real hardware has it:
// what moves waits on the bus until Run takes it.
func onBus() (devicetest.Device, error) {
	d, err := onRig()
	bus := make(chan func(), 1000)
	present, move := d.Present, d.Move
	d.Present = func(reader string, read devices.CardRead) { bus <- func() { present(reader, read) } }
	d.Move = func(input string, active bool) { bus <- func() { move(input, active) } }
	d.Bundle.Run = func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case f := <-bus:
				f()
			}
		}
	}
	return d, err
}

func TestADriverWithRun(t *testing.T) {
	devicetest.Run(t, devicetest.Harness{Open: onBus, Go: spawn, Patience: patience})
}

// failures is a TB that remembers.
type failures struct {
	mu   sync.Mutex
	text []string
}

func (*failures) Helper() {}

func (f *failures) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = append(f.text, fmt.Sprintf(format, args...))
}

func (f *failures) has(clause string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, text := range f.text {
		if strings.HasPrefix(text, clause+": ") {
			return true
		}
	}
	return false
}

// Every control is a driver with one fault, which the contract must find.
func TestWrongDriversFail(t *testing.T) {
	for _, tt := range []struct {
		fault  string
		clause string
		open   func() (devicetest.Device, error)
	}{
		{"calls after cancel", "cancel of a reader", with(reader(func(r devices.Reader) devices.Reader { return deafCancel{r} }))},
		{"calls after cancel", "cancel under fire", with(reader(func(r devices.Reader) devices.Reader { return deafCancel{r} }))},
		{"does not wait for a call under way", "cancel under fire", withReader(func() soloReader { return &hasty{} })},
		{"waits for itself", "cancel from within", withReader(func() soloReader { return &stuck{} })},
		{"calls whom a neighbour cancelled", "cancel from within", withReader(func() soloReader { return &stale{} })},
		{"cancels everybody", "cancel of a reader", withReader(func() soloReader { return &lonely{} })},
		{"loses a read", "reads in order", with(reader(func(r devices.Reader) devices.Reader { return &lossy{Reader: r} }))},
		{"swaps two reads", "reads in order", with(reader(func(r devices.Reader) devices.Reader { return &swapping{Reader: r} }))},
		{"tells an input's cancelled listener", "cancel of an input", with(input(func(i devices.Input) devices.Input { return deafInput{i} }))},
		{"has no level", "movements and level", with(input(func(i devices.Input) devices.Input { return levelless{i} }))},
		{"tells every second movement", "movements and level", with(input(func(i devices.Input) devices.Input { return &lazy{Input: i} }))},
		{"drives the wrong way", "lock", with(func(d *devicetest.Device) {
			each(d.Bundle.Locks, func(l devices.Lock) devices.Lock { return inverted{l} })
		})},
		{"moves the bolt each time", "lock", with(func(d *devicetest.Device) {
			each(d.Bundle.Locks, func(l devices.Lock) devices.Lock { return restless{l} })
		})},
		{"drives one at a time", "lock driven at once", with(func(d *devicetest.Device) {
			each(d.Bundle.Locks, func(l devices.Lock) devices.Lock { return &exclusive{Lock: l} })
		})},
		{"forgets an output", "output", with(func(d *devicetest.Device) {
			each(d.Bundle.Outputs, func(devices.Output) devices.Output { return nowhere{} })
		})},
		{"complains of what it lacks", "indicator", with(func(d *devicetest.Device) {
			each(d.Bundle.Indicators, func(i devices.Indicator) devices.Indicator { return strict{i} })
		})},
		{"shows nothing", "indicator", with(func(d *devicetest.Device) {
			each(d.Bundle.Indicators, func(i devices.Indicator) devices.Indicator { return dark{i} })
		})},
		{"runs on", "end", with(func(d *devicetest.Device) {
			d.Bundle.Run = func(context.Context) error { <-time.After(time.Second); return nil }
		})},
		{"ends with an error", "end", with(func(d *devicetest.Device) {
			d.Bundle.Run = func(ctx context.Context) error { <-ctx.Done(); return errors.New("bus fault") }
		})},
		{"calls after Close", "end", with(func(d *devicetest.Device) { d.Bundle.Close = func() error { return nil } })},
		{"panics at the second Close", "end", with(func(d *devicetest.Device) {
			closed := make(chan struct{})
			d.Bundle.Close = func() error { close(closed); return nil }
		})},
		{"does not close", "end", with(func(d *devicetest.Device) { d.Bundle.Close = func() error { return errors.New("busy") } })},
		{"is ill", "check", withCheck(func(devices.Bundle) error { return errors.New("no answer") })},
		{"is deaf to the check's context", "check", withCheck(func(devices.Bundle) error { <-time.After(time.Second); return nil })},
		{"panics in its check", "check", withCheck(func(devices.Bundle) error { panic("bug") })},
		{"tries the bolt in its check", "check", withCheck(func(b devices.Bundle) error { return b.Locks["lock"].Drive(true) })},
		{"is well when closed", "end", withCheck(func(devices.Bundle) error { return nil })},
		{"leaves a goroutine", "output", leaking(t)},
		{"never closes", "end", with(func(d *devicetest.Device) {
			d.Bundle.Close = func() error { <-time.After(time.Second); return nil }
		})},
		{"has nothing", "lock", with(func(d *devicetest.Device) { d.Bundle = devices.Bundle{} })},
		{"cannot be seen", "lock", with(func(d *devicetest.Device) { d.ReadLock = nil })},
		{"does not open", "lock", func() (devicetest.Device, error) { return devicetest.Device{}, errors.New("no") }},
	} {
		t.Run(tt.fault+" fails "+tt.clause, func(t *testing.T) {
			tb := &failures{}
			devicetest.CheckClause(tb, devicetest.Harness{
				Open: tt.open, Go: spawn, Patience: func() <-chan time.Time { return time.After(20 * time.Millisecond) },
			}, tt.clause)
			if !tb.has(tt.clause) {
				t.Errorf("the contract passed it, all it said is %q", tb.text)
			}
		})
	}
}

// Check goes through all clauses, and names them.
func TestCheckHoldsToAllClauses(t *testing.T) {
	tb := &failures{}
	devicetest.Check(tb, devicetest.Harness{Open: onRig, Go: spawn, Patience: patience})
	if len(tb.text) > 0 {
		t.Errorf("virtual fails: %q", tb.text)
	}
	unopened := func() (devicetest.Device, error) { return devicetest.Device{}, errors.New("no") }
	devicetest.Check(tb, devicetest.Harness{Open: unopened, Go: spawn, Patience: patience})
	if len(tb.text) != 12 || !tb.has("reads in order") || !tb.has("end") {
		t.Errorf("a device that does not open fails each clause once, got %q", tb.text)
	}
}

func with(change func(*devicetest.Device)) func() (devicetest.Device, error) {
	return func() (devicetest.Device, error) {
		d, err := onRig()
		change(&d)
		return d, err
	}
}

func withCheck(check func(devices.Bundle) error) func() (devicetest.Device, error) {
	return with(func(d *devicetest.Device) {
		b := d.Bundle
		d.Bundle.Check = func(context.Context) error { return check(b) }
	})
}

func each[P any](parts map[string]P, change func(P) P) {
	for name, p := range parts {
		parts[name] = change(p)
	}
}

func reader(change func(devices.Reader) devices.Reader) func(*devicetest.Device) {
	return func(d *devicetest.Device) { each(d.Bundle.Readers, change) }
}

func input(change func(devices.Input) devices.Input) func(*devicetest.Device) {
	return func(d *devicetest.Device) { each(d.Bundle.Inputs, change) }
}

func leaking(t *testing.T) func() (devicetest.Device, error) {
	return with(func(*devicetest.Device) {
		go func() { <-t.Context().Done() }()
	})
}
