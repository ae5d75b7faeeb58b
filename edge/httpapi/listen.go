package httpapi

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// Errors of Listen.
var (
	ErrNotLoopback = errors.New("not a loopback address")
	ErrPortInUse   = errors.New("the port is in use")
)

// Listen binds addr (host:port; port 0 is any free one). The host must be
// localhost or a loopback address: what can be reached from other machines needs
// TLS, and there is none here.
func Listen(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("the address %q is not host:port: write it as in 127.0.0.1:8480", addr)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.Unmap().IsLoopback()) {
		return nil, notLoopback(addr)
	}
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %w: end the program that listens there (another gatehouse?), or choose another port",
			addr, ErrPortInUse)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w", addr, err)
	}
	if at, ok := l.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() { // what "localhost" was resolved to
		return nil, errors.Join(notLoopback(addr), l.Close())
	}
	return l, nil
}

func notLoopback(addr string) error {
	return fmt.Errorf("%s: %w: other machines could reach it, which needs TLS, and this version has none; use 127.0.0.1 or [::1]",
		addr, ErrNotLoopback)
}

// limited bounds the connections that are open at a time; others wait in the
// kernel's queue until one closes.
func limited(l net.Listener, most int) net.Listener {
	return &limitListener{Listener: l, slots: make(chan struct{}, most), closed: make(chan struct{})}
}

type limitListener struct {
	net.Listener
	slots  chan struct{}
	once   sync.Once
	closed chan struct{}
}

func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitConn{Conn: c, leave: sync.OnceFunc(func() { <-l.slots })}, nil
}

func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitConn struct {
	net.Conn
	leave func()
}

func (c *limitConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
