package edgetest

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Server handles each connection on a goroutine of its own. When it stops it closes
// them all and waits.
type Server struct {
	Addr string

	listener net.Listener
	accepted atomic.Int64
	wait     sync.WaitGroup
	mu       sync.Mutex
	open     map[net.Conn]bool
	stopped  bool
}

// Serve starts a server on a free port of loopback; it stops with the test.
func Serve(t testing.TB, handle func(net.Conn)) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: listener.Addr().String(), listener: listener, open: map[net.Conn]bool{}}
	s.wait.Add(1)
	go s.accept(handle)
	t.Cleanup(s.Stop)
	return s
}

// ServeTLS is Serve behind TLS.
func ServeTLS(t testing.TB, cert tls.Certificate, handle func(net.Conn)) *Server {
	t.Helper()
	conf := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	return Serve(t, func(c net.Conn) { handle(tls.Server(c, conf)) })
}

// Accepted is how many connections there were.
func (s *Server) Accepted() int64 { return s.accepted.Load() }

func (s *Server) accept(handle func(net.Conn)) {
	defer s.wait.Done()
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.accepted.Add(1)
		if !s.add(c) {
			_ = c.Close() // too late
			return
		}
		go func() {
			defer s.wait.Done()
			defer s.remove(c)
			handle(c)
		}()
	}
}

func (s *Server) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.open[c] = true
	s.wait.Add(1)
	return true
}

func (s *Server) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	_ = c.Close() // the handler may have done so
}

// Drop closes every connection.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
}

func (s *Server) drop() {
	for c := range s.open {
		_ = c.Close()
	}
}

// Stop closes the listener and every connection, and waits for the handlers.
func (s *Server) Stop() {
	s.mu.Lock()
	s.stopped = true
	_ = s.listener.Close() // more than once is fine
	s.drop()
	s.mu.Unlock()
	s.wait.Wait()
}

// Silent takes everything and never answers.
func Silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// Closes ends the connection in order and at once.
func Closes(c net.Conn) { _ = c.Close() }

// Resets ends it by a reset.
func Resets(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// Deaf never reads a byte, until the server drops the connection.
func Deaf(c net.Conn) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	_ = tcp.SetReadBuffer(4 << 10) // the less the peer can write
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Read(func(uintptr) bool { return false }) // waits, and never takes
	}
}

// Says answers each request, which ends with end, by a text.
func Says(end, text string) func(net.Conn) {
	return func(c net.Conn) {
		for readUntil(c, end) {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
}

// SaysForEver says first, and then more without an end.
func SaysForEver(end, first, more string) func(net.Conn) {
	text := []byte(strings.Repeat(more, 1+4096/len(more)))
	return func(c net.Conn) {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetWriteBuffer(8 << 10) // or it says a lot that nobody will read
		}
		if !readUntil(c, end) {
			return
		}
		_, err := io.WriteString(c, first)
		for err == nil {
			_, err = c.Write(text)
		}
	}
}

// readUntil reads up to a text; "" is at once.
func readUntil(c net.Conn, end string) bool {
	seen, b := "", make([]byte, 4<<10)
	for !strings.Contains(seen, end) {
		n, err := c.Read(b)
		if err != nil {
			return false
		}
		seen += string(b[:n])
	}
	return true
}

// SilentNames is a name server that takes every question and answers none.
func SilentNames(t testing.TB) (addr string) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.LocalAddr().String() // the kernel drops what nobody reads
}

// RefusedAddr is an address of loopback on which nobody listens.
func RefusedAddr(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
