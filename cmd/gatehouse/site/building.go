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
