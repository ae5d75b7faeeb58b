package site

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func goodLinks() Links {
	return Links{
		Heartbeat: Heartbeat{
			URL: &url.URL{Scheme: "https", Host: "centre.example.org", Path: "/heartbeat"}, EveryS: 7, TokenFile: "/etc/gatehouse/heartbeat.token",
			Files: TLSFiles{"/etc/gatehouse/centre.pem", "/etc/gatehouse/hq.pem", "/etc/gatehouse/hq.key"},
		},
		Redis: Redis{
			Addr: "redis.example.org:6379", TLS: true, Username: "gate", PasswordFile: "/etc/gatehouse/redis.password", Channel: "event:hq",
			Files: TLSFiles{"/etc/gatehouse/redis.pem", "/etc/gatehouse/hq-redis.pem", "/etc/gatehouse/hq-redis.key"},
		},
	}
}

const (
	goodURL = "url: https://centre.example.org/heartbeat"
	noURL   = `url: expected an address such as https://centre.example.org/heartbeat, got the text `
	noAddr  = `addr: expected host:port, such as "redis.example.org:6379", the host in lower case, got the text `
)

var linkMistakes = []mistakeCase{
	{"link unknown", "  redis:\n    addr", "  §mqtt:\n    addr", []string{`unknown key "mqtt" — the links section has: heartbeat, redis`}},
	{"heartbeat nowhere", goodURL + "\n    every_s", "§every_s", []string{`a heartbeat without "url" — add a line url: https://centre.example.org/heartbeat`}},
	{"heartbeat in the clear", goodURL, "url: §http://centre.example.org/heartbeat", []string{`url: "http://centre.example.org/heartbeat" is another machine, and http has no TLS — write https`}},
	{"heartbeat by another protocol", goodURL, "url: §ftp://centre.example.org/", []string{noURL + `"ftp://centre.example.org/"`}},
	{"heartbeat without a host", goodURL, "url: §https:///heartbeat", []string{noURL + `"https:///heartbeat"`}},
	{"heartbeat to a port that is none", goodURL, "url: §https://centre.example.org:99999/", []string{noURL + `"https://centre.example.org:99999/"`}},
	{"heartbeat with a password, which is not shown", goodURL, "url: §https://ada:secret@centre.example.org/", []string{"url: no user, password, ? or # in an address, which is shown in logs — put the secret into a file and name it with token_file"}},
	{"heartbeat with a token, which is not shown", goodURL, "url: §https://centre.example.org/?token=secret", []string{"url: no user, password, ? or # in an address, which is shown in logs — put the secret into a file and name it with token_file"}},
	{"heartbeat to what is no address, which is not shown", goodURL, `url: §"https://ada:sec ret@centre:x"`, []string{"url: this is no address (it is not shown, as it may hold a secret) — write one such as https://centre.example.org/heartbeat"}},
	{"heartbeat never", "every_s: 7", "every_s: §0", []string{"every_s: expected a whole number from 1 to 3600 (plain digits, no quotes), got the number 0"}},
	{"token in a relative file", "token_file: /etc/gatehouse/heartbeat.token", "token_file: §heartbeat.token", []string{`token_file: expected an absolute path such as /srv/archive, got the text "heartbeat.token"`}},
	{"key without its certificate", "    cert_file: /etc/gatehouse/hq-redis.pem\n    key_file", "    §key_file", []string{"key_file without cert_file — add the path of the certificate"}},
	{"redis nowhere", "addr: redis.example.org:6379\n    tls", "§tls", []string{`a redis link without "addr" — add a line addr: redis.example.org:6379`}},
	{"redis without a port", "addr: redis.example.org:6379", "addr: §redis.example.org", []string{noAddr + `"redis.example.org"`}},
	{"redis in capitals", "addr: redis.example.org:6379", "addr: §Redis.example.org:6379", []string{noAddr + `"Redis.example.org:6379"`}},
	{"redis on no port", "addr: redis.example.org:6379", "addr: §redis.example.org:0", []string{noAddr + `"redis.example.org:0"`}},
	{"redis with TLS perhaps", "tls: true", "tls: §maybe", []string{
		`tls: expected true or false, got the text "maybe"`,
	}},
	{"channel with a space", `channel: "event:hq"`, `channel: §"event hq"`, []string{`channel: expected 1 to 100 characters of ASCII without spaces (put it in quotes), got the text "event hq"`}},
}

func TestMistakesInLinks(t *testing.T) {
	for _, c := range linkMistakes {
		t.Run(c.name, func(t *testing.T) {
			text, want := c.apply(t)
			site, err := Parse("site.yaml", []byte(text))
			if diff := cmp.Diff(error(want), err); diff != "" || site != nil {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
}

// linksSection is a small site file with these links.
func linksSection(redis string) string {
	return "building: {id: hq, time_zone: UTC}\ndevices: [{id: rig, driver: virtual}]\n" +
		"doors: [{id: d, lock_type: fail_secure, egress: mechanical, lock: rig/lock}]\nlinks:\n" + redis
}

// What goes together, or does not.
func TestLinksThatDoNotFit(t *testing.T) {
	for text, want := range map[string]string{
		"  redis: {addr: redis.example.org:6379}":                                               "site.yaml:5:17: addr: \"redis.example.org:6379\" is another machine, and without TLS everybody on the way reads and writes along — add tls: true",
		"  redis: {addr: 'localhost:6379', ca_file: /x}":                                        "site.yaml:5:35: ca_file means nothing without TLS — it needs tls: true, or remove it",
		"  redis: {addr: 'localhost:6379', username: x}":                                        "site.yaml:5:35: username without password_file — add the path of a file with the password, or remove it",
		"  heartbeat: {url: 'http://127.0.0.1:80/x', cert_file: /x, key_file: /y}":              "site.yaml:5:45: cert_file means nothing without TLS — it needs an https url, or remove it",
		"  heartbeat: {url: 'https://centre.example.org/x', cert_file: /x}":                     "site.yaml:5:52: cert_file without key_file — add the path of the certificate's private key",
		"  heartbeat: {url: 'http://127.0.0.1:80/x'}\n  redis: {addr: '[::1]:6379'}":            "",
		"  heartbeat: {url: 'https://10.0.0.1/x'}\n  redis: {addr: '10.0.0.1:6379', tls: true}": "",
	} {
		_, err := Parse("site.yaml", []byte(linksSection(text)))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

// What a link has unless the file says otherwise.
func TestDefaultsOfLinks(t *testing.T) {
	s, err := Parse("site.yaml", []byte(linksSection("  heartbeat: {url: 'https://c.example.org'}\n  redis: {addr: 'localhost:6379'}")))
	if err != nil {
		t.Fatal(err)
	}
	want := Links{
		Heartbeat: Heartbeat{URL: &url.URL{Scheme: "https", Host: "c.example.org"}, EveryS: 5},
		Redis:     Redis{Addr: "localhost:6379", Channel: "event:sync"},
	}
	if diff := cmp.Diff(want, s.Links); diff != "" {
		t.Error(diff)
	}
}
