package incident

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
)

// resp is as much of a Redis as the bench needs: SUBSCRIBE, PUBLISH, PING. It
// stands in where no redis-server is installed.
type resp struct {
	where string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool // true: it subscribed
	hung     chan struct{}     // not nil: closed when it goes on
}

func newResp() (*resp, error) {
	r := &resp{where: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	return r, r.listen()
}

func (r *resp) listen() error {
	l, err := net.Listen("tcp", r.where)
	if err != nil {
		return err
	}
	r.where, r.listener = l.Addr().String(), l
	spawn(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns[c] = false
			r.mu.Unlock()
			spawn(func() { r.serve(c) })
		}
	})
	return nil
}

func (r *resp) serve(c net.Conn) {
	defer r.drop(c)
	in := bufio.NewReader(c)
	for {
		words, err := readCommand(in)
		if err != nil {
			return
		}
		r.wait()
		if len(words) > 0 {
			r.handle(c, words)
		}
	}
}

func (r *resp) drop(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	_ = c.Close()
}

// wait blocks while the server hangs.
func (r *resp) wait() {
	r.mu.Lock()
	hung := r.hung
	r.mu.Unlock()
	if hung != nil {
		<-hung
	}
}

func (r *resp) handle(c net.Conn, words []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch strings.ToUpper(words[0]) {
	case "PING":
		text := "+PONG\r\n"
		if r.conns[c] {
			text = "*2\r\n$4\r\npong\r\n$0\r\n\r\n"
		}
		_, _ = io.WriteString(c, text) // a client that went away is dropped by its read
	case "SUBSCRIBE":
		r.conns[c] = true
		for i, channel := range words[1:] {
			_, _ = fmt.Fprintf(c, "*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:%d\r\n", len(channel), channel, i+1)
		}
	case "PUBLISH":
		heard := 0
		for to, subscribed := range r.conns {
			if subscribed && len(words) == 3 {
				heard++
				_, _ = fmt.Fprintf(to, "*3\r\n$7\r\nmessage\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(words[1]), words[1], len(words[2]), words[2])
			}
		}
		_, _ = fmt.Fprintf(c, ":%d\r\n", heard)
	default:
		_, _ = io.WriteString(c, "-ERR unknown command\r\n")
	}
}

func (r *resp) addr() string { return r.where }

func (r *resp) kill() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.listener.Close()
	for c := range r.conns {
		_ = c.Close()
	}
	return err
}

func (r *resp) hang() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hung = make(chan struct{})
	return nil
}

func (r *resp) back() error {
	r.mu.Lock()
	hung := r.hung
	r.hung = nil
	r.mu.Unlock()
	if hung != nil {
		close(hung)
		return nil
	}
	return r.listen()
}

func (r *resp) close() { _ = r.kill() }
