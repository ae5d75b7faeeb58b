package httpapi_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"gatehouse/edge/httpapi"
	"gatehouse/supervisor/supervisortest"
)

// limit is the deadline of requests here; it is over when a test says so.
const limit = 8 * time.Second

// hand is a clock whose deadlines of requests fire by hand. Its time is the
// machine's, as that of sockets, or stands still.
type hand struct {
	mu     sync.Mutex
	frozen time.Time
	armed  map[int]func()
	last   int
}

func (h *hand) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.frozen.IsZero() {
		return machine.Now()
	}
	return h.frozen
}

func (h *hand) freeze(at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.frozen = at
}

func (h *hand) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	if d != limit {
		return machine.AfterFunc(d, f)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.armed == nil {
		h.armed = map[int]func(){}
	}
	h.last++
	n := h.last
	h.armed[n] = f
	return func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		_, waits := h.armed[n]
		delete(h.armed, n)
		return waits
	}
}

// fire ends the time of all requests under way, as a timer does: on a goroutine
// of its own.
func (h *hand) fire() {
	h.mu.Lock()
	all := h.armed
	h.armed = nil
	h.mu.Unlock()
	for _, f := range all {
		done := make(chan struct{})
		go func() { defer close(done); f() }()
		<-done
	}
}

func (h *hand) waiting() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.armed)
}

// byHand is an API whose requests end when the clock's hand says so.
func byHand(t testing.TB, f *fake, change ...func(*httpapi.Options)) (*site, *hand) {
	t.Helper()
	clock := &hand{}
	o := optionsFor(f)
	o.Clock, o.Deadline, o.Rate = clock, limit, 1e6
	for _, c := range change {
		c(&o)
	}
	api := httpapi.New(o)
	s := serveAs(t, api, httpapi.ServerOptions{Clock: machine})
	s.api = api
	return s, clock
}

// metric is the value of a metric without labels, or with those given.
func (s *site) metric(name string) (value string) {
	s.t.Helper()
	for line := range strings.Lines(s.get("/metrics").body) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	s.t.Fatalf("no metric %s", name)
	return ""
}

// idle waits until no request is under way.
func (s *site) idle() {
	s.t.Helper()
	supervisortest.Eventually(s.t, machine, "no request is under way", func() bool { return s.api.UnderWay() == 0 })
}

// gone waits until there are no other goroutines than those: a connection lingers
// for half a second after an answer that its client did not wait for.
func gone(t *testing.T, others goleak.Option) {
	t.Helper()
	supervisortest.Eventually(t, machine, "nothing is left", func() bool { return goleak.Find(others) == nil })
}

// A flood is refused before anything of it is looked at: of those without a token
// only as many get so far as to be told so as the limit allows. Reads are not
// theirs to use up, and the sign of life is always there.
func TestAFloodIsRefusedBeforeItIsLookedAt(t *testing.T) {
	f := newFake(0)
	s, clock := byHand(t, f, func(o *httpapi.Options) { o.Rate, o.Burst = 10, 50 })
	clock.freeze(machine.Now())
	flood := func(method, path string, n int) (answers map[int]int) {
		answers = map[int]int{}
		for range n {
			r := s.do(method, path)
			answers[r.status]++
			if r.status == http.StatusTooManyRequests && (r.header.Get("Retry-After") != "1" || r.code(t) != "too_many_requests") {
				t.Fatalf("%v %s", r.header, r.body)
			}
		}
		return answers
	}
	s.get("/healthz") // unlimited
	clock.freeze(clock.Now().Add(time.Hour))
	same(t, map[int]int{401: 50, 429: 450}, flood(http.MethodPost, "/api/lockdown", 500))
	same(t, map[int]int{200: 10}, flood(http.MethodGet, "/api/doors", 10))
	clock.freeze(clock.Now().Add(time.Second))
	same(t, map[int]int{401: 10, 429: 5}, flood(http.MethodPost, "/api/lockdown", 15))
	same(t, map[int]int{200: 50, 429: 10}, flood(http.MethodGet, "/api/doors", 60))
	same(t, map[int]int{200: 100}, flood(http.MethodGet, "/healthz", 100))
	same(t, nil, f.commands)
}

