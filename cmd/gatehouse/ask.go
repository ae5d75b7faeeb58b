package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gatehouse/edge/httpapi"
)

// addressFile in the data directory says where its daemon answers.
const addressFile = "api-address"

// pollEvery is how often a command asks the daemon how far it is.
const pollEvery = 100 * time.Millisecond

// addressOf is where the daemon of a data directory answers; "" if that is not known.
func addressOf(data string) string {
	text, err := os.ReadFile(filepath.Join(data, addressFile))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// daemonAPI is the API of the daemon that runs on a data directory.
type daemonAPI struct{ address, token string }

// askDaemon finds the daemon that has a data directory's lock.
func askDaemon(data string) (daemonAPI, error) {
	token, err := os.ReadFile(filepath.Join(data, httpapi.TokenFile))
	d := daemonAPI{addressOf(data), strings.TrimSpace(string(token))}
	if err != nil || d.address == "" || d.token == "" {
		return d, withCode(exitRefused, errors.Join(fmt.Errorf("a gatehouse runs on %s, and it does not say where it answers: wait until it is up, or stop it", data), err))
	}
	return d, nil
}

// errStranger: the token was not sent.
var errStranger = errors.New("another program answers there, it does not have this data directory's token")

// get reads what needs no token.
func (d daemonAPI) get(ctx context.Context, path string, into any) error {
	l := d.line()
	defer l.hangUp()
	return l.do(ctx, http.MethodGet, path, nil, into)
}

// post makes a change. Whoever answers first proves that they have the token; then it
// is sent, down the very same connection.
func (d daemonAPI) post(ctx context.Context, path string, body io.Reader, into any) error {
	l := d.line()
	defer l.hangUp()
	challenge := rand.Text() + rand.Text()
	var health struct{ Proof string }
	if err := l.do(ctx, http.MethodGet, "/healthz?challenge="+challenge, nil, &health); err != nil {
		return err
	}
	want := httpapi.Proof(d.token, l.remote, challenge)
	if subtle.ConstantTimeCompare([]byte(health.Proof), []byte(want)) != 1 {
		return fmt.Errorf("%s: %w; if the daemon was started anew just now, try again", d.address, errStranger)
	}
	l.token = d.token
	return l.do(ctx, http.MethodPost, path, body, into)
}

// line is one connection to a daemon; it is never made a second time.
type line struct {
	address string
	token   string // "": none is sent
	remote  string // whom it reached
	client  *http.Client
	dialled bool
}

// answerLimit is how long the daemon may take to answer what arrived whole.
const answerLimit = 30 * time.Second

func (d daemonAPI) line() *line {
	l := &line{address: d.address}
	l.client = &http.Client{Transport: &http.Transport{
		DialContext: l.dial, MaxConnsPerHost: 1, ResponseHeaderTimeout: answerLimit,
	}}
	return l
}

func (l *line) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	if l.dialled {
		return nil, errors.New("the connection was lost")
	}
	l.dialled = true
	dialer := net.Dialer{Timeout: answerLimit}
	conn, err := dialer.DialContext(ctx, network, l.address)
	if err == nil {
		l.remote = conn.RemoteAddr().String()
	}
	return conn, err
}

func (l *line) hangUp() { l.client.CloseIdleConnections() }

func (l *line) do(ctx context.Context, method, path string, body io.Reader, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+l.address+path, body)
	if err != nil {
		return err
	}
	if l.token != "" {
		r.Header.Set("Authorization", "Bearer "+l.token)
	}
	if f, ok := body.(sized); ok {
		r.ContentLength = f.Size()
	}
	answer, err := l.client.Do(r)
	if err != nil {
		return fmt.Errorf("the daemon does not answer: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // only read
	if to, ok := into.(io.Writer); ok && answer.StatusCode < http.StatusMultipleChoices {
		if _, err := io.Copy(to, answer.Body); err != nil {
			return fmt.Errorf("what the daemon sends does not arrive: %w", err)
		}
		return nil
	}
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return fmt.Errorf("the daemon does not answer: %w", err)
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		return refusal(text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%w: %w", errStranger, err)
	}
	return nil
}

// sized is a body whose length is known.
type sized interface{ Size() int64 }

// refusal is what the daemon says why it does not do it.
func refusal(text []byte) error {
	var wrong struct{ Message, Hint string }
	if err := json.Unmarshal(text, &wrong); err != nil || wrong.Message == "" {
		return errStranger
	}
	return fmt.Errorf("the daemon refuses: %s %s", wrong.Message, wrong.Hint)
}
