package devices

import (
	"fmt"
	"slices"
)

// Parts are the names of the parts of a device, by their kind: readers, locks,
// inputs, outputs, indicators.
type Parts map[string][]string

// OptionError says which option of a Config is wrong. Err says what is wrong with
// it, and what there is.
type OptionError struct {
	Option string
	Err    error
}

func (e *OptionError) Error() string { return e.Err.Error() }

func (e *OptionError) Unwrap() error { return e.Err }

// Check says what can be said of a device without its hardware: which parts it
// will have, nil when its driver cannot tell. Errors: ErrUnknownDriver,
// ErrBadDevice (an *OptionError where one option is to blame), a driver's panic.
func (r *Registry) Check(c Config) (Parts, error) {
	driver, err := r.driver(c.Driver)
	if err != nil || driver.Check == nil {
		return nil, err
	}
	return checkSafely(driver, c)
}

// Drivers are the names of the drivers, sorted.
func (r *Registry) Drivers() []string { return keys(r.drivers) }

func checkSafely(d Driver, c Config) (p Parts, err error) {
	defer recovered(&err)
	if p, err = d.Check(c); err == nil && p == nil {
		p = Parts{}
	}
	return p, err
}

// agrees refuses a bundle whose parts are others than the driver's Check said:
// what `gatehouse check` calls good must work.
func (d Driver) agrees(c Config, b *Bundle) error {
	if d.Check == nil {
		return nil
	}
	said, err := checkSafely(d, c)
	if err != nil {
		return fmt.Errorf("the driver opened what its check refuses (%w); this is a bug of the driver", err)
	}
	for kind, has := range b.parts() {
		if want := slices.Sorted(slices.Values(said[kind])); !slices.Equal(want, has) {
			return fmt.Errorf("the driver gave the %s %s where its check says %s; this is a bug of the driver", kind, list(has), list(want))
		}
	}
	return nil
}

// parts are the sorted names of a bundle's parts by kind.
func (b *Bundle) parts() Parts {
	return Parts{
		"readers": keys(b.Readers), "locks": keys(b.Locks), "inputs": keys(b.Inputs),
		"outputs": keys(b.Outputs), "indicators": keys(b.Indicators),
	}
}