// No more are under way than there is room for, whatever they wait for; who is
// refused is told to come again, and can once the others are through.
func TestAsManyAsThereIsRoomFor(t *testing.T) {
	const room = 4
	f := newFake(0)
	f.hold, f.began = make(chan struct{}), make(chan struct{}, room)
	s, _ := byHand(t, f, func(o *httpapi.Options) { o.Requests = room })
	answers := make(chan int, room)
	for range room {
		go func() { answers <- s.post("/api/lockdown").status }()
		<-f.began
	}
	for range 10 {
		r := s.post("/api/lockdown")
		if r.status != http.StatusServiceUnavailable || r.code(t) != "busy" || r.header.Get("Retry-After") != "1" {
			t.Fatalf("%d %v %s", r.status, r.header, r.body)
		}
	}
	if r := s.get("/api/doors"); r.status != http.StatusOK {
		t.Errorf("a read: %d", r.status)
	}
	same(t, "10", s.metric(`gatehouse_http_refused_total{why="busy"}`))
	close(f.hold)
	for range room {
		same(t, http.StatusOK, <-answers)
	}
	s.idle()
	f.hold = nil
	same(t, http.StatusOK, s.post("/api/lockdown").status)
}

// A handler that hangs and ignores its context, 1,000 times: each client is
// answered at the deadline, a stranger gets not so far, and nothing is left once
// the handlers came back.
func TestAHandlerThatHangs(t *testing.T) {
	f := newFake(0)
	f.hold = make(chan struct{})
	s, clock := byHand(t, f)
	s.get("/healthz")
	running := goleak.IgnoreCurrent()
	answer := make(chan reply)
	for i := range 1000 {
		go func() { answer <- s.post("/api/lockdown") }()
		<-f.began
		if i%100 == 0 {
			if r := s.do(http.MethodPost, "/api/lockdown"); r.status != http.StatusUnauthorized {
				t.Fatalf("a stranger beside it: %d", r.status)
			}
		}
		clock.fire()
		if r := <-answer; r.status != http.StatusServiceUnavailable || r.code(t) != "deadline" || !strings.HasSuffix(r.body, "}\n") {
			t.Fatalf("%d %s", r.status, r.body)
		}
		f.hold <- struct{}{}
	}
	s.idle()
	same(t, "1000", s.metric("gatehouse_http_deadlines_total"))
	_, commands := f.told()
	same(t, 1000, commands)
	same(t, 0, clock.waiting())
	gone(t, running)
}

// Handlers that hang take up their places until they come back, and not one more.
func TestHandlersThatHangKeepTheirPlaces(t *testing.T) {
	const room = 3
	f := newFake(0)
	f.hold = make(chan struct{})
	s, clock := byHand(t, f, func(o *httpapi.Options) { o.Requests = room })
	for range room {
		answer := make(chan int)
		go func() { answer <- s.post("/api/lockdown").status }()
		<-f.began
		clock.fire()
		same(t, http.StatusServiceUnavailable, <-answer)
	}
	same(t, "busy", s.post("/api/lockdown").code(t))
	close(f.hold)
	s.idle()
	same(t, http.StatusOK, s.post("/api/lockdown").status)
}

// A disk that hangs takes up the places of those who read events, and nobody else's:
// the doors are still to be seen and commanded.
func TestADiskThatHangsUnderEvents(t *testing.T) {
	const room = 3
	f := newFake(5)
	f.search = make(chan struct{})
	s, clock := byHand(t, f, func(o *httpapi.Options) { o.Requests = room })
	for range room {
		answer := make(chan int)
		go func() { answer <- s.get("/api/events").status }()
		<-f.began
		clock.fire()
		same(t, http.StatusServiceUnavailable, <-answer)
	}
	same(t, "busy", s.get("/api/events").code(t))
	for _, path := range []string{"/api/doors", "/readyz", "/api/health", "/api/tree", "/metrics"} {
		same(t, http.StatusOK, s.get(path).status)
	}
	same(t, http.StatusOK, s.post("/api/lockdown").status)
	supervisortest.Eventually(t, machine, "only the searches are under way", func() bool { return s.api.UnderWay() == room })
	close(f.search)
	s.idle()
	same(t, http.StatusOK, s.get("/api/events").status)
}

