package incident

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// line is what a column says, one JSON object a line: exactly one field is set.
type line struct {
	Sample *Sample `json:"sample,omitempty"`
	Ask    *ask    `json:"ask,omitempty"`
	Result *Result `json:"result,omitempty"`
}

// ask is a wish of a column to the world outside. It waits for the answer.
type ask struct {
	What string `json:"what"`
	Addr string `json:"addr,omitempty"`
	// Other is taken for every second request; "": Addr for all.
	Other string `json:"other,omitempty"`
	// Of load: requests a second, for so long, so many at once.
	Rate    int     `json:"rate,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	Burst   int     `json:"burst,omitempty"`
	Method  string  `json:"method,omitempty"`
	Token   string  `json:"token,omitempty"`
}

// reply answers an ask.
type reply struct {
	Text  string  `json:"text,omitempty"`
	Count uint64  `json:"count,omitempty"`
	Bad   uint64  `json:"bad,omitempty"`
	P50   float64 `json:"p50_us,omitempty"`
	P99   float64 `json:"p99_us,omitempty"`
	Error string  `json:"error,omitempty"`
}

// pipe is the column's end.
type pipe struct {
	mu  sync.Mutex
	out *json.Encoder
	in  *bufio.Scanner
}

func newPipe(in io.Reader, out io.Writer) *pipe {
	return &pipe{out: json.NewEncoder(out), in: bufio.NewScanner(in)}
}

func (p *pipe) say(l line) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Encode(l)
}

// ask is for one goroutine at a time.
func (p *pipe) ask(a ask) (r reply, err error) {
	if err := p.say(line{Ask: &a}); err != nil {
		return r, err
	}
	if !p.in.Scan() {
		return r, errors.Join(errors.New("the bench that started this column is gone"), p.in.Err())
	}
	if err := json.Unmarshal(p.in.Bytes(), &r); err != nil {
		return r, fmt.Errorf("the bench's answer: %w", err)
	}
	if r.Error != "" {
		return r, fmt.Errorf("%s: %s", a.What, r.Error)
	}
	return r, nil
}
