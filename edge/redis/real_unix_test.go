//go:build unix

package redis_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/edge"
	"gatehouse/edge/edgetest"
	"gatehouse/edge/redis"
)

// listener collects what a client hears, on a goroutine of the test's.
type listener struct {
	client *redis.Client
	ready  chan struct{}
	ended  chan error

	mu    sync.Mutex
	heard []string
}

func listen(t *testing.T, o redis.Options) *listener {
	l := &listener{client: redis.New(o), ready: make(chan struct{}), ended: make(chan error, 1)}
	t.Cleanup(l.client.Close)
	go func() {
		l.ended <- l.client.Listen(context.Background(), func() { close(l.ready) }, func(text string) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.heard = append(l.heard, text)
			return nil
		})
	}()
	return l
}

func (l *listener) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.heard)
}

// wait waits until ready, or fails with why it ended.
func (l *listener) wait(t *testing.T) {
	t.Helper()
	select {
	case <-l.ready:
	case err := <-l.ended:
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for range 3000 {
		if cond() {
			return
		}
		machine.Wait(nil, 10*time.Millisecond)
	}
	t.Fatalf("never: %s\n%s", what, edgetest.Stacks())
}

func options(addr string) redis.Options {
	return redis.Options{Addr: addr, Channel: "event:sync", Limits: generous, Now: machine.Now}
}

// What one client publishes another hears, in order; both leave nothing.
func TestRealServer(t *testing.T) {
	s := edgetest.Redis(t)
	before := edgetest.Take()
	l := listen(t, options(s.Addr))
	l.wait(t)
	c := redis.New(options(s.Addr))
	var want []string
	for batch := range 5 {
		var messages [][]byte
		for n := range 100 {
			text := fmt.Sprintf(`{"batch":%d,"n":%d}`, batch, n)
			want, messages = append(want, text), append(messages, []byte(text))
		}
		if done, err := c.Publish(context.Background(), messages); done != 100 || err != nil {
			t.Fatalf("%d, %v", done, err)
		}
	}
	if done, err := c.Publish(context.Background(), nil); done != 0 || err != nil {
		t.Errorf("a sign of life: %d, %v", done, err)
	}
	eventually(t, "all messages", func() bool { return len(l.all()) == len(want) })
	if !slices.Equal(l.all(), want) {
		t.Error("not in order")
	}
	c.Close()
	l.client.Close()
	if err := <-l.ended; err == nil {
		t.Error("Listen ended without an error")
	}
	if _, err := c.Publish(context.Background(), nil); !errors.Is(err, redis.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	settles(t, before)
}

// A subscription that hears nothing for long asks, and goes on.
func TestASilentChannelIsNotALostOne(t *testing.T) {
	s := edgetest.Redis(t)
	o := options(s.Addr)
	o.Limits.Quiet = 5 * time.Millisecond
	l := listen(t, o)
	l.wait(t)
	c := redis.New(options(s.Addr))
	defer c.Close()
	for n := range 20 {
		machine.Wait(nil, 10*time.Millisecond)
		if _, err := c.Publish(context.Background(), [][]byte{[]byte("x")}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the message", func() bool { return len(l.all()) == n+1 })
	}
	select {
	case err := <-l.ended:
		t.Error(err)
	default:
	}
}

// A server that hangs or is gone ends both calls; when it is back, both work again.
func TestAServerThatHangsOrIsGone(t *testing.T) {
	s := edgetest.Redis(t)
	o := options(s.Addr)
	o.Limits.Quiet = 20 * time.Millisecond
	c := redis.New(o)
	defer c.Close()
	publish := func() error {
		_, err := c.Publish(context.Background(), [][]byte{[]byte("x")})
		return err
	}
	for name, fault := range map[string]struct{ begin, end func() }{
		"hangs": {s.Pause, s.Resume},
		"gone":  {s.Kill, s.Start},
	} {
		before := edgetest.Take()
		if err := publish(); err != nil {
			t.Fatal(err)
		}
		hasty := options(s.Addr)
		hasty.Limits.Quiet, hasty.Limits.Answer = 20*time.Millisecond, 500*time.Millisecond
		var l *listener // a busy machine may need more than one
		eventually(t, "a subscription", func() bool {
			l = listen(t, hasty)
			select {
			case <-l.ready:
				return true
			case <-l.ended:
				return false
			}
		})
		sender := redis.New(hasty)
		answers := func() bool {
			_, err := sender.Publish(context.Background(), nil)
			return err == nil
		}
		eventually(t, "an answer", answers)
		fault.begin()
		if err := <-l.ended; err == nil {
			t.Errorf("%s: the subscription ended without an error", name)
		}
		if _, err := sender.Publish(context.Background(), nil); err == nil {
			t.Errorf("%s: published", name)
		}
		fault.end()
		eventually(t, name+", and back", answers)
		sender.Close()
		l.client.Close()
		_ = publish() // the first one may find its old connection gone
		if err := publish(); err != nil {
			t.Errorf("%s, and back: %v", name, err)
		}
		settles(t, edgetest.Account{Goroutines: before.Goroutines, Files: before.Files + 1}) // c keeps its connection
	}
}

// A message that is longer than we ever take ends the subscription before it is in
// memory.
func TestAMessageThatIsTooLong(t *testing.T) {
	s := edgetest.Redis(t)
	l := listen(t, options(s.Addr))
	l.wait(t)
	c := redis.New(options(s.Addr))
	defer c.Close()
	if _, err := c.Publish(context.Background(), [][]byte{make([]byte, 8<<20)}); err != nil {
		t.Fatal(err)
	}
	if err := <-l.ended; err == nil || !strings.Contains(err.Error(), "more than 65536 bytes") {
		t.Errorf("%v", err)
	}
}

// A user with a password, TLS and our own certificate.
func TestARealServerWithPasswordAndTLS(t *testing.T) {
	_, certFile, keyFile := edgetest.Certificate(t)
	probe := edgetest.RefusedAddr(t)
	secure := probe[strings.LastIndex(probe, ":")+1:]
	edgetest.Redis(t, "--tls-port", secure, "--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", certFile,
		"--tls-auth-clients", "yes",
		"--user", "gate", "on", ">secret", "resetchannels", "&event:sync", "-@all", "+publish", "+subscribe", "+ping", "+hello") // as docs/LINKS.md says
	o := options("127.0.0.1:" + secure)
	o.Username = "gate"
	password := "secret"
	o.Password = func() (string, error) { return password, nil }
	o.TLS = func() (*tls.Config, error) { return edge.Files{CA: certFile, Cert: certFile, Key: keyFile}.Config() }
	l := listen(t, o)
	l.wait(t)
	c := redis.New(o)
	defer c.Close()
	for _, messages := range [][][]byte{nil, {[]byte("x")}} {
		if _, err := c.Publish(context.Background(), messages); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the message", func() bool { return len(l.all()) == 1 })
	for what, change := range map[string]func(*redis.Options){
		"wrong password":          func(o *redis.Options) { o.Password = func() (string, error) { return "wrong", nil } },
		"without our certificate": func(o *redis.Options) { o.TLS = edge.Files{CA: certFile}.Config },
		"another channel":         func(o *redis.Options) { o.Channel = "other" },
	} {
		bad := o
		change(&bad)
		b := redis.New(bad)
		if _, err := b.Publish(context.Background(), [][]byte{[]byte("x")}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", what, err)
		}
		b.Close()
	}
}
