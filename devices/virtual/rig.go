package virtual

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"gatehouse/devices"
)

// DriverName is what a site file calls the driver of a rig.
const DriverName = "virtual"

// ErrOpen is for a device that is opened while it is open.
var ErrOpen = errors.New("device is open already: close it first")

// DoorLayout is the parts of a device that is configured without options, in
// the form of options: kind of part to names, separated by commas.
func DoorLayout() map[string]string {
	return map[string]string{
		"readers":    "in,out",
		"locks":      "lock",
		"inputs":     "contact,rex,tamper,fire",
		"indicators": "in,out",
	}
}

// Options of a rig. Layout is for devices configured without options;
// DoorLayout if nil.
type Options struct {
	Layout map[string]string
}

// Rig is any number of virtual devices. Its parts are named "device/part"; one
// is made when it is first asked for, by Open or from the side of the rig, and
// lives as long as the rig: closing a device and opening it again finds bolts
// and contacts where they were.
type Rig struct {
	layout map[string]string

	mu         sync.RWMutex
	readers    map[string]*Reader
	locks      map[string]*Lock
	inputs     map[string]*Input
	outputs    map[string]*Output
	indicators map[string]*Indicator
	open       map[string]bool  // devices
	refused    map[string]error // devices that shall not open
	checks     map[string]func(context.Context) error
	hooks      []func(name string, release bool)
}

// New makes an empty rig.
func New(o Options) *Rig {
	if o.Layout == nil {
		o.Layout = DoorLayout()
	}
	return &Rig{
		layout:     maps.Clone(o.Layout),
		readers:    make(map[string]*Reader),
		locks:      make(map[string]*Lock),
		inputs:     make(map[string]*Input),
		outputs:    make(map[string]*Output),
		indicators: make(map[string]*Indicator),
		open:       make(map[string]bool),
		refused:    make(map[string]error),
		checks:     make(map[string]func(context.Context) error),
	}
}

// Reader is the reader of that name, made if need be.
func (r *Rig) Reader(name string) *Reader {
	return part(r, r.readers, name, func() *Reader { return &Reader{name: name} })
}

// Lock is the lock of that name, made if need be.
func (r *Rig) Lock(name string) *Lock {
	return part(r, r.locks, name, func() *Lock { return &Lock{name: name, rig: r} })
}

// Input is the input of that name, made if need be.
func (r *Rig) Input(name string) *Input {
	return part(r, r.inputs, name, func() *Input { return &Input{name: name} })
}

// Output is the output of that name, made if need be.
func (r *Rig) Output(name string) *Output {
	return part(r, r.outputs, name, func() *Output { return &Output{name: name} })
}

// Indicator is the indicator of that name, made if need be. A new one can all.
func (r *Rig) Indicator(name string) *Indicator {
	return part(r, r.indicators, name, func() *Indicator {
		return &Indicator{name: name, can: devices.Can{Light: true, Buzzer: true, Text: true}}
	})
}

