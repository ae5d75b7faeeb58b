package site

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"gatehouse/devices"
)

func (p *parser) device(n *yaml.Node) {
	var d devices.Config
	before := len(p.mistakes)
	p.object(
		n, "a device",
		field{"id", "rig", id(p, &d.ID, p.devices)},
		field{"driver", "virtual", p.driver(&d.Driver)},
		field{"options", "", func(n *yaml.Node) { d.Options = p.options(n) }},
		field{"optional", "", p.truth(&d.Optional)},
	)
	p.site.Devices = append(p.site.Devices, d)
	if len(p.mistakes) == before {
		p.checkDevice(n, d)
	}
}

// driver reads the name of a driver, which must be one that is known if any is.
func (p *parser) driver(dst *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		id(p, dst, newNames("driver"))(n)
		if p.known == nil || !isText(n) || contains(p.known.Drivers(), n.Value) {
			return
		}
		hint := "there is " + strings.Join(p.known.Drivers(), ", ")
		if meant := similar(n.Value, p.known.Drivers()); meant != "" {
			hint = fmt.Sprintf("did you mean %q?", meant)
		}
		p.at(n, "there is no driver %s — %s", quote(n.Value), hint)
	}
}

// checkDevice asks the driver for the parts of a device, if it can tell without
// hardware.
func (p *parser) checkDevice(n *yaml.Node, d devices.Config) {
	if p.known == nil {
		return
	}
	parts, err := p.known.Check(d)
	if err != nil {
		at := child(n, "options")
		if bad, ok := errors.AsType[*devices.OptionError](err); ok {
			at = keyOf(at, bad.Option)
		}
		p.at(at, "device %s: %v", quote(d.ID), err)
		return
	}
	p.inventory[d.ID] = parts
}

// hasPart notes a part that the device is known not to have.
func (p *parser) hasPart(n *yaml.Node, device, part string, u use) {
	all, known := p.inventory[device]
	if !known || all == nil || slices.Contains(all[u.kind], part) {
		return
	}
	hint := "it has no " + u.kind
	if has := all[u.kind]; len(has) > 0 {
		hint = "its " + u.kind + " are " + strings.Join(has[:min(len(has), maxListed)], ", ")
	}
	if meant := similar(part, all[u.kind]); meant != "" {
		hint = fmt.Sprintf("did you mean %q?", device+"/"+meant)
	}
	p.at(n, "%s: the device %s has no %s %s — %s", p.key, quote(device), strings.TrimSuffix(u.kind, "s"), quote(part), hint)
}

// maxListed bounds the parts that a message names.
const maxListed = 20

// options are the driver's business: here they are words and their values, as
// they are written.
func (p *parser) options(n *yaml.Node) map[string]string {
	if n.Kind != yaml.MappingNode || n.ShortTag() != "!!map" {
		p.wrong(n, "options with key: value lines")
		return nil
	}
	out := map[string]string{}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		first, twice := lines[key.Value]
		switch {
		case !isText(key):
			p.at(key, "the name of an option must be text, got %s — put it in quotes", p.describe(key))
		case twice:
			p.at(key, "%s is here twice, first at line %d — keep one of them", quote(key.Value), first)
		case value.Kind != yaml.ScalarNode || isNull(value):
			p.at(value, "option %s: expected one value, got %s", quote(key.Value), p.describe(value))
		default:
			lines[key.Value] = key.Line
			out[key.Value] = value.Value
		}
	}
	return out
}
