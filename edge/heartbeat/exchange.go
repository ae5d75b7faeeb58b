package heartbeat

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// What is read of an answer at most, in bytes, header and all; and how many interim
// answers (1xx) may come before it.
const (
	maxAnswer  = 64 << 10
	maxInterim = 5
)

var (
	errTooLong = fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	errInterim = errors.New("the answer does not come to an end")
)

// exchange is one request and its answer.
type exchange struct {
	limits Limits
	now    func() time.Time
	end    time.Time // of all attempts
}

func (x *exchange) left() time.Duration { return x.end.Sub(x.now()) }

// until is when a step ends that may take limit.
func (x *exchange) until(limit time.Duration) time.Time {
	if at := x.now().Add(limit); at.Before(x.end) {
		return at
	}
	return x.end
}

// silence: the connection ended, or was of no use, before the first byte of an
// answer.
type silence struct{ err error }

func (s *silence) Error() string { return s.err.Error() }
func (s *silence) Unwrap() error { return s.err }

// stale says whether a kept connection had ended before the request.
func stale(err error) bool {
	var timeout net.Error
	_, silent := errors.AsType[*silence](err)
	return silent && !(errors.As(err, &timeout) && timeout.Timeout()) && !errors.Is(err, net.ErrClosed)
}

// do sends a request and reads its answer to the end; again says that the
// connection can be used for another.
func (x *exchange) do(conn net.Conn, request *http.Request) (again bool, err error) {
	if err := conn.SetWriteDeadline(x.until(x.limits.Write)); err != nil {
		return false, &silence{err}
	}
	if err := request.Write(conn); err != nil {
		return false, &silence{fmt.Errorf("request: %w", err)}
	}
	if err := conn.SetReadDeadline(x.until(x.limits.Header)); err != nil {
		return false, &silence{err}
	}
	bounded := &io.LimitedReader{R: conn, N: maxAnswer}
	in := bufio.NewReader(bounded)
	if _, err := in.Peek(1); err != nil {
		return false, &silence{fmt.Errorf("answer: %w", unexpected(err))}
	}
	answer, err := header(in, request)
	if err != nil {
		return false, named("answer's header", err, bounded)
	}
	defer func() { _ = answer.Body.Close() }() // read to its end, or the connection is closed
	if err := conn.SetReadDeadline(x.until(x.limits.Body)); err != nil {
		return false, err
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || bounded.N <= 0 { // the bound passes for an end
		return false, named("answer's body", err, bounded)
	}
	return !answer.Close && in.Buffered() == 0, judge(answer)
}

// header reads the header of the answer that counts.
func header(in *bufio.Reader, request *http.Request) (*http.Response, error) {
	for range maxInterim {
		answer, err := http.ReadResponse(in, request)
		if err != nil || answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols {
			return answer, err
		}
	}
	return nil, errInterim
}

func named(what string, err error, bounded *io.LimitedReader) error {
	if bounded.N <= 0 {
		return errTooLong
	}
	return fmt.Errorf("%s: %w", what, unexpected(err))
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func judge(answer *http.Response) error {
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return nil
	}
	e := &StatusError{Code: answer.StatusCode}
	if to, err := answer.Location(); err == nil {
		e.Location = to.Host
	}
	return e
}
