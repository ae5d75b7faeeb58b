package virtual

import (
	"fmt"
	"sync"

	"gatehouse/devices"
)

// Reader is a card reader, and the hand that holds a card to it.
type Reader struct {
	name string
	ears listeners[devices.CardRead]
}

// Listen is devices.Reader's.
func (r *Reader) Listen(heard func(devices.CardRead)) (cancel func()) { return r.ears.listen(heard) }

// Present holds a card to the reader. Nobody hears it when nobody listens.
func (r *Reader) Present(read devices.CardRead) {
	r.ears.hand(func() (devices.CardRead, bool) { return read, true }, r.ears.tell)
}

// Input is a contact, and what moves it.
type Input struct {
	name   string
	ears   listeners[bool] // its mu guards the rest
	active bool
	err    error
}

// Level is devices.Input's. With an error it still gives the last level.
func (i *Input) Level() (active bool, err error) {
	i.ears.mu.Lock()
	defer i.ears.mu.Unlock()
	return i.active, refusal(i.name, i.ears.closed, i.err)
}

// Listen is devices.Input's.
func (i *Input) Listen(moved func(active bool)) (cancel func()) { return i.ears.listen(moved) }

// Set moves the contact. The level that it has already is no movement.
func (i *Input) Set(active bool) {
	i.ears.hand(func() (bool, bool) {
		moved := i.active != active
		i.active = active
		return active, moved
	}, i.ears.tell)
}

// Fail makes Level return err from now on; nil repairs.
func (i *Input) Fail(err error) {
	i.ears.mu.Lock()
	defer i.ears.mu.Unlock()
	i.err = err
}

// Output is a relay, and the lamp at its end.
type Output struct {
	name   string
	mu     sync.Mutex
	on     bool
	closed bool
	moves  uint64
	err    error
}

// Set is devices.Output's.
func (o *Output) Set(on bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := refusal(o.name, o.closed, o.err); err != nil {
		return err
	}
	if o.on != on {
		o.on = on
		o.moves++
	}
	return nil
}

// On reports whether the lamp is lit.
func (o *Output) On() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.on
}

// Moves counts how often the lamp went on or off.
func (o *Output) Moves() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.moves
}

// Fail makes Set return err and change nothing from now on; nil repairs.
func (o *Output) Fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
}

func (o *Output) setClosed(closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = closed
}

// Indicator is the light, buzzer and display of a reader, and the eye on them.
type Indicator struct {
	name   string
	mu     sync.Mutex
	shown  devices.Show
	count  uint64
	can    devices.Can
	closed bool
	err    error
}

// Can is devices.Indicator's.
func (i *Indicator) Can() devices.Can {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.can
}

// SetCan says which parts the indicator has; a new one has all.
func (i *Indicator) SetCan(can devices.Can) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.can = can
}

// Indicate is devices.Indicator's.
func (i *Indicator) Indicate(s devices.Show) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := refusal(i.name, i.closed, i.err); err != nil {
		return err
	}
	i.shown = devices.Show{}
	if i.can.Light {
		i.shown.Light = s.Light
	}
	if i.can.Buzzer {
		i.shown.Beeps = s.Beeps
	}
	if i.can.Text {
		i.shown.Text = s.Text
	}
	i.count++
	return nil
}

// Shown is what is to be seen and heard now: the last Show without what the
// indicator lacks.
func (i *Indicator) Shown() devices.Show {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.shown
}

// Shows counts the calls of Indicate that succeeded.
func (i *Indicator) Shows() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.count
}

// Fail makes Indicate return err and change nothing from now on; nil repairs.
func (i *Indicator) Fail(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.err = err
}

func (i *Indicator) setClosed(closed bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = closed
}

// refusal says why a part does not do as told; nil if it does.
func refusal(name string, closed bool, fault error) error {
	switch {
	case closed:
		return fmt.Errorf("virtual part %q: %w: open its device first", name, devices.ErrClosed)
	case fault != nil:
		return fmt.Errorf("virtual part %q: %w", name, fault)
	}
	return nil
}
