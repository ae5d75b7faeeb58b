package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"
)

// Limits of every server. A command waits up to six seconds for its disk; a
// stream sets its own deadlines.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 15 * time.Second
	idleTimeout       = 30 * time.Second
	maxHeaderBytes    = 16 << 10
)

// ServerOptions of a Server. Clock is required.
type ServerOptions struct {
	Clock Clock
	Log   zerolog.Logger
	Grace time.Duration // for what is under way at the end; default 2 s
	Conns int           // connections at a time; default 256. Others wait
}

// Server is a handler on a listener. It is for one life: after its end make
// another on a new listener. Serve and Drain are two loops of one actor:
//
//	c.Loop("serve", server.Serve)
//	c.Loop("drain", server.Drain)
type Server struct {
	http     *http.Server
	listener net.Listener
	clock    Clock
	grace    time.Duration
}

// NewServer takes the listener over; Serve or Drain closes it.
func NewServer(h http.Handler, l net.Listener, o ServerOptions) *Server {
	return &Server{
		http: &http.Server{
			Handler:           h,
			ReadHeaderTimeout: readHeaderTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          log.New(o.Log, "", 0),
		},
		listener: limited(l, cmp.Or(o.Conns, 256)),
		clock:    o.Clock,
		grace:    cmp.Or(o.Grace, 2*time.Second),
	}
}

// Serve answers until Drain shuts the server (then it returns nil) or the
// listener fails. Requests and streams end with ctx.
func (s *Server) Serve(ctx context.Context) error {
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the HTTP server ended: %w", err)
	}
	return nil
}

// Drain waits for the end of ctx. Then it takes no more connections, waits for
// the requests under way, and after the grace cuts off those that are left,
// which is an error. A command that waits for its disk ends by itself within
// actors.CommandLimit and a second.
func (s *Server) Drain(ctx context.Context) error {
	<-ctx.Done()
	defer s.listener.Close() // if Serve never ran
	grace, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer s.clock.AfterFunc(s.grace, cancel)()
	if err := s.http.Shutdown(grace); err == nil || grace.Err() == nil {
		return err
	}
	return errors.Join(fmt.Errorf("connections were cut off after %v", s.grace), s.http.Close())
}
