package site

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"time"
	_ "time/tzdata" // the same answer on a machine without a time zone database

	"go.yaml.in/yaml/v3"

	"gatehouse/devices"
)

const defaultAddr = "127.0.0.1:8480"

func (p *parser) building(n *yaml.Node) {
	b := &p.site.Building
	p.object(
		n, "a building",
		field{"id", "my-building", id(p, &b.ID, newNames("building"))},
		field{"name", "", p.text(&b.Name)},
		field{"time_zone", "UTC", p.timeZone},
	)
	b.Name = cmp.Or(b.Name, b.ID)
}

// timeZone refuses "Local" and "": the meaning of a schedule must not depend on
// the machine.
func (p *parser) timeZone(n *yaml.Node) {
	zone, err := time.LoadLocation(n.Value)
	if !isText(n) || n.Value == "" || n.Value == "Local" || err != nil {
		p.wrong(n, "an IANA time zone such as Europe/Berlin or UTC")
		return
	}
	p.zone = zone
	p.site.Building.TimeZone = n.Value
	p.site.Rules.Location = n.Value
}

func (p *parser) http(n *yaml.Node) {
	h := &p.site.HTTP
	p.object(
		n, "the http section",
		field{"addr", "", p.addr(&h.Addr)},
		field{"hosts", "", p.list("host names", p.host)},
		field{"pprof_addr", "", p.pprof},
	)
}

func (p *parser) pprof(n *yaml.Node) {
	if isText(n) && n.Value == "" {
		return
	}
	h := &p.site.HTTP
	p.addr(&h.PprofAddr)(n)
	if _, port, _ := net.SplitHostPort(h.PprofAddr); h.PprofAddr == h.Addr && port != "0" {
		p.at(n, "pprof_addr is the same as addr — give it a port of its own")
	}
}

func (p *parser) addr(dst *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if !isText(n) {
			p.wrong(n, `host:port, such as "`+defaultAddr+`"`)
			return
		}
		if err := CheckAddr(n.Value); err != nil {
			p.at(n, "%s: %v", p.key, err)
			return
		}
		*dst = n.Value
	}
}

// CheckAddr says whether the daemon may listen on addr: host:port, where host
// is localhost or a loopback address and port is 0 (any free one) to 65535.
func CheckAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s is not host:port — write it as in %s", quote(addr), defaultAddr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("%s has no port from 0 to 65535 — write it as in %s", quote(addr), defaultAddr)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.Unmap().IsLoopback()) {
		return fmt.Errorf("%s can be reached from other machines, which needs TLS, and this version has none yet — use a loopback address such as %s",
			quote(addr), defaultAddr)
	}
	return nil
}

var goodHost = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

func (p *parser) host(n *yaml.Node) {
	if !isText(n) || !goodHost.MatchString(n.Value) {
		p.wrong(n, "a host name in lower case, without a port")
		return
	}
	p.site.HTTP.Hosts = append(p.site.HTTP.Hosts, n.Value)
}

func (p *parser) device(n *yaml.Node) {
	var d devices.Config
	p.object(
		n, "a device",
		field{"id", "rig", id(p, &d.ID, p.devices)},
		field{"driver", "virtual", id(p, &d.Driver, newNames("driver"))},
		field{"options", "", func(n *yaml.Node) { d.Options = p.options(n) }},
		field{"optional", "", p.truth(&d.Optional)},
	)
	p.site.Devices = append(p.site.Devices, d)
}

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
