package site

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Links says which other systems the building talks to.
type Links struct {
	Heartbeat Heartbeat
	Redis     Redis
}

// TLSFiles are absolute paths of PEM files, or "". Cert and Key come together.
type TLSFiles struct{ CA, Cert, Key string }

// Heartbeat says where the building tells that it lives.
type Heartbeat struct {
	URL       *url.URL // nil: nowhere
	EveryS    uint32
	TokenFile string // absolute, or ""
	Files     TLSFiles
}

// Redis says through which server events go out and hints come in.
type Redis struct {
	Addr         string // host:port; "": none
	TLS          bool
	Username     string
	PasswordFile string // absolute, or ""
	Channel      string
	Files        TLSFiles
}

const (
	defaultBeatS   = 5
	maxBeatS       = 3600
	defaultChannel = "event:sync"
)

func (p *parser) links(n *yaml.Node) {
	p.object(
		n, "the links section",
		field{"heartbeat", "", p.heartbeat},
		field{"redis", "", p.redis},
	)
}

func (p *parser) heartbeat(n *yaml.Node) {
	h := &p.site.Links.Heartbeat
	h.EveryS = defaultBeatS
	fields := append(
		[]field{
			{"url", "https://centre.example.org/heartbeat", p.httpsURL(&h.URL)},
			{"every_s", "", number(p, &h.EveryS, 1, maxBeatS)},
			{"token_file", "", p.absolute(&h.TokenFile)},
		}, p.tlsFields(&h.Files)...,
	)
	if !p.faultless(n, "a heartbeat", fields...) {
		return
	}
	p.pair(n, h.Files)
	if h.URL.Scheme == "http" {
		p.needless(n, h.Files, "an https url")
	}
}

func (p *parser) redis(n *yaml.Node) {
	r := &p.site.Links.Redis
	r.Channel = defaultChannel
	fields := append(
		[]field{
			{"addr", "redis.example.org:6379", p.remote(&r.Addr)},
			{"tls", "", p.truth(&r.TLS)},
			{"username", "", p.word(&r.Username)},
			{"password_file", "", p.absolute(&r.PasswordFile)},
			{"channel", "", p.word(&r.Channel)},
		}, p.tlsFields(&r.Files)...,
	)
	if !p.faultless(n, "a redis link", fields...) {
		return
	}
	p.pair(n, r.Files)
	host, _, _ := net.SplitHostPort(r.Addr)
	if !r.TLS && !loopback(host) {
		p.at(child(n, "addr"), "addr: %s is another machine, and without TLS everybody on the way reads and writes along — add tls: true", quote(r.Addr))
	}
	if r.Username != "" && r.PasswordFile == "" {
		p.at(keyOf(n, "username"), "username without password_file — add the path of a file with the password, or remove it")
	}
	if !r.TLS {
		p.needless(n, r.Files, "tls: true")
	}
}

// faultless is object, and says whether there was nothing wrong: what does not go
// together is looked for only then.
func (p *parser) faultless(n *yaml.Node, what string, fields ...field) bool {
	before := len(p.mistakes)
	p.object(n, what, fields...)
	return len(p.mistakes) == before
}

func (p *parser) tlsFields(f *TLSFiles) []field {
	return []field{
		{"ca_file", "", p.absolute(&f.CA)},
		{"cert_file", "", p.absolute(&f.Cert)},
		{"key_file", "", p.absolute(&f.Key)},
	}
}

// pair wants both of the client's certificate and its key, or none.
func (p *parser) pair(n *yaml.Node, f TLSFiles) {
	switch {
	case f.Cert != "" && f.Key == "":
		p.at(keyOf(n, "cert_file"), "cert_file without key_file — add the path of the certificate's private key")
	case f.Key != "" && f.Cert == "":
		p.at(keyOf(n, "key_file"), "key_file without cert_file — add the path of the certificate")
	}
}

// needless refuses files that nothing would use.
func (p *parser) needless(n *yaml.Node, f TLSFiles, need string) {
	for _, one := range []struct{ key, path string }{{"ca_file", f.CA}, {"cert_file", f.Cert}} {
		if one.path != "" {
			p.at(keyOf(n, one.key), "%s means nothing without TLS — it needs %s, or remove it", one.key, need)
			return
		}
	}
}

// httpsURL reads an address of the web. What is secret does not belong into it: it
// would stand in logs.
func (p *parser) httpsURL(dst **url.URL) func(*yaml.Node) {
	return func(n *yaml.Node) {
		var text string
		p.text(&text)(n)
		if text == "" {
			return
		}
		u, err := url.Parse(text)
		switch {
		case err != nil:
			p.at(n, "%s: this is no address (it is not shown, as it may hold a secret) — write one such as https://centre.example.org/heartbeat", p.key)
		case u.User != nil || u.RawQuery != "" || u.Fragment != "":
			p.at(n, "%s: no user, password, ? or # in an address, which is shown in logs — put the secret into a file and name it with token_file", p.key)
		case u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http") || !goodPort(u.Port(), true):
			p.wrong(n, "an address such as https://centre.example.org/heartbeat")
		case u.Scheme == "http" && !loopback(u.Hostname()):
			p.at(n, "%s: %s is another machine, and http has no TLS — write https", p.key, quote(text))
		default:
			*dst = u
		}
	}
}

// remote reads host:port of another system, which may be anywhere.
func (p *parser) remote(dst *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		host, port, err := net.SplitHostPort(n.Value)
		if !isText(n) || err != nil || !goodPort(port, false) || !(goodHost.MatchString(host) || isAddress(host)) {
			p.wrong(n, `host:port, such as "redis.example.org:6379", the host in lower case`)
			return
		}
		*dst = n.Value
	}
}

func goodPort(text string, orNone bool) bool {
	n, err := strconv.ParseUint(cmp.Or(text, "0"), 10, 16)
	return err == nil && (n > 0 && strconv.FormatUint(n, 10) == text || orNone && text == "")
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

const maxWord = 100

// word reads a name for machines: printable, without spaces.
func (p *parser) word(dst *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		printable := func(r rune) bool { return r > ' ' && r < 0x7f }
		if !isText(n) || n.Value == "" || len(n.Value) > maxWord || strings.ContainsFunc(n.Value, func(r rune) bool { return !printable(r) }) {
			p.wrong(n, fmt.Sprintf("1 to %d characters of ASCII without spaces (put it in quotes)", maxWord))
			return
		}
		*dst = n.Value
	}
}
