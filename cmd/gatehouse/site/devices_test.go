package site

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/devices"
	"gatehouse/devices/virtual"
)

// wired is a good file for the drivers of knownDrivers.
const wired = `building: {id: hq, time_zone: UTC}
devices:
  - {id: gate, driver: virtual}
  - {id: panel, driver: virtual, options: {inputs: "smoke, heat", outputs: lamp}, optional: true}
  - {id: bus, driver: blind}
doors:
  - id: gate
    lock_type: fail_secure
    egress: mechanical
    lock: gate/lock
    contact: bus/whatever
    rex: gate/rex
    readers: [{side: in, device: gate/in, indicator: gate/in}]
fire: {inputs: [panel/smoke]}
`

// knownDrivers are virtual and one that cannot tell without its hardware.
func knownDrivers() []devices.Driver {
	return []devices.Driver{
		virtual.New(virtual.Options{}).Driver(),
		{Name: "blind", Open: func(devices.Config) (devices.Bundle, error) { return devices.Bundle{}, devices.ErrUnavailable }},
		{Name: "mad", Check: func(devices.Config) (devices.Parts, error) { panic("kaboom") }},
	}
}

// What cannot work is a mistake of the file when that can be said without
// hardware.
func TestDevicesThatCannotWork(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"all is well", "x", "x", ""},
		{"driver misspelled", "{id: gate, driver: virtual}", "{id: gate, driver: virtul}", `3:24: there is no driver "virtul" — did you mean "virtual"?`},
		{"driver that is not built", "driver: blind", "driver: osdp", `5:23: there is no driver "osdp" — there is blind, mad, virtual`},
		{"option unknown", "outputs: lamp", "reader: r1", `4:67: device "panel": device configuration is wrong: unknown option "reader": there is readers, locks, inputs, outputs, indicators`},
		{"option with nothing in it", "outputs: lamp", `outputs: "a,"`, `4:67: device "panel": device configuration is wrong: option outputs="a,": names must differ, not be empty and have no slash`},
		{"lock that is not there", "gate/lock", "gate/bolt", `10:11: lock: the device "gate" has no lock "bolt" — its locks are lock`},
		{"rex that is not there", "gate/rex", "gate/button", `12:10: rex: the device "gate" has no input "button" — its inputs are contact, rex, tamper, fire`},
		{"lock that is an input", "gate/lock", "gate/tamper", `10:11: lock: the device "gate" has no lock "tamper" — its locks are lock`},
		{"fire input misspelled", "panel/smoke", "panel/smok", `14:17: inputs: the device "panel" has no input "smok" — did you mean "panel/smoke"?`},
		{"reader that is not there", "device: gate/in", "device: gate/left", `13:34: device: the device "gate" has no reader "left" — its readers are in, out`},
		{"indicator of a device without", "indicator: gate/in", "indicator: panel/lamp", `13:54: indicator: the device "panel" has no indicator "lamp" — it has no indicators`},
		{"driver's own panic", "driver: blind", "driver: mad", `5:5: device "bus": driver panicked: kaboom; this is a bug of the driver`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(wired, c.old, c.new, 1)
			_, err := Parse("s", []byte(text), knownDrivers()...)
			got := ""
			if err != nil {
				got = strings.TrimPrefix(err.Error(), "s:")
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
			if _, err := Parse("s", []byte(text)); err != nil {
				t.Errorf("without drivers: %v", err)
			}
		})
	}
}

// A mistake in a device is said once: not again at each of its parts.
func TestADeviceThatIsWrongHasUnknownParts(t *testing.T) {
	text := strings.Replace(wired, "outputs: lamp", "lamps: lamp", 1)
	_, err := Parse("s", []byte(strings.Replace(text, "panel/smoke", "panel/none", 1)), knownDrivers()...)
	if mistakes, ok := errors.AsType[Mistakes](err); !ok || len(mistakes) != 1 {
		t.Errorf("got %v", err)
	}
}
