package heartbeat_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"gatehouse/edge"
	"gatehouse/edge/edgetest"
	"gatehouse/edge/heartbeat"
)

// centre answers as it is told and keeps what it was sent.
type centre struct {
	mu       sync.Mutex
	requests []string // token and body
	each     int      // requests a connection; 0: any number
	answer   string
}

func (k *centre) serve(c net.Conn) {
	in := bufio.NewReader(c)
	for n := 1; k.each == 0 || n <= k.each; n++ {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(r.Body)
		k.mu.Lock()
		k.requests = append(k.requests, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization")+" "+string(body))
		k.mu.Unlock()
		if _, err := io.WriteString(c, k.answer); err != nil {
			return
		}
	}
}

const noContent = "HTTP/1.1 204 No Content\r\n\r\n"

func client(t *testing.T, scheme, addr string, files edge.Files) *heartbeat.Client {
	c := heartbeat.New(heartbeat.Options{
		URL: &url.URL{Scheme: scheme, Host: addr, Path: "/beat"}, Files: files, Limits: generous, Now: machine.Now,
	})
	t.Cleanup(c.Close)
	return c
}

// Beats go out over one connection, with the token, under TLS.
func TestBeats(t *testing.T) {
	cert, certFile, _ := edgetest.Certificate(t)
	for _, answer := range []string{
		noContent, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	} {
		k := &centre{answer: answer}
		s := edgetest.ServeTLS(t, cert, k.serve)
		c := client(t, "https", s.Addr, edge.Files{CA: certFile})
		for _, body := range []string{"1", "2", "3"} {
			if err := c.Beat(context.Background(), "secret", []byte(body)); err != nil {
				t.Fatalf("%q: %v", answer, err)
			}
		}
		c.Close()
		s.Stop()
		if got := strings.Join(k.requests, ", "); got != "POST /beat Bearer secret 1, POST /beat Bearer secret 2, POST /beat Bearer secret 3" {
			t.Errorf("got %s", got)
		}
		if s.Accepted() != 1 {
			t.Errorf("%d connections", s.Accepted())
		}
	}
}

// A centre that closes connections after an answer costs no beat.
func TestAKeptConnectionMayHaveEnded(t *testing.T) {
	k := &centre{answer: noContent, each: 1}
	s := edgetest.Serve(t, k.serve)
	c := client(t, "http", s.Addr, edge.Files{})
	for range 5 {
		if err := c.Beat(context.Background(), "", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	s.Stop()
	if len(k.requests) != 5 || s.Accepted() != 5 {
		t.Errorf("%d requests over %d connections", len(k.requests), s.Accepted())
	}
}

// A centre that sends the token back gets it into no error.
func TestACentreThatQuotesTheToken(t *testing.T) {
	k := &centre{answer: "HTTP/1.1 302 Found\r\nLocation: https://hunter2.example.org/\r\nContent-Length: 0\r\n\r\n"}
	s := edgetest.Serve(t, k.serve)
	c := client(t, "http", s.Addr, edge.Files{})
	err := c.Beat(context.Background(), "hunter2", []byte("x"))
	c.Close()
	s.Stop()
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "***.example.org") {
		t.Error(err)
	}
}

// Close ends a beat that waits, and no beat comes after it.
func TestCloseUnderABeat(t *testing.T) {
	before := edgetest.Take()
	asked := make(chan struct{})
	s := edgetest.Serve(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		close(asked)
		edgetest.Silent(c)
	})
	c := client(t, "http", s.Addr, edge.Files{})
	ended := make(chan error)
	go func() { ended <- c.Beat(context.Background(), "", []byte("x")) }()
	<-asked
	c.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the beat that waited: %v", err)
	}
	if err := c.Beat(context.Background(), "", nil); !errors.Is(err, heartbeat.ErrClosed) {
		t.Errorf("a beat after Close: %v", err)
	}
	s.Stop()
	settles(t, before)
}

// The control of the fault tables: what is counted there is seen when somebody
// does it wrong, as net/http lets one.
func TestABodyThatIsNotClosedIsSeen(t *testing.T) {
	s := edgetest.Serve(t, edgetest.Says(requestEnd, okHeader+"12345"))
	before := edgetest.Take()
	transport := &http.Transport{}
	var bodies []io.Closer
	for range 10 {
		r, err := (&http.Client{Transport: transport}).Get("http://" + s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, r.Body)
	}
	transport.CloseIdleConnections() // which these are not
	if now := edgetest.Take(); now.Files < before.Files+20 || now.Goroutines < before.Goroutines+20 {
		t.Errorf("ten bodies that nobody closed are not seen: %+v, before %+v", now, before)
	}
	for _, b := range bodies {
		_ = b.Close()
	}
	settles(t, before)
}
