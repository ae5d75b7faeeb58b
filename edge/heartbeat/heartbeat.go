package heartbeat

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"gatehouse/edge"
)

// Summary is what a beat says. It holds no personal data.
type Summary struct {
	Building string    `json:"building"`
	Boot     string    `json:"boot"`     // tells the lives of the daemon apart; a number of 64 bits as text
	Sequence uint64    `json:"sequence"` // of the beats of this life, from 1; one that failed keeps its number
	Time     time.Time `json:"time"`
	Version  string    `json:"version"`
	Ready    bool      `json:"ready"`
	Degraded []string  `json:"degraded"`   // what does not work; the first MaxDegraded
	Last     uint64    `json:"last_event"` // number of the newest event on disk
}

// MaxDegraded bounds what a beat lists, MaxText each line of it, in bytes.
const (
	MaxDegraded = 20
	MaxText     = 200
)

// Limits bound the steps of a beat; all are required.
type Limits struct {
	Dial   time.Duration // looking up the name, and connecting
	TLS    time.Duration // the handshake
	Write  time.Duration // the request
	Header time.Duration // from the request to the end of the answer's header
	Body   time.Duration // from there to the answer's end
	Whole  time.Duration // all of it, a second attempt included
}

// DefaultLimits suit a centre anywhere on earth.
var DefaultLimits = Limits{
	Dial: 3 * time.Second, TLS: 3 * time.Second, Write: 2 * time.Second, Header: 3 * time.Second, Body: 2 * time.Second,
	Whole: 8 * time.Second,
}

// Options of a Client; URL, Limits and Now are required.
type Options struct {
	URL     *url.URL // http or https, with a host
	Files   edge.Files
	Limits  Limits
	Now     func() time.Time
	Version string // of the program
	// Nameserver is host:port of who is asked for names; "": the machine's own.
	Nameserver string
}

// Client beats at one URL, over one connection at a time. One call of Beat at a
// time; Close may come at any moment.
type Client struct {
	o      Options
	dialer edge.Dialer

	mu     sync.Mutex
	conn   net.Conn // kept from beat to beat
	closed bool
}

// New makes a client; nothing is opened yet.
func New(o Options) *Client {
	c := &Client{o: o, dialer: edge.Dialer{
		Addr: address(o.URL), DialLimit: o.Limits.Dial, TLSLimit: o.Limits.TLS, Now: o.Now, Nameserver: o.Nameserver,
	}}
	if o.URL.Scheme == "https" {
		c.dialer.TLS = o.Files.Config
	}
	return c
}

func address(u *url.URL) string {
	port := "80"
	if u.Scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))
}

// ErrClosed: the client was closed.
var ErrClosed = errors.New("the client is closed")

// Beat posts a body with a token (Authorization: Bearer; "": none) and reads the
// answer to its end. Only a status of 200 to 299 is nil; a redirect is an error,
// so that nothing is ever sent to another host. It returns within Limits.Whole, and
// at once after Close.
func (c *Client) Beat(ctx context.Context, token string, body []byte) (err error) {
	defer func() { err = edge.Without(err, token) }()
	x := exchange{limits: c.o.Limits, now: c.o.Now, end: c.o.Now().Add(c.o.Limits.Whole)}
	kept, err := c.kept()
	if err != nil {
		return err
	}
	if kept != nil {
		err := c.over(kept, &x, token, body)
		if !stale(err) {
			return err
		}
		// The centre closed the kept connection meanwhile, as any server may. A beat
		// that arrives twice has the same sequence number.
	}
	conn, err := c.dialer.Dial(ctx, x.left())
	if err != nil {
		return err
	}
	if err := c.keep(conn); err != nil {
		return err
	}
	return c.over(conn, &x, token, body)
}

// over beats over a connection, and closes it unless it can be used again.
func (c *Client) over(conn net.Conn, x *exchange, token string, body []byte) error {
	request, err := c.request(token, body)
	if err != nil {
		return err
	}
	again, err := x.do(conn, request)
	if !again {
		c.drop()
	}
	return err
}

func (c *Client) request(token string, body []byte) (*http.Request, error) {
	r, err := http.NewRequest(http.MethodPost, c.o.URL.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "gatehouse/"+cmp.Or(c.o.Version, "dev"))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r, nil
}

func (c *Client) kept() (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	return c.conn, nil
}

// keep makes a connection the client's, for Close to find.
func (c *Client) keep(conn net.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.Join(ErrClosed, conn.Close())
	}
	c.conn = conn
	return nil
}

func (c *Client) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		_ = c.conn.Close() // nothing that was written is waited for
		c.conn = nil
	}
}

// Close closes the connection, also under a beat that waits for its answer.
func (c *Client) Close() {
	c.drop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.conn != nil { // it was made between the two
		_ = c.conn.Close()
		c.conn = nil
	}
}

// StatusError is an answer that is no success.
type StatusError struct {
	Code     int
	Location string // host of a redirect, which is not followed
}

func (e *StatusError) Error() string {
	if e.Location != "" {
		return fmt.Sprintf("the centre answered %d and points to %s, which is not followed: put the final address into the site file", e.Code, e.Location)
	}
	return fmt.Sprintf("the centre answered %d %s", e.Code, http.StatusText(e.Code))
}
