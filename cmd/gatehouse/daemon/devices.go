package daemon

import (
	"fmt"
	"strings"

	"github.com/rs/zerolog"

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
	d.noteOpened(d.Registry.Open(d.opts.Site.Devices))
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
		d.noteMissing(err)
	}
	return wiring, fire
}

// noteOpened logs how many devices are open, and why each of the others is not.
func (d *Daemon) noteOpened(report devices.Report) {
	missing, checks := report.Missing(), d.Registry.Checks()
	d.optional = map[string]bool{}
	for i, result := range report.Results {
		optional := d.opts.Site.Devices[i].Optional
		d.optional[result.ID] = optional && result.State == devices.Skipped
		d.devices = append(d.devices, actors.Device{
			ID: result.ID, Driver: result.Driver, Optional: optional, Missing: result.Err, Check: checks[result.ID],
		})
	}
	for _, result := range missing {
		level := zerolog.ErrorLevel
		if d.optional[result.ID] {
			level = zerolog.WarnLevel
		}
		d.opts.Log.WithLevel(level).Err(result.Err).Str("device", result.ID).Str("driver", result.Driver).Msg("device not open")
	}
	d.opts.Log.Info().Int("devices", len(report.Results)-len(missing)).Msg("devices opened")
}

// noteMissing makes a part that is missing known, in the log and in the health. A
// part of an optional device is expected to be missing: that is no error, and the
// building is no less ready.
func (d *Daemon) noteMissing(m missingPart) {
	device, _, _ := strings.Cut(m.part, "/")
	if d.optional[device] {
		d.opts.Log.Warn().Err(m.err).Msg("optional device missing")
		return
	}
	d.opts.Log.Error().Err(m.err).Msg("device missing")
	d.missing = append(d.missing, m.err.Error())
}

// missingPart is a part, device/part, that is not there, and why.
type missingPart struct {
	part string
	err  error
}

// missingLock stands for a lock that is not there: every try to drive it is a
// lock fault.
type missingLock struct{ err error }

// Drive fails with a notThere.
func (l missingLock) Drive(bool) error { return &notThere{l.err} }

// notThere is the error of a lock that is not there.
type notThere struct{ err error }

func (e *notThere) Error() string { return e.err.Error() }

func (e *notThere) Unwrap() error { return e.err }

// finder looks parts up and gathers what is missing.
type finder struct {
	r       *devices.Registry
	missing []missingPart
}

func (f *finder) door(w site.Wiring) (out actors.Wiring) {
	what := fmt.Sprintf("door %s", w.Door)
	lock, err := f.r.Lock(w.Lock)
	if out.Lock = lock; !f.note(what, w.Lock, err) {
		out.Lock = missingLock{err}
	}
	out.Contact = f.input(what, w.Contact)
	out.REX = f.input(what, w.REX)
	out.Tamper = f.input(what, w.Tamper)
	out.Readers = map[access.ReaderID]actors.ReaderWiring{}
	for _, rw := range w.Readers {
		var wired actors.ReaderWiring
		reader, err := f.r.Reader(rw.Device)
		if f.note(what, rw.Device, err) {
			wired.Reader = reader
		}
		if rw.Indicator != "" {
			if shows, err := f.r.Indicator(rw.Indicator); f.note(what, rw.Indicator, err) {
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
	if !f.note(what, name, err) {
		return nil
	}
	return in
}

func (f *finder) note(what, part string, err error) (found bool) {
	if err != nil {
		f.missing = append(f.missing, missingPart{part, fmt.Errorf("%s: %w", what, err)})
	}
	return err == nil
}
