package edge

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"
)

// Dialer opens connections to one address.
type Dialer struct {
	Addr string // host:port
	// TLS makes the configuration of each connection anew, so that renewed
	// certificates are taken up; nil: no TLS.
	TLS func() (*tls.Config, error)
	// DialLimit bounds looking up the name and connecting together, TLSLimit the
	// handshake. Both are required.
	DialLimit, TLSLimit time.Duration
	Now                 func() time.Time
	// Nameserver is host:port of who is asked for names; "": the machine's own.
	Nameserver string
}

// Dial opens a connection within limit, if that is less than the dialer's own
// limits. On return nothing of it is left but the connection, and whoever asked for
// the name has been told to give up. Once ctx ends it returns at once.
func (d *Dialer) Dial(ctx context.Context, limit time.Duration) (net.Conn, error) {
	end := d.Now().Add(limit)
	names := &lookup{server: d.Nameserver}
	defer names.close()
	raw, err := (&net.Dialer{
		Timeout: min(limit, d.DialLimit),
		// A second attempt beside the first would be a goroutine of its own.
		FallbackDelay: -1,
		Resolver:      &net.Resolver{PreferGo: true, Dial: names.dial}, // libc's cannot be called off
	}).DialContext(ctx, "tcp", d.Addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if d.TLS == nil {
		return raw, nil
	}
	secured, err := d.secure(ctx, raw, min(d.TLSLimit, end.Sub(d.Now())))
	if err != nil {
		_ = raw.Close() // the handshake's error says more
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return secured, nil
}

func (d *Dialer) secure(ctx context.Context, raw net.Conn, limit time.Duration) (net.Conn, error) {
	conf, err := d.TLS()
	if err != nil {
		return nil, err
	}
	if conf.ServerName == "" {
		conf.ServerName, _, err = net.SplitHostPort(d.Addr)
		if err != nil {
			return nil, err
		}
	}
	if err := raw.SetDeadline(d.Now().Add(limit)); err != nil {
		return nil, err
	}
	c := tls.Client(raw, conf)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secured{c}, raw.SetDeadline(time.Time{})
}

// secured closes at once: a tls.Conn would take up to five seconds to say goodbye to
// a peer that reads nothing.
type secured struct{ *tls.Conn }

func (s secured) Close() error { return s.NetConn().Close() }

// lookup are the connections to name servers that one dial has opened. The
// resolver's goroutine waits on them for seconds after everybody has lost interest,
// unless somebody closes them.
type lookup struct {
	server string
	mu     sync.Mutex
	open   []net.Conn
	over   bool
}

func (l *lookup) dial(ctx context.Context, network, server string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, cmp.Or(l.server, server))
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		_ = c.Close() // nobody has used it
		return nil, net.ErrClosed
	}
	l.open = append(l.open, c)
	return c, nil
}

func (l *lookup) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for _, c := range l.open {
		_ = c.Close() // closed already, if the resolver had its answer
	}
}
