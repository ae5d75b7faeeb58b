package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"gatehouse/edge"
)

// Limits bound the steps; all are required.
type Limits struct {
	Dial   time.Duration // looking up the name, and connecting
	TLS    time.Duration // the handshake
	Answer time.Duration // each command, and writing it
	Quiet  time.Duration // how long a subscription may be silent until it is asked for a sign of life
}

// DefaultLimits suit a server in the same country.
var DefaultLimits = Limits{Dial: 3 * time.Second, TLS: 3 * time.Second, Answer: 3 * time.Second, Quiet: 10 * time.Second}

// Options of a Client; Addr, Channel, Limits and Now are required.
type Options struct {
	Addr     string                      // host:port
	TLS      func() (*tls.Config, error) // nil: none
	Username string
	Password func() (string, error) // asked for at each connection; nil: none
	Channel  string
	Limits   Limits
	Now      func() time.Time
	// Nameserver is host:port of who is asked for names; "": the machine's own.
	Nameserver string
}

// Errors of a Client.
var (
	ErrClosed  = errors.New("the client is closed")
	errSilent  = errors.New("the server does not answer")
	errSpent   = errors.New("the connection is used up")
	errRefused = errors.New("the server did not subscribe us")
)

// Client is two connections to one server, one that publishes and one that listens;
// each is opened when it is needed and ends at its first error. Publish and Listen
// may run beside each other, each once at a time; Close may come at any moment.
type Client struct {
	o      Options
	dialer edge.Dialer

	mu     sync.Mutex
	closed bool
	open   map[*session]bool
	out    *session // that publishes; nil: none is open
}

// New makes a client; nothing is opened yet.
func New(o Options) *Client {
	return &Client{o: o, open: map[*session]bool{}, dialer: edge.Dialer{
		Addr: o.Addr, TLS: o.TLS, DialLimit: o.Limits.Dial, TLSLimit: o.Limits.TLS, Now: o.Now, Nameserver: o.Nameserver,
	}}
}

// session is one connection and go-redis's client for it.
type session struct {
	conn     *guarded
	client   *goredis.Client
	password string
}

func (s *session) close() {
	_ = s.conn.Close()   // whatever waits on it returns
	_ = s.client.Close() // it has nothing left to do
}

func (c *Client) connect(ctx context.Context) (*session, error) {
	password := ""
	if c.o.Password != nil {
		var err error
		if password, err = c.o.Password(); err != nil {
			return nil, err
		}
	}
	raw, err := c.dialer.Dial(ctx, c.o.Limits.Dial+c.o.Limits.TLS)
	if err != nil {
		return nil, err
	}
	s := &session{conn: &guarded{Conn: raw}, password: password}
	s.client = goredis.NewClient(c.options(s.conn, password))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		s.close()
		return nil, ErrClosed
	}
	c.open[s] = true
	return s, nil
}

// options switch off everything that go-redis does by itself.
func (c *Client) options(conn net.Conn, password string) *goredis.Options {
	var once sync.Mutex // never unlocked
	return &goredis.Options{
		Addr: c.o.Addr,
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			if !once.TryLock() {
				return nil, errSpent
			}
			return conn, nil
		},
		Username: c.o.Username, Password: password,
		Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		MaxRetries:               -1, DialerRetries: 1,
		DialTimeout: c.o.Limits.Dial, ReadTimeout: c.o.Limits.Answer, WriteTimeout: c.o.Limits.Answer, PoolTimeout: c.o.Limits.Answer,
		ContextTimeoutEnabled: true,
		// More than one, because a client whose dials have failed that often would begin
		// to dial in the background. There is only one connection to have.
		PoolSize: 4, MaxActiveConns: 1, MaxConcurrentDials: 1, PipelinePoolSize: -1, ConnMaxIdleTime: -1,
	}
}

func (c *Client) drop(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, s)
	if c.out == s {
		c.out = nil
	}
	s.close()
}

// Close closes both connections, also under a call that waits on one.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for s := range c.open {
		s.close()
	}
	clear(c.open)
	c.out = nil
}

// Publish sends messages to the channel, in order, and returns how many of them the
// server has acknowledged. The rest may have arrived or not. Without messages it only
// asks whether the server is there.
func (c *Client) Publish(ctx context.Context, messages [][]byte) (done int, err error) {
	s, err := c.publisher(ctx)
	if err != nil {
		return 0, err
	}
	defer func() {
		if r := recover(); r != nil { // the library's, over a reply that it did not think of
			err = fmt.Errorf("%w: %v", errNonsense, r)
		}
		if err != nil {
			err = s.plain(err)
			c.drop(s)
		}
	}()
	if len(messages) == 0 {
		return 0, s.client.Ping(ctx).Err()
	}
	replies, err := s.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, m := range messages {
			p.Publish(ctx, c.o.Channel, m)
		}
		return nil
	})
	for _, r := range replies {
		if r.Err() != nil {
			return done, r.Err()
		}
		done++
	}
	return done, err
}

func (c *Client) publisher(ctx context.Context) (*session, error) {
	c.mu.Lock()
	s := c.out
	c.mu.Unlock()
	if s != nil {
		return s, nil
	}
	s, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed // Close has closed it
	}
	c.out = s
	return s, nil
}

// plain is an error with what the guard knows of its cause, and without what the
// server quotes of a command, which may be the password or the beginning of it.
func (s *session) plain(err error) error {
	if s.conn.scan.err != nil {
		return s.conn.scan.err
	}
	if text, _, quotes := strings.Cut(err.Error(), ", with args beginning with"); quotes {
		err = errors.New(text)
	}
	return edge.Without(err, s.password)
}

// Listen subscribes to the channel and hands over each message's text, until the
// connection fails, Close is called or take returns an error. ready is called once
// the server has confirmed. A message that is too long ends it as a fault does.
func (c *Client) Listen(ctx context.Context, ready func(), take func(text string) error) (err error) {
	s, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errNonsense, r)
		}
		err = s.plain(err)
		c.drop(s)
	}()
	sub := s.client.Subscribe(ctx) // to nothing, so that nothing is sent yet
	defer func() { _ = sub.Close() }()
	if err := sub.Subscribe(ctx, c.o.Channel); err != nil {
		return err
	}
	first, err := sub.ReceiveTimeout(ctx, c.o.Limits.Answer)
	if err != nil {
		return err
	}
	if _, ok := first.(*goredis.Subscription); !ok {
		return errRefused
	}
	ready()
	return c.receive(ctx, s, sub, take)
}

// receive waits for messages, and asks for a sign of life when none comes.
func (c *Client) receive(ctx context.Context, s *session, sub *goredis.PubSub, take func(string) error) error {
	limit, asked := c.o.Limits.Quiet, false
	for ctx.Err() == nil {
		got, err := sub.ReceiveTimeout(ctx, limit)
		switch {
		case err == nil:
			limit, asked = c.o.Limits.Quiet, false
		case !timeout(err):
			return err
		case asked || !s.conn.scan.whole(): // a message that stops half way is a fault, too
			return errSilent
		default:
			if err := sub.Ping(ctx); err != nil {
				return err
			}
			limit, asked = c.o.Limits.Answer, true
		}
		if m, ok := got.(*goredis.Message); ok {
			if err := take(m.Payload); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func timeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// silence keeps go-redis from writing to the process's standard error: what goes
// wrong is in the errors.
type silence struct{}

// Printf writes nothing.
func (silence) Printf(context.Context, string, ...any) {}

func init() { goredis.SetLogger(silence{}) }
