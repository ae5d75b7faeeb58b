package redis

import (
	"errors"
	"fmt"
	"net"
)

// Bounds of what a server may send. A subscriber's message is the largest text; the
// largest list is the answer to HELLO.
const (
	maxText  = 64 << 10 // bytes of a text or a line
	maxItems = 1024     // of a list
	maxDepth = 8        // of lists in lists
	// maxReply is what a whole reply has at most, in bytes: lists of lists of texts
	// multiply, and the library keeps a reply until it is complete.
	maxReply = 2 * maxText
)

var (
	errOversized = fmt.Errorf("the server sent a text of more than %d bytes", maxText)
	errEndless   = fmt.Errorf("the server sent a reply of more than %d bytes", maxReply)
	errNonsense  = errors.New("the server does not speak Redis's protocol")
)

// guarded is a connection whose reader may believe every length that it finds.
type guarded struct {
	net.Conn
	scan scan
}

func (g *guarded) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if wrong := g.scan.take(b[:n]); wrong != nil {
		return 0, wrong
	}
	return n, err
}

// scan follows a stream of replies in Redis's protocol.
type scan struct {
	line  []byte // of a reply that is not complete, without its end
	skip  int    // bytes of a text that are still to come, its line end included
	lists []int  // items that are still to come, of each list that is open
	size  int    // bytes of the reply so far
	err   error
}

// whole says that no reply is half read.
func (s *scan) whole() bool { return len(s.line) == 0 && s.skip == 0 && len(s.lists) == 0 }

// take reads on. After an error it says the same for ever.
func (s *scan) take(b []byte) error {
	for len(b) > 0 && s.err == nil {
		if s.skip > 0 {
			b = b[s.more(b):]
			continue
		}
		if s.grow(1); s.err != nil {
			break
		}
		if b[0] == '\n' {
			s.err = s.header()
			s.line = s.line[:0]
		} else if s.line = append(s.line, b[0]); len(s.line) > maxText {
			s.err = errOversized
		}
		b = b[1:]
	}
	return s.err
}

// more skips as much of a text as there is, and says how much that was.
func (s *scan) more(b []byte) int {
	n := min(s.skip, len(b))
	s.grow(n)
	if s.skip -= n; s.skip == 0 {
		s.item()
	}
	return n
}

// grow counts bytes of a reply.
func (s *scan) grow(n int) {
	if s.size += n; s.size > maxReply {
		s.err = errEndless
	}
}

// header takes a complete line.
func (s *scan) header() error {
	n := len(s.line)
	if n < 2 || s.line[n-1] != '\r' {
		return errNonsense
	}
	kind, rest := s.line[0], s.line[1:n-1]
	switch kind {
	case '+', '-', ':', '_', ',', '#', '(':
		s.item()
		return nil
	case '$', '=', '!':
		return s.text(rest)
	case '*', '~', '>':
		return s.list(rest, 1)
	case '%':
		return s.list(rest, 2)
	}
	return errNonsense // '|' as well: nothing that we say is answered by one
}

func (s *scan) text(length []byte) error {
	n, none, ok := number(length)
	switch {
	case !ok:
		return errNonsense
	case none:
		s.item()
	case n > maxText:
		return errOversized
	default:
		s.skip = n + len("\r\n")
	}
	return nil
}

func (s *scan) list(length []byte, each int) error {
	n, none, ok := number(length)
	switch {
	case !ok || n > maxItems || len(s.lists) == maxDepth:
		return errNonsense
	case none || n == 0:
		s.item()
	default:
		s.lists = append(s.lists, n*each)
	}
	return nil
}

// item ends an item, and every list of which it is the last.
func (s *scan) item() {
	for len(s.lists) > 0 {
		top := len(s.lists) - 1
		if s.lists[top]--; s.lists[top] > 0 {
			return
		}
		s.lists = s.lists[:top]
	}
	s.size = 0
}

// number reads a length; none: it is -1, for a value that is not there.
func number(text []byte) (n int, none, ok bool) {
	if string(text) == "-1" {
		return 0, true, true
	}
	if len(text) == 0 || len(text) > 9 {
		return 0, false, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false, false
		}
		n = 10*n + int(c-'0')
	}
	return n, false, true
}
