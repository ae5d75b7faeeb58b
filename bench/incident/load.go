package incident

import (
	"io"
	"net/http"
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
			spawn(func() { defer t.all.Done(); t.send(c, a) })
		}
		pause(time.Millisecond)
	}
	return t.reply(), nil
}

// burst sends all requests at once, each on a connection of its own.
func burst(a ask) (reply, error) {
	c := &http.Client{Timeout: requestLimit, Transport: &http.Transport{DisableKeepAlives: true}}
	var t tally
	for range a.Burst {
		t.all.Add(1)
		spawn(func() { defer t.all.Done(); t.send(c, a) })
	}
	return t.reply(), nil
}
