package devices

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
)

// What can be wrong with a device or with the name of one of its parts. Every
// error of the registry wraps one of these or the driver's own.
var (
	// ErrUnavailable is for drivers to wrap when the hardware is not there or
	// cannot be there: such a device is skipped, not failed.
	ErrUnavailable   = errors.New("hardware not available here")
	ErrUnknownDriver = errors.New("unknown driver")
	ErrBadDevice     = errors.New("device configuration is wrong")
	ErrUnknownDevice = errors.New("unknown device")
	ErrNotLoaded     = errors.New("device is not loaded")
	ErrNoPart        = errors.New("device has no such part")
	ErrClosed        = errors.New("device is closed")
)

// Config is one configured device: an ID unique in the site and without "/",
// the driver by its name, and what the driver wants to know. An Optional device is
// expected to be missing now and then: whatever keeps it from opening, except a
// bug of its driver, is a skip.
type Config struct {
	ID       string
	Driver   string
	Options  map[string]string
	Optional bool
}

// Driver opens devices of one technology. Open must not keep the Config's map.
// When it returns an error it has freed what it took.
//
// Check is optional: it says without touching hardware which parts Open gives for
// a Config, or what is wrong with its options; both agree.
type Driver struct {
	Name  string
	Open  func(Config) (Bundle, error)
	Check func(Config) (Parts, error)
}

// PanicError is a panic of a driver, turned into an error.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("driver panicked: %v; this is a bug of the driver", e.Value)
}

// Registry holds the drivers and the devices opened by them. It is safe for
// concurrent use.
type Registry struct {
	drivers map[string]Driver
	twice   map[string]bool // names given to more than one driver

	mu      sync.RWMutex
	devices map[string]*device
	order   []*device // as opened
	closed  bool

	closing  sync.Once
	closeErr error
}

type device struct {
	result Result
	bundle Bundle
}

// NewRegistry makes a registry of the given drivers. Of two drivers with one
// name neither is used: opening by that name fails and says so.
func NewRegistry(drivers ...Driver) *Registry {
	r := &Registry{
		drivers: make(map[string]Driver, len(drivers)),
		twice:   make(map[string]bool),
		devices: make(map[string]*device),
	}
	for _, d := range drivers {
		if _, ok := r.drivers[d.Name]; ok {
			r.twice[d.Name] = true
		}
		r.drivers[d.Name] = d
	}
	return r
}

// Open opens every device in the order given and says what became of each, in
// the same order. It goes on after a failure and survives a driver's panic. It
// may be called again for more devices.
func (r *Registry) Open(configs []Config) Report {
	report := Report{Results: make([]Result, 0, len(configs))}
	for _, c := range configs {
		report.Results = append(report.Results, r.open(c))
	}
	return report
}

func (r *Registry) open(c Config) Result {
	d := &device{result: Result{ID: c.ID, Driver: c.Driver, Err: errors.New("it is still being opened")}}
	if err := r.reserve(d); err != nil {
		return Result{ID: c.ID, Driver: c.Driver, State: Failed, Err: err}
	}
	driver, err := r.driver(c.Driver)
	if err != nil {
		return r.settle(d, Bundle{}, stateOf(c, err), err)
	}
	bundle, err := openSafely(driver, c)
	if err != nil {
		return r.settle(d, Bundle{}, stateOf(c, err), err)
	}
	if err := errors.Join(bundle.check(), driver.agrees(c, &bundle)); err != nil {
		return r.settle(d, Bundle{}, Failed, errors.Join(err, closeSafely(bundle)))
	}
	return r.settle(d, bundle, Loaded, nil)
}

// reserve takes the ID, so that two openings of one ID cannot both win.
func (r *Registry) reserve(d *device) error {
	id := d.result.ID
	if id == "" || strings.Contains(id, "/") {
		return fmt.Errorf("%w: the id %q must not be empty or contain a slash", ErrBadDevice, id)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.devices[id]; ok {
		return fmt.Errorf("%w: the id %q is taken by another device; give each its own", ErrBadDevice, id)
	}
	r.devices[id] = d
	return nil
}

func (r *Registry) driver(name string) (Driver, error) {
	d, ok := r.drivers[name]
	switch {
	case !ok:
		return Driver{}, fmt.Errorf("%w %q: there is %s", ErrUnknownDriver, name, list(keys(r.drivers)))
	case r.twice[name]:
		return Driver{}, fmt.Errorf("%w: two drivers are called %q; rename one of them", ErrBadDevice, name)
	}
	return d, nil
}

// settle writes down what became of a device. One that was opened while the
// registry closed is closed again.
func (r *Registry) settle(d *device, b Bundle, state State, err error) Result {
	r.mu.Lock()
	late := state == Loaded && r.closed
	if late {
		state, err = Failed, fmt.Errorf("%w: the registry closed meanwhile", ErrClosed)
	}
	d.result.State, d.result.Err = state, err
	if state == Loaded {
		d.bundle = b
		r.order = append(r.order, d)
	}
	result := d.result
	r.mu.Unlock()
	if late {
		result.Err = errors.Join(result.Err, closeSafely(b))
	}
	return result
}

func stateOf(c Config, err error) State {
	var panicked *PanicError
	switch {
	case errors.As(err, &panicked):
		return Failed
	case c.Optional, errors.Is(err, ErrUnavailable):
		return Skipped
	}
	return Failed
}

func openSafely(d Driver, c Config) (b Bundle, err error) {
	defer recovered(&err)
	return d.Open(c)
}

func closeSafely(b Bundle) (err error) {
	if b.Close == nil {
		return nil
	}
	defer recovered(&err)
	return b.Close()
}

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = &PanicError{Value: p, Stack: debug.Stack()}
	}
}

