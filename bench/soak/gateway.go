package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"gatehouse/supervisor"
)

// The other end of the daemon's links: bare goroutines, as everything that is not
// the house's.

// way is what a gateway does with connections.
type way int

const (
	passes way = iota
	hangs      // takes them and says nothing
	resets     // takes them and resets them
)

// gateway stands between the daemon and another system.
type gateway struct {
	listener net.Listener
	network  string // of what is behind it
	target   string
	all      sync.WaitGroup

	mu    sync.Mutex
	way   way
	conns map[net.Conn]bool
}

func newGateway(network, target string) (*gateway, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &gateway{listener: l, network: network, target: target, conns: map[net.Conn]bool{}}
	g.all.Go(g.accept)
	return g, nil
}

func (g *gateway) addr() string { return g.listener.Addr().String() }

func (g *gateway) accept() {
	for {
		conn, err := g.listener.Accept()
		if err != nil {
			return
		}
		switch g.keep(conn) {
		case passes:
			g.all.Go(func() { g.pass(conn) })
		case resets:
			_ = conn.(*net.TCPConn).SetLinger(0)
			g.drop(conn)
		}
	}
}

// keep notes a connection and says what to do with it.
func (g *gateway) keep(conn net.Conn) way {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns[conn] = true
	return g.way
}

func (g *gateway) drop(conn net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, conn)
	_ = conn.Close() // one end may have closed it
}

// pass copies both ways until one end closes.
func (g *gateway) pass(conn net.Conn) {
	defer g.drop(conn)
	behind, err := net.Dial(g.network, g.target)
	if err != nil {
		return
	}
	g.keep(behind)
	defer g.drop(behind)
	g.all.Go(func() {
		_, _ = io.Copy(behind, conn) // it ends with either
		_ = behind.Close()
	})
	_, _ = io.Copy(conn, behind)
}

// turn has it do something else from now on, and cuts what is connected.
func (g *gateway) turn(to way) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.way == to {
		return
	}
	g.way = to
	for conn := range g.conns {
		_ = conn.Close() // whoever copies from it drops it
	}
	clear(g.conns)
}

func (g *gateway) close() {
	_ = g.listener.Close() // accept ends
	g.turn(resets)
	g.turn(hangs)
	g.all.Wait()
}

// outside is the other systems that the daemon is linked to.
type outside struct {
	centre, redis *gateway // redis is nil where there is no redis-server
	server        *http.Server
	serving       sync.WaitGroup
	process       *exec.Cmd
	socketDir     string
}

// openOutside starts them; dir takes what they need.
func openOutside(clock *supervisor.Real, dir string) (o *outside, err error) {
	o = &outside{server: &http.Server{ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: patience}}
	o.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // what comes is not looked at
		w.WriteHeader(http.StatusNoContent)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o.serving.Go(func() { _ = o.server.Serve(l) }) // until it is closed
	if o.centre, err = newGateway("tcp", l.Addr().String()); err != nil {
		return nil, errors.Join(err, o.close())
	}
	if err := o.startRedis(clock, dir); err != nil {
		return nil, errors.Join(err, o.close())
	}
	return o, nil
}

// startRedis starts a redis-server behind a socket, if the machine has one.
func (o *outside) startRedis(clock *supervisor.Real, dir string) error {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil //nolint:nilerr // the report says that it was not tried
	}
	if o.socketDir, err = os.MkdirTemp("", "gh"); err != nil { // a socket's path has to be short
		return err
	}
	socket := filepath.Join(o.socketDir, "redis")
	o.process = exec.Command(program, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir)
	if err := o.process.Start(); err != nil {
		return fmt.Errorf("redis-server: %w", err)
	}
	for range patience / (50 * time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil {
			_ = conn.Close() // it answers
			o.redis, err = newGateway("unix", socket)
			return err
		}
		clock.Wait(nil, 50*time.Millisecond)
	}
	return errors.New("redis-server does not answer")
}

// both are those that there are, by name.
func (o *outside) both() map[string]*gateway {
	all := map[string]*gateway{"centre": o.centre}
	if o.redis != nil {
		all["Redis"] = o.redis
	}
	return all
}

func (o *outside) close() error {
	for _, g := range o.both() {
		if g != nil {
			g.close()
		}
	}
	err := o.server.Shutdown(context.Background())
	o.serving.Wait()
	if o.process != nil {
		_ = o.process.Process.Kill() // it holds nothing that is wanted
		_ = o.process.Wait()
	}
	if o.socketDir != "" {
		err = errors.Join(err, os.RemoveAll(o.socketDir))
	}
	return err
}