// One answer goes out, not two, and the connection ends with it.
func TestAnAnswerAfterTheDeadlineGoesNowhere(t *testing.T) {
	f := newFake(0)
	f.hold = make(chan struct{})
	s, clock := byHand(t, f)
	c := s.dial()
	fmt.Fprintf(c, "POST /api/lockdown HTTP/1.1\r\nHost: localhost:%s\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\n\r\n", s.port, token)
	<-f.began
	clock.fire()
	f.hold <- struct{}{}
	text, err := io.ReadAll(c)
	if err != nil || strings.Count(string(text), "HTTP/1.1") != 1 || !strings.Contains(string(text), "503") || strings.Contains(string(text), "results") {
		t.Errorf("%v\n%s", err, text)
	}
}

// Deadlines that fire while answers go out, as they like: every client has one
// whole answer, or none, and nobody has that of another's request.
func TestDeadlinesBesideAnswers(t *testing.T) {
	s, clock := byHand(t, newFake(3))
	transport := &http.Transport{MaxIdleConnsPerHost: 4}
	defer transport.CloseIdleConnections()
	s.client = &http.Client{Transport: transport}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				clock.fire()
			}
		}
	}()
	whole := 0
	for range 2000 {
		resp, err := s.client.Get(s.url + "/api/doors")
		if err != nil {
			continue
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		switch {
		case err != nil: // cut off
		case resp.StatusCode == http.StatusOK && strings.Contains(string(text), `"front"`) && strings.HasSuffix(string(text), "}\n"):
			whole++
		case resp.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(text), `"deadline"`):
		default:
			t.Fatalf("%d %s", resp.StatusCode, text)
		}
	}
	close(stop)
	<-stopped
	if whole == 0 {
		t.Error("no answer was whole")
	}
	s.idle()
}