// Reader finds a reader by "device/part". The error says which of the two is
// unknown, and what there is, or why the device is not loaded.
func (r *Registry) Reader(name string) (Reader, error) {
	return find(r, "reader", name, func(b *Bundle) map[string]Reader { return b.Readers })
}

// Lock finds a lock by "device/part"; errors as in Reader.
func (r *Registry) Lock(name string) (Lock, error) {
	return find(r, "lock", name, func(b *Bundle) map[string]Lock { return b.Locks })
}

// Input finds an input by "device/part"; errors as in Reader.
func (r *Registry) Input(name string) (Input, error) {
	return find(r, "input", name, func(b *Bundle) map[string]Input { return b.Inputs })
}

// Output finds an output by "device/part"; errors as in Reader.
func (r *Registry) Output(name string) (Output, error) {
	return find(r, "output", name, func(b *Bundle) map[string]Output { return b.Outputs })
}

// Indicator finds an indicator by "device/part"; errors as in Reader.
func (r *Registry) Indicator(name string) (Indicator, error) {
	return find(r, "indicator", name, func(b *Bundle) map[string]Indicator { return b.Indicators })
}

func find[P any](r *Registry, kind, name string, parts func(*Bundle) map[string]P) (P, error) {
	var none P
	id, part, ok := strings.Cut(name, "/")
	if !ok || part == "" {
		return none, fmt.Errorf("%s %q: %w: write it as device/part", kind, name, ErrNoPart)
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	d, ok := r.devices[id]
	switch {
	case r.closed:
		return none, fmt.Errorf("%s %q: %w", kind, name, ErrClosed)
	case !ok:
		return none, fmt.Errorf("%s %q: %w %q: there is %s", kind, name, ErrUnknownDevice, id, list(keys(r.devices)))
	case d.result.State != Loaded:
		return none, fmt.Errorf("%s %q: %w (%s): %w", kind, name, ErrNotLoaded, d.result.State, d.result.Err)
	}
	p, ok := parts(&d.bundle)[part]
	if !ok {
		return none, fmt.Errorf("%s %q: %w: it has %s", kind, name, ErrNoPart, d.bundle.inventory())
	}
	return p, nil
}

// Runner is an opened device that must block. Run is to be called by one worker
// at a time and ends with its context.
type Runner struct {
	ID  string
	Run func(ctx context.Context) error
}

// Runs gives the loaded devices that have a Run, in the order of opening.
func (r *Registry) Runs() []Runner {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var runs []Runner
	for _, d := range r.order {
		if d.bundle.Run != nil {
			runs = append(runs, Runner{ID: d.result.ID, Run: d.bundle.Run})
		}
	}
	return runs
}

// Checks gives the checks of the loaded devices that have one, by id.
func (r *Registry) Checks() map[string]func(ctx context.Context) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	checks := map[string]func(ctx context.Context) error{}
	for _, d := range r.order {
		if d.bundle.Check != nil {
			checks[d.result.ID] = d.bundle.Check
		}
	}
	return checks
}

// Close closes every loaded device, the last opened first, each once, and joins
// their errors. It is to be called after all Runs returned. A second call does
// nothing and returns what the first one did.
func (r *Registry) Close() error {
	r.closing.Do(func() {
		r.mu.Lock()
		r.closed = true
		order := r.order
		r.mu.Unlock()
		var errs []error
		for _, d := range slices.Backward(order) {
			if err := closeSafely(d.bundle); err != nil {
				errs = append(errs, fmt.Errorf("closing device %q: %w", d.result.ID, err))
			}
		}
		r.closeErr = errors.Join(errs...)
	})
	return r.closeErr
}
