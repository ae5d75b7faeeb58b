package edge_test

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"gatehouse/edge"
	"gatehouse/edge/edgetest"
	"gatehouse/supervisor"
)

var machine = supervisor.NewReal(1)

// A name server that never answers keeps no goroutine of a dial that has returned:
// Go's resolver would wait for it for seconds.
func TestANameServerThatHangs(t *testing.T) {
	d := edge.Dialer{
		Addr: "centre.invalid:443", DialLimit: 2 * time.Millisecond, TLSLimit: time.Minute, Now: machine.Now, Nameserver: edgetest.SilentNames(t),
	}
	before, most := runtime.NumGoroutine(), 0
	const dials = 300
	for range dials {
		if _, err := d.Dial(context.Background(), time.Minute); err == nil || !strings.Contains(err.Error(), "lookup") {
			t.Fatal(err)
		}
		most = max(most, runtime.NumGoroutine())
	}
	if most > before+dials/2 {
		t.Errorf("up to %d goroutines, before %d", most, before)
	}
}

// The end of a context ends a dial and a handshake at once.
func TestADialEndsWithItsContext(t *testing.T) {
	s := edgetest.Serve(t, edgetest.Silent)
	d := edge.Dialer{
		Addr: s.Addr, DialLimit: time.Minute, TLSLimit: time.Minute, Now: machine.Now,
		TLS: func() (*tls.Config, error) { return edge.Files{}.Config() },
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		_, err := d.Dial(ctx, time.Minute)
		ended <- err
	}()
	for s.Accepted() == 0 {
		machine.Wait(nil, time.Millisecond)
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("a connection")
	}
}

// Files are read with their mistakes named, and no secret in an error.
func TestFiles(t *testing.T) {
	_, cert, key := edgetest.Certificate(t)
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if conf, err := (edge.Files{CA: cert, Cert: cert, Key: key}).Config(); err != nil || conf.RootCAs == nil || len(conf.Certificates) != 1 {
		t.Errorf("%+v, %v", conf, err)
	}
	for name, f := range map[string]edge.Files{
		"no such file":   {CA: filepath.Join(dir, "none")},
		"no certificate": {CA: write("text", "hello", 0o600)},
		"key of another": {Cert: cert, Key: write("key", "secret", 0o600)},
		"no key":         {Cert: cert},
	} {
		if _, err := f.Config(); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := edge.ReadSecret(write("good", "s3cret\n", 0o600)); got != "s3cret" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for name, path := range map[string]string{
		"readable by others": write("open", "s3cret", 0o644), "empty": write("empty", "\n", 0o600), "two lines": write("two", "s3cret\nmore", 0o600),
		"a directory": dir, "none": filepath.Join(dir, "none"), "long": write("long", strings.Repeat("s3cret", 1000), 0o600),
	} {
		if got, err := edge.ReadSecret(path); got != "" || err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
