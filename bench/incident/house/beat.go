package house

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"gatehouse/supervisor"
)

// Beat sends a POST to addr each period, one at a time, with a limit for each
// request. The body is read and closed.
func Beat(id, addr string, period, limit time.Duration, conf *tls.Config, sent func(error)) supervisor.ChildSpec {
	return supervisor.ChildSpec{ID: id, New: func() supervisor.Actor {
		return &beat{addr: addr, period: period, limit: limit, conf: conf, sent: sent}
	}}
}

type beat struct {
	addr          string
	period, limit time.Duration
	conf          *tls.Config
	sent          func(error)
	client        *http.Client
}

// maxAnswer is how much of an answer is read.
const maxAnswer = 64 << 10

// Start makes this life's own client.
func (b *beat) Start(c *supervisor.Context) error {
	b.client = &http.Client{
		Timeout: b.limit,
		Transport: &http.Transport{
			TLSClientConfig:       b.conf,
			DialContext:           (&net.Dialer{Timeout: b.limit}).DialContext,
			TLSHandshakeTimeout:   b.limit,
			ResponseHeaderTimeout: b.limit,
			IdleConnTimeout:       3 * b.period,
			MaxConnsPerHost:       1,
		},
	}
	c.After("beat", b.period)
	return nil
}

// Receive sends a beat when it is time, and arms the next one when it is over.
func (b *beat) Receive(c *supervisor.Context, msg any) error {
	switch m := msg.(type) {
	case supervisor.Tick:
		return c.Task("beat", b.limit, func(ctx context.Context) (any, error) { return nil, b.post(ctx) })
	case supervisor.TaskDone:
		b.sent(m.Err)
		c.After("beat", b.period)
	}
	return nil
}

// Stop closes the connection that is kept.
func (b *beat) Stop(*supervisor.Context, supervisor.Reason) { b.client.CloseIdleConnections() }

func (b *beat) post(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.addr, bytes.NewReader([]byte(`{"building":"b","ok":true}`)))
	if err != nil {
		return err
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the centre answers %s", resp.Status)
	}
	return err
}
