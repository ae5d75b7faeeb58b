package incident

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// requestLimit is the patience of a client.
const requestLimit = 10 * time.Second

// tally is what became of requests.
type tally struct {
	mu    sync.Mutex
	times []float64
	bad   uint64
	all   sync.WaitGroup
}

func (t *tally) send(c *http.Client, a ask) {
	begin := now()
	ok := send(c, a)
	t.note(begin, ok)
}

func (t *tally) note(begin time.Time, ok bool) {
	took := float64(now().Sub(begin).Microseconds())
	t.mu.Lock()
	defer t.mu.Unlock()
	t.times = append(t.times, took)
	if !ok {
		t.bad++
	}
}

func (t *tally) reply() reply {
	t.all.Wait()
	return reply{Count: uint64(len(t.times)), Bad: t.bad, P50: quantile(t.times, 0.5), P99: quantile(t.times, 0.99)}
}

func send(c *http.Client, a ask) (ok bool) {
	req, err := http.NewRequest(a.Method, a.Addr, nil) //nolint:noctx // the client has a limit
	if err != nil {
		return false
	}
	if a.Token != "" {
		req.Header.Set("Authorization", "Bearer "+a.Token)
	}
	resp, err := c.Do(req)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.Body.Close() == nil && err == nil && resp.StatusCode < 300
}

// load sends requests at a fixed rate, however the server does.
func load(a ask) (reply, error) {
	c := &http.Client{Timeout: requestLimit, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	defer c.CloseIdleConnections()
	var t tally
	total := int(float64(a.Rate) * a.Seconds)
	begin := now()
	for sent := 0; sent < total; {
		due := min(total, int(now().Sub(begin).Seconds()*float64(a.Rate)))
		for ; sent < due; sent++ {
			t.all.Add(1)
			one := a.number(sent)
			spawn(func() { defer t.all.Done(); t.send(c, one) })
		}
		pause(time.Millisecond)
	}
	return t.reply(), nil
}

// number is the n-th request.
func (a ask) number(n int) ask {
	if n%2 == 1 && a.Other != "" {
		a.Addr = a.Other
	}
	return a
}

// openBurst opens connections and sends a request on each but for its last line.
func (o *outside) openBurst(a ask) error {
	o.closes = append(o.closes, func() {
		for _, c := range o.burst {
			_ = c.Close()
		}
	})
	for i := range a.Burst {
		one := a.number(i)
		u, err := url.Parse(one.Addr)
		if err != nil {
			return err
		}
		c, err := net.DialTimeout("tcp", u.Host, requestLimit)
		if err != nil {
			return err
		}
		o.burst = append(o.burst, c)
		if _, err := io.WriteString(c, one.head(u)); err != nil {
			return err
		}
	}
	return nil
}

// head is a request but for its last line.
func (a ask) head(u *url.URL) string {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\nConnection: close\r\n", a.Method, u.RequestURI(), u.Host)
	if a.Token != "" {
		head += "Authorization: Bearer " + a.Token + "\r\n"
	}
	return head
}

// sendBurst sends the last lines and reads the answers.
func (o *outside) sendBurst() (reply, error) {
	var t tally
	for _, c := range o.burst {
		t.all.Add(1)
		spawn(func() {
			defer t.all.Done()
			begin := now()
			ok := finishRequest(c)
			t.note(begin, ok)
		})
	}
	return t.reply(), nil
}

func finishRequest(c net.Conn) (ok bool) {
	defer func() { _ = c.Close() }() // what matters was read
	if c.SetDeadline(now().Add(requestLimit)) != nil {
		return false
	}
	if _, err := io.WriteString(c, "\r\n"); err != nil {
		return false
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.Body.Close() == nil && err == nil && answer.StatusCode < 300
}
