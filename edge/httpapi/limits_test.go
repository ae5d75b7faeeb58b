package httpapi

import (
	"net"
	"net/http"
	"testing"

	"github.com/rs/zerolog"

	"gatehouse/supervisor"
)

// Every time-out of a server is set: a client that does nothing costs nothing
// for long.
func TestEveryTimeoutIsSet(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := NewServer(http.NotFoundHandler(), l, ServerOptions{Clock: supervisor.NewReal(1), Log: zerolog.Nop()}).http
	if min(s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout) <= 0 || s.MaxHeaderBytes <= 0 {
		t.Errorf("not all limits are set: %v %v %v %v %d",
			s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout, s.MaxHeaderBytes)
	}
}
