package virtual

import (
	"errors"
	"fmt"
)

// ErrSecured is for opening a door whose lock is secured.
var ErrSecured = errors.New("the door is locked: release its lock, or use Force")

// Door is the leaf of a door: it moves the contact, as far as the bolt lets it.
type Door struct {
	lock    *Lock
	contact *Input
}

// Door is the leaf at the parts "lock" and "contact" of a device.
func (r *Rig) Door(device string) Door { return r.DoorOf(device+"/lock", device+"/contact") }

// DoorOf is the leaf at any lock and contact, both as "device/part".
func (r *Rig) DoorOf(lock, contact string) Door {
	return Door{lock: r.Lock(lock), contact: r.Input(contact)}
}

// Open opens the leaf; an open one stays so. While the bolt is out it returns
// ErrSecured and nothing moves.
func (d Door) Open() error {
	if !d.IsOpen() && !d.lock.Released() {
		return fmt.Errorf("opening at %q: %w", d.contact.name, ErrSecured)
	}
	d.contact.Set(true)
	return nil
}

// Close shuts the leaf. A latch lets it, whatever the bolt does.
func (d Door) Close() { d.contact.Set(false) }

// Force opens the leaf, bolt or no bolt: by a crowbar, or by a mechanical handle
// that the lock knows nothing of.
func (d Door) Force() { d.contact.Set(true) }

// IsOpen reports whether the leaf stands open.
func (d Door) IsOpen() bool {
	active, _ := d.contact.Level() // a failed contact's leaf is where it is
	return active
}
