package incident

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
)

// outside is the world of one column: what it asks for is made when it asks, and
// closed when it is over.
type outside struct {
	shared *shared
	closes []func()

	silent *silent
	centre *centre
	redis  server
	burst  []net.Conn
}

// shared is what all columns of a run have in common.
type shared struct {
	short bool
	dir   string
	turns *turns

	mu      sync.Mutex
	journal string // made when it is first asked for
	bytes   uint64
}

// answer does what a column asks for.
func (o *outside) answer(a ask) (r reply) {
	err := func() (err error) {
		switch a.What {
		case "load":
			r, err = load(a)
		case "burst-open":
			err = o.openBurst(a)
		case "burst-send":
			r, err = o.sendBurst()
		case "silent":
			r.Text, err = o.openSilent()
		case "silent-count":
			r.Count = o.silent.accepted.Load()
			r.P50, r.P99 = o.silent.gaps.quantiles()
		case "centre":
			r.Text, err = o.openCentre()
		case "centre-count":
			r.Count = o.centre.beats.Load()
			r.P50, r.P99 = o.centre.gaps.quantiles()
		case "journal":
			r, err = o.copyJournal()
		case "turn":
			o.shared.turns.take(o)
		case "turns-over":
			o.shared.turns.leave(o)
		default:
			err = o.answerRedis(a.What, &r)
		}
		return err
	}()
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

func (o *outside) close() {
	for _, f := range o.closes {
		f()
	}
}

// silent is a server that accepts and never answers.
type silent struct {
	listener net.Listener
	accepted atomic.Uint64
	gaps     gaps
	mu       sync.Mutex
	conns    []net.Conn
	closed   bool
}

func (o *outside) openSilent() (addr string, err error) {
	s := &silent{}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return "", err
	}
	o.silent = s
	o.closes = append(o.closes, s.close)
	spawn(s.run)
	return s.listener.Addr().String(), nil
}

func (s *silent) run() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.accepted.Add(1)
		s.gaps.note()
		s.keep(c)
	}
}

func (s *silent) keep(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return
	}
	s.conns = append(s.conns, c)
}

func (s *silent) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, c := range s.conns {
		_ = c.Close()
	}
}

// centre takes heartbeats and answers each with a body.
type centre struct {
	http  *http.Server
	beats atomic.Uint64
	gaps  gaps
}

const centreBody = 4 << 10

func (o *outside) openCentre() (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	c := &centre{}
	body := make([]byte, centreBody)
	c.http = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.beats.Add(1)
		c.gaps.note()
		_, _ = io.Copy(io.Discard, r.Body) // a beat cut short counts as well
		_, _ = w.Write(body)
	})} //nolint:gosec // its clients are the columns
	o.centre = c
	o.closes = append(o.closes, func() { _ = c.http.Close() })
	spawn(func() { _ = c.http.Serve(l) }) // it ends by Close
	return "http://" + l.Addr().String(), nil
}

// turns lets columns take turns: one at a time, in the order in which they came.
type turns struct {
	mu    sync.Mutex
	moved *sync.Cond
	want  int // how many take part
	order []*outside
	now   int // index of whose turn it is
	busy  bool
}

func newTurns(want int) *turns {
	t := &turns{want: want}
	t.moved = sync.NewCond(&t.mu)
	return t
}

// take ends the caller's turn, if it has one, and returns when it is its turn
// again. Nobody begins before all are there.
func (t *turns) take(who *outside) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pass(who)
	if !t.knows(who) {
		t.order = append(t.order, who)
		t.moved.Broadcast()
	}
	for len(t.order) < t.want || t.busy || t.order[t.now] != who {
		t.moved.Wait()
	}
	t.busy = true
}

// leave ends the caller's part, also of one that never came.
func (t *turns) leave(who *outside) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pass(who)
	t.want--
	for i, o := range t.order {
		if o != who {
			continue
		}
		t.order = append(t.order[:i], t.order[i+1:]...)
		if i < t.now {
			t.now--
		}
	}
	if t.now >= len(t.order) {
		t.now = 0
	}
	t.moved.Broadcast()
}

func (t *turns) pass(who *outside) {
	if t.busy && t.order[t.now] == who {
		t.busy = false
		t.now = (t.now + 1) % len(t.order)
		t.moved.Broadcast()
	}
}

func (t *turns) knows(who *outside) bool {
	for _, o := range t.order {
		if o == who {
			return true
		}
	}
	return false
}

var errUnknownAsk = errors.New("the bench does not know what this column asks for")

// temp makes a directory that is removed with the column.
func (o *outside) temp() (string, error) {
	dir, err := os.MkdirTemp(o.shared.dir, "outside-")
	if err != nil {
		return "", fmt.Errorf("a directory for the column: %w", err)
	}
	return dir, nil
}
