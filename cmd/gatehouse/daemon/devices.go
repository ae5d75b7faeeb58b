package daemon

import (
	"fmt"

	"gatehouse/access"
	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/devices"
)

// openDevices opens the site's devices and finds the parts of every door. A
// part that is missing does not keep the others from working: it is reported,
// and the door does without.
func (d *Daemon) openDevices() (map[access.DoorID]actors.Wiring, []devices.Input) {
	d.Registry = devices.NewRegistry(d.opts.Drivers...)
	report := d.Registry.Open(d.opts.Site.Devices)
	d.opts.Log.Info().Str("devices", report.String()).Msg("devices opened")
	f := finder{r: d.Registry}
	wiring := map[access.DoorID]actors.Wiring{}
	for _, w := range d.opts.Site.Wiring {
		wiring[w.Door] = f.door(w)
	}
	var fire []devices.Input
	for _, name := range d.opts.Site.FireInputs {
		if in := f.input("fire input", name); in != nil {
			fire = append(fire, in)
		}
	}
	for _, err := range f.missing {
		d.opts.Log.Error().Err(err).Msg("device missing")
		d.missing = append(d.missing, err.Error())
	}
	return wiring, fire
}

// missingLock stands for a lock that is not there: every try to drive it is a
// lock fault.
type missingLock struct{ err error }

func (l missingLock) Drive(bool) error { return l.err }

// finder looks parts up and gathers what is missing.
type finder struct {
	r       *devices.Registry
	missing []error
}

func (f *finder) door(w site.Wiring) (out actors.Wiring) {
	what := fmt.Sprintf("door %s", w.Door)
	lock, err := f.r.Lock(w.Lock)
	if out.Lock = lock; !f.note(what, err) {
		out.Lock = missingLock{err}
	}
	out.Contact = f.input(what, w.Contact)
	out.REX = f.input(what, w.REX)
	out.Tamper = f.input(what, w.Tamper)
	out.Readers = map[access.ReaderID]actors.ReaderWiring{}
	for _, rw := range w.Readers {
		var wired actors.ReaderWiring
		reader, err := f.r.Reader(rw.Device)
		if f.note(what, err) {
			wired.Reader = reader
		}
		if rw.Indicator != "" {
			if shows, err := f.r.Indicator(rw.Indicator); f.note(what, err) {
				wired.Indicator = shows
			}
		}
		out.Readers[rw.Reader] = wired
	}
	return out
}

func (f *finder) input(what, name string) devices.Input {
	if name == "" {
		return nil
	}
	in, err := f.r.Input(name)
	if !f.note(what, err) {
		return nil
	}
	return in
}

func (f *finder) note(what string, err error) (found bool) {
	if err != nil {
		f.missing = append(f.missing, fmt.Errorf("%s: %w", what, err))
	}
	return err == nil
}