// A panic is an answer without its insides, one event, one line in the log with a
// bounded stack, and no harm to the next request. A thousand of a route within a
// minute are told once more, with their number.
func TestAPanic(t *testing.T) {
	var log strings.Builder
	f := newFake(0)
	f.throw = errors.New("secret place")
	s, clock := byHand(t, f, func(o *httpapi.Options) { o.Log = zerolog.New(&log) })
	clock.freeze(machine.Now())
	for range 1000 {
		r := s.post("/api/lockdown")
		if r.status != http.StatusInternalServerError || r.code(t) != "internal_error" || strings.Contains(r.body, "secret") || strings.Contains(r.body, "goroutine") {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	same(t, []string{"1 of POST /api/lockdown: panic: *errors.errorString"}, f.failed)
	clock.freeze(clock.Now().Add(time.Minute))
	s.post("/api/lockdown")
	s.post("/api/normal")
	s.post("/api/doors/front/lock")
	if len(f.failed) != 4 {
		t.Fatalf("%d events", len(f.failed))
	}
	same(t, []string{
		"1 of POST /api/lockdown: panic: *errors.errorString", "1000 of POST /api/lockdown: panic: *errors.errorString",
		"1 of POST /api/normal: panic: *errors.errorString", "1 of POST /api/doors/{id}/{action}: panic: *errors.errorString",
	}, f.failed)
	if text := log.String(); strings.Count(text, "\n") != 4 || !strings.Contains(text, "secret place") || !strings.Contains(text, "chain_test.go") && !strings.Contains(text, "fixture_test.go") || len(text) > 4*6<<10 {
		t.Errorf("%d bytes of log\n%.5000s", len(text), text)
	}
	same(t, "1003", s.metric("gatehouse_http_panics_total"))
	clock.freeze(time.Time{})
	s.idle()
	same(t, http.StatusOK, s.get("/api/doors").status)
}

// outOfRange is what Go's runtime throws, with a card's number in it.
func outOfRange() (thrown any) {
	defer func() { thrown = recover() }()
	card, list := 4711, []int{1}
	return list[card]
}

type unprintable struct{}

func (unprintable) String() string { panic("no") }

// Whatever is thrown is told in a bounded text, all of it in the log; in the event,
// which goes to other systems, without its values.
func TestWhatIsThrown(t *testing.T) {
	for name, row := range map[string]struct {
		throw       any
		event, text string
	}{
		"runtime error": {outOfRange(), "runtime.boundsError: runtime error: index out of range [#] with length #", "index out of range [4711] with length 1"},
		"long text":     {strings.Repeat("x", 1e6), "string", strings.Repeat("x", 200) + "..."},
		"half a letter": {strings.Repeat("x", 199) + "ä", "string", strings.Repeat("x", 199) + "..."},
		"unprintable":   {unprintable{}, "httpapi_test.unprintable", "PANIC=String method"},
		"number":        {4711, "int", "4711"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(0)
			f.throw = row.throw
			var log strings.Builder
			s, _ := byHand(t, f, func(o *httpapi.Options) { o.Log = zerolog.New(&log) })
			same(t, http.StatusInternalServerError, s.post("/api/lockdown").status)
			same(t, []string{"1 of POST /api/lockdown: panic: " + row.event}, f.failed)
			if !strings.Contains(log.String(), row.text) || len(log.String()) > 6<<10 {
				t.Errorf("the log: %.1000s", log.String())
			}
		})
	}
}

// What aborts on purpose is no fault; what panics after its client was answered is
// one, and writes nothing more.
func TestPanicsThatAreNotAnswered(t *testing.T) {
	aborts := newFake(0)
	aborts.throw = http.ErrAbortHandler
	s, _ := byHand(t, aborts)
	if resp, err := s.client.Do(s.request(t.Context(), http.MethodPost, "/api/lockdown", nil, "Authorization", "Bearer "+token)); err == nil {
		resp.Body.Close()
		t.Errorf("answered: %s", resp.Status)
	}
	s.idle()
	failed, _ := aborts.told()
	same(t, nil, failed)
	f := newFake(0)
	f.throw, f.hold = "late", make(chan struct{})
	s, clock := byHand(t, f)
	answer := make(chan reply)
	go func() { answer <- s.post("/api/lockdown") }()
	<-f.began
	clock.fire()
	same(t, "deadline", (<-answer).code(t))
	f.hold <- struct{}{}
	s.idle()
	failed, _ = f.told()
	same(t, []string{"1 of POST /api/lockdown: panic: string"}, failed)
}

// A stream has no deadline and takes nobody's place, and there are as many as
// there may be.
func TestStreamsAreExemptAndCounted(t *testing.T) {
	f := newFake(3)
	s, clock := byHand(t, f, func(o *httpapi.Options) { o.Requests, o.Streams = 1, 2 })
	first := s.listen("/api/events/stream?after=0")
	second := s.listen("/api/events?after=0", "Accept", "text/event-stream")
	for n := range 3 {
		same(t, uint64(n+1), first.next())
		same(t, uint64(n+1), second.next())
	}
	same(t, 0, clock.waiting())
	clock.fire()
	s.idle()
	same(t, "too_many_streams", s.get("/api/events/stream?after=0").code(t))
	f.add(1)
	same(t, uint64(4), first.next())
	same(t, uint64(4), second.next())
}

func (s *site) dial() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", "127.0.0.1:"+s.port)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(machine.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// clients are all that a client can do wrong.
var clients = map[string]func(s *site, f *fake, clock *hand){
	"slow body": func(s *site, _ *fake, clock *hand) {
		c := s.dial()
		defer c.Close()
		s.begin(c, "POST /api/lockdown", "Content-Length: 100")
		fmt.Fprint(c, "{")
		s.atWork(clock)
		clock.fire()
		s.idle() // nobody waits for the rest of it
		s.wants(c, "503")
	},
	"no body": func(s *site, _ *fake, clock *hand) {
		c := s.dial()
		s.begin(c, "POST /api/lockdown", "Content-Length: 100")
		s.atWork(clock)
		c.Close()
	},
	"stranger with a slow body": func(s *site, _ *fake, _ *hand) {
		c := s.dial()
		defer c.Close()
		fmt.Fprintf(c, "POST /api/lockdown HTTP/1.1\r\nHost: localhost:%s\r\nContent-Length: 100\r\n\r\n{", s.port)
		s.wants(c, "401")
	},
	"endless body": func(s *site, _ *fake, _ *hand) {
		c := s.dial()
		defer c.Close()
		s.begin(c, "POST /api/lockdown", "Transfer-Encoding: chunked")
		fmt.Fprintf(c, "2000\r\n%s\r\n", strings.Repeat("x", 0x2000))
		s.wants(c, "413")
	},
	"half a head": func(s *site, _ *fake, _ *hand) {
		c := s.dial()
		fmt.Fprint(c, "GET /api/doors HTTP/1.1\r\nHo")
		c.Close()
	},
	"reset": func(s *site, _ *fake, _ *hand) {
		c := s.dial()
		s.begin(c, "GET /api/doors")
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	},
	"reset while it hangs": func(s *site, f *fake, clock *hand) {
		c := s.dial()
		s.begin(c, "POST /api/normal", "Content-Length: 0")
		<-f.began
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
		clock.fire()
		f.hold <- struct{}{}
	},
	"garbage": func(s *site, _ *fake, _ *hand) {
		c := s.dial()
		defer c.Close()
		_, _ = c.Write([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"))
		s.wants(c, "400")
	},
	"slow reader": func(s *site, _ *fake, clock *hand) {
		c := s.dial()
		s.begin(c, "GET /api/tree", "Accept: text/plain")
		s.wants(c, "200")
		s.atWork(clock)
		clock.fire()
		s.idle() // its handler is cut off before a byte more is read
		if n, err := io.Copy(io.Discard, c); err == nil && n >= hugeText {
			s.t.Error("it was not cut off")
		}
		c.Close()
	},
}

// hugeText is more than the kernel takes for a client that does not read.
const hugeText = 16 << 20

func (s *site) begin(c net.Conn, request string, header ...string) {
	fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: localhost:%s\r\nAuthorization: Bearer %s\r\n%s\r\n\r\n",
		request, s.port, token, strings.Join(append(header, "X-End: 1"), "\r\n"))
}

// atWork waits until a request is past all that refuses.
func (s *site) atWork(clock *hand) {
	s.t.Helper()
	supervisortest.Eventually(s.t, machine, "a request is at work", func() bool { return clock.waiting() > 0 })
}

func (s *site) wants(c net.Conn, status string) {
	s.t.Helper()
	line, err := bufio.NewReaderSize(c, 16).ReadString('\n')
	if !strings.HasPrefix(line, "HTTP/1.1 "+status) {
		s.t.Fatalf("%q %v, want %s", line, err, status)
	}
}

// Whatever clients do, a thousand times: nothing is left of them, and the next
// one is served.
func TestClientsThatMisbehave(t *testing.T) {
	for name, misbehave := range clients {
		t.Run(name, func(t *testing.T) {
			cycles := 1000
			f := newFake(0)
			if name == "slow reader" {
				f.text, cycles = strings.Repeat("x", hugeText), 50 // each costs a few MB of the kernel's memory
			}
			if name == "reset while it hangs" {
				f.hold = make(chan struct{})
			}
			s, clock := byHand(t, f)
			s.get("/healthz")
			running := goleak.IgnoreCurrent()
			for range cycles {
				misbehave(s, f, clock)
			}
			s.idle()
			supervisortest.Eventually(t, machine, "no deadline waits", func() bool { return clock.waiting() == 0 })
			gone(t, running)
			same(t, http.StatusOK, s.get("/api/doors").status)
			failed, _ := f.told()
			same(t, nil, failed)
		})
	}
}