func part[P any](r *Rig, parts map[string]*P, name string, fresh func() *P) *P {
	r.mu.RLock()
	p := parts[name]
	r.mu.RUnlock()
	if p != nil {
		return p
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := parts[name]; p != nil {
		return p
	}
	p = fresh()
	parts[name] = p
	return p
}

// Present holds a card to the reader of that name.
func (r *Rig) Present(reader string, read devices.CardRead) { r.Reader(reader).Present(read) }

// Move sets the input of that name.
func (r *Rig) Move(input string, active bool) { r.Input(input).Set(active) }

// OnMove has hook called after each movement of any lock's bolt, by the
// goroutine that moved it, for the rest of the rig's life. It must not block.
func (r *Rig) OnMove(hook func(name string, release bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hooks = append(slices.Clip(r.hooks), hook)
}

func (r *Rig) moveHooks() []func(string, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.hooks
}

// Refuse makes opening the device fail with err from now on; nil ends that. An
// err that wraps devices.ErrUnavailable makes it skipped.
func (r *Rig) Refuse(device string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused[device] = err
}

// Ail puts check in place of the device's own health check, which finds a device
// that is open well; nil ends that. It may hang, panic and do whatever else real
// hardware does.
func (r *Rig) Ail(device string, check func(ctx context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks[device] = check
}

// check is the health check of a device.
func (r *Rig) check(ctx context.Context, device string) error {
	r.mu.RLock()
	check, open := r.checks[device], r.open[device]
	r.mu.RUnlock()
	switch {
	case !open:
		return devices.ErrClosed
	case check != nil:
		return check(ctx)
	}
	return nil
}

// Driver is the driver of the rig's devices. Their options are the kinds
// readers, locks, inputs, outputs and indicators with the names of their parts,
// separated by commas; without any option the rig's layout holds.
func (r *Rig) Driver() devices.Driver {
	return devices.Driver{Name: DriverName, Open: r.openDevice, Check: r.parts}
}

// parts are those of a device, as its options or the layout name them.
func (r *Rig) parts(c devices.Config) (devices.Parts, error) {
	if len(c.Options) == 0 {
		return parse(r.layout)
	}
	return parse(c.Options)
}

func (r *Rig) openDevice(c devices.Config) (devices.Bundle, error) {
	names, err := r.parts(c)
	if err != nil {
		return devices.Bundle{}, err
	}
	if err := r.claim(c.ID); err != nil {
		return devices.Bundle{}, err
	}
	b := r.bundle(c.ID, names)
	b.Check = func(ctx context.Context) error { return r.check(ctx, c.ID) }
	setClosed(b, false)
	// Once: a second Close must not close the device's next opening.
	var once sync.Once
	opened := b
	b.Close = func() error {
		once.Do(func() { r.closeDevice(c.ID, opened) })
		return nil
	}
	return b, nil
}

func (r *Rig) claim(device string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.refused[device]; err != nil {
		return err
	}
	if r.open[device] {
		return ErrOpen
	}
	r.open[device] = true
	return nil
}

// closeDevice ends all listeners of the device, and its parts refuse from then
// on.
func (r *Rig) closeDevice(device string, b devices.Bundle) {
	setClosed(b, true)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, device)
}

func (r *Rig) bundle(device string, names devices.Parts) devices.Bundle {
	return devices.Bundle{
		Readers:    collect(names["readers"], func(n string) devices.Reader { return r.Reader(device + "/" + n) }),
		Locks:      collect(names["locks"], func(n string) devices.Lock { return r.Lock(device + "/" + n) }),
		Inputs:     collect(names["inputs"], func(n string) devices.Input { return r.Input(device + "/" + n) }),
		Outputs:    collect(names["outputs"], func(n string) devices.Output { return r.Output(device + "/" + n) }),
		Indicators: collect(names["indicators"], func(n string) devices.Indicator { return r.Indicator(device + "/" + n) }),
	}
}

func collect[P any](names []string, get func(string) P) map[string]P {
	if len(names) == 0 {
		return nil
	}
	parts := make(map[string]P, len(names))
	for _, n := range names {
		parts[n] = get(n)
	}
	return parts
}

func setClosed(b devices.Bundle, closed bool) {
	for _, p := range b.Readers {
		p.(*Reader).ears.setClosed(closed)
	}
	for _, p := range b.Locks {
		p.(*Lock).setClosed(closed)
	}
	for _, p := range b.Inputs {
		p.(*Input).ears.setClosed(closed)
	}
	for _, p := range b.Outputs {
		p.(*Output).setClosed(closed)
	}
	for _, p := range b.Indicators {
		p.(*Indicator).setClosed(closed)
	}
}

// parse reads options: kind to names.
func parse(options map[string]string) (devices.Parts, error) {
	kinds := []string{"readers", "locks", "inputs", "outputs", "indicators"}
	names := make(devices.Parts, len(options))
	for _, kind := range slices.Sorted(maps.Keys(options)) {
		if !slices.Contains(kinds, kind) {
			return nil, optionError(kind, "unknown option %q: there is %s", kind, strings.Join(kinds, ", "))
		}
		for name := range strings.SplitSeq(options[kind], ",") {
			name = strings.TrimSpace(name)
			if name == "" || strings.Contains(name, "/") || slices.Contains(names[kind], name) {
				return nil, optionError(kind, "option %s=%q: names must differ, not be empty and have no slash", kind, options[kind])
			}
			names[kind] = append(names[kind], name)
		}
	}
	return names, nil
}

func optionError(option, format string, args ...any) error {
	return &devices.OptionError{Option: option, Err: fmt.Errorf("%w: %s", devices.ErrBadDevice, fmt.Sprintf(format, args...))}
}
