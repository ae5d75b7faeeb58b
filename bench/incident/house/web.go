package house

import (
	"errors"
	"net"
	"net/http"

	"github.com/rs/zerolog"

	"gatehouse/edge/httpapi"
	"gatehouse/supervisor"
)

// web is the API's actor, as in the daemon. The listener is of its first life: a
// second one would be a fault of the bench's.
func web(h http.Handler, l net.Listener, clock httpapi.Clock) supervisor.ChildSpec {
	return supervisor.ChildSpec{ID: "http", New: func() supervisor.Actor {
		return &server{httpapi.NewServer(h, l, httpapi.ServerOptions{Clock: clock, Log: zerolog.Nop()})}
	}}
}

type server struct{ http *httpapi.Server }

// Start starts the loops.
func (s *server) Start(c *supervisor.Context) error {
	return errors.Join(c.Loop("serve", s.http.Serve), c.Loop("drain", s.http.Drain))
}

// Receive ends this life when a loop ended by itself.
func (s *server) Receive(_ *supervisor.Context, msg any) error {
	if ended, ok := msg.(supervisor.LoopEnded); ok {
		return errors.Join(errors.New("the web server ended by itself"), ended.Err)
	}
	return nil
}
